/**
 * One address that a join asks at: when to repeat the join there, and with what (PROTOCOL.md §7). Reads no clock and
 * sends nothing.
 *
 * @module
 */

import { double } from "@x/wire"

/** The first retry comes after this time, each next one after 1.5 times as long, up to a second; milliseconds. */
export const RETRY_MS = 100
const RETRY_FACTOR = 1.5
const RETRY_MS_MAX = 1_000
/** Tries with padding to the base size before smaller ones are made: paths that can't carry it are rare. */
const FULL_SIZE_TRIES = 3
/**
 * Challenges answered at once. More come only if two incarnations answer at one address; those wait for the next try.
 */
const ANSWERS_AT_ONCE = 4
/**
 * Unanswered tries with one token, after which another token is requested: this one is too old, or was made for another
 * incarnation.
 */
const TOKEN_TRIES_MAX = 5
/** With keys, a refusal is final after this many more tries that nobody else answered. */
const REFUSED_TRIES = 3

/**
 * The incarnation that challenged: its identity, the session for it, and the order of the association. `token` is
 * returned to it.
 */
export interface Challenger {
  readonly unique: Uint8Array
  readonly token: Uint8Array
  readonly session: Uint8Array
  readonly order: number
  /** The challenger's slot of our association with it, 0 if there is none. */
  readonly slotInUse: number
}

export interface Refusal {
  readonly reason: number
  readonly text: string
}

export class JoinCandidate {
  /** Id of the address; the join holds a reference to it. */
  readonly address: number
  /** The challenger of the latest challenge. A join without one can only be a first join. */
  challenge: Challenger | undefined
  /** Why it was refused, while another peer may still answer. */
  refusal: Refusal | undefined
  /** The system's error, if it refused to send the last try. */
  failure: unknown
  /** Whether it ever did. */
  hasFailed = false
  /** When the next try is due; `Infinity` while this address isn't asked. */
  nextMs: number = Infinity
  /** It was refused, and nobody else answered. */
  isOver = false
  /** The latest try when the challenge came: answers to it and to earlier tries are outdated. */
  #challengedAt = 0
  #answers = 0
  #retryMs = double(RETRY_MS)
  #saidMs = -Infinity
  #tries = 0
  /** The challenger whose token was of no use. */
  #former: Challenger | undefined
  #tokenTries = 0
  #refusedTries = 0

  constructor(address: number) {
    this.address = address
  }

  get isAsked(): boolean {
    return this.nextMs !== Infinity
  }

  /** The incarnation that the join goes on with, with or without a token. */
  get challenger(): Challenger | undefined {
    return this.challenge ?? this.#former
  }

  /**
   * Whether an answer to this try is current: before the first challenge every answer is, then only answers to tries
   * made after the latest challenge.
   */
  isCurrent(attempt: number): boolean {
    return attempt > this.#challengedAt
  }

  /** The address is asked from now on. */
  begin(nowMs: number): void {
    this.#retryMs = RETRY_MS
    this.nextMs = nowMs
  }

  /** Other addresses have their turn. */
  pause(): void {
    this.nextMs = Infinity
  }

  /** Another call waits: the retries are as frequent as at first. */
  hasten(nowMs: number): void {
    if (!this.isAsked) return
    this.#retryMs = RETRY_MS
    this.nextMs = Math.min(this.nextMs, Math.max(nowMs, this.#saidMs + RETRY_MS))
  }

  /** A challenge came, and `attempt` is the latest try: the challenge is answered at once. */
  answer(challenge: Challenger, attempt: number, nowMs: number): void {
    this.#goOn()
    this.challenge = challenge
    this.#tokenTries = 0
    this.#challengedAt = attempt
    if (this.#answers++ < ANSWERS_AT_ONCE || !this.isAsked) this.nextMs = nowMs
  }

  /** The challenge that it was answering is obsolete: it begins anew. */
  restart(): void {
    this.#goOn()
    this.challenge = this.#former = undefined
  }

  /**
   * It was refused. The refusal may come from the peer that we asked or, unless it is final, from another that was
   * shown the join: so it is over soon, unless somebody else answers.
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

  /** Whether the next try is due, which then counts as made; and whether its datagram has the base size. */
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
    this.failure = undefined
    this.#saidMs = nowMs
    this.nextMs = nowMs + this.#retryMs
    this.#retryMs = Math.min(this.#retryMs * RETRY_FACTOR, RETRY_MS_MAX)
    return ++this.#tries <= FULL_SIZE_TRIES + 1 ? "full" : "small"
  }
}
