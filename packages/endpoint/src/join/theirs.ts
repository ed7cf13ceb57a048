/**
 * Joins of others, until they are confirmed (PROTOCOL.md §7). Nothing is kept for a source that hasn't proved its
 * address.
 *
 * @module
 */

import { type Address, parseHost, type Transport } from "@x/transport/host"
import * as wire from "@x/wire"
import { isNone, isSame, isSameKey } from "../keys/identity.ts"
import type { IkResponder } from "../keys/noise-ik.ts"
import type { OpenedJoin, SealedHandshakes } from "../keys/sealed-handshakes.ts"
import type { Association } from "../path/association.ts"
import type { Associations } from "../path/associations.ts"
import { hostPrefix } from "../path/host-prefix.ts"
import { isWithSame, type Session } from "../path/session.ts"
import { TokenBucket } from "../schedule/token-bucket.ts"
import type { Settings } from "../settings.ts"
import { type CookieHost, CookieJar } from "./cookie.ts"
import type { Doubts } from "./doubts.ts"
import type { Established, JoinSlots, KnownPeers } from "./established.ts"
import { type HalfOpen, type HalfOpenTable, joinKey } from "./half-open.ts"
import type { JoinHandshake } from "./handshake-reader.ts"
import type { Asked, HandshakeWriter } from "./handshake-writer.ts"
import type { Ours } from "./ours.ts"
import { whyNoPlace } from "./places.ts"
import type { Sessions } from "./sessions.ts"

/** A half-open association is dropped this long after its join was last accepted, milliseconds. */
const HALF_OPEN_MS = 5_000
/** Without keys it is accepted again for this long: whoever repeats it without end doesn't keep its place. */
const ACCEPT_AGAIN_MS = 5_000
/** Joins challenged a second, and in a burst: each costs an HMAC and a datagram. */
const CHALLENGES_PER_SECOND = 40_000
const CHALLENGES_BURST = 2_000
/**
 * Tokens checked a second, and in a burst: each costs an HMAC. They are limited apart from challenges, so that a flood
 * of joins from sources that can't read answers doesn't keep out those that can.
 */
const TOKENS_PER_SECOND = 100_000
const TOKENS_BURST = 10_000
/**
 * A genuine join in a profile with keys is accepted at once while fewer than this many joins are half open, and less
 * than a part of the most allowed, and they come no faster than this; otherwise it is challenged first. So copies leave
 * room for peers that answer a challenge.
 */
const HALF_OPEN_AT_EASE_MAX = 64
const HALF_OPEN_AT_EASE_PART = 4
const JOINS_AT_EASE_PER_SECOND = 50
const JOINS_AT_EASE_BURST = 16
/** Tries of a join that are kept half open: as many as its sender keeps. */
const TRIES_MAX = 16
/** Once all joins have so many on average of those that may be, each has no more than it has. */
const TRIES_PER_JOIN = 2

/** The most tries of all joins together. */
export function halfOpenTriesMax({ halfOpenMax }: Pick<Settings, "halfOpenMax">): number {
  return (TRIES_PER_JOIN + 1) * halfOpenMax
}

const NOTHING = new Uint8Array(0)

export interface TheirsParts {
  readonly unique: Uint8Array
  readonly settings: Settings
  readonly addresses: Pick<Transport, "addressOf">
  readonly slots: JoinSlots
  readonly peers: KnownPeers
  readonly writer: HandshakeWriter
  readonly associations: Associations
  readonly sessions: Sessions
  readonly halfOpen: HalfOpenTable
  readonly doubts: Doubts
  /** Only read. */
  readonly ours: Pick<Ours, "count" | "sessionWith">
  readonly cookies: CookieHost
  /** In profiles with keys. */
  readonly sealed: SealedHandshakes | undefined
}

/** The result of a join: a half-open try, or what it led to before. */
type Accepted = Pick<HalfOpen, "session" | "association">

export class Theirs {
  /** How often a host already had the most half-open joins allowed. */
  refusedOfHosts = 0
  /** How often a half-open join gave way to one of a host that had fewer. */
  gaveWay = 0
  readonly #parts: TheirsParts
  readonly #halfOpen: HalfOpenTable
  readonly #cookies: CookieJar
  readonly #challenges: TokenBucket
  readonly #tokens: TokenBucket
  readonly #ease: TokenBucket
  /** When half-open associations are next checked. */
  #dueMs = Infinity

  constructor(parts: TheirsParts, nowMs: number) {
    this.#parts = parts
    this.#halfOpen = parts.halfOpen
    this.#cookies = new CookieJar(parts.cookies, nowMs)
    this.#challenges = new TokenBucket(CHALLENGES_PER_SECOND, CHALLENGES_BURST, nowMs)
    this.#tokens = new TokenBucket(TOKENS_PER_SECOND, TOKENS_BURST, nowMs)
    this.#ease = new TokenBucket(JOINS_AT_EASE_PER_SECOND, JOINS_AT_EASE_BURST, nowMs)
  }

  get nextTimeoutMs(): number {
    return this.#dueMs
  }

  /** Answers a join, or returns why it is dropped. */
  handleJoin({ join, opened, attempt, length, address }: JoinHandshake, nowMs: number): wire.DropReason | undefined {
    const { unique, addresses, writer } = this.#parts
    const responder = opened?.responder
    // A try that was already answered, or a copy of it that another source sends.
    const wasAnswered = (it: HalfOpen): boolean => it.attempt === attempt && it.association.address === address
    if (responder !== undefined && this.#halfOpen.triesOf(joinKey(join)).some(wasAnswered)) return "unexpected"
    const isToSelf = isSame(join.unique, unique)
    // The incarnation that it asks for was here before us: the joiner learns that from a challenge, like a joiner that
    // knew nobody here.
    const isForAnother = !isNone(join.receiverUnique) && !isSame(join.receiverUnique, unique)
    const isUnverified =
      join.token.length === 0 && (responder === undefined || !this.#isAtEaseWith(join, address, nowMs))
    // Joins that are answered without checking a token count as challenges: any source could have sent them.
    const bucket = isToSelf || isForAnother || isUnverified ? this.#challenges : this.#tokens
    if (!bucket.take(nowMs)) return "rate"
    const source = sourceBytes(addresses.addressOf(address))
    const seed = wire.pseudoHeaderSeed({ receiverUnique: join.unique, receiverSession: join.session })
    const asked: Asked = { address, slot: join.slot, attempt, length, seed: wire.double(seed), responder }
    if (isToSelf) {
      writer.refuse(asked, { reason: wire.REASON.self, text: "this endpoint was asked to join itself" })
      return undefined
    }
    if (isForAnother || isUnverified) {
      writer.challenge(asked, this.#cookies.make(source, join.unique, join.slot, nowMs))
      return isForAnother ? "not-welcome" : undefined
    }
    if (join.token.length > 0 && !this.#cookies.check(join.token, source, join.unique, join.slot, nowMs)) return "token"
    if (join.versionMin > wire.VERSION) {
      writer.refuse(asked, { reason: wire.REASON.version, text: `this endpoint speaks version ${wire.VERSION}` })
      return undefined
    }
    const identity = opened === undefined ? undefined : this.#identify(opened, join)
    if (identity === "untrusted") {
      const text = "the joiner's key isn't welcome, it asked for another member's, or one of the two has no identity"
      writer.refuse(asked, { reason: wire.REASON.untrusted, text })
      return "not-welcome"
    }
    const found = this.#associationFor({ join, attempt, address, length }, identity?.publicKey, nowMs)
    if (found === "later") return "rate"
    if (found === "again") return "unexpected"
    if ("noPlace" in found) {
      writer.refuse(asked, { reason: wire.REASON.peersFull, text: found.noPlace })
      return "peers-full"
    }
    found.association.psk = opened?.psk
    return this.#accept(found, asked, identity, nowMs) ? undefined : "tag"
  }

  /** The member that joins, where members have keys: it has proved that the key is its own, and is trusted. */
  #identify(opened: OpenedJoin, join: wire.Join): IkResponder | "untrusted" | undefined {
    const sealed = this.#parts.sealed!
    const { identity } = sealed
    if (identity === undefined) return join.exchange.length === 0 ? undefined : "untrusted"
    const shown = sealed.readIdentity(opened, join)
    return shown === undefined || identity.trust(shown.publicKey) !== true ? "untrusted" : shown
  }

  /**
   * Whether a genuine join without a token is accepted, though another source may have copied it: it costs little, and
   * can't come from a peer that we know. Two sides that join each other at once learn by a challenge which session it
   * is to be, and so does a joiner at the second of two addresses.
   */
  #isAtEaseWith({ unique, session }: wire.Join, address: number, nowMs: number): boolean {
    const { settings, ours, peers } = this.#parts
    const mayBe = Math.min(settings.halfOpenMax, settings.halfOpenPerHostMax)
    const most = Math.min(HALF_OPEN_AT_EASE_MAX, Math.floor(mayBe / HALF_OPEN_AT_EASE_PART))
    if (isNone(session) || ours.count > 0 || this.#halfOpen.joins >= most) return false
    if (peers.hasUnique(unique)) return false
    for (const { session: other, association } of this.#halfOpen) {
      if (!isSame(other.unique, unique)) continue
      if (!(isSame(other.remote, session) && association.address === address)) return false
    }
    return this.#ease.take(nowMs)
  }

  /**
   * The association for a verified join: the one that it got before, or a new one. `noPlace`: no more peers are
   * accepted, and why. `"later"`: too many joins of its host wait. `"again"`: it is already confirmed, about to be
   * dropped, or in the name of a peer that is asked first. With keys each try has an association of its own, since it has keys of its own.
   */
  #associationFor(
    { join, attempt, address, length }: Pick<JoinHandshake, "join" | "attempt" | "address" | "length">,
    publicKey: Uint8Array | undefined,
    nowMs: number,
  ): Accepted | { readonly noPlace: string } | "later" | "again" {
    const { settings, peers, addresses, associations, sealed } = this.#parts
    const known = peers.get(join.unique, publicKey)
    const isKeyed = sealed !== undefined
    const key = joinKey(join)
    const tries = this.#halfOpen.triesOf(key)
    const again = isKeyed ? undefined : tries.find(({ association }) => association.address === address)
    if (again !== undefined) {
      again.joinBytes = Math.min(again.joinBytes, length)
      if (nowMs >= again.firstMs + ACCEPT_AGAIN_MS) return "again"
      again.acceptedMs = nowMs
      return again
    }
    if (known !== undefined && isSame(known.session.remote, join.session)) {
      const same = known.associations.find(({ remoteSlot, isOurs }) => remoteSlot === join.slot && !isOurs)
      if (same !== undefined) return isKeyed ? "again" : { session: known.session, association: same }
    }
    if (known !== undefined && !this.#parts.doubts.mayReplace(known, address, join.slotInUse, nowMs)) return "again"
    // A join counts once, however many tries it has.
    const isNew = tries.length === 0
    const host = hostPrefix(addresses.addressOf(address).host)
    // Who comes back to its place takes none.
    if (isNew && known === undefined && !this.#isBack(address, publicKey)) {
      const noPlace = whyNoPlace(settings, peers, this.#halfOpen, host, publicKey)
      if (noPlace !== undefined) return { noPlace }
    }
    if (isNew && this.#halfOpen.joinsOf(host) >= settings.halfOpenPerHostMax) {
      this.refusedOfHosts++
      return "later"
    }
    if (isNew && this.#halfOpen.joins >= settings.halfOpenMax && !this.#makeRoom(host, nowMs))
      return { noPlace: "too many joins" }
    const continues = known !== undefined && known.liveness !== "leaving" && isSame(known.session.remote, join.session)
    const session = continues ? known.session : this.#sessionFor(join, publicKey, nowMs)
    const association = this.#associate(join, address, nowMs)
    if (association === undefined) return { noPlace: "too many joins within two minutes" }
    if (!isKeyed) associations.protect(association, session)
    const isMany = tries.length > 0 && this.#halfOpen.tries >= TRIES_PER_JOIN * settings.halfOpenMax
    if (tries.length >= TRIES_MAX || isMany) this.#drop(tries[0]!, nowMs)
    const entry = {
      join: key,
      host,
      attempt,
      session,
      association,
      joinBytes: length,
      firstMs: nowMs,
      acceptedMs: nowMs,
    }
    this.#halfOpen.add(entry)
    this.#parts.slots.set(association.slot, { kind: "half-open", entry })
    this.#dueMs = Math.min(this.#dueMs, nowMs + HALF_OPEN_MS)
    return entry
  }

  /** Whether the peer at this address is over as soon as the joiner is one. */
  #isBack(address: number, publicKey: Uint8Array | undefined): boolean {
    const there = this.#parts.peers.at(address)
    return there !== undefined && isSameKey(there.session.publicKey, publicKey)
  }

  /** The host that has the most half-open joins gives up its oldest for one that has fewer; `false`: there is none. */
  #makeRoom(host: string, nowMs: number): boolean {
    const oldest = this.#halfOpen.oldestOfMost(this.#halfOpen.joinsOf(host))
    for (const entry of oldest) this.#drop(entry, nowMs)
    if (oldest.length > 0) this.gaveWay++
    return oldest.length > 0
  }

  /**
   * The session that a join begins; or that of a half-open join of the same peer: two joins at once are two
   * associations of one session.
   */
  #sessionFor(join: wire.Join, publicKey: Uint8Array | undefined, nowMs: number): Session {
    const { ours, sessions } = this.#parts
    const who = { unique: join.unique, publicKey }
    for (const { session } of this.#halfOpen)
      if (isWithSame(session, who) && isSame(session.remote, join.session)) return session
    const local = ours.sessionWith(who) ?? this.#halfOpen.sessionWith(who)?.local ?? sessions.next()
    return { local, ...who, remote: join.session, limits: join.limits, beganMs: nowMs }
  }

  /** Makes an association with a slot for a join of a peer; `undefined`: no slot is free. */
  #associate({ slot: remoteSlot, order }: wire.Join, address: number, nowMs: number): Association | undefined {
    const { slots, associations } = this.#parts
    const slot = slots.take(nowMs)
    if (slot === undefined) return undefined
    return associations.make({ slot, remoteSlot, address, isOurs: false, order, nowMs })
  }

  /** `false`: the exchange gave no keys, and the association is forgotten. */
  #accept({ session, association }: Accepted, asked: Asked, identity: IkResponder | undefined, nowMs: number): boolean {
    const { writer, associations, sealed } = this.#parts
    const shown = identity?.write(sealed!.random(), NOTHING)
    const accept = { slot: association.slot, session: session.local, exchange: shown?.message ?? NOTHING }
    const isShown = identity === undefined || shown !== undefined
    const result = isShown ? writer.accept(asked, accept) : "no keys"
    if (result === "no keys") {
      for (const entry of this.#halfOpen) if (entry.association === association) this.#drop(entry, nowMs)
      return false
    }
    if (result !== undefined) associations.protect(association, session, sealed!.combine(result, shown?.result))
    return true
  }

  #drop(entry: HalfOpen, nowMs: number): void {
    this.#halfOpen.delete(entry)
    this.#parts.associations.release(entry.association, nowMs)
  }

  /** A datagram came under a half-open association: the joiner has our accept. */
  confirm({ session, association, joinBytes }: HalfOpen, nowMs: number): Established {
    for (const entry of this.#halfOpen) {
      if (entry.association === association) this.#halfOpen.delete(entry)
      // Other tries of the join that this one belongs to: the peer has taken the first accept.
      else if (entry.session === session && entry.association.remoteSlot === association.remoteSlot)
        this.#drop(entry, nowMs)
    }
    if (this.#halfOpen.joins === 0) this.#dueMs = Infinity
    return { session, association, carriedBytes: joinBytes }
  }

  /** An incarnation is at an address now: whatever another incarnation there began is of a process that has ended. */
  prefer({ unique }: Session, address: number, nowMs: number): void {
    for (const entry of this.#halfOpen)
      if (entry.association.address === address && !isSame(entry.session.unique, unique)) this.#drop(entry, nowMs)
  }

  /** Forgets half-open associations that must not be confirmed any more. */
  dropWhere(isOver: (entry: HalfOpen) => boolean, nowMs: number): void {
    for (const entry of this.#halfOpen) if (isOver(entry)) this.#drop(entry, nowMs)
  }

  /** A session is over: half-open associations of it must not bring it back. */
  drop(over: Session, nowMs: number): void {
    for (const entry of this.#halfOpen) if (entry.session === over) this.#drop(entry, nowMs)
  }

  /** Forgets half-open associations that were never used. */
  poll(nowMs: number): void {
    if (this.#dueMs > nowMs) return
    this.#dueMs = Infinity
    for (const entry of this.#halfOpen) {
      const dueMs = entry.acceptedMs + HALF_OPEN_MS
      if (dueMs > nowMs) this.#dueMs = Math.min(this.#dueMs, dueMs)
      else this.#drop(entry, nowMs)
    }
  }

  /** Returns and forgets half-open joins that may already have been accepted on the other side. */
  takeAll(): HalfOpen[] {
    const all = [...this.#halfOpen]
    this.#halfOpen.clear()
    this.#dueMs = Infinity
    return all
  }

  release(nowMs: number): void {
    for (const { association } of this.takeAll()) this.#parts.associations.release(association, nowMs)
  }
}

/** The source that a token is bound to: its address and port. */
function sourceBytes({ host, port }: Address): Uint8Array {
  const { bytes } = parseHost(host)!
  const source = new Uint8Array(bytes.length + 2)
  source.set(bytes)
  source[bytes.length] = port >>> 8
  source[bytes.length + 1] = port & 255
  return source
}
