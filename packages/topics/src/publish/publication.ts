/**
 * The messages of a topic and what each subscriber has of them: who may begin where, who holds the others up, who skips
 * messages and who is dropped out. Time is an argument; what follows for subscribers is returned.
 *
 * @module
 */

import type { Log } from "../log/log.ts"
import type { Beginning } from "../wire/message.ts"
import type { Account, TooSlow } from "./account.ts"
import { Behind } from "./behind.ts"

/** What becomes of a subscriber that is slower than the publisher. */
export type Slow = "hold" | "skip" | "drop-out"

/** The rules of a publication, all of them checked. */
export interface Rules {
  readonly slow: Slow
  /** How far a subscriber may be behind. */
  readonly lag: {
    /** Messages that wait for it. */
    readonly messages: number
    /** Age of the oldest of these, milliseconds. */
    readonly ms: number
  }
  /** Messages that are kept for who comes late. */
  readonly keep: number
  /** Bytes of all messages that are there. */
  readonly bytesMax: number
}

/** A subscriber that is too slow: it is out. */
export interface DroppedOut<A> {
  readonly account: A
  readonly why: TooSlow
}

/** Where a subscriber begins. */
export interface Start {
  readonly first: number
  /** Whether that is exactly the position that it asked for. */
  readonly resumed: boolean
  /** Messages from that position to `first` that aren't there any more, where the log is the same. */
  readonly missed: number
}

/** Several accounts of one log. `A`: an account, and whatever its owner adds to it. */
export class Publication<A extends Account = Account> {
  readonly log: Log
  /** Tells this log from any other; text. */
  readonly identity: string
  readonly rules: Rules
  /** All subscribers. */
  readonly accounts: Set<A> = new Set()
  /** Those that don't have everything. */
  readonly behind: Behind<A> = new Behind()
  /** Those that have skipped something of which nobody was told yet. */
  readonly untold: Set<A> = new Set()
  /** When the next one may have been behind for too long, or earlier. */
  #dueMs = Infinity
  /** Some wait for nothing but the newest, as it was then, which isn't skipped. */
  #isNewestAwaited = false

  constructor(log: Log, identity: string, rules: Rules) {
    this.log = log
    this.identity = identity
    this.rules = rules
  }

  /** The oldest message that is kept for who comes late. */
  get oldestKept(): number {
    return Math.max(this.log.begin, this.log.end - this.rules.keep)
  }

  /** Where a subscriber that asks for this begins. */
  startOf(beginning: Beginning): Start {
    const { begin, end } = this.log
    const plain = (first: number): Start => ({ first, resumed: false, missed: 0 })
    switch (beginning.at) {
      case "newest":
        return plain(end)
      case "oldest":
        return plain(this.oldestKept)
      case "last":
        return plain(Math.max(this.oldestKept, end - 1))
      case "next": {
        const wanted = beginning.position
        if (beginning.log !== this.identity || wanted > end) return plain(this.oldestKept)
        if (wanted >= begin) return { first: wanted, resumed: true, missed: 0 }
        return { first: this.oldestKept, resumed: false, missed: this.oldestKept - wanted }
      }
    }
  }

  /** A subscriber has come. */
  add(account: A): void {
    this.accounts.add(account)
    this.settle(account)
  }

  /** A subscriber has gone: nothing is kept for it. */
  remove(account: A): void {
    this.#forget(account)
    this.#trim()
  }

  #forget(account: A): void {
    this.accounts.delete(account)
    this.behind.delete(account)
    this.untold.delete(account)
  }

  /**
   * Whether a message of this many bytes may be published now. `false`: a subscriber holds the others up. Those that
   * make way for it are out: `droppedOut`.
   */
  admits(length: number, nowMs: number, droppedOut: DroppedOut<A>[]): boolean {
    if (this.rules.slow === "hold" && this.isHeld) return false
    return this.#makeRoom(this.log.cost(length), nowMs, droppedOut)
  }

  /** Whether a message of this many bytes would be admitted without anybody making way for it. */
  hasRoomFor(length: number): boolean {
    return !this.isHeld && (this.behind.size === 0 || this.log.bytes + this.log.cost(length) <= this.rules.bytesMax)
  }

  /** Whether somebody is as far behind as the others can wait. */
  get isHeld(): boolean {
    if (!this.#isFarBehind(this.rules.lag.messages)) return false
    for (const account of this.behind)
      if (!account.isCatchingUp && account.lag(this.log.end) >= this.rules.lag.messages) return true
    return false
  }

  /** Whether so many messages wait for somebody, of whatever age. */
  #isFarBehind(messages: number): boolean {
    return this.behind.size > 0 && this.log.end - this.behind.oldest >= messages
  }

  #makeRoom(bytes: number, nowMs: number, droppedOut: DroppedOut<A>[]): boolean {
    const { log, rules } = this
    while (log.bytes + bytes > rules.bytesMax && log.begin < log.end) {
      const first = log.begin
      const holders = [...this.behind].filter(({ next }) => next === first)
      // Who is still catching up has no claim on the others' waiting.
      if (rules.slow === "hold" && holders.some(({ isCatchingUp }) => !isCatchingUp)) return false
      for (const account of holders) {
        if (rules.slow === "skip") this.#skip(account, first + 1, nowMs)
        else this.#dropOut(account, "behind-by-memory", droppedOut)
      }
      log.release(first + 1)
    }
    return true
  }

  /** Adds a message. Before anything else, everybody is to be given what its stream takes, and `settle` called for it. */
  append(message: Uint8Array, nowMs: number): void {
    this.log.append(message, nowMs)
    if (!this.#isNewestAwaited) return
    this.#isNewestAwaited = false
    for (const account of this.behind) this.#expect(account)
  }

  /** It is behind, until some time. */
  #expect(account: A): void {
    const dueMs = this.#dueOf(account)
    if (dueMs === Infinity) this.#isNewestAwaited = this.rules.lag.ms < Infinity
    else if (dueMs < this.#dueMs) this.#dueMs = dueMs
  }

  /** The next message for a subscriber; `undefined`: it has all of them. */
  nextFor(account: A): Uint8Array | undefined {
    return account.next < this.log.end ? this.log.at(account.next) : undefined
  }

  /** A subscriber was given what its stream takes: it has everything now, or is behind. */
  settle(account: A): void {
    account.settle(this.log.end, this.rules.lag.messages)
    if (account.next === this.log.end) {
      if (this.behind.size > 0) this.behind.delete(account)
    } else if (!this.behind.add(account)) this.#expect(account)
  }

  /**
   * Judges those that are behind, by the rules. Those that are out are returned, and are no longer subscribers; what
   * others skipped is `untold` in their accounts. To be called after a message, and at `nextTimeoutMs`.
   */
  judge(nowMs: number): DroppedOut<A>[] {
    const droppedOut: DroppedOut<A>[] = []
    // Mostly nobody is, and that is known without looking at each.
    if (nowMs >= this.#dueMs || this.#isFarBehind(this.rules.lag.messages + 1)) this.#judgeAll(nowMs, droppedOut)
    this.#trim()
    return droppedOut
  }

  #judgeAll(nowMs: number, droppedOut: DroppedOut<A>[]): void {
    this.#dueMs = Infinity
    for (const account of [...this.behind]) {
      const why = this.#tooSlow(account, nowMs)
      if (why !== undefined) {
        if (this.rules.slow === "skip") this.#skip(account, this.#skipTo(account, why, nowMs), nowMs)
        else this.#dropOut(account, why, droppedOut)
      }
      if (this.behind.has(account)) this.#expect(account)
    }
  }

  #tooSlow(account: A, nowMs: number): TooSlow | undefined {
    const { lag, slow } = this.rules
    const { log } = this
    // Who holds the others up is never further behind than they can wait; who is catching up holds up nobody.
    if (account.lag(log.end) > lag.messages && (slow !== "hold" || account.isCatchingUp)) return "behind-by-messages"
    return this.#dueOf(account) <= nowMs ? "behind-by-time" : undefined
  }

  /** The oldest message that is neither too far back nor too old. The newest is left in any case. */
  #skipTo(account: A, why: TooSlow, nowMs: number): number {
    const { log } = this
    const { lag } = this.rules
    const newest = log.end - 1
    if (why === "behind-by-messages") return Math.min(newest, log.end - lag.messages)
    // What it doesn't take of what was there before it came is too old altogether.
    if (account.isCatchingUp) return Math.min(newest, account.caughtUpAt)
    let position = account.next
    while (position < newest && account.behindSinceMs(log.atMs(position)) + lag.ms <= nowMs) position++
    return position
  }

  #skip(account: A, position: number, nowMs: number): void {
    if (account.skipTo(position, nowMs) > 0) this.untold.add(account)
    this.settle(account)
  }

  #dropOut(account: A, why: TooSlow, droppedOut: DroppedOut<A>[]): void {
    this.#forget(account)
    droppedOut.push({ account, why })
  }

  /** When a subscriber that is behind has been so for too long. The newest message is never skipped. */
  #dueOf(account: A): number {
    const { log, rules } = this
    if (rules.slow === "skip" && account.next >= log.end - 1) return Infinity
    return account.behindSinceMs(log.atMs(account.next)) + rules.lag.ms
  }

  /** When `judge` is due next, milliseconds, or earlier: who goes on isn't due then any more. */
  get nextTimeoutMs(): number {
    return this.behind.size > 0 ? this.#dueMs : Infinity
  }

  /** The oldest message that a subscriber waits for; the next one, if nobody is behind. */
  get wantedFrom(): number {
    return Math.min(this.log.end, this.behind.oldest)
  }

  /** Lets go of what is neither kept for who comes late nor waits for anybody. */
  #trim(): void {
    this.log.release(Math.min(this.oldestKept, this.wantedFrom))
  }

  /** For tests: throws unless all accounts balance. */
  assertInvariants(): void {
    const { log } = this
    for (const account of this.accounts) {
      const { first, next, given, skipped } = account
      if (given + skipped !== next - first) throw new Error(`${given} given, ${skipped} skipped, of ${next - first}`)
      if (next > log.end || next < log.end !== this.behind.has(account)) throw new Error("it isn't known to be behind")
      if (next < log.begin) throw new Error(`its next message ${next} is gone`)
    }
    for (const account of this.behind) if (!this.accounts.has(account)) throw new Error("who has left is waited for")
    if (this.behind.size === 0 && log.end - log.begin > this.rules.keep) throw new Error("messages are kept for nobody")
  }
}
