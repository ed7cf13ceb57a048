/**
 * One address that a join asks at: when to say it again there, and with what (PROTOCOL.md §7). Reads no clock and sends
 * nothing.
 *
 * @module
 */

/** The first retry comes after this, the next after 1.5 times as long, up to a second; milliseconds. */
export const RETRY_MS = 100
const RETRY_FACTOR = 1.5
const RETRY_MS_MAX = 1_000
/** Joins with padding to the base size before smaller ones are tried: a path that can't carry it is rare. */
const FULL_SIZE_TRIES = 3
/**
 * Challenges answered at once; more come only where two incarnations answer at one address, and wait for the next try.
 */
const ANSWERS_AT_ONCE = 4
/**
 * Tries with one token that nobody answers, after which another is asked for: this one is too old, or was made for
 * somebody else.
 */
const TOKEN_TRIES_MAX = 5
/** Where there are keys a refusal is the last word after so many more tries that nobody else answered. */
const REFUSED_TRIES = 3

/**
 * Who challenged: who it is, the session that is for it, and the order of the association; `token` brings back what it
 * gave.
 */
export interface Challenger {
  readonly unique: Uint8Array
  readonly token: Uint8Array
  readonly session: Uint8Array
  readonly order: number
}

export interface Refusal {
  readonly reason: number
  readonly text: string
}

export class JoinCandidate {
  /** Id of the address; the join holds a reference. */
  readonly address: number
  /** The challenger, from the latest challenge; a join without one can only be a first one. */
  challenge: Challenger | undefined
  /** Why it was refused, as long as somebody else may still answer. */
  refusal: Refusal | undefined
  /** When it is to be said again; `Infinity` while it isn't asked at. */
  nextMs: number = Infinity
  /** It was refused, and nobody else answered. */
  isOver = false
  /** The latest try when the challenge came: answers to it and to those before it are of no use any more. */
  #challengedAt = 0
  #answers = 0
  #retryMs = RETRY_MS
  #saidMs = -Infinity
  #tries = 0
  /** Whose token was of no use. */
  #former: Challenger | undefined
  #tokenTries = 0
  #refusedTries = 0

  constructor(address: number) {
    this.address = address
  }

  get isAsked(): boolean {
    return this.nextMs !== Infinity
  }

  /** With whom it goes on, token or none. */
  get challenger(): Challenger | undefined {
    return this.challenge ?? this.#former
  }

  /**
   * Whether an answer to this try is one to what we say now: before the first challenge any, then those to tries that
   * went by the latest.
   */
  isCurrent(attempt: number): boolean {
    return attempt > this.#challengedAt
  }

  /** It is asked at from now on. */
  begin(nowMs: number): void {
    this.#retryMs = RETRY_MS
    this.nextMs = nowMs
  }

  /** Others have their turn. */
  pause(): void {
    this.nextMs = Infinity
  }

  /** Somebody more waits: retries are as close again as at first. */
  hasten(nowMs: number): void {
    if (!this.isAsked) return
    this.#retryMs = RETRY_MS
    this.nextMs = Math.min(this.nextMs, Math.max(nowMs, this.#saidMs + RETRY_MS))
  }

  /** A challenge came, and this is the latest try: it is answered at once. */
  answer(challenge: Challenger, attempt: number, nowMs: number): void {
    this.#goOn()
    this.challenge = challenge
    this.#tokenTries = 0
    this.#challengedAt = attempt
    if (this.#answers++ < ANSWERS_AT_ONCE || !this.isAsked) this.nextMs = nowMs
  }

  /** What it was answering is over: it begins anew. */
  restart(): void {
    this.#goOn()
    this.challenge = this.#former = undefined
  }

  /**
   * It was refused, by whom we asked or, unless this is the last word, by somebody who was shown the join: then it is
   * over soon, unless somebody else answers.
   */
  refuse(refusal: Refusal, isLast: boolean): void {
    this.isOver = isLast
    if (this.refusal !== undefined) return
    this.refusal = refusal
    this.#refusedTries = 0
  }

  #goOn(): void {
    this.refusal = undefined
    this.isOver = false
  }

  /**
   * Whether it is time for the next try, which is taken for made; and the bytes of its datagram are to be the base
   * size.
   */
  take(nowMs: number): "full" | "small" | undefined {
    if (this.nextMs > nowMs || this.isOver) return undefined
    if (this.refusal !== undefined && this.#refusedTries++ >= REFUSED_TRIES) {
      this.isOver = true
      return undefined
    }
    if (this.challenge !== undefined && this.#tokenTries++ >= TOKEN_TRIES_MAX) {
      this.#former = this.challenge
      this.challenge = undefined
    }
    this.#saidMs = nowMs
    this.nextMs = nowMs + this.#retryMs
    this.#retryMs = Math.min(this.#retryMs * RETRY_FACTOR, RETRY_MS_MAX)
    return ++this.#tries <= FULL_SIZE_TRIES + 1 ? "full" : "small"
  }
}
