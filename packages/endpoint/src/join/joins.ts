/**
 * Joining, from both sides (PROTOCOL.md §7): our own joins under way, and the joins of others until they are confirmed. Nothing is kept for a source
 * that hasn't proved its address.
 *
 * @module
 */

import { type Address, parseHost, type SyncCrypto, type Transport } from "@x/transport/host"
import * as wire from "@x/wire"
import type { Settings } from "../settings.ts"
import { Association, pseudoHeaders } from "../path/association.ts"
import { type CookieHost, CookieJar } from "./cookie.ts"
import type { Due, DueQueue } from "../schedule/due-queue.ts"
import { type HalfOpen, HalfOpenTable, joinKey } from "./half-open.ts"
import { isNone, isSame, isSameKey, newIdentity, NO_IDENTITY, toHex } from "../keys/identity.ts"
import { JoinCall, type JoinFailure } from "./join-call.ts"
import type { Challenger, JoinCandidate } from "./join-candidate.ts"
import { type Exchange, Joiner, type JoinTry } from "./joiner.ts"
import { KeyProtection } from "../keys/key-protection.ts"
import { keyChains } from "../keys/key-schedule.ts"
import type { NoiseResponder } from "../keys/noise.ts"
import type { IkResponder } from "../keys/noise-ik.ts"
import type { NoiseResult } from "../keys/noise-state.ts"
import type { Outbox } from "../datagram/outbox.ts"
import { type PeerContext, PeerState } from "../peer/peer-state.ts"
import type { PeerTable } from "../protocol/peer-table.ts"
import { FixedProtection } from "../keys/protection.ts"
import { ANSWER, HANDSHAKE_GAP_BYTES, type OpenedJoin, type SealedHandshakes } from "../keys/sealed-handshakes.ts"
import type { SlotTable } from "../path/slots.ts"
import { TokenBucket } from "../schedule/token-bucket.ts"

/** A half-open association is dropped when so long has gone by since its join was accepted last, milliseconds. */
const HALF_OPEN_MS = 5_000
/** A try that finds the socket full is made again after this, milliseconds. */
const BLOCKED_MS = 10
/** Joins challenged a second, and at once: each costs an HMAC and a datagram. */
const CHALLENGES_PER_SECOND = 40_000
const CHALLENGES_BURST = 2_000
/** Tokens checked a second, and at once: an HMAC each. Apart from the challenges, so that a flood of joins from sources that can't read answers keeps nobody from going on who can. */
const TOKENS_PER_SECOND = 100_000
const TOKENS_BURST = 10_000
/**
 * A genuine join in a profile with keys is accepted at once while fewer than so many joins are half open, and less than a part of all that may be, and they come no
 * faster; else it is challenged first. So copies leave room for those who answer a challenge.
 */
const HALF_OPEN_AT_EASE_MAX = 64
const HALF_OPEN_AT_EASE_PART = 4
const JOINS_AT_EASE_PER_SECOND = 50
const JOINS_AT_EASE_BURST = 64

/** So many may wait for joins at a time, or twice as many as there may be peers. */
const CALLS_MIN = 1_024
/** The field has 32 bits. */
const ORDER_MAX = 0xffff_ffff
/** Tries of a join that are kept half open: as many as its sender keeps. */
const TRIES_MAX = 16

/** Whom to ask for. */
export interface JoinTarget {
  /** Ids of its addresses, whose references pass to the join. */
  readonly addresses: readonly number[]
  /** Whose key it has to be, where members have some. */
  readonly publicKey?: Uint8Array | undefined
}

export interface PendingJoin {
  readonly joiner: Joiner
  /** Who waits for it. It ends when nobody does. */
  readonly calls: Set<JoinCall>
  /** What it asks, and where: who asks the same shares it. */
  readonly target: string
}

/** What a slot leads to. */
export type SlotOwner =
  | { readonly kind: "association"; readonly peer: PeerState; readonly association: Association }
  | { readonly kind: "join"; readonly pending: PendingJoin }

/** What joining needs of the protocol it is a part of. */
export interface JoinsHost {
  readonly unique: Uint8Array
  readonly settings: Settings
  readonly limits: wire.Limits
  readonly transport: Transport
  readonly outbox: Outbox
  readonly slots: SlotTable<SlotOwner>
  readonly due: DueQueue<Due>
  readonly context: PeerContext
  readonly cookies: CookieHost
  /** In profiles with keys; and when those change. */
  readonly sealed: { readonly handshakes: SealedHandshakes; readonly crypto: SyncCrypto } | undefined
  readonly peers: PeerTable
  random(): number
  refuse(reason: wire.DropReason): void
  /** An association is complete. */
  establish(peer: PeerState, association: Association, nowMs: number): void
  dissociate(association: Association, nowMs: number): void
  /** The peer whose datagrams go to this address. */
  peerAt(address: number): PeerState | undefined
  /** Who answers at this address is a peer that we have. Answers whether others were held for being there: those are over. */
  found(peer: PeerState, address: number, nowMs: number): boolean
  /** There is something to send. */
  onWork(): void
}

const NOTHING = new Uint8Array(0)

/** What a join led to: a try that is half open, or what it led to before. */
type Accepted = Pick<HalfOpen, "peer" | "association">

/** What an answer to a join goes by. */
interface Asked {
  readonly address: number
  readonly slot: number
  readonly attempt: number
  /** Of the pseudo-header, in profile `checksum`. */
  readonly seed: number
  /** The exchange that the join began, in profiles with keys. */
  readonly responder: NoiseResponder | undefined
}

/** The seed of datagrams outside an association that are no answer. */
export const ZERO_SEED: number = wire.pseudoHeaderSeed({})

export class Joins {
  /** When half-open associations are to be looked at. */
  readonly halfOpenDue: Due = { dueMs: Infinity, heapIndex: -1 }
  readonly #host: JoinsHost
  readonly #cookies: CookieJar
  readonly #challenges: TokenBucket
  readonly #tokens: TokenBucket
  readonly #ease: TokenBucket
  readonly #joins = new Map<Joiner, PendingJoin>()
  readonly #byTarget = new Map<string, PendingJoin>()
  readonly #calls = new Set<JoinCall>()
  /** What first joins carry in profiles with keys, whomever they meet, and accepts to whom we know nothing of: one for all, so that however many meet one peer it is one session. */
  #firstSession = NO_IDENTITY
  readonly #halfOpen = new HalfOpenTable()

  constructor(host: JoinsHost, nowMs: number) {
    this.#host = host
    this.#cookies = new CookieJar(host.cookies, nowMs)
    this.#challenges = new TokenBucket(CHALLENGES_PER_SECOND, CHALLENGES_BURST, nowMs)
    this.#tokens = new TokenBucket(TOKENS_PER_SECOND, TOKENS_BURST, nowMs)
    this.#ease = new TokenBucket(JOINS_AT_EASE_PER_SECOND, JOINS_AT_EASE_BURST, nowMs)
  }

  get count(): number {
    return this.#joins.size
  }

  get halfOpenCount(): number {
    return this.#halfOpen.joins
  }

  /** Somebody wants a join: its time runs from now on, wherever is to be asked. `ask` says where. */
  call(timeoutMs: number, onDone: (result: PeerState | JoinFailure) => void, nowMs: number): JoinCall {
    const call = new JoinCall(nowMs + timeoutMs, onDone)
    call.isRefused = this.#calls.size >= this.#callsMax
    this.#calls.add(call)
    this.#host.due.set(call, call.isRefused ? nowMs : call.deadlineMs)
    this.#host.onWork()
    return call
  }

  /** More joins at a time than there can be peers are a mistake, and would take as much memory as it likes. */
  get #callsMax(): number {
    return Math.max(CALLS_MIN, 2 * this.#host.settings.peersMax)
  }

  /** Asks whoever is at one of these addresses to associate, all of them in a race; or waits with who has asked there already. */
  ask(call: JoinCall, { addresses, publicKey }: JoinTarget, nowMs: number): void {
    const ids = [...new Set(addresses)]
    const target = `${ids.toSorted((a, b) => a - b).join()} ${publicKey === undefined ? "" : toHex(publicKey)}`
    const timeoutMs = call.deadlineMs - nowMs
    let pending = this.#byTarget.get(target)
    if (pending === undefined) {
      for (const address of ids) this.#host.transport.retainAddress(address)
      // Where a peer is reached it is asked first: it doesn't move while it can be.
      const known = ids.findIndex((address) => this.#host.peerAt(address) !== undefined)
      if (known > 0) ids.unshift(...ids.splice(known, 1))
      pending = this.#begin(target, { addresses: ids, publicKey, timeoutMs, isProbe: false }, nowMs)
    } else {
      pending.joiner.hasten(timeoutMs, nowMs)
    }
    for (const address of addresses) this.#host.transport.releaseAddress(address)
    if (pending === undefined)
      return this.#settle(call, { kind: "full", reason: wire.REASON.peersFull, text: "too many joins within two minutes" })
    call.pending = pending
    pending.calls.add(call)
    this.#schedule(pending.joiner)
  }

  /** Nobody waits for it any more. */
  cancel(call: JoinCall, nowMs: number): void {
    if (!this.#calls.delete(call)) return
    this.#host.due.remove(call)
    const { pending } = call
    if (pending === undefined) return
    pending.calls.delete(call)
    if (pending.calls.size === 0) this.#end(pending, nowMs)
  }

  /** The time of a call is over. */
  expire(call: JoinCall, nowMs: number): void {
    const refusal = call.pending?.joiner.refusal
    this.cancel(call, nowMs)
    if (call.isRefused) return call.onDone({ kind: "full", reason: wire.REASON.peersFull, text: `${this.#callsMax} joins are under way` })
    call.onDone(refusal === undefined ? { kind: "timeout", reason: wire.REASON.timeout, text: "" } : { kind: "refused", ...refusal })
  }

  /** Asks whether a peer that we have is still at this address: nothing comes of it unless it completes. */
  probe(address: number, publicKey: Uint8Array | undefined, nowMs: number): void {
    const target = `probe ${address} ${publicKey === undefined ? "" : toHex(publicKey)}`
    if (this.#byTarget.has(target)) return
    this.#host.transport.retainAddress(address)
    const timeoutMs = this.#host.settings.joinTimeoutMs
    const pending = this.#begin(target, { addresses: [address], publicKey, timeoutMs, isProbe: true }, nowMs)
    if (pending === undefined) return
    const call = this.call(timeoutMs, () => {}, nowMs)
    call.pending = pending
    pending.calls.add(call)
    this.#schedule(pending.joiner)
  }

  /** `undefined`: no slot is free. The references of the addresses are the join's. */
  #begin(
    target: string,
    { addresses, publicKey, timeoutMs, isProbe }: Required<JoinTarget> & { readonly timeoutMs: number; readonly isProbe: boolean },
    nowMs: number,
  ): PendingJoin | undefined {
    const owner: { kind: "join"; pending: PendingJoin } = { kind: "join", pending: undefined as never }
    const slot = this.#host.slots.allocate(owner, this.#host.random(), nowMs)
    if (slot === undefined) {
      for (const address of addresses) this.#host.transport.releaseAddress(address)
      return undefined
    }
    const firstSession = this.#host.sealed === undefined ? NO_IDENTITY : this.#newSession()
    const joiner = new Joiner({ slot, addresses, isProbe, timeoutMs, nowMs, publicKey, firstSession })
    const pending: PendingJoin = { joiner, calls: new Set(), target }
    owner.pending = pending
    this.#joins.set(joiner, pending)
    this.#byTarget.set(target, pending)
    return pending
  }

  #schedule(joiner: Joiner): void {
    this.#host.due.set(joiner, joiner.nextTimeoutMs)
    this.#host.onWork()
  }

  #settle(call: JoinCall, result: PeerState | JoinFailure): void {
    if (!this.#calls.delete(call)) return
    this.#host.due.remove(call)
    call.onDone(result)
  }

  /** The join is over, and this is what came of it. */
  #finish(pending: PendingJoin, result: PeerState | JoinFailure, nowMs: number): void {
    this.#end(pending, nowMs)
    for (const call of pending.calls) this.#settle(call, result)
  }

  #end({ joiner, target }: PendingJoin, nowMs: number): void {
    if (!this.#joins.delete(joiner)) return
    this.#byTarget.delete(target)
    this.#host.due.remove(joiner)
    if (this.#host.slots.get(joiner.slot)?.kind === "join") this.#host.slots.free(joiner.slot, nowMs)
    for (const { address } of joiner.candidates) this.#host.transport.releaseAddress(address)
  }

  /** A join is due: says it again. */
  poll(joiner: Joiner, nowMs: number): void {
    if (!this.#joins.has(joiner)) return
    while (joiner.nextTimeoutMs <= nowMs) {
      // While the socket is full the try waits: due at once again, it would be taken out of the queue for ever.
      if (!this.#host.outbox.makeRoom()) return this.#host.due.set(joiner, nowMs + BLOCKED_MS)
      const it = joiner.poll(nowMs)
      if (it !== undefined) this.#sendJoin(joiner, it, nowMs)
    }
    if (!this.#failIfRefused(joiner, nowMs)) this.#host.due.set(joiner, joiner.nextTimeoutMs)
  }

  #failIfRefused(joiner: Joiner, nowMs: number): boolean {
    if (!joiner.isOver) return false
    this.#finish(this.#joins.get(joiner)!, { kind: "refused", ...joiner.refusal! }, nowMs)
    return true
  }

  #sendJoin(joiner: Joiner, { candidate, attempt, datagramBytes }: JoinTry, nowMs: number): void {
    const { challenge, address } = candidate
    const { outbox, sealed } = this.#host
    outbox.composeHandshake(sealed === undefined ? 0 : HANDSHAKE_GAP_BYTES)
    const { writer } = outbox
    const body = writer.begin(wire.KIND.join)
    const session = joiner.sessionAt(candidate)
    const order = challenge?.order ?? 0
    const names = { slot: joiner.slot, unique: this.#host.unique, session }
    const identity = sealed?.handshakes.beginIdentity(names, joiner.publicKey)
    const join: wire.Join = {
      ...names,
      address: undefined,
      versionMin: wire.VERSION,
      versionMax: wire.VERSION,
      receiverUnique: challenge?.unique ?? NO_IDENTITY,
      limits: this.#host.limits,
      features: 0,
      order,
      token: challenge?.token ?? NOTHING,
      exchange: identity?.message ?? NOTHING,
    }
    writer.finish(wire.writeJoin(writer.view, body, join, outbox.endOf(datagramBytes)))
    if (sealed === undefined) return outbox.postHandshake(address, 0, attempt, ZERO_SEED)
    outbox.postSealed(address, 0, attempt, 0, HANDSHAKE_GAP_BYTES, (prefix, packets) => {
      const initiator = sealed.handshakes.begin(prefix, packets)
      joiner.addExchange(attempt, { initiator, address, sentMs: nowMs, session, order, identity })
      return initiator.message
    })
  }

  /** Answers to a join are tagged for the joiner's unique and the session it carried. */
  seedOf({ joiner }: PendingJoin, address: number): number {
    const receiverSession = joiner.candidateAt(address)?.challenge?.session ?? NO_IDENTITY
    return wire.pseudoHeaderSeed({ receiverUnique: this.#host.unique, receiverSession })
  }

  /** `opened`: the exchange that a genuine join began, in profiles with keys. */
  handleJoin(join: wire.Join, attempt: number, length: number, address: number, nowMs: number, opened: OpenedJoin | undefined): void {
    const responder = opened?.responder
    // A try that was answered, or a copy of it that somebody sends in its name.
    const wasAnswered = (it: HalfOpen): boolean => it.attempt === attempt && it.association.address === address
    if (responder !== undefined && this.#halfOpen.triesOf(joinKey(join)).some(wasAnswered)) return this.#host.refuse("unexpected")
    const isToSelf = isSame(join.unique, this.#host.unique)
    // Whom it asks for was here before us: the joiner learns that from a challenge, as one who knew nobody here would.
    const isForAnother = !isNone(join.receiverUnique) && !isSame(join.receiverUnique, this.#host.unique)
    const isUnverified = join.token.length === 0 && (responder === undefined || !this.#isAtEaseWith(join, address, nowMs))
    // What is answered without a look at a token counts as a challenge: anybody could have sent it.
    const bucket = isToSelf || isForAnother || isUnverified ? this.#challenges : this.#tokens
    if (!bucket.take(nowMs)) return this.#host.refuse("rate")
    const source = sourceBytes(this.#host.transport.addressOf(address))
    const seed = wire.pseudoHeaderSeed({ receiverUnique: join.unique, receiverSession: join.session })
    const asked = { address, slot: join.slot, attempt, seed, responder }
    const refuse = (reason: number, text: string): void =>
      this.#answer(asked, wire.KIND.refuse, (view, body) => wire.writeReasonText(view, body, { reason, text }))
    if (isToSelf) return refuse(wire.REASON.self, "this endpoint was asked to join itself")
    if (isForAnother) this.#host.refuse("not-welcome")
    if (isForAnother || isUnverified) {
      const token = this.#cookies.make(source, join.unique, join.slot, nowMs)
      return this.#answer(asked, wire.KIND.challenge, (view, body) => wire.writeChallenge(view, body, { unique: this.#host.unique, token }))
    }
    if (join.token.length > 0 && !this.#cookies.check(join.token, source, join.unique, join.slot, nowMs)) return this.#host.refuse("token")
    if (join.versionMin > wire.VERSION) return refuse(wire.REASON.version, `this endpoint speaks version ${wire.VERSION}`)
    const identity = opened === undefined ? undefined : this.#identify(opened, join)
    if (identity === "untrusted") {
      this.#host.refuse("not-welcome")
      return refuse(
        wire.REASON.untrusted,
        "the joiner's key isn't welcome, it asked for another member's, or one of the two has no identity",
      )
    }
    const found = this.#associationFor(join, attempt, identity?.publicKey, address, length, nowMs)
    if (found === "later") return this.#host.refuse("rate")
    if (found === "again") return this.#host.refuse("unexpected")
    if (found === undefined) {
      this.#host.refuse("peers-full")
      return refuse(wire.REASON.peersFull, "too many peers")
    }
    if (!this.#sendAccept(found, asked, identity, length, nowMs)) this.#host.refuse("tag")
  }

  /** Who joins, where members have keys: it has shown that the key is its own, and is welcome. */
  #identify(opened: OpenedJoin, join: wire.Join): IkResponder | "untrusted" | undefined {
    const { handshakes } = this.#host.sealed!
    const { identity } = handshakes
    if (identity === undefined) return join.exchange.length === 0 ? undefined : "untrusted"
    const shown = handshakes.readIdentity(opened, join)
    return shown === undefined || !identity.trust(shown.publicKey) ? "untrusted" : shown
  }

  /**
   * Whether a genuine join without a token is accepted, though it may be a copy that somebody else sends: it costs little, and can be nobody's we know. Two
   * sides that join each other at once find out by a challenge whose session it is to be, and so does who is at the second of two addresses.
   */
  #isAtEaseWith({ unique, session }: wire.Join, address: number, nowMs: number): boolean {
    const { halfOpenMax, halfOpenPerHostMax } = this.#host.settings
    const most = Math.min(HALF_OPEN_AT_EASE_MAX, Math.floor(Math.min(halfOpenMax, halfOpenPerHostMax) / HALF_OPEN_AT_EASE_PART))
    if (isNone(session) || this.#joins.size > 0 || this.#halfOpen.joins >= most) return false
    if (this.#host.peers.hasUnique(unique)) return false
    for (const { peer, association } of this.#halfOpen)
      if (isSame(peer.unique, unique) && !(isSame(peer.remoteSession, session) && association.address === address)) return false
    return this.#ease.take(nowMs)
  }

  /**
   * The association that a verified join asks for: the one it asked for before, or a new one; `undefined`: no more peers are taken; `"later"`: too many of its
   * host wait; `"again"`: it is confirmed already. With keys each try has an association of its own, since its keys are.
   */
  #associationFor(
    join: wire.Join,
    attempt: number,
    publicKey: Uint8Array | undefined,
    address: number,
    length: number,
    nowMs: number,
  ): Accepted | "later" | "again" | undefined {
    const { settings, peers } = this.#host
    const known = peers.get(join.unique, publicKey)
    const isKeyed = this.#host.sealed !== undefined
    const key = joinKey(join)
    const tries = this.#halfOpen.triesOf(key)
    const again = isKeyed ? undefined : tries.find(({ association }) => association.address === address)
    if (again !== undefined) {
      again.joinBytes = Math.min(again.joinBytes, length)
      again.acceptedMs = nowMs
      return again
    }
    if (known !== undefined && isSame(known.remoteSession, join.session)) {
      const same = known.associations.find(({ remoteSlot, isOurs }) => remoteSlot === join.slot && !isOurs)
      if (same !== undefined) return isKeyed ? "again" : { peer: known, association: same }
    }
    // A join counts once, whatever tries it has.
    const isNew = tries.length === 0
    if (isNew && this.#halfOpen.joins >= settings.halfOpenMax) return undefined
    if (known === undefined && peers.size >= settings.peersMax) return undefined
    const { host } = this.#host.transport.addressOf(address)
    if (isNew && this.#halfOpen.joinsOf(host) >= settings.halfOpenPerHostMax) {
      this.#host.context.quota.halfOpenShares++
      return "later"
    }
    // A state that has not heard of the peer's session yet is our own join to it, under way: one session.
    const continues =
      known !== undefined && known.liveness !== "leaving" && (isSame(known.remoteSession, join.session) || isNone(known.remoteSession))
    const peer = continues ? known : (this.#halfOpenOf(join, publicKey) ?? this.#newPeer(join, publicKey, nowMs))
    const association = this.#associate(peer, join, address, nowMs)
    if (association === undefined) return undefined
    if (!isKeyed) this.#protect(peer, association, join.session)
    if (tries.length >= TRIES_MAX) this.#dropHalfOpen(tries[0]!, nowMs)
    const entry = { join: key, host, attempt, peer, association, joinBytes: length, acceptedMs: nowMs }
    this.#halfOpen.add(entry)
    this.#host.due.set(this.halfOpenDue, Math.min(this.halfOpenDue.dueMs, nowMs + HALF_OPEN_MS))
    return entry
  }

  /** The state of a join of the same session that is half open: two joins at once are two associations of it. */
  #halfOpenOf({ unique, session }: wire.Join, publicKey: Uint8Array | undefined): PeerState | undefined {
    for (const { peer } of this.#halfOpen)
      if (isSame(peer.unique, unique) && isSame(peer.remoteSession, session) && isSameKey(peer.publicKey, publicKey)) return peer
    return undefined
  }

  #newPeer({ unique, session, limits }: wire.Join, publicKey: Uint8Array | undefined, nowMs: number): PeerState {
    const local = this.#sessionFor(unique, publicKey) ?? this.#newSession()
    const peer = new PeerState(this.#host.context, unique, local, limits, nowMs)
    peer.remoteSession = session
    peer.publicKey = publicKey
    return peer
  }

  /** The session that a join of ours under way carries to this incarnation: both associations are to be of one session. */
  #sessionFor(unique: Uint8Array, publicKey: Uint8Array | undefined): Uint8Array | undefined {
    for (const joiner of this.#joins.keys()) {
      const session = challengerOf(joiner, unique, publicKey)?.session
      if (session !== undefined) return session
    }
    for (const { peer } of this.#halfOpen) if (isSame(peer.unique, unique) && isSameKey(peer.publicKey, publicKey)) return peer.localSession
    return undefined
  }

  /** A session for whom we have none with. With keys it is that of first joins: one of ours may be on its way there, or follow. */
  #newSession(): Uint8Array {
    const { sealed, cookies } = this.#host
    if (sealed === undefined) return newIdentity((out) => cookies.entropy(out))
    if (isNone(this.#firstSession)) this.#firstSession = newIdentity((out) => cookies.entropy(out))
    return this.#firstSession
  }

  /** Makes an association with a slot, for a join of the peer's; `undefined`: no slot is free. */
  #associate(peer: PeerState, { slot: remoteSlot, order }: wire.Join, address: number, nowMs: number): Association | undefined {
    const owner = { kind: "association", peer, association: undefined as unknown as Association } as {
      kind: "association"
      peer: PeerState
      association: Association
    }
    const slot = this.#host.slots.allocate(owner, this.#host.random(), nowMs)
    if (slot === undefined) return undefined
    this.#host.transport.retainAddress(address)
    const inFlightMax = this.#host.limits.inFlight
    owner.association = new Association({ slot, remoteSlot, address, isOurs: false, order, inFlightMax, nowMs })
    return owner.association
  }

  /** Protects the datagrams of an association, with the keys that an exchange gave where the profile has keys. */
  #protect(peer: PeerState, association: Association, remoteSession: Uint8Array, result?: NoiseResult): void {
    const { transport, settings, unique, sealed } = this.#host
    const { seal, open } = pseudoHeaders({ unique, session: peer.localSession }, { unique: peer.unique, session: remoteSession })
    if (sealed !== undefined && result !== undefined) {
      const { crypto } = sealed
      const { fromInitiator, fromResponder } = keyChains(crypto, result)
      association.protection = new KeyProtection({
        ...{ transport, crypto, profile: settings.profile, nowMs: association.createdMs },
        limits: { datagrams: settings.rekeyDatagrams, ageMs: settings.rekeyAgeMs, datagramsMax: settings.keyDatagramsMax },
        associated: { seal: wire.pseudoHeaderBytes(seal), open: wire.pseudoHeaderBytes(open) },
        seal: association.isOurs ? fromInitiator : fromResponder,
        open: association.isOurs ? fromResponder : fromInitiator,
        retire: (sealer) => this.#host.outbox.retire(sealer),
      })
      return
    }
    association.protection = new FixedProtection(transport, this.#checksumSealer(wire.pseudoHeaderSeed(seal), wire.pseudoHeaderSeed(open)))
  }

  #checksumSealer(sealSeed: number, openSeed: number): number {
    if (this.#host.settings.profile === wire.PROFILE.none) return 0
    return this.#host.transport.registerSealer({
      tagBytes: wire.TAG_BYTES[wire.PROFILE.checksum]!,
      seal: (bytes, offset, length) => wire.sealChecksum(bytes, offset, length, sealSeed),
      open: (bytes, offset, length) => wire.openChecksum(bytes, offset, length, openSeed),
      parameters: { algorithm: "crc32c", sealSeed, openSeed },
    })
  }

  /** `false`: the exchange gave no keys, and the association is forgotten. */
  #sendAccept({ peer, association }: Accepted, asked: Asked, identity: IkResponder | undefined, length: number, nowMs: number): boolean {
    const { outbox, sealed } = this.#host
    const shown = identity?.write(sealed!.handshakes.random(), NOTHING)
    if (identity !== undefined && shown === undefined) {
      this.#forgetHalfOpen(association, nowMs)
      return false
    }
    const accept: wire.Accept = {
      address: undefined,
      version: wire.VERSION,
      slot: association.slot,
      unique: this.#host.unique,
      session: peer.localSession,
      limits: this.#host.limits,
      features: 0,
      exchange: shown?.message ?? NOTHING,
    }
    // As long as the join, so that the way back is proved too, and never longer.
    const write = (view: DataView, body: number): number =>
      wire.writeAccept(view, body, accept, outbox.endOf(Math.min(length, wire.DATAGRAM_BYTES_BASE)))
    const { responder } = asked
    if (sealed === undefined || responder === undefined) {
      this.#answer(asked, wire.KIND.accept, write)
      return true
    }
    let isSecret = true
    this.#post(asked, wire.KIND.accept, ANSWER.accept, write, (packets) => {
      const written = responder.write(sealed.handshakes.random(), packets)
      isSecret = written !== undefined
      if (written !== undefined)
        this.#protect(peer, association, peer.remoteSession, sealed.handshakes.combine(written.result, shown?.result))
      return written?.message
    })
    if (!isSecret) this.#forgetHalfOpen(association, nowMs)
    return isSecret
  }

  #forgetHalfOpen(association: Association, nowMs: number): void {
    for (const entry of this.#halfOpen) if (entry.association === association) this.#dropHalfOpen(entry, nowMs)
  }

  #dropHalfOpen(entry: HalfOpen, nowMs: number): void {
    this.#halfOpen.delete(entry)
    this.#host.dissociate(entry.association, nowMs)
  }

  /** An answer that begins nothing, or one of a profile without keys. */
  #answer(asked: Asked, kind: number, write: (view: DataView, body: number) => number): void {
    const { sealed } = this.#host
    const { responder } = asked
    this.#post(asked, kind, ANSWER.aside, write, (packets) => responder?.writeAside(sealed!.handshakes.random(), packets))
  }

  #post(
    { address, slot, attempt, seed, responder }: Asked,
    kind: number,
    epoch: number,
    write: (view: DataView, body: number) => number,
    seal: (packets: Uint8Array) => Uint8Array | undefined,
  ): void {
    const { outbox } = this.#host
    if (!outbox.makeRoom()) return
    const gapBytes = responder === undefined ? 0 : HANDSHAKE_GAP_BYTES
    outbox.composeHandshake(gapBytes)
    const { writer } = outbox
    writer.finish(write(writer.view, writer.begin(kind)))
    if (responder === undefined) outbox.postHandshake(address, slot, attempt, seed)
    else outbox.postSealed(address, slot, attempt, epoch, gapBytes, (_prefix, packets) => seal(packets))
    this.#host.onWork()
  }

  handleChallenge(pending: PendingJoin, challenge: wire.Challenge, attempt: number, address: number, nowMs: number): void {
    const { joiner } = pending
    const candidate = joiner.candidateAt(address)
    // Only from where it was asked for; and the first answer from there decides, until another is found in the challenger's place.
    if (candidate === undefined || !candidate.isCurrent(attempt)) return this.#host.refuse("unexpected")
    const { challenger } = candidate
    const held = challenger !== undefined && isSame(challenger.unique, challenge.unique) ? challenger : undefined
    const known = this.#host.peers.get(challenge.unique, joiner.publicKey)
    const isUsable = known !== undefined && known.liveness !== "leaving" && known.liveness !== "left"
    // There it is reached already, or came to be while we asked. At another address it is asked to move there.
    if (isUsable && known.liveness === "joined" && !joiner.isProbe && isAnswerOf(known, address, joiner.sinceMs))
      return this.#finish(pending, known, nowMs)
    // A restarted process came back over another of its addresses: whom we asked for at this one is no more.
    if (joiner.isProbe && isUsable && this.#host.found(known, address, nowMs)) return this.#end(pending, nowMs)
    // The peer is beginning another session, half open here: which one it is to be is settled before a join of ours goes on with either.
    if (isUsable && held === undefined && this.#isBeingReplaced(known)) return this.#host.refuse("unexpected")
    const session =
      held?.session ??
      (isUsable ? known.localSession : undefined) ??
      this.#sessionFor(challenge.unique, joiner.publicKey) ??
      this.#newSession()
    const order = held?.order ?? (isUsable ? Math.min((known.association?.order ?? -1) + 1, ORDER_MAX) : 0)
    joiner.answer(candidate, { unique: challenge.unique, token: challenge.token, session, order }, nowMs)
    this.#schedule(joiner)
  }

  #isBeingReplaced(known: PeerState): boolean {
    for (const { peer } of this.#halfOpen)
      if (peer !== known && isSame(peer.unique, known.unique) && isSameKey(peer.publicKey, known.publicKey)) return true
    return false
  }

  /** `exchange`: that of the try which is answered, in profiles with keys, and `result` what it gave. */
  handleAccept(
    pending: PendingJoin,
    accept: wire.Accept,
    length: number,
    address: number,
    nowMs: number,
    exchange?: Exchange,
    result?: NoiseResult,
  ): void {
    const { joiner } = pending
    const candidate = joiner.candidateAt(address)
    if (candidate === undefined || isSame(accept.unique, this.#host.unique)) return this.#host.refuse("unexpected")
    const { challenge } = candidate
    // Without keys nobody is accepted unchallenged, and nobody who wasn't asked answers.
    if (exchange === undefined && challenge === undefined) return this.#host.refuse("unexpected")
    if (challenge !== undefined && !isSame(challenge.unique, accept.unique)) return this.#host.refuse("unexpected")
    const { session, order } = exchange ?? challenge!
    const shown = exchange?.identity?.read(accept.exchange)
    // Where members have keys the one that was asked for has to be shown.
    if (exchange !== undefined && exchange.identity !== undefined && shown === undefined) return this.#host.refuse("tag")
    if (exchange?.identity === undefined && accept.exchange.length > 0) return this.#host.refuse("unexpected")
    const known = this.#host.peers.get(accept.unique, joiner.publicKey)
    // Both have to agree: a peer that left unheard has begun another session, and what is known of the one before is no part of it.
    const isOfSession = (peer: PeerState): boolean =>
      isSame(peer.unique, accept.unique) &&
      isSame(peer.localSession, session) &&
      isSame(peer.remoteSession, accept.session) &&
      isSameKey(peer.publicKey, joiner.publicKey)
    // What was said before the association in use came about is no reason for another: it is of the same session, or of one that is over.
    if (known?.association !== undefined && exchange !== undefined && exchange.sentMs <= known.association.establishedMs) {
      if (known.liveness === "joined") return this.#finish(pending, known, nowMs)
      return this.#host.refuse("unexpected")
    }
    const peer =
      known !== undefined && isOfSession(known)
        ? known
        : ([...this.#halfOpen].find((entry) => isOfSession(entry.peer))?.peer ??
          new PeerState(this.#host.context, accept.unique, session, accept.limits, nowMs))
    peer.remoteSession = accept.session
    peer.publicKey = joiner.publicKey
    limitPath(peer, length)
    // The slot of the join becomes the association's: the peer knows it already.
    this.#host.transport.retainAddress(address)
    const { inFlight: inFlightMax } = this.#host.limits
    const association = new Association({ slot: joiner.slot, remoteSlot: accept.slot, address, isOurs: true, order, inFlightMax, nowMs })
    this.#protect(peer, association, accept.session, result && this.#host.sealed!.handshakes.combine(result, shown?.result))
    this.#host.slots.replace(joiner.slot, { kind: "association", peer, association })
    association.isConfirmed = true
    this.#end(pending, nowMs)
    this.#host.establish(peer, association, nowMs)
    // Tells the other side that its accept has come.
    peer.ping(() => {})
    const joined = this.#host.peers.get(accept.unique, joiner.publicKey) ?? peer
    for (const call of pending.calls) this.#settle(call, joined)
  }

  /** Where there are keys somebody on the way may have shown the join to another member, or to us: a refusal may not be of whom we asked. */
  handleRefuse(pending: PendingJoin, { reason, text }: wire.ReasonText, attempt: number, address: number, nowMs: number): void {
    const { joiner } = pending
    const candidate = joiner.candidateAt(address)
    if (candidate === undefined || !candidate.isCurrent(attempt)) return this.#host.refuse("unexpected")
    joiner.refuse(candidate, { reason, text }, this.#host.sealed === undefined, nowMs)
    if (!this.#failIfRefused(joiner, nowMs)) this.#schedule(joiner)
  }

  /** A datagram came under a half-open association: whoever joined has our accept. */
  confirm(peer: PeerState, association: Association, nowMs: number): void {
    association.isConfirmed = true
    for (const entry of this.#halfOpen) {
      if (entry.association === association) {
        limitPath(peer, entry.joinBytes)
        this.#halfOpen.delete(entry)
      }
      // Other tries of the join that this one answered: the peer has taken what came first.
      else if (entry.peer === peer && entry.association.remoteSlot === association.remoteSlot) this.#dropHalfOpen(entry, nowMs)
    }
    if (this.#halfOpen.joins === 0) this.#host.due.remove(this.halfOpenDue)
    this.#host.establish(peer, association, nowMs)
  }

  /**
   * An incarnation is at an address now: what another one there began is of a process that has ended, and an answer of it that comes late must not bring
   * it back. Joins that go on with it ask again who is there.
   */
  prefer({ unique }: PeerState, address: number, nowMs: number): void {
    for (const joiner of this.#joins.keys()) {
      const candidate = joiner.candidateAt(address)
      if (candidate === undefined) continue
      const { challenger } = candidate
      // With keys a first join may have been accepted by now, by whoever was there.
      const isOver = challenger === undefined ? this.#host.sealed !== undefined : !isSame(challenger.unique, unique)
      if (isOver) this.#restart(joiner, candidate, nowMs)
    }
    for (const entry of this.#halfOpen) {
      if (entry.association.address === address && !isSame(entry.peer.unique, unique)) this.#dropHalfOpen(entry, nowMs)
    }
  }

  /** Forgets half-open associations that nobody used. */
  expireHalfOpen(nowMs: number): void {
    let next = Infinity
    for (const entry of this.#halfOpen) {
      const dueMs = entry.acceptedMs + HALF_OPEN_MS
      if (dueMs > nowMs) next = Math.min(next, dueMs)
      else this.#dropHalfOpen(entry, nowMs)
    }
    this.#host.due.set(this.halfOpenDue, next)
  }

  #restart(joiner: Joiner, candidate: JoinCandidate, nowMs: number): void {
    joiner.restart(candidate, nowMs)
    this.#schedule(joiner)
  }

  /** An association of ours is in use with this peer: joins that go on with it have come to what they were for. */
  satisfy(peer: PeerState, nowMs: number): void {
    for (const pending of [...this.#joins.values()])
      if (challengerOf(pending.joiner, peer.unique, peer.publicKey) !== undefined) this.#finish(pending, peer, nowMs)
  }

  /** A state is over: half-open associations of it must not bring it back, and no join may go on with its session. */
  forget(peer: PeerState, nowMs: number): void {
    const wasFirst = !isNone(this.#firstSession) && isSame(peer.localSession, this.#firstSession)
    // A first join that was accepted by it is of that session too.
    if (wasFirst) this.#firstSession = newIdentity((out) => this.#host.cookies.entropy(out))
    for (const pending of [...this.#joins.values()]) {
      const { joiner } = pending
      joiner.firstSession = this.#firstSession
      for (const candidate of joiner.candidates) {
        const { challenger } = candidate
        if (challenger === undefined ? !wasFirst : !isSame(challenger.unique, peer.unique)) continue
        if (challenger !== undefined && !isSame(challenger.session, peer.localSession)) continue
        if (joiner.isProbe) this.#end(pending, nowMs)
        else this.#restart(joiner, candidate, nowMs)
      }
    }
    for (const entry of this.#halfOpen) if (entry.peer === peer) this.#dropHalfOpen(entry, nowMs)
  }

  /** What is half open and may have been accepted on the other side already. Forgets it here. */
  takeHalfOpen(): HalfOpen[] {
    const list = [...this.#halfOpen]
    this.#halfOpen.clear()
    this.#host.due.remove(this.halfOpenDue)
    return list
  }

  /** Ends all joins and forgets what is half open. */
  release(nowMs: number): void {
    for (const pending of [...this.#joins.values()]) this.#end(pending, nowMs)
    for (const call of this.#calls) this.#host.due.remove(call)
    this.#calls.clear()
    for (const { association } of this.#halfOpen) this.#host.dissociate(association, nowMs)
    this.#halfOpen.clear()
    this.#host.due.remove(this.halfOpenDue)
  }
}

/** With this incarnation a join goes on, at one of its addresses. */
function challengerOf(joiner: Joiner, unique: Uint8Array, publicKey: Uint8Array | undefined): Challenger | undefined {
  if (!isSameKey(joiner.publicKey, publicKey)) return undefined
  for (const { challenger } of joiner.candidates) if (challenger !== undefined && isSame(challenger.unique, unique)) return challenger
  return undefined
}

/** Whether a peer that answers at this address is what was asked for at that time: it is reached there, or wasn't reached at all when we began to ask. */
function isAnswerOf({ association }: PeerState, address: number, sinceMs: number): boolean {
  return association === undefined || association.address === address || sinceMs <= association.establishedMs
}

/** A join that came only without its padding shows that the path doesn't carry the base size. */
function limitPath(peer: PeerState, joinBytes: number): void {
  if (joinBytes < wire.DATAGRAM_BYTES_BASE) peer.limitPath(wire.DATAGRAM_BYTES_BASE)
}

/** What a token binds a source to: its address and port. */
function sourceBytes({ host, port }: Address): Uint8Array {
  const { bytes } = parseHost(host)!
  const source = new Uint8Array(bytes.length + 2)
  source.set(bytes)
  source[bytes.length] = port >>> 8
  source[bytes.length + 1] = port & 255
  return source
}
