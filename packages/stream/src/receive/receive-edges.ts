/**
 * How far a stream has come at its receiver: the edge below which every packet left the stream layer, the newest known
 * packet, and the end.
 *
 * @module
 */

import { NUMBER_MAX, ZERO } from "@x/wire"

/** The edges of one stream. */
export class ReceiveEdges {
  readonly #spreadPackets: number
  readonly #isResent: boolean
  #isStarted: boolean
  #next = ZERO
  #high = ZERO
  #final = Infinity

  /** `isResent`: missing packets come again, so the stream waits for them. */
  constructor(spreadPackets: number, isResent: boolean) {
    this.#spreadPackets = spreadPackets
    this.#isResent = isResent
    // A mode that asks for nothing has no reason to wait for the first packet.
    this.#isStarted = !isResent
  }

  /** Whether the number of the first packet is known. */
  get isStarted(): boolean {
    return this.#isStarted
  }

  /** The cumulative edge: all packets below it left the stream layer. */
  get next(): number {
    return this.#next
  }

  /** One above the newest known packet. */
  get high(): number {
    return this.#high
  }

  /** Where the stream ends; `Infinity` while that is unknown. */
  get final(): number {
    return this.#final
  }

  /** Packets from this number on are beyond the spread, whatever room there is. */
  get reach(): number {
    return Math.min(this.#next + this.#spreadPackets, NUMBER_MAX, this.#final)
  }

  /** Whether the end is known and everything before it was dispatched. */
  get isComplete(): boolean {
    // Without resends nobody waits for lost packets.
    return this.#isStarted && (this.#next >= this.#final || (!this.#isResent && this.#final !== Infinity))
  }

  /** Whether a packet is the next one, with no known packet after it; if so, it becomes known. */
  takeExpected(number: number): boolean {
    if (number !== this.#high || number !== this.#next || number >= this.#final || !this.#isStarted) return false
    this.#high = number + 1
    return true
  }

  /** Whether a packet is too far above the edge, or after the end. */
  isBeyond(number: number): boolean {
    return number >= this.#next + this.#spreadPackets || number >= this.#final
  }

  /** Whether the sender can have sent everything below this. */
  mayHaveSent(high: number): boolean {
    return high <= this.#final && high - this.#next <= this.#spreadPackets
  }

  /** The stream begins with this packet. Returns the number from which on nothing was seen yet. */
  start(first: number): number {
    const seen = Math.min(this.#high, first + this.#spreadPackets)
    this.#isStarted = true
    this.#next = this.#high = first
    return seen
  }

  /** All packets below this number are known. */
  raise(high: number): void {
    if (high > this.#high) this.#high = high
  }

  /** The packet at the edge left the stream layer. Returns whether it was the last one. */
  advance(): boolean {
    return ++this.#next >= this.#final
  }

  /** All packets below this number left the stream layer; they are known too. */
  moveTo(edge: number): void {
    this.#next = edge
  }

  /** The stream ends here. Returns whether that is possible. */
  end(final: number): boolean {
    if (final < this.#high || (this.#final !== Infinity && final !== this.#final)) return false
    this.#final = final
    return true
  }

  /** For tests: throws an `Error` if the edges of a started stream are out of order or too far apart. */
  assertInvariants(): void {
    if (this.#next > this.#high) throw new Error(`edge ${this.#next} above the newest ${this.#high}`)
    if (this.#high - this.#next > this.#spreadPackets) throw new Error("more packets known of than the spread allows")
    if (this.#high > NUMBER_MAX + 1) throw new Error("number above the most")
  }
}
