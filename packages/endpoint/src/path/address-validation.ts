/**
 * Where a peer is (PROTOCOL.md §10, Moving): the address that it has proved, addresses that its newest datagrams came
 * from and that are challenged, and the address that it had before. Time, chance and references to addresses are given
 * from outside.
 *
 * @module
 */

import { ZERO } from "@x/wire"
import { isSameKey } from "../keys/identity.ts"

/** Bytes that may go to an address that proved nothing, for each byte that came from there (RFC 9000 §8.1). */
const ROOM_FOR_BYTE = 3
/** Addresses that are challenged at a time. A newer one takes the place of the oldest. */
export const CANDIDATES_MAX = 4
/** A challenge has this many PTOs, and at least those of a path of which nothing is known (RFC 9000 §8.2.4). */
const VALIDATION_PTOS = 3
const VALIDATION_MS_MIN = 900
/** The address before counts for this many PTOs more. */
const OLD_PTOS = 3
/** After an address turned out to be somebody else's, others are not looked at for a while, milliseconds. */
export const REST_MS = 1_000
/** And none is followed on trust for a longer while, milliseconds. */
export const SUSPICION_MS = 60_000

/** What all peers share. */
export interface AddressContext {
  /** Whether a peer is followed before it has proved its address: where there are keys, only it makes its datagrams. */
  readonly mayFollow: boolean
  /** Returns the data of a challenge: bytes that nobody can guess. */
  draw(): Uint8Array
  retain(address: number): void
  release(address: number): void
}

/** Where datagrams go. */
export class Destination {
  /** Id of the address at the transport. */
  readonly address: number
  /** Bytes that may still go there; `Infinity`: it is proved. */
  roomBytes: number

  constructor(address: number, roomBytes: number) {
    this.address = address
    this.roomBytes = roomBytes
  }
}

/** A question that only a peer that receives at an address can answer; repeated further and further apart. */
class Challenge {
  readonly data: Uint8Array
  readonly endMs: number
  dueMs: number
  #waitMs: number

  constructor(data: Uint8Array, ptoMs: number, nowMs: number) {
    this.data = data
    this.dueMs = nowMs
    this.endMs = nowMs + Math.max(VALIDATION_PTOS * ptoMs, VALIDATION_MS_MIN)
    this.#waitMs = ptoMs
  }

  said(nowMs: number): void {
    this.dueMs = nowMs + this.#waitMs
    this.#waitMs *= 2
  }
}

class Candidate extends Destination {
  readonly challenge: Challenge
  isAnswered = false

  constructor(address: number, challenge: Challenge) {
    super(address, 0)
    this.challenge = challenge
  }
}

/** A genuine datagram that came. */
export interface Heard {
  /** Id of its source at the transport. */
  readonly source: number
  readonly bytes: number
  /** Whether its counter is the highest so far: an older datagram was only late. */
  readonly isNewest: boolean
  /** When the one before it came. */
  readonly beforeMs: number
}

export class AddressValidation {
  readonly #context: AddressContext
  #proved: Destination
  #destination: Destination
  /** Asks whether the peer is still where it was; while there are candidates. */
  #home: Challenge | undefined
  /** The newest is the last one. */
  readonly #candidates: Candidate[] = []
  #old: { readonly address: number; readonly data: Uint8Array | undefined; readonly untilMs: number } | undefined
  #restUntilMs = -Infinity
  #suspectUntilMs = -Infinity
  /** Whether the newest datagram came from elsewhere, and none from the proved address since. */
  #isAway = false
  /** When something last came before that began; when datagrams last left the proved address. */
  #homeMs = ZERO
  #leftMs = ZERO
  #strayMs = ZERO
  /** Addresses that were challenged in vain. */
  failed = 0

  /** Takes over a reference to the address, which is proved. */
  constructor(address: number, context: AddressContext) {
    this.#context = context
    this.#proved = this.#destination = new Destination(address, Infinity)
  }

  /** The address that the peer has proved. */
  get address(): number {
    return this.#proved.address
  }

  get destination(): Destination {
    return this.#destination
  }

  /** What may go to an address that is proved or challenged; `undefined`: it is neither. */
  at(address: number): Destination | undefined {
    return address === this.address ? this.#proved : this.#candidates.find((it) => it.address === address)
  }

  /** Of what was sent before the destination changed: what was sent since then may have gone where the peer wasn't. */
  get strayMs(): number {
    return this.#strayMs
  }

  /** Whether there is one address, and nothing under way. */
  get isSettled(): boolean {
    return this.#candidates.length === 0 && this.#old === undefined
  }

  /** A genuine datagram came, from wherever. */
  heard({ source, bytes, isNewest, beforeMs }: Heard, ptoMs: number, nowMs: number): void {
    let candidate = this.#candidates.find(({ address }) => address === source)
    if (candidate !== undefined) candidate.roomBytes += ROOM_FOR_BYTE * bytes
    if (!isNewest) return
    if (source === this.address) {
      this.#isAway = false
      return this.#candidates.length > 0 ? this.#stay(nowMs) : undefined
    }
    if (this.#isOld(nowMs) && source === this.#old!.address) return this.#goBack(nowMs)
    if (!this.#isAway) this.#homeMs = beforeMs
    this.#isAway = true
    if (nowMs < this.#restUntilMs) return
    if (this.#candidates.length === 0) this.#home = new Challenge(this.#context.draw(), ptoMs, nowMs)
    if (candidate === undefined) {
      candidate = new Candidate(source, new Challenge(this.#context.draw(), ptoMs, nowMs))
      candidate.roomBytes = ROOM_FOR_BYTE * bytes
      this.#context.retain(source)
    } else {
      this.#candidates.splice(this.#candidates.indexOf(candidate), 1)
    }
    this.#candidates.push(candidate)
    if (this.#context.mayFollow && nowMs >= this.#suspectUntilMs) this.#follow(candidate, beforeMs, nowMs)
    if (this.#candidates.length > CANDIDATES_MAX) this.#fail(this.#candidates[0]!)
  }

  #follow(candidate: Candidate, beforeMs: number, nowMs: number): void {
    if (this.#destination === candidate) return
    if (this.#destination === this.#proved) this.#leftMs = nowMs
    this.#strayMs = beforeMs
    this.#destination = candidate
  }

  /** The peer is where it was. Others that sent its datagrams have copied them, or carry them on. */
  #stay(nowMs: number): void {
    this.#doubt(nowMs)
    if (this.#destination === this.#proved) return
    this.#strayMs = this.#leftMs
    this.#destination = this.#proved
  }

  /** The peer is where it was before it moved, after all. */
  #goBack(nowMs: number): void {
    const { address } = this.#old!
    this.#old = undefined
    this.#context.release(this.address)
    this.#proved = new Destination(address, Infinity)
    this.#doubt(nowMs)
    this.#strayMs = this.#leftMs
    this.#destination = this.#proved
  }

  #doubt(nowMs: number): void {
    this.failed++
    this.#isAway = false
    this.#restUntilMs = nowMs + REST_MS
    this.#suspectUntilMs = nowMs + SUSPICION_MS
    this.#drop(this.#candidates.length)
    this.#home = undefined
  }

  /** Forgets the oldest candidates. */
  #drop(count: number): void {
    for (const { address } of this.#candidates.splice(0, count)) this.#context.release(address)
  }

  /** An answer to a challenge came, from wherever; `false`: it answers none of ours. */
  answered(data: Uint8Array, ptoMs: number, nowMs: number): boolean {
    if (isSameKey(this.#home?.data, data)) {
      this.#stay(nowMs)
      return true
    }
    if (this.#isOld(nowMs) && isSameKey(this.#old!.data, data)) {
      this.#goBack(nowMs)
      return true
    }
    const candidate = this.#candidates.find(({ challenge }) => isSameKey(challenge.data, data))
    if (candidate === undefined) return false
    candidate.isAnswered = true
    // Somebody has copied its datagrams, and may carry challenges to and fro: the address that it had comes first.
    if (this.#home === undefined || nowMs >= this.#suspectUntilMs) this.#prove(candidate, ptoMs, nowMs)
    return true
  }

  #prove(candidate: Candidate, ptoMs: number, nowMs: number): void {
    const before = this.#proved
    this.#forgetOld()
    this.#old = { address: before.address, data: this.#home?.data, untilMs: nowMs + OLD_PTOS * ptoMs }
    const at = this.#candidates.indexOf(candidate)
    this.#drop(at)
    this.#candidates.shift()
    this.#home = undefined
    this.#isAway = false
    this.#suspectUntilMs = -Infinity
    this.#proved = new Destination(candidate.address, Infinity)
    if (this.#destination === before) {
      this.#strayMs = this.#homeMs
      this.#leftMs = nowMs
      this.#destination = this.#proved
    } else if (this.#destination === candidate) {
      this.#destination = this.#proved
    }
  }

  #isOld(nowMs: number): boolean {
    return this.#old !== undefined && nowMs < this.#old.untilMs
  }

  #forgetOld(): void {
    if (this.#old !== undefined) this.#context.release(this.#old.address)
    this.#old = undefined
  }

  /** Nothing came back from there. */
  #fail(candidate: Candidate): void {
    this.failed++
    this.#candidates.splice(this.#candidates.indexOf(candidate), 1)
    this.#context.release(candidate.address)
    if (this.#candidates.length === 0) this.#home = undefined
    if (this.#destination !== candidate) return
    this.#strayMs = this.#leftMs
    this.#destination = this.#candidates.at(-1) ?? this.#proved
  }

  /** When there is something to send, or a time is over. */
  get dueMs(): number {
    let dueMs = Math.min(this.#old?.untilMs ?? Infinity, this.#home?.dueMs ?? Infinity, this.#home?.endMs ?? Infinity)
    for (const { challenge } of this.#candidates) dueMs = Math.min(dueMs, challenge.dueMs, challenge.endMs)
    return dueMs
  }

  /** Ends what has had its time. */
  handleTimeout(ptoMs: number, nowMs: number): void {
    if (this.#old !== undefined && !this.#isOld(nowMs)) this.#forgetOld()
    if (this.#home !== undefined && this.#home.endMs <= nowMs) {
      this.#home = undefined
      const proved = this.#candidates.findLast(({ isAnswered }) => isAnswered)
      if (proved !== undefined) this.#prove(proved, ptoMs, nowMs)
    }
    for (const candidate of [...this.#candidates]) if (candidate.challenge.endMs <= nowMs) this.#fail(candidate)
  }

  /**
   * The next challenge that is due, which counts as sent in a datagram of this many bytes. One that there is no room for
   * is left out.
   */
  pollChallenge(bytes: number, nowMs: number): { readonly address: number; readonly data: Uint8Array } | undefined {
    if (this.#home !== undefined && this.#home.dueMs <= nowMs) {
      this.#home.said(nowMs)
      return { address: this.address, data: this.#home.data }
    }
    for (const candidate of this.#candidates) {
      const { address, challenge } = candidate
      if (challenge.dueMs > nowMs) continue
      challenge.said(nowMs)
      if (candidate.roomBytes < bytes) continue
      candidate.roomBytes -= bytes
      return { address, data: challenge.data }
    }
    return undefined
  }

  /** Gives back all references. */
  release(): void {
    this.#forgetOld()
    this.#drop(this.#candidates.length)
    this.#home = undefined
    this.#destination = this.#proved
    this.#context.release(this.address)
  }

  /** For tests: throws an `Error` if the addresses contradict each other. */
  assertInvariants(): void {
    const addresses = [this.address, ...this.#candidates.map(({ address }) => address)]
    if (new Set(addresses).size < addresses.length) throw new Error("an address is both proved and challenged")
    if (this.#candidates.length > CANDIDATES_MAX) throw new Error(`${this.#candidates.length} addresses are challenged`)
    if (this.#candidates.some(({ roomBytes }) => !(roomBytes >= 0)))
      throw new Error("more was sent than there was room")
    if (this.#destination !== this.#proved && !this.#candidates.includes(this.#destination as Candidate))
      throw new Error("datagrams go to an address that is neither proved nor challenged")
    if (this.#home !== undefined && this.#candidates.length === 0) throw new Error("the peer is asked without a reason")
  }
}
