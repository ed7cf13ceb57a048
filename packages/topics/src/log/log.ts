/**
 * Where the messages of a topic lie, each once, however many want it. The rest of the package knows only this interface:
 * what is behind it may keep packets instead of messages.
 *
 * @module
 */

/** Messages in the order in which they were published, each with a position that is never used again. */
export interface Log {
  /** The position of the oldest message that is there. */
  readonly begin: number
  /** The position that the next message gets; `end - begin` messages are there. */
  readonly end: number
  /** Bytes of the messages that are there, and of what is kept about each. */
  readonly bytes: number
  /** Bytes that a message of this size takes. */
  cost(length: number): number
  /** Adds the message of position `end`. */
  append(message: Uint8Array, nowMs: number): void
  /** The message of a position that is there. */
  at(position: number): Uint8Array
  /** When it was added, milliseconds. */
  atMs(position: number): number
  /** Messages below a position aren't needed any more. */
  release(position: number): void
}

/** What is kept about a message, and its object: bytes, about. */
const OVERHEAD_BYTES = 96

/** A log of whole messages, in the memory that they were given in. */
export class MessageLog implements Log {
  begin = 0
  end = 0
  bytes = 0
  /** A ring, by position; its length is a power of two. */
  #messages: (Uint8Array | undefined)[] = [undefined]
  #times: number[] = [0]

  cost(length: number): number {
    return length + OVERHEAD_BYTES
  }

  append(message: Uint8Array, nowMs: number): void {
    if (this.end - this.begin === this.#messages.length) this.#resize(2 * this.#messages.length)
    const at = this.#indexOf(this.end++)
    this.#messages[at] = message
    this.#times[at] = nowMs
    this.bytes += this.cost(message.length)
  }

  at(position: number): Uint8Array {
    this.#check(position)
    return this.#messages[this.#indexOf(position)]!
  }

  atMs(position: number): number {
    this.#check(position)
    return this.#times[this.#indexOf(position)]!
  }

  release(position: number): void {
    for (; this.begin < Math.min(position, this.end); this.begin++) {
      const at = this.#indexOf(this.begin)
      this.bytes -= this.cost(this.#messages[at]!.length)
      this.#messages[at] = undefined
    }
    // A quarter is used: after a burst the memory goes back.
    const { length } = this.#messages
    if (length > 64 && this.end - this.begin < length / 4) this.#resize(length / 2)
  }

  /** Positions are exact up to 2^53, which is beyond what bitwise operators take. */
  #indexOf(position: number): number {
    return position % this.#messages.length
  }

  #check(position: number): void {
    if (position < this.begin || position >= this.end)
      throw new RangeError(`position ${position} isn't in the log, which has [${this.begin}, ${this.end})`)
  }

  #resize(length: number): void {
    const messages: (Uint8Array | undefined)[] = Array.from({ length }, () => undefined)
    const times: number[] = Array.from({ length }, () => 0)
    for (let position = this.begin; position < this.end; position++) {
      messages[position % length] = this.#messages[this.#indexOf(position)]
      times[position % length] = this.#times[this.#indexOf(position)]!
    }
    this.#messages = messages
    this.#times = times
  }
}
