/**
 * Our own joins under way: what they send, and how they handle the answers (PROTOCOL.md §7).
 *
 * @module
 */

import * as wire from "@x/wire"
import { isSame, toHex } from "../keys/identity.ts"
import type { SealedHandshakes } from "../keys/sealed-handshakes.ts"
import type { Association } from "../path/association.ts"
import type { Associations } from "../path/associations.ts"
import { isSameSession, type Session, type SessionNames } from "../path/session.ts"
import type { JoinEvent, KnownPeer, KnownPeers } from "./established.ts"
import type { HalfOpenTable } from "./half-open.ts"
import type { AcceptHandshake, ChallengeHandshake, RefuseHandshake } from "./handshake-reader.ts"
import type { Doubts } from "./doubts.ts"
import type { HandshakeWriter } from "./handshake-writer.ts"
import type { JoinCall, PendingJoin } from "./join-call.ts"
import type { JoinCandidate } from "./join-candidate.ts"
import type { Joiner } from "./joiner.ts"
import { PendingJoins, type PendingJoinsParts } from "./pending-joins.ts"

/** A try that finds the socket full is repeated after this time, milliseconds. */
const BLOCKED_MS = 10
/** The field has 32 bits. */
const ORDER_MAX = 0xffff_ffff

/** Which addresses to ask, and for which peer. */
export interface JoinTarget {
  /** Ids of its addresses, whose references pass to the join. */
  readonly addresses: readonly number[]
  /** The key that the peer has to show, where members have one. */
  readonly publicKey?: Uint8Array | undefined
}

export interface OursParts extends PendingJoinsParts {
  readonly unique: Uint8Array
  readonly peers: KnownPeers
  readonly writer: HandshakeWriter
  readonly associations: Associations
  /** Only read. */
  readonly halfOpen: HalfOpenTable
  readonly doubts: Doubts
  /** In profiles with keys. */
  readonly sealed: SealedHandshakes | undefined
}

export class Ours {
  /** The results, the earliest first, until they are taken. */
  readonly events: JoinEvent[]
  readonly #parts: OursParts
  readonly #pending: PendingJoins

  constructor(parts: OursParts) {
    this.#parts = parts
    this.#pending = new PendingJoins(parts)
    this.events = this.#pending.events
  }

  get count(): number {
    return this.#pending.count
  }

  get timers(): number {
    return this.#pending.timers
  }

  get nextTimeoutMs(): number {
    return this.#pending.nextTimeoutMs
  }

  /** A join is wanted: its time starts now, whatever its addresses are. `ask` gives them. */
  call(timeoutMs: number, nowMs: number): JoinCall {
    return this.#pending.call(timeoutMs, nowMs)
  }

  /** Asks at all of these addresses in a race; or waits with earlier calls for the same ones. */
  ask(call: JoinCall, { addresses, publicKey }: JoinTarget, nowMs: number): void {
    const { addresses: held, peers } = this.#parts
    const ids = [...new Set(addresses)]
    const target = `${ids.toSorted((a, b) => a - b).join()} ${publicKey === undefined ? "" : toHex(publicKey)}`
    const timeoutMs = call.deadlineMs - nowMs
    let pending = this.#pending.withTarget(target)
    if (pending === undefined) {
      for (const address of ids) held.retainAddress(address)
      // An address where we already reach a peer is asked first: the peer doesn't move while it can be reached.
      const known = ids.findIndex((address) => isThere(peers.at(address)))
      if (known > 0) ids.unshift(...ids.splice(known, 1))
      pending = this.#pending.begin(target, { addresses: ids, publicKey, timeoutMs, probed: undefined }, nowMs)
    } else {
      pending.joiner.hasten(timeoutMs, nowMs)
    }
    for (const address of addresses) held.releaseAddress(address)
    if (pending === undefined) {
      const text = "too many joins within two minutes"
      return this.#pending.settle([call], { kind: "full", reason: wire.REASON.peersFull, text })
    }
    this.#pending.wait(call, pending)
  }

  /** Asks whether the peer of this session is still at this address: nothing changes unless the join completes. */
  probe(address: number, probed: Session, timeoutMs: number, nowMs: number): void {
    const { publicKey } = probed
    const target = `probe ${address} ${publicKey === undefined ? "" : toHex(publicKey)}`
    if (this.#pending.withTarget(target) !== undefined) return
    this.#parts.addresses.retainAddress(address)
    const pending = this.#pending.begin(target, { addresses: [address], publicKey, timeoutMs, probed }, nowMs)
    if (pending !== undefined) this.#pending.wait(this.call(timeoutMs, nowMs), pending)
  }

  /** The call stops waiting. */
  cancel(call: JoinCall, nowMs: number): void {
    this.#pending.cancel(call, nowMs)
  }

  /** Repeats what is due, and ends the calls whose time is over. */
  poll(nowMs: number): void {
    const pending = this.#pending
    for (let due = pending.takeDue(nowMs); due !== undefined; due = pending.takeDue(nowMs)) this.#say(due, nowMs)
  }

  #say(joiner: Joiner, nowMs: number): void {
    const { writer } = this.#parts
    while (joiner.nextTimeoutMs <= nowMs) {
      // While the socket is full the try waits: if it were due at once again, this loop would never end.
      if (!writer.makeRoom()) return this.#pending.putOff(joiner, nowMs + BLOCKED_MS)
      const it = joiner.poll(nowMs)
      if (it === undefined) continue
      const exchange = writer.join(joiner, it, nowMs)
      if (exchange !== undefined) joiner.addExchange(it.attempt, exchange)
    }
    if (!this.#failIfRefused(joiner, nowMs)) this.#pending.schedule(joiner)
  }

  #failIfRefused(joiner: Joiner, nowMs: number): boolean {
    if (!joiner.isOver) return false
    this.#pending.finish(this.#pending.ofJoiner(joiner), { kind: "refused", ...joiner.refusal! }, nowMs)
    return true
  }

  /** The system refused to send something to an address. */
  handleUnsent(address: number, cause: unknown, nowMs: number): void {
    for (const { joiner } of this.#pending) {
      const candidate = joiner.candidateAt(address)
      if (candidate === undefined) continue
      joiner.fail(candidate, cause, nowMs)
      this.#pending.schedule(joiner)
    }
  }

  /** Returns why the challenge is dropped, if it is. */
  handleChallenge(pending: PendingJoin, handshake: ChallengeHandshake, nowMs: number): wire.DropReason | undefined {
    const { challenge, attempt, address } = handshake
    const { peers, halfOpen, sessions } = this.#parts
    const { joiner } = pending
    const candidate = joiner.candidateAt(address)
    // Only from an address that was asked; and the first answer from there decides, until another incarnation is found
    // in the challenger's place.
    if (candidate === undefined || !candidate.isCurrent(attempt)) return "unexpected"
    const { challenger } = candidate
    const held = challenger !== undefined && isSame(challenger.unique, challenge.unique) ? challenger : undefined
    const known = peers.get(challenge.unique, joiner.publicKey)
    const isUsable = known !== undefined && isThere(known)
    // The peer is already reached there, or came to be while we asked. At another address it is asked to move there.
    if (
      isUsable &&
      known.liveness === "joined" &&
      !joiner.isProbe &&
      isAnswer(known.association, address, joiner.sinceMs)
    )
      return this.#pending.finish(pending, known.session, nowMs)
    // A restarted process came back at another of its addresses: the one we asked for at this address no longer exists.
    if (joiner.isProbe && isUsable && peers.othersAt(address, known.session).length > 0) {
      this.events.push({ kind: "found", session: known.session, address })
      this.#pending.end(pending, nowMs)
      return undefined
    }
    // The peer is beginning another session, half open here: which of the two it is to be is settled before a join of
    // ours goes on with either.
    if (isUsable && held === undefined && halfOpen.isReplacing(known.session)) return "unexpected"
    const who = { unique: challenge.unique, publicKey: joiner.publicKey }
    const session =
      held?.session ??
      (isUsable ? known.session.local : undefined) ??
      this.sessionWith(who) ??
      halfOpen.sessionWith(who)?.local ??
      sessions.next()
    const order = held?.order ?? (isUsable ? Math.min((known.association?.order ?? -1) + 1, ORDER_MAX) : 0)
    const slotInUse = held?.slotInUse ?? (isUsable ? (known.association?.remoteSlot ?? 0) : 0)
    joiner.answer(candidate, { unique: challenge.unique, token: challenge.token, session, order, slotInUse }, nowMs)
    this.#pending.schedule(joiner)
    return undefined
  }

  /** Returns why the accept is dropped, if it is. */
  handleAccept(pending: PendingJoin, handshake: AcceptHandshake, nowMs: number): wire.DropReason | undefined {
    const { accept, address, exchange } = handshake
    const { unique: own, peers, doubts } = this.#parts
    const { joiner } = pending
    const candidate = joiner.candidateAt(address)
    if (candidate === undefined || isSame(accept.unique, own)) return "unexpected"
    const { challenge } = candidate
    // Without keys, no peer is accepted unchallenged, and no address answers that wasn't asked.
    if (exchange === undefined && challenge === undefined) return "unexpected"
    if (challenge !== undefined && !isSame(challenge.unique, accept.unique)) return "unexpected"
    const { session: local, order } = exchange ?? challenge!
    const shown = exchange?.identity?.read(accept.exchange)
    // Where members have keys, the peer has to prove the key that we asked for.
    if (exchange !== undefined && exchange.identity !== undefined && shown === undefined) return "tag"
    if (exchange?.identity === undefined && accept.exchange.length > 0) return "unexpected"
    const known = peers.get(accept.unique, joiner.publicKey)
    // An accept from before the association in use was established is no reason for another: it is of the same session,
    // or of one that is over.
    if (
      known?.association !== undefined &&
      exchange !== undefined &&
      exchange.sentMs <= known.association.establishedMs
    ) {
      if (known.liveness === "joined") return this.#pending.finish(pending, known.session, nowMs)
      return "unexpected"
    }
    const names = { unique: accept.unique, publicKey: joiner.publicKey, local, remote: accept.session }
    const session = this.#sessionOf(names, known?.session, accept.limits, nowMs)
    if (known !== undefined && session !== known.session && !doubts.mayReplace(known, address, 0, nowMs))
      return "unexpected"
    this.#establish(pending, { handshake, session, order, shown: shown?.result }, nowMs)
    return undefined
  }

  /** The existing session of these names, or a new one. */
  #sessionOf(names: SessionNames, known: Session | undefined, limits: wire.Limits, nowMs: number): Session {
    if (known !== undefined && isSameSession(known, names)) return known
    return this.#parts.halfOpen.sessionOf(names) ?? { limits, ...names, beganMs: nowMs }
  }

  /** The slot of the join becomes the association's: the peer already knows it. */
  #establish(
    pending: PendingJoin,
    {
      handshake,
      session,
      order,
      shown,
    }: {
      readonly handshake: AcceptHandshake
      readonly session: Session
      readonly order: number
      readonly shown: AcceptHandshake["result"]
    },
    nowMs: number,
  ): void {
    const { associations, sealed } = this.#parts
    const { accept, address, length, result } = handshake
    const { slot } = pending.joiner
    const association = associations.make({ slot, remoteSlot: accept.slot, address, isOurs: true, order, nowMs })
    associations.protect(association, session, result && sealed!.combine(result, shown))
    association.psk = handshake.exchange?.psk
    const calls = this.#pending.complete(pending)
    const established = { session, association, carriedBytes: length }
    this.events.push({ kind: "established", established, calls })
  }

  /**
   * With keys, an attacker on the path may have shown the join to another member, or to us: a refusal may not come from
   * the member that we asked.
   */
  handleRefuse(pending: PendingJoin, handshake: RefuseHandshake, nowMs: number): wire.DropReason | undefined {
    const { refusal, attempt, address } = handshake
    const { joiner } = pending
    const candidate = joiner.candidateAt(address)
    if (candidate === undefined || !candidate.isCurrent(attempt)) return "unexpected"
    joiner.refuse(candidate, refusal, this.#parts.sealed === undefined, nowMs)
    if (!this.#failIfRefused(joiner, nowMs)) this.#pending.schedule(joiner)
    return undefined
  }

  /**
   * The session that a join of ours under way carries to this incarnation: both associations have to belong to one
   * session.
   */
  sessionWith(who: Pick<SessionNames, "unique" | "publicKey">): Uint8Array | undefined {
    for (const { joiner } of this.#pending) {
      const session = joiner.challengerWith(who)?.session
      if (session !== undefined) return session
    }
    return undefined
  }

  /**
   * An incarnation is at an address now: whatever another incarnation there began is of a process that has ended, and a
   * late answer of that process must not bring it back. Joins that go on with it ask again.
   */
  prefer({ unique }: Session, address: number, nowMs: number): void {
    for (const { joiner } of this.#pending) {
      const candidate = joiner.candidateAt(address)
      if (candidate === undefined) continue
      const { challenger } = candidate
      // With keys a first join may already have been accepted, by any incarnation there.
      const isOver = challenger === undefined ? this.#parts.sealed !== undefined : !isSame(challenger.unique, unique)
      if (isOver) this.#restart(joiner, candidate, nowMs)
    }
  }

  #restart(joiner: Joiner, candidate: JoinCandidate, nowMs: number): void {
    joiner.restart(candidate, nowMs)
    this.#pending.schedule(joiner)
  }

  /** An association of this session is in use: joins that go on with its peer have reached their goal. */
  satisfy(session: Session, nowMs: number): void {
    for (const pending of [...this.#pending])
      if (pending.joiner.challengerWith(session) !== undefined) this.#pending.finish(pending, session, nowMs)
  }

  /** A session is over: no join may go on with it. */
  drop(over: Session, nowMs: number): void {
    const { sessions } = this.#parts
    // A first join that the peer accepted belongs to that session too.
    const wasFirst = sessions.retire(over.local)
    for (const pending of [...this.#pending]) {
      const { joiner } = pending
      if (joiner.probed !== undefined && isSameSession(joiner.probed, over)) {
        this.#pending.end(pending, nowMs)
        continue
      }
      joiner.firstSession = sessions.ofFirstTries()
      for (const candidate of joiner.candidates) {
        const { challenger } = candidate
        if (challenger === undefined ? !wasFirst : !isSame(challenger.unique, over.unique)) continue
        if (challenger !== undefined && !isSame(challenger.session, over.local)) continue
        // A probe asks about another peer: if the one that answered there is over, nothing is found. Otherwise the join
        // asks again.
        if (joiner.isProbe && challenger !== undefined) this.#pending.end(pending, nowMs)
        else this.#restart(joiner, candidate, nowMs)
      }
    }
  }

  /** Ends all joins. No call is told. */
  release(nowMs: number): void {
    this.#pending.release(nowMs)
  }
}

/** Whether it is a peer that isn't leaving. */
function isThere(peer: KnownPeer | undefined): boolean {
  return peer !== undefined && peer.liveness !== "leaving" && peer.liveness !== "left"
}

/**
 * Whether a peer that answers at this address answers what was asked at that time: it is reached there, or wasn't
 * reached at all when we began to ask.
 */
function isAnswer(association: Association | undefined, address: number, sinceMs: number): boolean {
  return association === undefined || association.address === address || sinceMs <= association.establishedMs
}
