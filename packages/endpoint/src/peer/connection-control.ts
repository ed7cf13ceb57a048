/**
 * Control packets of the connection itself, not of its streams: answers about the path, goodbyes, heartbeats.
 *
 * @module
 */

import type { RepeatPace, RttEstimator } from "@x/stream"
import * as wire from "@x/wire"
import type { ControlWriter } from "../datagram/control-writer.ts"
import type { Association } from "../path/association.ts"
import type { Path } from "../path/path.ts"
import type { Goodbye } from "./goodbye.ts"
import type { Pings } from "./pings.ts"
import type { RateAsked } from "./rate-asked.ts"
import type { Timer, Timers } from "./timers.ts"

/** A peer, as these packets see it. */
export interface ControlledPeer {
  readonly path: Path
  readonly rtt: RttEstimator
  readonly pace: RepeatPace
  readonly limits: wire.Limits
}

/** The machines that know what is due. */
export interface ConnectionControlParts {
  readonly timers: Timers
  readonly goodbye: Goodbye
  readonly pings: Pings
  readonly rate: RateAsked
}

export class ConnectionControl {
  readonly #peer: ControlledPeer
  readonly #control: ControlWriter
  readonly #parts: ConnectionControlParts

  constructor(peer: ControlledPeer, control: ControlWriter, parts: ConnectionControlParts) {
    this.#peer = peer
    this.#control = control
    this.#parts = parts
  }

  /** Writes what is due, as far as the socket has room. */
  compose(association: Association, nowMs: number): void {
    const { pings } = this.#parts
    const control = this.#control
    if (!this.#composeGoodbye(association, nowMs) || !this.#composeRate(association, nowMs)) return
    const isWanted =
      this.#isDue("heartbeat", association, nowMs) ||
      this.#isDue("shut", association, nowMs) ||
      this.#isDue("ping", association, nowMs) ||
      pings.hasUnsaid
    if (!isWanted && !pings.isEchoOwed) return
    if (!control.hasRoom()) return
    // Without a body it can only be the last packet of its datagram.
    control.begin(wire.KIND.heartbeat | (isWanted ? wire.FLAG_WANTED : 0), 0)
    pings.sent(association.nextCounter)
    // A heartbeat that only answers asks nothing.
    if (!isWanted) return
    this.#peer.path.gate.shutProbed(nowMs)
    pings.asked(nowMs, this.#peer.rtt.ptoMs + this.#peer.limits.statusDelayMs, this.#peer.pace)
  }

  /** `false`: the socket is full. */
  #composeGoodbye(association: Association, nowMs: number): boolean {
    const { goodbye } = this.#parts
    const control = this.#control
    const isAsking = this.#isDue("goodbye", association, nowMs)
    if (!isAsking && !goodbye.isAnswerOwed) return true
    if (!control.hasRoom()) return false
    const body = control.begin(wire.KIND.goodbye | (isAsking ? wire.FLAG_WANTED : 0), 2 + wire.TEXT_BYTES_MAX)
    control.finish(wire.writeReasonText(control.view, body, goodbye.why(isAsking)))
    goodbye.said(isAsking, nowMs, this.#peer.rtt.ptoMs)
    return true
  }

  /** `false`: the socket is full. */
  #composeRate(association: Association, nowMs: number): boolean {
    const { rate } = this.#parts
    const { answerOwed } = rate
    if (answerOwed !== undefined) {
      if (!this.#writeRate(wire.KIND.rate, answerOwed)) return false
      rate.answerOwed = undefined
    }
    if (!this.#isDue("rate", association, nowMs)) return true
    if (!this.#writeRate(wire.KIND.rate | wire.FLAG_WANTED, rate.asked)) return false
    rate.said(nowMs, this.#peer.rtt.ptoMs + this.#peer.limits.statusDelayMs, this.#peer.pace)
    return true
  }

  #writeRate(flags: number, rate: wire.Rate): boolean {
    const control = this.#control
    if (!control.hasRoom()) return false
    const body = control.begin(flags, wire.RATE_BYTES)
    control.finish(wire.writeRate(control.view, body, rate))
    return true
  }

  #isDue(timer: Timer, association: Association, nowMs: number): boolean {
    return this.#parts.timers.isDue(timer, this.#peer.path, association, nowMs)
  }
}
