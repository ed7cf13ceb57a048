/**
 * How far a stream has come at its receiver: the edge below which every packet left the stream layer, the newest packet
 * known of, and the end.
 *
 * @module
 */

import { NUMBER_MAX } from "@x/wire"

/** The edges of one stream. */
export class ReceiveEdges {
  readonly #spreadPackets: number
  readonly #isResent: boolean
  #isStarted: boolean
  #next = 0
  #high = 0
  #final = Infinity

  /** `isResent`: what is missing comes again, so it is waited for. */
  constructor(spreadPackets: number, isResent: boolean) {
    this.#spreadPackets = spreadPackets
    this.#isResent = isResent
    // Where nothing is asked for there is nothing to wait for.
    this.#isStarted = !isResent
  }

  /** Whether it is known with which number the stream begins. */
  get isStarted(): boolean {
    return this.#isStarted
  }

  /** The cumulative edge: all packets below left the stream layer. */
  get next(): number {
    return this.#next
  }

  /** Behind the newest packet known of. */
  get high(): number {
    return this.#high
  }

  /** Where the stream ends; `Infinity` while that isn't known. */
  get final(): number {
    return this.#final
  }

  /** Packets from here on can't come yet, whatever room there is. */
  get reach(): number {
    return Math.min(this.#next + this.#spreadPackets, NUMBER_MAX, this.#final)
  }

  /** Whether the end is known and everything before it was dispatched. */
  get isComplete(): boolean {
    // Nobody waits for what a stream without resends lost.
    return this.#isStarted && (this.#next >= this.#final || (!this.#isResent && this.#final !== Infinity))
  }

  /** Whether a packet is the next one, and none behind it is known of; if so, it is known of now. */
  takeExpected(number: number): boolean {
    if (number !== this.#high || number !== this.#next || number >= this.#final || !this.#isStarted) return false
    this.#high = number + 1
    return true
  }

  /** Whether a packet is too far ahead of the edge, or behind the end. */
  isBeyond(number: number): boolean {
    return number >= this.#next + this.#spreadPackets || number >= this.#final
  }

  /** Whether the sender can have sent everything below this. */
  mayHaveSent(high: number): boolean {
    return high <= this.#final && high - this.#next <= this.#spreadPackets
  }

  /** The stream begins with this packet. Answers behind which packet nothing was seen yet. */
  start(first: number): number {
    const seen = Math.min(this.#high, first + this.#spreadPackets)
    this.#isStarted = true
    this.#next = this.#high = first
    return seen
  }

  /** Packets below this are known of. */
  raise(high: number): void {
    if (high > this.#high) this.#high = high
  }

  /** The packet at the edge left the stream layer. Answers whether it was the last one. */
  advance(): boolean {
    return ++this.#next >= this.#final
  }

  /** All packets below this left the stream layer; they are known of. */
  moveTo(edge: number): void {
    this.#next = edge
  }

  /** The stream ends here. Answers whether that can be. */
  end(final: number): boolean {
    if (final < this.#high || (this.#final !== Infinity && final !== this.#final)) return false
    this.#final = final
    return true
  }

  /** For tests: throws an `Error` where the edges of a stream that is started are out of order, or too far apart. */
  assertInvariants(): void {
    if (this.#next > this.#high) throw new Error(`edge ${this.#next} above the newest ${this.#high}`)
    if (this.#high - this.#next > this.#spreadPackets) throw new Error("more packets known of than the spread allows")
    if (this.#high > NUMBER_MAX + 1) throw new Error("number above the most")
  }
}
