/**
 * Whether a peer is there, and what follows when that changes: its silence is judged, it is back, it leaves or is left.
 * Its streams end before the application is told, and it is told once.
 *
 * @module
 */

import { REASON, type ReasonText } from "@x/wire"
import type { Association } from "../path/association.ts"
import type { Path } from "../path/path.ts"
import type { Goodbye } from "./goodbye.ts"
import type { Liveness, LivenessState } from "./liveness.ts"
import type { PeerContext } from "./peer-context.ts"
import type { Timer, Timers } from "./timers.ts"

/** A peer, as its presence concerns it. */
export interface PresentPeer {
  readonly path: Path
  readonly rtt: { readonly ptoMs: number }
  readonly pace: { isPaused: boolean }
  /** Whether the application was told of it. */
  readonly isAnnounced: boolean
  /** All that it has, also those that are retiring. */
  readonly associations: readonly Association[]
  readonly outgoing: {
    handleReachable(isReachable: boolean, nowMs: number): void
    close(reason: number, nowMs: number): void
  }
  readonly incoming: { handleReachable(nowMs: number): void; close(reason: number): void }
}

/** The machines that know what is due, and what is given back at the end. */
export interface PresenceParts {
  readonly liveness: Liveness
  readonly goodbye: Goodbye
  readonly timers: Pick<Timers, "isDue">
  readonly answers: { release(): void }
}

export class Presence<P extends PresentPeer> {
  /** Asks the protocol for a join to this peer's address, to learn which incarnation is there. */
  isProbeWanted = false
  readonly #peer: P
  readonly #context: Pick<PeerContext<P>, "events" | "forsake" | "wake" | "transport">
  readonly #parts: PresenceParts

  constructor(
    peer: P,
    context: Pick<PeerContext<P>, "events" | "forsake" | "wake" | "transport">,
    parts: PresenceParts,
  ) {
    this.#peer = peer
    this.#context = context
    this.#parts = parts
  }

  get state(): LivenessState {
    return this.#parts.liveness.state
  }

  /** Whether it is neither leaving nor gone. */
  get isThere(): boolean {
    return this.#parts.liveness.isThere
  }

  /** Any genuine datagram shows that it lives. */
  heard(nowMs: number): void {
    if (this.#parts.liveness.heard()) this.#revived(nowMs)
  }

  /** Another association is in use: it has joined again. */
  revive(nowMs: number): void {
    if (this.#parts.liveness.revive()) this.#revived(nowMs)
  }

  #revived(nowMs: number): void {
    const { pace, outgoing, incoming } = this.#peer
    pace.isPaused = false
    outgoing.handleReachable(true, nowMs)
    incoming.handleReachable(nowMs)
    this.#context.events.push({ kind: "reachable", peer: this.#peer })
  }

  /** Judges its silence. */
  judge(association: Association, nowMs: number): void {
    if (this.#isDue("silence", association, nowMs)) this.#lose(nowMs)
    if (this.#isDue("absence", association, nowMs)) return this.end(REASON.timeout, "", nowMs)
    if (this.#isDue("probe", association, nowMs)) {
      this.#parts.liveness.probed(nowMs)
      this.isProbeWanted = true
    }
  }

  /** This much of its silence is due to our own absence. */
  excuse(absentMs: number, nowMs: number): void {
    for (const association of this.#peer.associations)
      association.lastReceivedMs = Math.min(nowMs, association.lastReceivedMs + absentMs)
  }

  #lose(nowMs: number): void {
    const { path, pace, outgoing } = this.#peer
    this.#parts.liveness.lose()
    pace.isPaused = true
    outgoing.handleReachable(false, nowMs)
    // What the path drops now may be what has a mark.
    path.testMarks()
    this.#context.events.push({ kind: "unreachable", peer: this.#peer })
  }

  /** It says goodbye, or has answered ours. `wanted`: it wants an answer. */
  handleGoodbye({ reason, text }: ReasonText, wanted: boolean, nowMs: number): void {
    const { liveness, goodbye } = this.#parts
    if (wanted) goodbye.isAnswerOwed = true
    if (liveness.isThere) this.#leave("leaving", { reason, text }, nowMs)
    // Stays long enough to answer a goodbye that crossed ours.
    if (liveness.state === "leaving") goodbye.heard(3 * this.#peer.rtt.ptoMs, nowMs)
    this.#context.wake(this.#peer)
  }

  /** Says goodbye until it is answered; the streams close at once. */
  leave(why: ReasonText, nowMs: number): void {
    if (!this.isThere) return
    this.#leave("leaving", why, nowMs)
    this.#parts.goodbye.begin(why, nowMs)
    this.#context.wake(this.#peer)
  }

  /** Ends without a goodbye: the peer is gone, or another state replaces it. */
  end(reason: number, text: string, nowMs: number): void {
    if (this.isThere) this.#leave("left", { reason, text }, nowMs)
    else this.#parts.liveness.end()
  }

  #leave(to: "leaving" | "left", why: ReasonText, nowMs: number): void {
    const { liveness, answers } = this.#parts
    const { transport, events } = this.#context
    const peer = this.#peer
    if (to === "leaving") liveness.leave()
    else liveness.end()
    this.#context.forsake(peer, nowMs)
    peer.outgoing.close(why.reason, nowMs)
    peer.incoming.close(why.reason)
    if (!peer.isAnnounced) return
    answers.release()
    const { association } = peer.path
    // The address's number may have been reused by the time of the event.
    const address = association && transport.addressOf(association.address)
    events.push({ kind: "left", peer, why, address })
  }

  /** Whether nothing more has to be sent: the goodbye was answered, or no peer is left to answer it. */
  get isSettled(): boolean {
    return this.state === "left" || (this.state === "leaving" && !this.#parts.goodbye.isActive)
  }

  /** Whether the goodbye is over: the protocol forgets the peer. */
  isGone(nowMs: number): boolean {
    const { association } = this.#peer.path
    if (this.state === "left") return true
    return this.state === "leaving" && association !== undefined && this.#isDue("forget", association, nowMs)
  }

  #isDue(timer: Timer, association: Association, nowMs: number): boolean {
    return this.#parts.timers.isDue(timer, this.#peer.path, association, nowMs)
  }
}
