/**
 * The streams of a peer that may have something to report: statuses and stops, or an unreliable message to give up.
 * Those that were touched are looked at; others cost nothing until their time, or until a packet comes.
 *
 * @module
 */

import type { RepeatPace, RttEstimator } from "@x/stream"
import * as wire from "@x/wire"
import type { ControlWriter } from "../datagram/control-writer.ts"
import { DueQueue } from "../schedule/due-queue.ts"
import type { IncomingState } from "./incoming-state.ts"

/** How reports reach the peer. */
interface ReportedPeer {
  readonly rtt: RttEstimator
  readonly pace: RepeatPace
}

export class IncomingReports {
  readonly #peer: ReportedPeer
  /** Those that are to be looked at, each once; some of them are over. */
  readonly #touched: IncomingState[] = []
  /** Those that have something to say later. */
  readonly #waiting = new DueQueue<IncomingState>()
  #over = 0

  constructor(peer: ReportedPeer) {
    this.#peer = peer
  }

  get count(): number {
    return this.#touched.length - this.#over + this.#waiting.count
  }

  add(state: IncomingState): void {
    if (state.isReporting || state.isRemoved) return
    state.isReporting = true
    this.#waiting.remove(state)
    this.#touched.push(state)
  }

  /** It is over, and says nothing more. */
  delete(state: IncomingState): void {
    this.#waiting.remove(state)
    if (state.isReporting) this.#over++
    state.isReporting = false
  }

  #touchDue(nowMs: number): void {
    for (let due = this.#waiting.takeDue(nowMs); due !== undefined; due = this.#waiting.takeDue(nowMs)) this.add(due)
  }

  /** Packets that aren't acknowledged yet are acknowledged in the next datagrams. */
  hurry(): void {
    this.#touchDue(Infinity)
    for (const { stream, isReporting } of this.#touched) if (isReporting) stream.hurry()
  }

  /** Writes the statuses and stops that are due; `false`: the socket is full. `status` is scratch. */
  compose(control: ControlWriter, status: wire.Status, nowMs: number): boolean {
    this.#touchDue(nowMs)
    for (const state of this.#touched) {
      if (!state.isReporting) continue
      if (!control.hasRoom()) return false
      this.#composeStop(state, control, nowMs)
      const { stream } = state
      if (stream.state !== "open") continue
      state.tellRoom()
      const rangesMax = Math.floor((control.bodyBytesMax - wire.STATUS_HEADER_BYTES) / wire.RANGE_BYTES)
      if (!stream.pollStatus(nowMs, status, rangesMax)) continue
      const body = control.begin(wire.KIND.status, wire.statusBytes(status))
      control.finish(wire.writeStatus(control.view, body, status))
    }
    return true
  }

  #composeStop({ id, stopping }: IncomingState, control: ControlWriter, nowMs: number): void {
    if (stopping.dueMs > nowMs) return
    const { reason } = stopping
    const body = control.begin(wire.KIND.stop, wire.STOP_BYTES)
    control.finish(wire.writeStop(control.view, body, { stream: id, reason }))
    stopping.said(nowMs, this.#peer.rtt.ptoMs, this.#peer.pace)
  }

  /** Gives up unreliable messages without progress. */
  handleTimeout(nowMs: number): void {
    this.#touchDue(nowMs)
    for (const { assembler } of this.#touched) if (assembler.nextTimeoutMs <= nowMs) assembler.handleTimeout(nowMs)
  }

  /** When there is something to report or to give up; until then nothing is looked at, unless it is touched. */
  nextTimeoutMs(): number {
    for (const state of this.#touched) {
      if (!state.isReporting) continue
      state.isReporting = false
      const sayMs = this.#peer.pace.isPaused ? Infinity : state.sayMs
      this.#waiting.set(state, Math.min(sayMs, state.assembler.nextTimeoutMs))
    }
    this.#touched.length = this.#over = 0
    return this.#waiting.nextMs
  }
}
