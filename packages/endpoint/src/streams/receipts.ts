/**
 * Calls that wait for messages of a stream: for a receipt, for everything written so far, or for the end.
 *
 * @module
 */

import type { PacketRange, SendStream } from "@x/stream"
import type { ParkingLot } from "./parking-lot.ts"
import type { CallOutcome, SendCall, SettledCall } from "./send-call.ts"

interface Waiting {
  readonly call: SendCall
  readonly what: "receipt" | "flush" | "end"
  /** This many parked messages have to leave the lot first; then it is known which packets have to be acknowledged. */
  readonly parked: number
  packets: PacketRange | undefined
}

export class Receipts {
  readonly #stream: SendStream
  readonly #lot: Pick<ParkingLot, "isEmpty" | "entered" | "left">
  readonly #settled: SettledCall[]
  #waiting: Waiting[] = []
  #deadlineMs = Infinity

  /** `settled`: receives the calls that no longer wait. */
  constructor(stream: SendStream, lot: Pick<ParkingLot, "isEmpty" | "entered" | "left">, settled: SettledCall[]) {
    this.#stream = stream
    this.#lot = lot
    this.#settled = settled
  }

  /** When the first of them has waited long enough; `Infinity`: never. */
  get deadlineMs(): number {
    return this.#deadlineMs
  }

  /** What the first of them waits for. */
  get first(): Waiting["what"] | undefined {
    return this.#waiting[0]?.what
  }

  /** Waits for the receipt of these packets. */
  addReceipt(call: SendCall, from: number, to: number): void {
    this.#add({ call, what: "receipt", parked: 0, packets: this.#follow(from, to) })
  }

  /** Waits for everything that was accepted so far. */
  addFlush(call: SendCall): void {
    const { isEmpty, entered } = this.#lot
    this.#add({ call, what: "flush", parked: entered, packets: isEmpty ? this.#followAll() : undefined })
  }

  /** Waits for the end of the stream. */
  addEnd(call: SendCall): void {
    this.#add({ call, what: "end", parked: Infinity, packets: undefined })
  }

  #add(waiting: Waiting): void {
    this.#waiting.push(waiting)
    this.#deadlineMs = Math.min(this.#deadlineMs, waiting.call.deadlineMs)
  }

  /** A call stops waiting; returns what it waited for. */
  cancel(call: SendCall): Waiting["what"] | undefined {
    const at = this.#waiting.findIndex((waiting) => waiting.call === call)
    if (at < 0) return undefined
    const [waiting] = this.#waiting.splice(at, 1)
    this.#unfollow(waiting!)
    return waiting!.what
  }

  #unfollow({ packets }: Waiting): void {
    if (packets !== undefined) this.#stream.unfollow(packets)
  }

  #settle(waiting: Waiting, outcome: CallOutcome): void {
    this.#unfollow(waiting)
    this.#settled.push({ call: waiting.call, what: waiting.what, outcome })
  }

  /** Messages have left the lot: calls that waited for that now wait for packets. */
  mark(): void {
    for (const waiting of this.#waiting)
      if (waiting.packets === undefined && this.#lot.left >= waiting.parked) waiting.packets = this.#followAll()
  }

  /** Something was acknowledged, or given up. */
  settle(): void {
    if (this.#waiting.length === 0) return
    this.mark()
    this.#waiting = this.#waiting.filter((waiting) => !this.#settleIfDone(waiting))
  }

  #settleIfDone(waiting: Waiting): boolean {
    const { what, packets } = waiting
    if (packets === undefined) return false
    const { from, to } = packets
    const { traits } = this.#stream
    // A message is given up as a whole.
    if (what === "receipt" && traits.givesUp && this.#stream.isGone(to - 1, to)) {
      this.#settle(waiting, "given-up")
      return true
    }
    const isUnordered = what === "receipt" && !traits.isOrdered
    if (!(isUnordered ? this.#stream.isSettled(from, to) : this.#stream.isPast(to))) return false
    this.#settle(waiting, "done")
    return true
  }

  /** Calls that have waited long enough stop waiting. */
  expire(nowMs: number): void {
    if (nowMs < this.#deadlineMs) return
    this.#deadlineMs = Infinity
    this.#waiting = this.#waiting.filter((waiting) => !this.#settleIfLate(waiting, nowMs))
  }

  #settleIfLate(waiting: Waiting, nowMs: number): boolean {
    const { deadlineMs } = waiting.call
    if (nowMs < deadlineMs) {
      this.#deadlineMs = Math.min(this.#deadlineMs, deadlineMs)
      return false
    }
    this.#settle(waiting, "late")
    return true
  }

  /** The stream is closed: nothing more will happen on it. */
  close(outcome: CallOutcome): void {
    this.#deadlineMs = Infinity
    for (const waiting of this.#waiting.splice(0)) this.#settle(waiting, outcome)
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

  /** For tests: throws an `Error` if packets are followed that no call waits for. */
  assertInvariants(): void {
    if (this.#stream.followed !== this.#waiting.filter(({ packets }) => packets !== undefined).length)
      throw new Error("packets are followed that no call waits for")
  }
}
