/**
 * One join under way, seen from the joiner: when to say it again, to whom and with what (PROTOCOL.md §7). Reads no clock and sends nothing.
 *
 * @module
 */

import { DATAGRAM_BYTES_BASE, DATAGRAM_BYTES_FLOOR } from "@x/wire"
import type { Due } from "./due-queue.ts"
import { NO_IDENTITY } from "./identity.ts"
import type { NoiseInitiator } from "./noise.ts"
import type { IkInitiator } from "./noise-ik.ts"

/** The first retry comes after this, the next after 1.5 times as long, up to a second; milliseconds. */
const RETRY_MS = 100
const RETRY_FACTOR = 1.5
const RETRY_MS_MAX = 1_000
/** Joins with padding to the base size before smaller ones are tried: a path that can't carry it is rare. */
const FULL_SIZE_TRIES = 3
/** Challenges answered at once; more come only where two incarnations answer at one address, and wait for the next try. */
const ANSWERS_AT_ONCE = 4

/** Tries with one token that nobody answers, after which another is asked for: this one is too old, or was made for somebody else. */
const TOKEN_TRIES_MAX = 5
/** Where there are keys a refusal is the last word after so many more tries that nobody else answered. */
const REFUSED_TRIES = 3

/** Tries whose answer may still come: with a new pair of keys for each, and so many are kept. */
const EXCHANGES_MAX = 16

/** A try in a profile with keys. */
export interface Exchange {
  readonly initiator: NoiseInitiator
  /** The session it carried. */
  readonly session: Uint8Array
  /** And the exchange between static keys. */
  readonly identity: IkInitiator | undefined
}

/** Who challenged: where, who it is, and the session that is for it; `token` brings back what it gave. */
export interface Challenger {
  readonly address: number
  readonly unique: Uint8Array
  readonly token: Uint8Array
  readonly session: Uint8Array
}

/** What a join says this time. */
export interface JoinTry {
  readonly address: number
  readonly attempt: number
  readonly datagramBytes: number
}

export class Joiner implements Due {
  readonly slot: number
  /** Ids of the addresses to try, in turn; one reference each. */
  readonly addresses: readonly number[]
  readonly deadlineMs: number
  /** A probing join for a peer we have: it changes nothing unless it completes. */
  readonly isProbe: boolean
  dueMs: number = Infinity
  heapIndex = -1
  /** The challenger, from the latest challenge; a join without one can only be a first one. */
  challenge: Challenger | undefined
  /** Why it was refused, as long as somebody else may still answer. */
  refusal: { readonly reason: number; readonly text: string } | undefined
  /** The session that tries carry before a challenge told whom it is with: zeros, or one that is good for whoever answers. */
  readonly firstSession: Uint8Array
  /** Of whom it asks for, where members have keys. */
  readonly publicKey: Uint8Array | undefined
  readonly #exchanges = new Map<number, Exchange>()
  #attempt = 0
  /** The latest try when the challenge came: answers to it and to those before it are of no use any more. */
  #challengedAt = 0
  #answers = 0
  #retryMs = RETRY_MS
  #nextMs: number
  /** Whose token was of no use. */
  #former: Challenger | undefined
  #tokenTries = 0
  #refusedTries = 0
  #endMs: number

  constructor(
    slot: number,
    addresses: readonly number[],
    isProbe: boolean,
    deadlineMs: number,
    nowMs: number,
    firstSession: Uint8Array = NO_IDENTITY,
    publicKey?: Uint8Array,
  ) {
    this.publicKey = publicKey
    this.slot = slot
    this.firstSession = firstSession
    this.addresses = addresses
    this.isProbe = isProbe
    this.deadlineMs = this.#endMs = deadlineMs
    this.#nextMs = nowMs
  }

  /** Number of the latest try; answers copy it. */
  get attempt(): number {
    return this.#attempt
  }

  get nextTimeoutMs(): number {
    return Math.min(this.#nextMs, this.#endMs)
  }

  /** Whom it goes on with, token or none. */
  get challenger(): Challenger | undefined {
    return this.challenge ?? this.#former
  }

  /** The session that the next try carries. */
  get session(): Uint8Array {
    return this.challenge?.session ?? this.firstSession
  }

  /** A try was sealed. */
  addExchange(attempt: number, exchange: Exchange): void {
    this.#exchanges.set(attempt, exchange)
    if (this.#exchanges.size > EXCHANGES_MAX) this.#exchanges.delete(this.#exchanges.keys().next().value!)
  }

  exchange(attempt: number): Exchange | undefined {
    return this.#exchanges.get(attempt)
  }

  isOver(nowMs: number): boolean {
    return nowMs >= this.#endMs
  }

  /** Whether an answer to this try is one to what we say now: before the first challenge any, then those to tries that went by the latest. */
  isCurrent(attempt: number): boolean {
    return attempt > this.#challengedAt
  }

  /** A challenge came: answer it at once. */
  answer(challenge: Challenger, nowMs: number): void {
    this.#goOn()
    this.challenge = challenge
    this.#tokenTries = 0
    this.#challengedAt = this.#attempt
    if (this.#answers++ < ANSWERS_AT_ONCE) this.#nextMs = nowMs
  }

  /** What it was answering is over: it begins anew. */
  restart(nowMs: number): void {
    this.#goOn()
    this.challenge = this.#former = undefined
    this.#exchanges.clear()
    this.#retryMs = RETRY_MS
    this.#nextMs = nowMs
  }

  /** It was refused, by whom we asked or by somebody who was shown the join: it is over soon, unless somebody else answers. */
  refuse(refusal: NonNullable<Joiner["refusal"]>): void {
    if (this.refusal !== undefined) return
    this.refusal = refusal
    this.#refusedTries = 0
  }

  #goOn(): void {
    this.refusal = undefined
    this.#endMs = this.deadlineMs
  }

  /** The next try, if it is time. */
  poll(nowMs: number): JoinTry | undefined {
    if (this.#nextMs > nowMs) return undefined
    if (this.challenge !== undefined && this.#tokenTries++ >= TOKEN_TRIES_MAX) {
      this.#former = this.challenge
      this.challenge = undefined
    }
    const address = this.challenge?.address ?? this.addresses[this.#attempt % this.addresses.length]!
    this.#attempt++
    this.#nextMs = nowMs + this.#retryMs
    this.#retryMs = Math.min(this.#retryMs * RETRY_FACTOR, RETRY_MS_MAX)
    if (this.refusal !== undefined && ++this.#refusedTries >= REFUSED_TRIES) this.#endMs = Math.min(this.deadlineMs, this.#nextMs)
    return {
      address,
      attempt: this.#attempt,
      datagramBytes: this.#attempt <= FULL_SIZE_TRIES * this.addresses.length + 1 ? DATAGRAM_BYTES_BASE : DATAGRAM_BYTES_FLOOR,
    }
  }
}
