/**
 * Joining, from both sides (PROTOCOL.md §7): our own joins under way, and the joins of others until they are confirmed.
 * `pollEvent` returns the results, for the owner of the peers.
 *
 * @module
 */

import type { Transport } from "@x/transport/host"
import * as wire from "@x/wire"
import type { Outbox } from "../datagram/outbox.ts"
import { NO_IDENTITY } from "../keys/identity.ts"
import { JOIN_KEY_OFFSET, type SealedHandshakes } from "../keys/sealed-handshakes.ts"
import type { Associations } from "../path/associations.ts"
import type { Session } from "../path/session.ts"
import { TokenBucket } from "../schedule/token-bucket.ts"
import type { Settings } from "../settings.ts"
import type { CookieHost } from "./cookie.ts"
import type { Established, JoinEvent, JoinSlots, KnownPeers } from "./established.ts"
import { Copies } from "./copies.ts"
import { Doubts } from "./doubts.ts"
import { type HalfOpen, HalfOpenTable } from "./half-open.ts"
import { HandshakeReader, type ReceivedDatagram } from "./handshake-reader.ts"
import { HandshakeWriter, type OwnParts, ZERO_SEED } from "./handshake-writer.ts"
import type { JoinCall, PendingJoin } from "./join-call.ts"
import { type JoinTarget, Ours } from "./ours.ts"
import { Sessions } from "./sessions.ts"
import { Theirs } from "./theirs.ts"

export interface JoinsParts {
  readonly own: OwnParts
  readonly settings: Settings
  readonly transport: Transport
  readonly outbox: Outbox
  readonly slots: JoinSlots
  readonly associations: Associations
  readonly peers: KnownPeers
  readonly cookies: CookieHost
  /** In profiles with keys. */
  readonly sealed: SealedHandshakes | undefined
  readonly nowMs: number
}

/**
 * Joins read a second, and at a time, in profiles with keys: to read one takes twenty times as long as to refuse it. In
 * a second that is a quarter of it, and at a time less than a handler takes.
 */
const READ_PER_SECOND = 5_000
const READ_BURST = 128
/** And those whose public key was seen before. They have a budget of their own: copies leave that of others alone. */
const COPIES_PER_SECOND = 500
const COPIES_BURST = 48

export class Joins {
  readonly #unique: Uint8Array
  readonly #sealed: SealedHandshakes | undefined
  readonly #isKeyed: boolean
  readonly #reader: HandshakeReader
  readonly #copies = new Copies()
  readonly #firstReads: TokenBucket
  readonly #copyReads: TokenBucket
  readonly #halfOpen = new HalfOpenTable()
  readonly #ours: Ours
  readonly #theirs: Theirs

  constructor({ own, settings, transport, outbox, slots, associations, peers, cookies, sealed, nowMs }: JoinsParts) {
    const { unique } = own
    this.#unique = unique
    this.#sealed = sealed
    this.#isKeyed = sealed !== undefined
    this.#reader = new HandshakeReader(settings.profile, sealed)
    this.#firstReads = new TokenBucket(READ_PER_SECOND, READ_BURST, nowMs)
    this.#copyReads = new TokenBucket(COPIES_PER_SECOND, COPIES_BURST, nowMs)
    const shared = {
      unique,
      ...{ addresses: transport, slots, peers, associations, sealed },
      writer: new HandshakeWriter(own, outbox, sealed),
      sessions: new Sessions((out) => cookies.entropy(out), sealed !== undefined),
      halfOpen: this.#halfOpen,
      doubts: new Doubts(),
    }
    this.#ours = new Ours({ peersMax: settings.peersMax, ...shared })
    this.#theirs = new Theirs({ settings, ...shared, cookies, ours: this.#ours }, nowMs)
  }

  /** Joins of ours under way. */
  get count(): number {
    return this.#ours.count
  }

  get halfOpenCount(): number {
    return this.#halfOpen.joins
  }

  /** Their tries. */
  get halfOpenTries(): number {
    return this.#halfOpen.tries
  }

  /** How often a host already had the most half-open joins allowed. */
  get refusedOfHosts(): number {
    return this.#theirs.refusedOfHosts
  }

  /** How often a half-open join gave way to one of another host. */
  get gaveWay(): number {
    return this.#theirs.gaveWay
  }

  /** Deadlines that are kept. */
  get timers(): number {
    return this.#ours.timers + (this.#theirs.nextTimeoutMs === Infinity ? 0 : 1)
  }

  get nextTimeoutMs(): number {
    return Math.min(this.#ours.nextTimeoutMs, this.#theirs.nextTimeoutMs)
  }

  /** Returns the next event since the last call, if any. */
  pollEvent(): JoinEvent | undefined {
    return this.#ours.events.shift()
  }

  /** A caller wants a join, and waits for this long. `ask` gives the addresses. */
  call(timeoutMs: number, nowMs: number): JoinCall {
    return this.#ours.call(timeoutMs, nowMs)
  }

  ask(call: JoinCall, target: JoinTarget, nowMs: number): void {
    this.#ours.ask(call, target, nowMs)
  }

  cancel(call: JoinCall, nowMs: number): void {
    this.#ours.cancel(call, nowMs)
  }

  /** The system refused to send something to an address. */
  handleUnsent(address: number, cause: unknown, nowMs: number): void {
    this.#ours.handleUnsent(address, cause, nowMs)
  }

  /** Asks whether the peer of this session is still at this address: nothing changes unless the join completes. */
  probe(address: number, probed: Session, timeoutMs: number, nowMs: number): void {
    this.#ours.probe(address, probed, timeoutMs, nowMs)
  }

  /** Takes in a datagram outside an association; `pending` is the join of its slot, if there is one. */
  receive(datagram: ReceivedDatagram, pending: PendingJoin | undefined, nowMs: number): wire.DropReason | undefined {
    const { view, offset, address } = datagram
    const attempt = wire.prefixCounter(view, offset)
    const began = this.#isKeyed ? pending?.joiner.exchange(attempt) : undefined
    // The secret of a try may have been removed since.
    const exchange = began !== undefined && this.#sealed!.standingOf(began.psk) === "removed" ? undefined : began
    if (this.#isKeyed && pending !== undefined) {
      if (exchange === undefined || pending.joiner.candidateAt(address) === undefined) return "unexpected"
    }
    if (this.#isKeyed && pending === undefined && !this.#mayRead(datagram, nowMs)) return "rate"
    const seed = pending === undefined ? ZERO_SEED : this.#seedOf(pending, address)
    const handshake = this.#reader.read(datagram, { seed: wire.double(seed), exchange })
    if (typeof handshake === "string") return handshake
    if (handshake.kind === "join") return this.#theirs.handleJoin(handshake, nowMs)
    if (handshake.kind === "hint") {
      this.#ours.events.push({ kind: "hinted", hint: handshake.hint, address })
      return undefined
    }
    if (pending === undefined || attempt === 0 || attempt > pending.joiner.attempt) return "unexpected"
    if (handshake.kind === "challenge") return this.#ours.handleChallenge(pending, handshake, nowMs)
    if (handshake.kind === "accept") return this.#ours.handleAccept(pending, handshake, nowMs)
    return this.#ours.handleRefuse(pending, handshake, nowMs)
  }

  /** Whether a join that has passed the gate is read. */
  #mayRead({ view, offset }: ReceivedDatagram, nowMs: number): boolean {
    const key = offset + JOIN_KEY_OFFSET
    const seen = this.#copies.see(view.getInt32(key, true), view.getInt32(key + 4, true), nowMs)
    if (seen === "too-many") return false
    return (seen === "first" ? this.#firstReads : this.#copyReads).take(nowMs)
  }

  /** Answers to a join are tagged for the joiner's unique and the session it carried. */
  #seedOf({ joiner }: PendingJoin, address: number): number {
    const receiverSession = joiner.candidateAt(address)?.challenge?.session ?? NO_IDENTITY
    return wire.pseudoHeaderSeed({ receiverUnique: this.#unique, receiverSession })
  }

  /** A datagram came under a half-open association: the association is complete. */
  confirm(entry: HalfOpen, nowMs: number): Established {
    return this.#theirs.confirm(entry, nowMs)
  }

  /** An incarnation is at an address now: whatever another incarnation there began is over. */
  prefer(session: Session, address: number, nowMs: number): void {
    this.#ours.prefer(session, address, nowMs)
    this.#theirs.prefer(session, address, nowMs)
  }

  /** An association of this session is in use: joins that go on with its peer have reached their goal. */
  satisfy(session: Session, nowMs: number): void {
    this.#ours.satisfy(session, nowMs)
  }

  /** A session is over: nothing under way may bring it back. */
  drop(session: Session, nowMs: number): void {
    this.#ours.drop(session, nowMs)
    this.#theirs.drop(session, nowMs)
  }

  /** Who is half open must not be confirmed if this says so. */
  dropHalfOpen(isOver: (entry: HalfOpen) => boolean, nowMs: number): void {
    this.#theirs.dropWhere(isOver, nowMs)
  }

  /** Repeats what is due, and forgets what is unused or no longer awaited. */
  poll(nowMs: number): void {
    this.#ours.poll(nowMs)
    this.#theirs.poll(nowMs)
  }

  /** Returns and forgets half-open joins that may already have been accepted on the other side. */
  takeHalfOpen(): HalfOpen[] {
    return this.#theirs.takeAll()
  }

  /** Ends all joins and forgets half-open ones. */
  release(nowMs: number): void {
    this.#ours.release(nowMs)
    this.#theirs.release(nowMs)
  }
}
