/**
 * One join under way, seen from the joiner: at which addresses it asks, and when (PROTOCOL.md §7). Reads no clock and
 * sends nothing.
 *
 * @module
 */

import { DATAGRAM_BYTES_BASE, DATAGRAM_BYTES_FLOOR } from "@x/wire"
import type { Due } from "../schedule/due-queue.ts"
import { isSame, isSameKey, NO_IDENTITY } from "../keys/identity.ts"
import { type Challenger, JoinCandidate, type Refusal } from "./join-candidate.ts"
import type { NoiseInitiator } from "../keys/noise.ts"
import type { IkInitiator } from "../keys/noise-ik.ts"
import type { Session, SessionNames } from "../path/session.ts"

/**
 * The next address is asked so long after the one before at the latest (RFC 8305 §5), and all have been by the middle
 * of the time that there is.
 */
const STEP_MS_MAX = 250
const STEP_PART = 2
/**
 * Addresses asked at a time. Of more, those that have been longest without an answer give way, and come again behind
 * the others.
 */
const ASKED_MAX = 32
/** Of so many one is begun every so often at most. */
const STEP_MS_MIN_OF_MANY = 10

/** Tries at an address whose answers may still come: with a new pair of keys for each, and so many are kept. */
const EXCHANGES_MAX = 16

/** A try in a profile with keys. */
export interface Exchange {
  readonly initiator: NoiseInitiator
  readonly address: number
  readonly sentMs: number
  /** The session and the order that it carried. */
  readonly session: Uint8Array
  readonly order: number
  /** And the exchange between static keys. */
  readonly identity: IkInitiator | undefined
}

/** What a join says this time. */
export interface JoinTry {
  readonly candidate: JoinCandidate
  readonly attempt: number
  readonly datagramBytes: number
}

export interface JoinerParts {
  readonly slot: number
  /** Ids of the addresses to ask at, the first one first; one reference each. */
  readonly addresses: readonly number[]
  /**
   * The session of the peer that we have there, where the join only asks whether it still is: it changes nothing unless
   * it completes.
   */
  readonly probed?: Session | undefined
  /** Who asked for it waits so long. */
  readonly timeoutMs: number
  readonly nowMs: number
  /**
   * The session that tries carry before a challenge told with whom it is: zeros, or one that is good for whoever
   * answers.
   */
  readonly firstSession?: Uint8Array
  /** Whose key it has to be, where members have some. */
  readonly publicKey?: Uint8Array | undefined
}

export class Joiner implements Due {
  readonly slot: number
  /** The session that is asked after, in a probe. */
  readonly probed: Session | undefined
  readonly publicKey: Uint8Array | undefined
  readonly candidates: readonly JoinCandidate[]
  dueMs: number = Infinity
  heapIndex = -1
  firstSession: Uint8Array
  /** When somebody asked for it last. */
  sinceMs: number
  readonly #exchanges = new Map<number, Exchange>()
  /** Those asked at, in the order in which they were begun, and those whose turn is to come. */
  #asked: JoinCandidate[] = []
  readonly #waiting: JoinCandidate[]
  #beginMs: number
  #stepMs = STEP_MS_MAX
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

  /** Number of the latest try; answers copy it. */
  get attempt(): number {
    return this.#attempt
  }

  candidateAt(address: number): JoinCandidate | undefined {
    return this.candidates.find((candidate) => candidate.address === address)
  }

  /** With this incarnation the join goes on, at one of its addresses. */
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

  /** Why it was refused: everywhere, or where it was answered at all. */
  get refusal(): Refusal | undefined {
    return this.candidates.find(({ refusal }) => refusal !== undefined)?.refusal
  }

  /** Whether it was refused everywhere. */
  get isOver(): boolean {
    return this.candidates.every(({ isOver }) => isOver)
  }

  /** Somebody more waits, so long: the last address is to be asked in time for it too. */
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

  /** The session that the next try there carries. */
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

  /** A challenge came from there: it is answered at once. */
  answer(candidate: JoinCandidate, challenge: Challenger, nowMs: number): void {
    if (!this.#asked.includes(candidate)) {
      if (this.#waiting.includes(candidate)) this.#waiting.splice(this.#waiting.indexOf(candidate), 1)
      this.#asked.push(candidate)
    }
    candidate.answer(challenge, this.#attempt, nowMs)
  }

  /**
   * What it was answering at an address is over: there it begins anew, and no answer to what was said there counts any
   * more.
   */
  restart(candidate: JoinCandidate, nowMs: number): void {
    for (const [attempt, { address }] of this.#exchanges)
      if (address === candidate.address) this.#exchanges.delete(attempt)
    candidate.restart()
    if (this.#waiting.includes(candidate)) return
    if (!this.#asked.includes(candidate)) this.#asked.push(candidate)
    candidate.begin(nowMs)
  }

  /** It was refused at an address: the next one needn't wait. */
  refuse(candidate: JoinCandidate, refusal: Refusal, isLast: boolean, nowMs: number): void {
    candidate.refuse(refusal, isLast)
    this.#beginMs = Math.min(this.#beginMs, nowMs)
  }

  /** The next try, if it is time for one. */
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

  /** Begins to ask at one address more. */
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
