/**
 * Those who wait for what was written to a stream: for a receipt, for all of it, or for the end.
 *
 * @module
 */

import type { PacketRange, SendStream } from "@x/stream"
import { EndpointError } from "../errors/endpoint-error.ts"
import type { ParkingLot } from "../streams/parking-lot.ts"
import type { Wait } from "./wait.ts"

/** Somebody who waits for what is written already, or for the end of the stream. */
interface Waiter {
  readonly wait: Wait
  readonly what: "receipt" | "flush" | "end"
  /** So many parked messages have to leave the lot first; then it is known which packets have to be acknowledged. */
  readonly parked: number
  packets: PacketRange | undefined
}

/** What is said to whoever stops waiting. */
const GOES_ON = {
  receipt: "the message was sent, and may have been delivered",
  flush: "what was accepted is still being delivered",
  end: "what was accepted is still being delivered, and the stream ends after it",
}

export class Waiters {
  readonly #stream: SendStream
  readonly #lot: ParkingLot
  /** There is a deadline sooner than before. */
  readonly #onDeadline: () => void
  #waiters: Waiter[] = []
  #deadlineMs = Infinity

  constructor(stream: SendStream, lot: ParkingLot, onDeadline: () => void) {
    this.#stream = stream
    this.#lot = lot
    this.#onDeadline = onDeadline
  }

  /** When the first of them has waited long enough; `Infinity`: never. */
  get deadlineMs(): number {
    return this.#deadlineMs
  }

  /** What the first of them waits for. */
  get first(): Waiter["what"] | undefined {
    return this.#waiters[0]?.what
  }

  /** Waits for the receipt of these packets. */
  addReceipt(wait: Wait, from: number, to: number): void {
    this.#add({ wait, what: "receipt", parked: 0, packets: this.#follow(from, to) })
  }

  /** Waits for all that was accepted so far. */
  addFlush(wait: Wait): void {
    const { isEmpty, entered } = this.#lot
    this.#add({ wait, what: "flush", parked: entered, packets: isEmpty ? this.#followAll() : undefined })
  }

  /** Waits for the end of the stream. */
  addEnd(wait: Wait): void {
    this.#add({ wait, what: "end", parked: Infinity, packets: undefined })
  }

  #add(waiter: Waiter): void {
    const { wait, what } = waiter
    this.#waiters.push(waiter)
    wait.onAbort = (error) => {
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
      this.#settle(waiter, error(GOES_ON[what]))
    }
    if (wait.deadlineMs === Infinity) return
    this.#deadlineMs = Math.min(this.#deadlineMs, wait.deadlineMs)
    this.#onDeadline()
  }

  /** The waiter is none any more. */
  #settle({ wait, packets }: Waiter, error: EndpointError | undefined): void {
    if (packets !== undefined) this.#stream.unfollow(packets)
    wait.settle(error)
  }

  /** Messages have left the lot: those who waited for that wait for packets from now on. */
  readonly mark = (): void => {
    for (const waiter of this.#waiters)
      if (waiter.packets === undefined && this.#lot.left >= waiter.parked) waiter.packets = this.#followAll()
  }

  /** Something was acknowledged, or given up. */
  settle(): void {
    if (this.#waiters.length === 0) return
    this.mark()
    this.#waiters = this.#waiters.filter((waiter) => !this.#settleIfDone(waiter))
  }

  #settleIfDone(waiter: Waiter): boolean {
    const { what, packets } = waiter
    if (packets === undefined) return false
    const { from, to } = packets
    const { traits } = this.#stream
    // What is given up is so as a whole.
    if (what === "receipt" && traits.givesUp && this.#stream.isGone(to - 1, to)) {
      this.#settle(
        waiter,
        new EndpointError(
          "dropped",
          "the message was given up for newer ones, or for its age; it may have been delivered",
        ),
      )
      return true
    }
    const isUnordered = what === "receipt" && !traits.isOrdered
    if (!(isUnordered ? this.#stream.isSettled(from, to) : this.#stream.isPast(to))) return false
    this.#settle(waiter, undefined)
    return true
  }

  /** Those that have waited long enough wait no more. */
  expire(nowMs: number): void {
    if (nowMs < this.#deadlineMs) return
    this.#deadlineMs = Infinity
    this.#waiters = this.#waiters.filter((waiter) => !this.#settleIfLate(waiter, nowMs))
  }

  #settleIfLate(waiter: Waiter, nowMs: number): boolean {
    const { wait, what } = waiter
    if (nowMs < wait.deadlineMs) {
      this.#deadlineMs = Math.min(this.#deadlineMs, wait.deadlineMs)
      return false
    }
    this.#settle(waiter, new EndpointError("timeout", `no answer came within timeoutMs; ${GOES_ON[what]}`))
    return true
  }

  /**
   * The stream is closed. `failure`: what those are told who waited for more; `undefined`: it was ended, and all came.
   */
  close(failure: EndpointError | undefined): void {
    for (const waiter of this.#waiters.splice(0)) this.#settle(waiter, failure)
  }

  /** What has been written so far. */
  #followAll(): PacketRange {
    return this.#follow(this.#stream.low, this.#stream.high)
  }

  #follow(from: number, to: number): PacketRange {
    const packets = { from, to }
    this.#stream.follow(packets)
    return packets
  }

  /** For tests. */
  assertInvariants(): void {
    if (this.#stream.followed !== this.#waiters.filter(({ packets }) => packets !== undefined).length)
      throw new Error("packets are followed that nobody waits for")
  }
}
