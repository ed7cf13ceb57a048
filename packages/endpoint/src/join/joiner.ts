/**
 * One join under way at the joiner: at which addresses it asks, and when (PROTOCOL.md §7). Reads no clock and sends
 * nothing.
 *
 * @module
 */

import type { Due } from "@x/transport/host"
import { DATAGRAM_BYTES_BASE, DATAGRAM_BYTES_FLOOR, double } from "@x/wire"
import { isSame, isSameKey, NO_IDENTITY } from "../keys/identity.ts"
import { type Challenger, JoinCandidate, type Refusal } from "./join-candidate.ts"
import type { NoiseInitiator } from "../keys/noise.ts"
import type { IkInitiator } from "../keys/noise-ik.ts"
import type { Session, SessionNames } from "../path/session.ts"

/**
 * The next address is asked at most this long after the one before (RFC 8305 §5), and all are asked by half of the time
 * available.
 */
const STEP_MS_MAX = 250
const STEP_PART = 2
/**
 * Addresses asked at the same time. If there are more, those that have been unanswered for longest give way, and have
 * their turn again after the others.
 */
const ASKED_MAX = 32
/** With more addresses than that, new ones are at least this far apart. */
const STEP_MS_MIN_OF_MANY = 10

/** Tries at an address whose answers may still come: each has a pair of keys of its own, and this many are kept. */
const EXCHANGES_MAX = 16

/** A try in a profile with keys. */
export interface Exchange {
  readonly initiator: NoiseInitiator
  readonly psk: Uint8Array
  readonly address: number
  readonly sentMs: number
  /** The session and the order that it carried. */
  readonly session: Uint8Array
  readonly order: number
  /** The exchange between static keys. */
  readonly identity: IkInitiator | undefined
}

/** What the next datagram of a join says. */
export interface JoinTry {
  readonly candidate: JoinCandidate
  readonly attempt: number
  readonly datagramBytes: number
}

export interface JoinerParts {
  readonly slot: number
  /** Ids of the addresses to ask, the first one first, with one reference each. */
  readonly addresses: readonly number[]
  /**
   * The session of our peer there, if the join only asks whether it still exists: it changes nothing unless it
   * completes.
   */
  readonly probed?: Session | undefined
  /** How long the first caller waits. */
  readonly timeoutMs: number
  readonly nowMs: number
  /** The session that tries carry before a challenge has named the peer: zeros, or one that is valid for any peer. */
  readonly firstSession?: Uint8Array
  /** The key that the peer has to show, where members have one. */
  readonly publicKey?: Uint8Array | undefined
}

export class Joiner implements Due {
  readonly slot: number
  /** The session that a probe asks about. */
  readonly probed: Session | undefined
  readonly publicKey: Uint8Array | undefined
  readonly candidates: readonly JoinCandidate[]
  dueMs: number = Infinity
  heapIndex = -1
  firstSession: Uint8Array
  /** When a call last asked for it. */
  sinceMs: number
  readonly #exchanges = new Map<number, Exchange>()
  /** The addresses that are asked, in the order in which they were begun, and those whose turn is to come. */
  #asked: JoinCandidate[] = []
  readonly #waiting: JoinCandidate[]
  #beginMs: number
  #stepMs = double(STEP_MS_MAX)
  #attempt = 0

  constructor({ slot, addresses, probed, timeoutMs, nowMs, firstSession = NO_IDENTITY, publicKey }: JoinerParts) {
    this.slot = slot
    this.probed = probed
    this.publicKey = publicKey
    this.firstSession = firstSession
    this.candidates = addresses.map((address) => new JoinCandidate(address))
    this.#waiting = [...this.candidates]
    this.#beginMs = this.sinceMs = nowMs
    this.hasten(timeoutMs, nowMs)
  }

  get isProbe(): boolean {
    return this.probed !== undefined
  }

  /** The number of the latest try; answers repeat it. */
  get attempt(): number {
    return this.#attempt
  }

  candidateAt(address: number): JoinCandidate | undefined {
    return this.candidates.find((candidate) => candidate.address === address)
  }

  /** The candidate at which the join goes on with this incarnation. */
  challengerWith({ unique, publicKey }: Pick<SessionNames, "unique" | "publicKey">): Challenger | undefined {
    if (!isSameKey(this.publicKey, publicKey)) return undefined
    for (const { challenger } of this.candidates)
      if (challenger !== undefined && isSame(challenger.unique, unique)) return challenger
    return undefined
  }

  get nextTimeoutMs(): number {
    let next = this.#waiting.length > 0 ? this.#beginMs : Infinity
    for (const { nextMs, isOver } of this.#asked) if (!isOver) next = Math.min(next, nextMs)
    return next
  }

  /** Why it was refused: by all addresses, or by those that answered at all. */
  get refusal(): Refusal | undefined {
    return this.candidates.find(({ refusal }) => refusal !== undefined)?.refusal
  }

  /** Whether it was refused at all addresses. */
  get isOver(): boolean {
    return this.candidates.every(({ isOver }) => isOver)
  }

  /** Another call waits for this long: the last address has to be asked in time for it too. */
  hasten(timeoutMs: number, nowMs: number): void {
    this.sinceMs = nowMs
    const { length } = this.candidates
    const stepMs = Math.max(
      length > ASKED_MAX ? STEP_MS_MIN_OF_MANY : 1,
      Math.min(STEP_MS_MAX, timeoutMs / STEP_PART / length),
    )
    if (stepMs < this.#stepMs) {
      this.#stepMs = stepMs
      this.#beginMs = Math.min(this.#beginMs, nowMs + stepMs)
    }
    for (const candidate of this.#asked) candidate.hasten(nowMs)
  }

  /** The session that the next try at this address carries. */
  sessionAt({ challenge }: JoinCandidate): Uint8Array {
    return challenge?.session ?? this.firstSession
  }

  /** A try was sealed. */
  addExchange(attempt: number, exchange: Exchange): void {
    this.#exchanges.set(attempt, exchange)
    const { address } = exchange
    let kept = 0
    for (const it of this.#exchanges.values()) if (it.address === address) kept++
    if (kept <= EXCHANGES_MAX) return
    for (const [number, it] of this.#exchanges) if (it.address === address) return void this.#exchanges.delete(number)
  }

  exchange(attempt: number): Exchange | undefined {
    return this.#exchanges.get(attempt)
  }

  /** A challenge came from this address: it is answered at once. */
  answer(candidate: JoinCandidate, challenge: Challenger, nowMs: number): void {
    if (!this.#asked.includes(candidate)) {
      if (this.#waiting.includes(candidate)) this.#waiting.splice(this.#waiting.indexOf(candidate), 1)
      this.#asked.push(candidate)
    }
    candidate.answer(challenge, this.#attempt, nowMs)
  }

  /**
   * The challenge that it was answering at an address is obsolete: it begins anew there, and answers to earlier tries
   * don't count any more.
   */
  restart(candidate: JoinCandidate, nowMs: number): void {
    for (const [attempt, { address }] of this.#exchanges)
      if (address === candidate.address) this.#exchanges.delete(attempt)
    candidate.restart()
    if (this.#waiting.includes(candidate)) return
    if (!this.#asked.includes(candidate)) this.#asked.push(candidate)
    candidate.begin(nowMs)
  }

  /**
   * The system refused to send the last try to an address: after the first such try the next address needn't wait. This
   * one is tried again, since a network may come back.
   */
  fail(candidate: JoinCandidate, cause: unknown, nowMs: number): void {
    candidate.failure = cause
    if (candidate.hasFailed) return
    candidate.hasFailed = true
    const waitMs = this.candidates.length > ASKED_MAX ? STEP_MS_MIN_OF_MANY : 0
    this.#beginMs = Math.min(this.#beginMs, nowMs + waitMs)
  }

  /** It was refused at an address: the next address needn't wait. */
  refuse(candidate: JoinCandidate, refusal: Refusal, isLast: boolean, nowMs: number): void {
    candidate.refuse(refusal, isLast)
    this.#beginMs = Math.min(this.#beginMs, nowMs)
  }

  /** Returns the next try, if one is due. */
  poll(nowMs: number): JoinTry | undefined {
    if (this.#waiting.length > 0 && this.#beginMs <= nowMs) this.#begin(nowMs)
    for (const candidate of this.#asked) {
      const size = candidate.take(nowMs)
      if (size === undefined) continue
      this.#attempt++
      return {
        candidate,
        attempt: this.#attempt,
        datagramBytes: size === "full" ? DATAGRAM_BYTES_BASE : DATAGRAM_BYTES_FLOOR,
      }
    }
    return undefined
  }

  /** Begins to ask at one more address. */
  #begin(nowMs: number): void {
    this.#beginMs = nowMs + this.#stepMs
    this.#asked = this.#asked.filter(({ isOver }) => !isOver)
    if (this.#asked.length >= ASKED_MAX) {
      const at = this.#asked.findIndex(({ challenge }) => challenge === undefined)
      if (at < 0) return
      const [paused] = this.#asked.splice(at, 1)
      paused!.pause()
      this.#waiting.push(paused!)
    }
    const next = this.#waiting.shift()!
    next.begin(nowMs)
    this.#asked.push(next)
  }
}
