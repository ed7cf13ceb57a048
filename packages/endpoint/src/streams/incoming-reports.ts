/**
 * The streams of a peer that may have something to report: statuses and stops, or an unreliable message to give up.
 * Other streams cost nothing until a packet comes.
 *
 * @module
 */

import type { RepeatPace, RttEstimator } from "@x/stream"
import * as wire from "@x/wire"
import type { ControlWriter } from "../datagram/control-writer.ts"
import type { IncomingState } from "./incoming-state.ts"

/** How reports reach the peer. */
interface ReportedPeer {
  readonly rtt: RttEstimator
  readonly pace: RepeatPace
}

export class IncomingReports {
  readonly #peer: ReportedPeer
  readonly #states: IncomingState[] = []

  constructor(peer: ReportedPeer) {
    this.#peer = peer
  }

  get count(): number {
    return this.#states.length
  }

  add(state: IncomingState): void {
    if (state.isReporting) return
    state.isReporting = true
    this.#states.push(state)
  }

  delete(state: IncomingState): void {
    if (state.isReporting) this.#states.splice(this.#states.indexOf(state), 1)
    state.isReporting = false
  }

  /** Packets that aren't acknowledged yet are acknowledged in the next datagrams. */
  hurry(): void {
    for (const { stream } of this.#states) stream.hurry()
  }

  /** Writes the statuses and stops that are due; `false`: the socket is full. `status` is scratch. */
  compose(control: ControlWriter, status: wire.Status, nowMs: number): boolean {
    for (const state of this.#states) {
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
    for (const { assembler } of this.#states) if (assembler.nextTimeoutMs <= nowMs) assembler.handleTimeout(nowMs)
  }

  /** When there is something to report or to give up; streams without are dropped from the list. */
  nextTimeoutMs(): number {
    const states = this.#states
    let next = Infinity
    let kept = 0
    for (let i = 0; i < states.length; i++) {
      const state = states[i]!
      const due = Math.min(this.#peer.pace.isPaused ? Infinity : state.sayMs, state.assembler.nextTimeoutMs)
      if (due === Infinity) {
        state.isReporting = false
        continue
      }
      next = Math.min(next, due)
      states[kept++] = state
    }
    if (kept < states.length) states.length = kept
    return next
  }
}
