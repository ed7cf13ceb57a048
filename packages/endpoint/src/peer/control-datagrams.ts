/**
 * What is sent to a peer beside data, and in which order: challenges and their answers, the control packets of its
 * streams and of the connection, feedback if nothing else carries it, probes of the MTU.
 *
 * @module
 */

import * as wire from "@x/wire"
import type { ControlWriter } from "../datagram/control-writer.ts"
import type { Outbox } from "../datagram/outbox.ts"
import type { Association } from "../path/association.ts"
import type { ConnectionControl, ControlledPeer } from "./connection-control.ts"
import type { FeedbackOwed } from "./feedback-owed.ts"
import type { LivenessState } from "./liveness.ts"
import type { Moves } from "./moves.ts"
import { postMtuProbes } from "./mtu-probes.ts"
import type { PathAnswers } from "./path-answers.ts"
import type { Timer, Timers } from "./timers.ts"

/** Streams in one direction, with control packets that repeat. */
interface ControlledStreams {
  /** Control packets that are repeated until they are answered. */
  readonly repeating: number
  /** Writes what is due. `false`: the socket is full. `isLast`: all of it, since there may be no other time. */
  compose(control: ControlWriter, nowMs: number, isLast?: boolean): boolean
}

export interface ControlDatagramsPeer extends ControlledPeer {
  readonly liveness: LivenessState
  readonly outgoing: ControlledStreams & { composeProbe(control: ControlWriter, nowMs: number): void }
  readonly incoming: ControlledStreams & { hurry(): void }
}

export interface ControlDatagramsParts {
  readonly outbox: Outbox
  readonly control: ControlWriter
  readonly timers: Pick<Timers, "isDue">
  readonly feedback: FeedbackOwed
  readonly moves: Pick<Moves, "compose">
  readonly answers: PathAnswers
  readonly connection: Pick<ConnectionControl, "compose">
}

export class ControlDatagrams {
  readonly #peer: ControlDatagramsPeer
  readonly #parts: ControlDatagramsParts

  constructor(peer: ControlDatagramsPeer, parts: ControlDatagramsParts) {
    this.#peer = peer
    this.#parts = parts
  }

  /** The answers that are owed about the path. */
  get answers(): PathAnswers {
    return this.#parts.answers
  }

  /** Writes what is due, as far as the socket has room. */
  write(association: Association, nowMs: number): void {
    const { outbox, control, feedback, moves, answers } = this.#parts
    const { path, pace, outgoing, incoming } = this.#peer
    moves.compose(association, nowMs)
    answers.postResponses(outbox, association, nowMs)
    control.start(association, this.#bytesMax(), nowMs)
    pace.share(outgoing.repeating + incoming.repeating)
    this.#compose(association, nowMs)
    if (this.#isDue("feedback", association, nowMs) && !control.hasBegun && control.hasRoom()) control.beginDatagram()
    control.post()
    if (control.hasBegun) feedback.said(nowMs, path.gate.isRestless(nowMs))
    path.handleSent(0, control.largestBytes, nowMs)
    answers.postProbeAnswers(outbox, association, nowMs)
    if (this.#isDue("mtu", association, nowMs)) postMtuProbes(path, outbox, association, nowMs)
  }

  #compose(association: Association, nowMs: number): void {
    const { control, connection } = this.#parts
    const { liveness, outgoing, incoming } = this.#peer
    // A silent peer gets one datagram now and then, however many streams it has.
    if (liveness === "unreachable") {
      if (this.#isDue("heartbeat", association, nowMs)) outgoing.composeProbe(control, nowMs)
      connection.compose(association, nowMs)
    } else if (incoming.compose(control, nowMs) && outgoing.compose(control, nowMs)) {
      connection.compose(association, nowMs)
    }
  }

  /**
   * Sends now, as far as the socket allows, what the streams from the peer haven't acknowledged: soon nothing more may
   * be sent for them.
   */
  acknowledge(association: Association | undefined, nowMs: number): void {
    const { control } = this.#parts
    const { incoming } = this.#peer
    incoming.hurry()
    if (association === undefined) return
    control.start(association, this.#bytesMax(), nowMs)
    incoming.compose(control, nowMs, true)
    control.post()
  }

  /** Control packets gain nothing from more, and would be lost with a size that the path no longer carries. */
  #bytesMax(): number {
    return Math.min(this.#peer.path.size.datagramBytesMax, wire.DATAGRAM_BYTES_BASE)
  }

  #isDue(timer: Timer, association: Association, nowMs: number): boolean {
    return this.#parts.timers.isDue(timer, this.#peer.path, association, nowMs)
  }
}
