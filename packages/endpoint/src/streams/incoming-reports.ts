/**
 * The streams of a peer that may have something to report: statuses and stops, or an unreliable message to give up.
 * Those that were touched are looked at; others cost nothing until their time, or until a packet comes. Of many only as
 * many are looked at as the budget allows, the others later, in their order.
 *
 * @module
 */

import type { RepeatPace, RttEstimator } from "@x/stream"
import { DueQueue } from "@x/transport/host"
import * as wire from "@x/wire"
import type { ControlWriter } from "../datagram/control-writer.ts"
import type { IncomingState } from "./incoming-state.ts"
import { ReportBudget } from "./report-budget.ts"

/** What a look at a stream costs, and a packet that is written about it, in rows of a list of gaps. */
const LOOK_ROWS = 3
const REPORT_ROWS = 8

/** How reports reach the peer. */
interface ReportedPeer {
  readonly rtt: RttEstimator
  readonly pace: RepeatPace
}

export class IncomingReports {
  readonly #peer: ReportedPeer
  /** Those that are to be looked at, each once; some of them were, or are over. */
  readonly #touched: IncomingState[] = []
  /** Those that have something to say later. */
  readonly #waiting = new DueQueue<IncomingState>()
  /** Those that are to be looked at, and were not waiting: a touch alone moves none of those that wait. */
  #others = 0
  readonly #budget = new ReportBudget()
  /** Not all could be looked at: the others are, once the budget allows it. */
  #isLate = false

  constructor(peer: ReportedPeer) {
    this.#peer = peer
  }

  get count(): number {
    return this.#others + this.#waiting.count
  }

  /** A datagram came from the peer. */
  heard(nowMs: number): void {
    this.#budget.heard(nowMs)
  }

  add(state: IncomingState): void {
    if (state.isReporting || state.isRemoved) return
    state.isReporting = true
    if (state.heapIndex < 0) this.#others++
    this.#touched.push(state)
  }

  /** The next one that is due is to be looked at. */
  #takeDue(nowMs: number): IncomingState | undefined {
    const due = this.#waiting.takeDue(nowMs)
    if (due?.isReporting === true) this.#others++
    else if (due !== undefined) this.add(due)
    return due
  }

  /** It is over, and says nothing more. */
  delete(state: IncomingState): void {
    if (state.isReporting && state.heapIndex < 0) this.#others--
    this.#waiting.remove(state)
    state.isReporting = false
  }

  /** Packets that aren't acknowledged yet are acknowledged in the next datagrams. */
  hurry(): void {
    while (this.#takeDue(Infinity) !== undefined) {}
    for (const { stream, isReporting } of this.#touched) if (isReporting) stream.hurry()
  }

  /**
   * Writes the statuses and stops that are due; `false`: the socket is full. `status` is scratch. `isLast`: there won't
   * be another time.
   */
  compose(control: ControlWriter, status: wire.Status, nowMs: number, isLast: boolean = false): boolean {
    const touched = this.#touched
    const budget = this.#budget
    this.#isLate = false
    let looked = 0
    let isFull = false
    for (;;) {
      if (looked === touched.length && (isLast || this.#takeDue(nowMs) === undefined)) break
      const state = touched[looked]!
      if (state.isReporting) {
        this.#isLate = !isLast && !budget.hasLeft(nowMs)
        isFull = !control.hasRoom()
        if (this.#isLate || isFull) break
        this.#look(state, control, status, nowMs)
      }
      looked++
    }
    touched.splice(0, looked)
    return !isFull
  }

  #look(state: IncomingState, control: ControlWriter, status: wire.Status, nowMs: number): void {
    const { stream, assembler } = state
    const before = stream.steps
    if (assembler.nextTimeoutMs <= nowMs) assembler.handleTimeout(nowMs)
    const hasSaid = this.#write(state, control, status, nowMs)
    this.#settle(state)
    this.#budget.spend(LOOK_ROWS + (hasSaid ? REPORT_ROWS : 0) + stream.steps - before)
  }

  /** Returns whether there was anything to write. */
  #write(state: IncomingState, control: ControlWriter, status: wire.Status, nowMs: number): boolean {
    const { stream, stopping } = state
    const isStopDue = stopping.dueMs <= nowMs
    if (isStopDue) this.#composeStop(state, control, nowMs)
    if (stream.state !== "open") return isStopDue
    state.tellRoom()
    const rangesMax = Math.floor((control.bodyBytesMax - wire.STATUS_HEADER_BYTES) / wire.RANGE_BYTES)
    if (!stream.pollStatus(nowMs, status, rangesMax)) return isStopDue
    const body = control.begin(wire.KIND.status, wire.statusBytes(status))
    control.finish(wire.writeStatus(control.view, body, status))
    return true
  }

  #composeStop({ id, stopping }: IncomingState, control: ControlWriter, nowMs: number): void {
    const { reason } = stopping
    const body = control.begin(wire.KIND.stop, wire.STOP_BYTES)
    control.finish(wire.writeStop(control.view, body, { stream: id, reason }))
    stopping.said(nowMs, this.#peer.rtt.ptoMs, this.#peer.pace)
  }

  /** Gives up unreliable messages without progress: also while nothing is written, since the peer is silent. */
  handleTimeout(nowMs: number): void {
    if (!this.#peer.pace.isPaused) return
    for (let due = this.#takeDue(nowMs); due !== undefined; due = this.#takeDue(nowMs)) {
      if (due.assembler.nextTimeoutMs <= nowMs) due.assembler.handleTimeout(nowMs)
    }
  }

  /** It was looked at, and is again at its time. */
  #settle(state: IncomingState): void {
    if (!state.isReporting) return
    state.isReporting = false
    if (state.heapIndex < 0) this.#others--
    const sayMs = this.#peer.pace.isPaused ? Infinity : state.sayMs
    this.#waiting.set(state, Math.min(sayMs, state.assembler.nextTimeoutMs))
  }

  #settleTouched(): void {
    const touched = this.#touched
    // Mostly it is one. To set its length is a call of V8's runtime, and gives back its memory.
    if (touched.length === 1) return this.#settle(touched.pop()!)
    for (const state of touched) this.#settle(state)
    if (touched.length > 0) touched.length = 0
  }

  /** When there is something to report or to give up; until then nothing is looked at, unless it is touched. */
  nextTimeoutMs(): number {
    if (this.#isLate && !this.#peer.pace.isPaused) return this.#budget.nextMs
    this.#isLate = false
    this.#settleTouched()
    return this.#waiting.nextMs
  }
}
