/**
 * Joining, from both sides (PROTOCOL.md §7): our own joins under way, and the joins of others until they are confirmed. Nothing is kept for a source
 * that hasn't proved its address.
 *
 * @module
 */

import { type Address, parseHost, type Transport } from "@x/transport/host"
import * as wire from "@x/wire"
import type { Settings } from "../options.ts"
import { Association, pseudoHeaders } from "./association.ts"
import { type CookieHost, CookieJar } from "./cookie.ts"
import type { Due, DueQueue } from "./due-queue.ts"
import { isNone, isSame, newIdentity, NO_IDENTITY, toHex } from "./identity.ts"
import { Joiner } from "./joiner.ts"
import type { Outbox } from "./outbox.ts"
import { type PeerContext, PeerState } from "./peer-state.ts"
import type { SlotTable } from "./slots.ts"
import { TokenBucket } from "./token-bucket.ts"

/** A half-open association is dropped after this, milliseconds. */
const HALF_OPEN_MS = 5_000
/** A try that finds the socket full is made again after this, milliseconds. */
const BLOCKED_MS = 10
/** Joins challenged a second, and at once: each costs an HMAC and a datagram. */
const CHALLENGES_PER_SECOND = 40_000
const CHALLENGES_BURST = 2_000
/** Tokens checked a second, and at once: an HMAC each. Apart from the challenges, so that a flood of joins from sources that can't read answers keeps nobody from going on who can. */
const TOKENS_PER_SECOND = 100_000
const TOKENS_BURST = 10_000

/** Why a join failed. */
export interface JoinFailure {
  readonly kind: "timeout" | "refused"
  readonly reason: number
  readonly text: string
}

export interface JoinRequest {
  readonly addresses: readonly number[]
  readonly isProbe?: boolean
  readonly timeoutMs: number
  readonly onDone: (result: PeerState | JoinFailure) => void
}

export interface PendingJoin {
  readonly joiner: Joiner
  readonly onDone: (result: PeerState | JoinFailure) => void
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
  readonly peers: ReadonlyMap<string, PeerState>
  random(): number
  refuse(reason: wire.DropReason): void
  /** An association is complete. */
  establish(peer: PeerState, association: Association, nowMs: number): void
  dissociate(association: Association, nowMs: number): void
  /** Who answers at this address is a peer that we have. Answers whether others were held for being there: those are over. */
  found(peer: PeerState, address: number, nowMs: number): boolean
  /** There is something to send. */
  onWork(): void
}

interface HalfOpen {
  readonly peer: PeerState
  readonly association: Association
  /** Where it joined from. */
  readonly host?: string
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
  readonly #joins = new Map<Joiner, PendingJoin>()
  readonly #halfOpen = new Set<HalfOpen>()

  constructor(host: JoinsHost, nowMs: number) {
    this.#host = host
    this.#cookies = new CookieJar(host.cookies, nowMs)
    this.#challenges = new TokenBucket(CHALLENGES_PER_SECOND, CHALLENGES_BURST, nowMs)
    this.#tokens = new TokenBucket(TOKENS_PER_SECOND, TOKENS_BURST, nowMs)
  }

  get count(): number {
    return this.#joins.size
  }

  get halfOpenCount(): number {
    return this.#halfOpen.size
  }

  /**
   * Asks the peer at one of these addresses (ids, whose references pass to the join) to associate. A probe asks for a peer that we have: nothing
   * comes of it unless it completes. Returns what cancels it.
   */
  join({ addresses, isProbe = false, timeoutMs, onDone }: JoinRequest, nowMs: number): (nowMs: number) => void {
    const owner: { kind: "join"; pending: PendingJoin } = { kind: "join", pending: undefined as never }
    const slot = this.#host.slots.allocate(owner, this.#host.random(), nowMs)
    if (slot === undefined) {
      for (const address of addresses) this.#host.transport.releaseAddress(address)
      onDone({ kind: "refused", reason: wire.REASON.peersFull, text: "too many joins within two minutes" })
      return () => {}
    }
    const joiner = new Joiner(slot, addresses, isProbe, nowMs + timeoutMs, nowMs)
    const pending: PendingJoin = { joiner, onDone }
    owner.pending = pending
    this.#joins.set(joiner, pending)
    this.#host.due.set(joiner, nowMs)
    this.#host.onWork()
    return (at) => this.#endJoin(pending, at)
  }

  /** Whether a probe for the peer at this address is under way. */
  isProbing(address: number): boolean {
    for (const { isProbe, addresses } of this.#joins.keys()) if (isProbe && addresses[0] === address) return true
    return false
  }

  #endJoin(pending: PendingJoin, nowMs: number): void {
    if (!this.#joins.delete(pending.joiner)) return
    this.#host.due.remove(pending.joiner)
    if (this.#host.slots.get(pending.joiner.slot)?.kind === "join") this.#host.slots.free(pending.joiner.slot, nowMs)
    for (const address of pending.joiner.addresses) this.#host.transport.releaseAddress(address)
  }

  /** A join is due: says it again, or gives up. */
  poll(joiner: Joiner, nowMs: number): void {
    const pending = this.#joins.get(joiner)
    if (pending === undefined) return
    if (joiner.isOver(nowMs)) {
      this.#endJoin(pending, nowMs)
      pending.onDone({ kind: "timeout", reason: wire.REASON.timeout, text: "" })
      return
    }
    // While the socket is full the try waits: due at once again, it would be taken out of the queue for ever.
    if (!this.#host.outbox.makeRoom()) return this.#host.due.set(joiner, Math.min(nowMs + BLOCKED_MS, joiner.deadlineMs))
    const it = joiner.poll(nowMs)
    if (it !== undefined) this.#sendJoin(joiner, it.address, it.attempt, it.datagramBytes)
    this.#host.due.set(joiner, joiner.nextTimeoutMs)
  }

  #sendJoin(joiner: Joiner, address: number, attempt: number, datagramBytes: number): void {
    const { challenge } = joiner
    this.#host.outbox.compose()
    const { writer } = this.#host.outbox
    const body = writer.begin(wire.KIND.join)
    const end =
      body -
      wire.PACKET_OVERHEAD_BYTES -
      wire.PREFIX_BYTES[this.#host.settings.profile]! +
      datagramBytes -
      wire.TAG_BYTES[this.#host.settings.profile]!
    const join: wire.Join = {
      address: undefined,
      versionMin: wire.VERSION,
      versionMax: wire.VERSION,
      slot: joiner.slot,
      unique: this.#host.unique,
      session: challenge?.session ?? NO_IDENTITY,
      receiverUnique: challenge?.unique ?? NO_IDENTITY,
      limits: this.#host.limits,
      features: 0,
      token: challenge?.token ?? new Uint8Array(0),
      exchange: new Uint8Array(0),
    }
    writer.finish(wire.writeJoin(writer.view, body, join, end))
    this.#host.outbox.postHandshake(address, 0, attempt, ZERO_SEED)
  }

  /** Answers to a join are tagged for the joiner's unique and the session it carried. */
  seedOf({ joiner }: PendingJoin): number {
    return wire.pseudoHeaderSeed({ receiverUnique: this.#host.unique, receiverSession: joiner.challenge?.session ?? NO_IDENTITY })
  }

  handleJoin(join: wire.Join, attempt: number, length: number, address: number, nowMs: number): void {
    const isToSelf = isSame(join.unique, this.#host.unique)
    // Whom it asks for was here before us: the joiner learns that from a challenge, as one who knew nobody here would.
    const isForAnother = !isNone(join.receiverUnique) && !isSame(join.receiverUnique, this.#host.unique)
    // What is answered without a look at a token counts as a challenge: anybody could have sent it.
    const bucket = isToSelf || isForAnother || join.token.length === 0 ? this.#challenges : this.#tokens
    if (!bucket.take(nowMs)) return this.#host.refuse("rate")
    const source = sourceBytes(this.#host.transport.addressOf(address))
    const seed = wire.pseudoHeaderSeed({ receiverUnique: join.unique, receiverSession: join.session })
    const refuse = (reason: number, text: string): void =>
      this.#answer(address, join.slot, attempt, seed, wire.KIND.refuse, (view, body) => wire.writeReasonText(view, body, { reason, text }))
    if (isToSelf) return refuse(wire.REASON.self, "this endpoint was asked to join itself")
    if (isForAnother) this.#host.refuse("not-welcome")
    if (isForAnother || join.token.length === 0) {
      const token = this.#cookies.make(source, join.unique, join.slot, nowMs)
      return this.#answer(address, join.slot, attempt, seed, wire.KIND.challenge, (view, body) =>
        wire.writeChallenge(view, body, { unique: this.#host.unique, token }),
      )
    }
    if (!this.#cookies.check(join.token, source, join.unique, join.slot, nowMs)) return this.#host.refuse("token")
    if (join.versionMin > wire.VERSION) return refuse(wire.REASON.version, `this endpoint speaks version ${wire.VERSION}`)
    const found = this.#associationFor(join, address, nowMs)
    if (found === "later") return this.#host.refuse("rate")
    if (found === undefined) {
      this.#host.refuse("peers-full")
      return refuse(wire.REASON.peersFull, "too many peers")
    }
    limitPath(found.peer, length)
    this.#sendAccept(found.peer, found.association, join, attempt, length, address, seed)
  }

  /** The association that a verified join asks for: the one it asked for before, or a new one; `undefined`: no more peers are taken; `"later"`: too many of its host wait. */
  #associationFor(join: wire.Join, address: number, nowMs: number): HalfOpen | "later" | undefined {
    const known = this.#host.peers.get(toHex(join.unique))
    const halfOpen = [...this.#halfOpen].find(
      ({ peer, association }) =>
        association.remoteSlot === join.slot && isSame(peer.unique, join.unique) && isSame(peer.remoteSession, join.session),
    )
    if (halfOpen !== undefined) return halfOpen
    if (known !== undefined && isSame(known.remoteSession, join.session)) {
      const same = known.associations.find(({ remoteSlot, isOurs }) => remoteSlot === join.slot && !isOurs)
      if (same !== undefined) return { peer: known, association: same }
    }
    if (
      this.#halfOpen.size >= this.#host.settings.halfOpenMax ||
      (known === undefined && this.#host.peers.size >= this.#host.settings.peersMax)
    )
      return undefined
    const { host } = this.#host.transport.addressOf(address)
    let ofHost = 0
    for (const entry of this.#halfOpen) if (entry.host === host) ofHost++
    if (ofHost >= this.#host.settings.halfOpenPerHostMax) {
      this.#host.context.quota.halfOpenShares++
      return "later"
    }
    // A state that has not heard of the peer's session yet is our own join to it, under way: one session.
    const continues =
      known !== undefined && known.liveness !== "leaving" && (isSame(known.remoteSession, join.session) || isNone(known.remoteSession))
    const peer = continues ? known : (this.#halfOpenOf(join) ?? this.#newPeer(join, nowMs))
    const association = this.#associate(peer, { remoteSlot: join.slot, remoteSession: join.session, address, isOurs: false, nowMs })
    if (association === undefined) return undefined
    const entry = { peer, association, host }
    this.#halfOpen.add(entry)
    this.#host.due.set(this.halfOpenDue, Math.min(this.halfOpenDue.dueMs, nowMs + HALF_OPEN_MS))
    return entry
  }

  /** The state of a join of the same session that is half open: two joins at once are two associations of it. */
  #halfOpenOf({ unique, session }: wire.Join): PeerState | undefined {
    for (const { peer } of this.#halfOpen) if (isSame(peer.unique, unique) && isSame(peer.remoteSession, session)) return peer
    return undefined
  }

  #newPeer({ unique, session, limits }: wire.Join, nowMs: number): PeerState {
    const local = this.#sessionFor(unique) ?? newIdentity((out) => this.#host.cookies.entropy(out))
    const peer = new PeerState(this.#host.context, unique, local, limits, nowMs)
    peer.remoteSession = session
    return peer
  }

  /** The session that a join of ours under way carries to this incarnation: both associations are to be of one session. */
  #sessionFor(unique: Uint8Array): Uint8Array | undefined {
    for (const joiner of this.#joins.keys())
      if (joiner.challenge !== undefined && isSame(joiner.challenge.unique, unique)) return joiner.challenge.session
    for (const { peer } of this.#halfOpen) if (isSame(peer.unique, unique)) return peer.localSession
    return undefined
  }

  /** Makes an association with slot and sealer; `undefined`: no slot is free. */
  #associate(
    peer: PeerState,
    parts: { remoteSlot: number; remoteSession: Uint8Array; address: number; isOurs: boolean; nowMs: number },
  ): Association | undefined {
    const { remoteSlot, remoteSession, address, isOurs, nowMs } = parts
    const owner = { kind: "association", peer, association: undefined as unknown as Association } as {
      kind: "association"
      peer: PeerState
      association: Association
    }
    const slot = this.#host.slots.allocate(owner, this.#host.random(), nowMs)
    if (slot === undefined) return undefined
    this.#host.transport.retainAddress(address)
    const sealer = this.#sealerFor(peer, remoteSession)
    owner.association = new Association({ slot, remoteSlot, address, sealer, isOurs, nowMs })
    return owner.association
  }

  #sealerFor(peer: PeerState, remoteSession: Uint8Array): number {
    if (this.#host.settings.profile === wire.PROFILE.none) return 0
    const { seal, open } = pseudoHeaders(
      { unique: this.#host.unique, session: peer.localSession },
      { unique: peer.unique, session: remoteSession },
    )
    const [sealSeed, openSeed] = [wire.pseudoHeaderSeed(seal), wire.pseudoHeaderSeed(open)]
    return this.#host.transport.registerSealer({
      tagBytes: wire.TAG_BYTES[wire.PROFILE.checksum]!,
      seal: (bytes, offset, length) => wire.sealChecksum(bytes, offset, length, sealSeed),
      open: (bytes, offset, length) => wire.openChecksum(bytes, offset, length, openSeed),
      parameters: { algorithm: "crc32c", sealSeed, openSeed },
    })
  }

  #sendAccept(
    peer: PeerState,
    association: Association,
    join: wire.Join,
    attempt: number,
    length: number,
    address: number,
    seed: number,
  ): void {
    const accept: wire.Accept = {
      address: undefined,
      version: wire.VERSION,
      slot: association.slot,
      unique: this.#host.unique,
      session: peer.localSession,
      limits: this.#host.limits,
      features: 0,
      exchange: new Uint8Array(0),
    }
    // As long as the join, so that the way back is proved too, and never longer.
    this.#answer(address, join.slot, attempt, seed, wire.KIND.accept, (view, body) =>
      wire.writeAccept(
        view,
        body,
        accept,
        body -
          wire.PACKET_OVERHEAD_BYTES -
          wire.PREFIX_BYTES[this.#host.settings.profile]! +
          Math.min(length, wire.DATAGRAM_BYTES_BASE) -
          wire.TAG_BYTES[this.#host.settings.profile]!,
      ),
    )
  }

  #answer(
    address: number,
    slot: number,
    attempt: number,
    seed: number,
    kind: number,
    write: (view: DataView, body: number) => number,
  ): void {
    if (!this.#host.outbox.makeRoom()) return
    this.#host.outbox.compose()
    const { writer } = this.#host.outbox
    writer.finish(write(writer.view, writer.begin(kind)))
    this.#host.outbox.postHandshake(address, slot, attempt, seed)
    this.#host.onWork()
  }

  handleChallenge(pending: PendingJoin, challenge: wire.Challenge, attempt: number, address: number, nowMs: number): void {
    const { joiner } = pending
    // Only from where it was asked for; and the first answer decides, until another is found in the challenger's place.
    if (!joiner.addresses.includes(address) || !joiner.isCurrent(attempt)) return this.#host.refuse("unexpected")
    if (joiner.challenge !== undefined && joiner.challenge.address !== address) return this.#host.refuse("unexpected")
    const held = joiner.challenge !== undefined && isSame(joiner.challenge.unique, challenge.unique) ? joiner.challenge : undefined
    const known = this.#host.peers.get(toHex(challenge.unique))
    const isUsable = known !== undefined && known.liveness !== "leaving" && known.liveness !== "left"
    if (isUsable && known.liveness === "joined" && !joiner.isProbe) {
      // Another name or address of a peer we have.
      this.#endJoin(pending, nowMs)
      return pending.onDone(known)
    }
    // A restarted process came back over another of its addresses: whom we asked for at this one is no more.
    if (joiner.isProbe && isUsable && this.#host.found(known, address, nowMs)) return this.#endJoin(pending, nowMs)
    // The peer is beginning another session, half open here: which one it is to be is settled before a join of ours goes on with either.
    if (isUsable && held === undefined && this.#isBeingReplaced(known)) return this.#host.refuse("unexpected")
    const session =
      held?.session ??
      (isUsable ? known.localSession : undefined) ??
      this.#sessionFor(challenge.unique) ??
      newIdentity((out) => this.#host.cookies.entropy(out))
    joiner.answer({ address, unique: challenge.unique, token: challenge.token, session }, nowMs)
    this.#host.due.set(joiner, nowMs)
    this.#host.onWork()
  }

  #isBeingReplaced(known: PeerState): boolean {
    for (const { peer } of this.#halfOpen) if (peer !== known && isSame(peer.unique, known.unique)) return true
    return false
  }

  handleAccept(pending: PendingJoin, accept: wire.Accept, length: number, address: number, nowMs: number): void {
    const { joiner } = pending
    const { challenge } = joiner
    if (challenge === undefined || !isSame(challenge.unique, accept.unique) || challenge.address !== address)
      return this.#host.refuse("unexpected")
    const known = this.#host.peers.get(toHex(accept.unique))
    // Both have to agree: a peer that left unheard has begun another session, and what is known of the one before is no part of it.
    const isOfSession = (peer: PeerState): boolean =>
      isSame(peer.unique, accept.unique) && isSame(peer.localSession, challenge.session) && isSame(peer.remoteSession, accept.session)
    const peer =
      known !== undefined && isOfSession(known)
        ? known
        : ([...this.#halfOpen].find((entry) => isOfSession(entry.peer))?.peer ??
          new PeerState(this.#host.context, accept.unique, challenge.session, accept.limits, nowMs))
    peer.remoteSession = accept.session
    limitPath(peer, length)
    this.#joins.delete(joiner)
    this.#host.due.remove(joiner)
    // The slot of the join becomes the association's: the peer knows it already.
    this.#host.transport.retainAddress(address)
    const sealer = this.#sealerFor(peer, accept.session)
    const association = new Association({ slot: joiner.slot, remoteSlot: accept.slot, address, sealer, isOurs: true, nowMs })
    this.#host.slots.replace(joiner.slot, { kind: "association", peer, association })
    association.isConfirmed = true
    for (const id of joiner.addresses) this.#host.transport.releaseAddress(id)
    this.#host.establish(peer, association, nowMs)
    // Tells the other side that its accept has come.
    peer.ping(() => {})
    pending.onDone(this.#host.peers.get(toHex(accept.unique)) ?? peer)
  }

  handleRefuse(pending: PendingJoin, { reason, text }: wire.ReasonText, nowMs: number): void {
    this.#endJoin(pending, nowMs)
    pending.onDone({ kind: "refused", reason, text })
  }

  /** A datagram came under a half-open association: whoever joined has our accept. */
  confirm(peer: PeerState, association: Association, nowMs: number): void {
    association.isConfirmed = true
    for (const entry of this.#halfOpen) if (entry.association === association) this.#halfOpen.delete(entry)
    if (this.#halfOpen.size === 0) this.#host.due.remove(this.halfOpenDue)
    this.#host.establish(peer, association, nowMs)
  }

  /**
   * An incarnation is at an address now: what another one there began is of a process that has ended, and an answer of it that comes late must not bring
   * it back. Joins that go on with it ask again who is there.
   */
  prefer({ unique }: PeerState, address: number, nowMs: number): void {
    for (const { joiner } of this.#joins.values()) {
      if (joiner.challenge?.address !== address || isSame(joiner.challenge.unique, unique)) continue
      joiner.restart(nowMs)
      this.#host.due.set(joiner, nowMs)
    }
    for (const entry of this.#halfOpen) {
      if (entry.association.address !== address || isSame(entry.peer.unique, unique)) continue
      this.#halfOpen.delete(entry)
      this.#host.dissociate(entry.association, nowMs)
    }
  }

  /** Forgets half-open associations that nobody used. */
  expireHalfOpen(nowMs: number): void {
    let next = Infinity
    for (const entry of this.#halfOpen) {
      const dueMs = entry.association.createdMs + HALF_OPEN_MS
      if (dueMs > nowMs) {
        next = Math.min(next, dueMs)
        continue
      }
      this.#halfOpen.delete(entry)
      this.#host.dissociate(entry.association, nowMs)
    }
    this.#host.due.set(this.halfOpenDue, next)
  }

  /** A state is over: half-open associations of it must not bring it back, and no join may go on with its session. */
  forget(peer: PeerState, nowMs: number): void {
    for (const pending of [...this.#joins.values()]) {
      const { joiner } = pending
      if (joiner.challenge === undefined || !isSame(joiner.challenge.unique, peer.unique)) continue
      if (!isSame(joiner.challenge.session, peer.localSession)) continue
      if (joiner.isProbe) {
        this.#endJoin(pending, nowMs)
      } else {
        joiner.restart(nowMs)
        this.#host.due.set(joiner, nowMs)
      }
    }
    for (const entry of this.#halfOpen) {
      if (entry.peer !== peer) continue
      this.#halfOpen.delete(entry)
      this.#host.dissociate(entry.association, nowMs)
    }
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
    for (const pending of [...this.#joins.values()]) this.#endJoin(pending, nowMs)
    for (const { association } of this.#halfOpen) this.#host.dissociate(association, nowMs)
    this.#halfOpen.clear()
    this.#host.due.remove(this.halfOpenDue)
  }
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
