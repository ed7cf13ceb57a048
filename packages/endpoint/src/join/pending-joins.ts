/**
 * Our joins under way and the calls that wait for them: how long each lasts, and what it holds meanwhile, a slot and
 * references to addresses. What joins say and what answers mean is decided elsewhere.
 *
 * @module
 */

import { DueQueue, type Transport } from "@x/transport/host"
import type { Session } from "../path/session.ts"
import type { JoinEvent, JoinSlots } from "./established.ts"
import { JoinCall, JoinCalls, type JoinFailure, type PendingJoin } from "./join-call.ts"
import { Joiner, type JoinerParts } from "./joiner.ts"
import type { Sessions } from "./sessions.ts"

export interface PendingJoinsParts {
  /** The most peers. */
  readonly peersMax: number
  readonly addresses: Pick<Transport, "retainAddress" | "releaseAddress" | "addressOf">
  readonly slots: JoinSlots
  readonly sessions: Sessions
}

export class PendingJoins {
  /** The results of calls, the earliest first, until they are taken. Other code adds its own results in between. */
  readonly events: JoinEvent[] = []
  readonly #parts: PendingJoinsParts
  readonly #due = new DueQueue<Joiner | JoinCall>()
  readonly #joins = new Map<Joiner, PendingJoin>()
  readonly #byTarget = new Map<string, PendingJoin>()
  readonly #calls: JoinCalls

  constructor(parts: PendingJoinsParts) {
    this.#parts = parts
    this.#calls = new JoinCalls(this.#due, parts.peersMax)
  }

  get count(): number {
    return this.#joins.size
  }

  get timers(): number {
    return this.#due.count
  }

  get nextTimeoutMs(): number {
    return this.#due.nextMs
  }

  /** All joins, the earliest first. */
  [Symbol.iterator](): IterableIterator<PendingJoin> {
    return this.#joins.values()
  }

  /** The join under way for this target. */
  withTarget(target: string): PendingJoin | undefined {
    return this.#byTarget.get(target)
  }

  /** The join of a joiner that is under way. */
  ofJoiner(joiner: Joiner): PendingJoin {
    return this.#joins.get(joiner)!
  }

  /** A join is wanted: the time of this call starts now. */
  call(timeoutMs: number, nowMs: number): JoinCall {
    return this.#calls.begin(timeoutMs, nowMs)
  }

  /** Begins a join, which gets the references to the addresses. `undefined`: no slot is free. */
  begin(
    target: string,
    parts: Pick<JoinerParts, "addresses" | "publicKey" | "probed" | "timeoutMs">,
    nowMs: number,
  ): PendingJoin | undefined {
    const { addresses, slots, sessions } = this.#parts
    const slot = slots.take(nowMs)
    if (slot === undefined) {
      for (const address of parts.addresses) addresses.releaseAddress(address)
      return undefined
    }
    const joiner = new Joiner({ slot, ...parts, nowMs, firstSession: sessions.ofFirstTries() })
    const pending: PendingJoin = { joiner, calls: new Set(), target }
    slots.set(slot, { kind: "join", pending })
    this.#joins.set(joiner, pending)
    this.#byTarget.set(target, pending)
    return pending
  }

  /** A call waits for this join from now on. */
  wait(call: JoinCall, pending: PendingJoin): void {
    call.pending = pending
    pending.calls.add(call)
    this.schedule(pending.joiner)
  }

  /** A call stops waiting: a join that no other call waits for is over. */
  cancel(call: JoinCall, nowMs: number): void {
    if (!this.#calls.end(call)) return
    const { pending } = call
    if (pending === undefined) return
    pending.calls.delete(call)
    if (pending.calls.size === 0) this.end(pending, nowMs)
  }

  /**
   * Returns the next joiner that is due. It isn't due again until it is scheduled. Calls whose time is over end
   * meanwhile.
   */
  takeDue(nowMs: number): Joiner | undefined {
    for (let due = this.#due.takeDue(nowMs); due !== undefined; due = this.#due.takeDue(nowMs)) {
      if (!(due instanceof JoinCall)) return due
      this.#expire(due, nowMs)
    }
    return undefined
  }

  #expire(call: JoinCall, nowMs: number): void {
    const failure = this.#calls.failureOf(call)
    const unsent = this.#unsentOf(call)
    this.cancel(call, nowMs)
    const result = unsent.length === 0 ? failure : { ...failure, unsent }
    this.events.push({ kind: "settled", calls: [call], result })
  }

  /** Where the system refused to send the last try of the join that a call waits for. */
  #unsentOf({ pending }: JoinCall): NonNullable<JoinFailure["unsent"]> {
    const failed = pending?.joiner.candidates.filter(({ failure }) => failure !== undefined) ?? []
    return failed.map(({ address, failure }) => ({
      address: this.#parts.addresses.addressOf(address),
      cause: failure,
    }))
  }

  /** Sets when a joiner is due, by its own deadline. */
  schedule(joiner: Joiner): void {
    this.#due.set(joiner, joiner.nextTimeoutMs)
  }

  /** A joiner is due at this time, whatever its own deadline is. */
  putOff(joiner: Joiner, dueMs: number): void {
    this.#due.set(joiner, dueMs)
  }

  /** Settles the calls that still wait. */
  settle(calls: Iterable<JoinCall>, result: Session | JoinFailure): void {
    const settled = this.#calls.endAll(calls)
    if (settled.length > 0) this.events.push({ kind: "settled", calls: settled, result })
  }

  /** The join is over, with this result. */
  finish(pending: PendingJoin, result: Session | JoinFailure, nowMs: number): undefined {
    this.end(pending, nowMs)
    this.settle(pending.calls, result)
  }

  /** The join is over. Its calls wait until their time is over. */
  end(pending: PendingJoin, nowMs: number): void {
    if (this.#forget(pending)) this.#parts.slots.free(pending.joiner.slot, nowMs)
  }

  /** The join is over, and its slot passes to the caller. Returns the calls that still waited; they no longer do. */
  complete(pending: PendingJoin): JoinCall[] {
    this.#forget(pending)
    return this.#calls.endAll(pending.calls)
  }

  /** Forgets a join except for its slot; `false`: it was already over. */
  #forget({ joiner, target }: PendingJoin): boolean {
    if (!this.#joins.delete(joiner)) return false
    this.#byTarget.delete(target)
    this.#due.remove(joiner)
    for (const { address } of joiner.candidates) this.#parts.addresses.releaseAddress(address)
    return true
  }

  /** Ends all joins and calls. No call is told. */
  release(nowMs: number): void {
    for (const pending of [...this.#joins.values()]) this.end(pending, nowMs)
    this.#calls.release()
  }
}
