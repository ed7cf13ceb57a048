/** First in, first out, without a move of the rest each time that one goes out. */
export class Fifo<T> {
  #items: T[] = []
  #first = 0

  get length(): number {
    return this.#items.length - this.#first
  }

  /** The one that goes out next. */
  get first(): T | undefined {
    return this.#items[this.#first]
  }

  push(item: T): void {
    this.#items.push(item)
  }

  /** Takes the first out; there must be one. */
  shift(): T {
    const item = this.#items[this.#first++]!
    // Moved now and then, when the rest is no longer than what has gone.
    if (2 * this.#first >= this.#items.length) {
      this.#items.splice(0, this.#first)
      this.#first = 0
    }
    return item
  }

  /** In the order in which they go out. */
  *[Symbol.iterator](): Generator<T> {
    for (let i = this.#first; i < this.#items.length; i++) yield this.#items[i]!
  }
}
