import type { ReceivedMessage } from "./message.ts"

/**
 * Copies of messages for an async iterator. It holds no more than one of each stream: until that is read, the stream's next ones wait where the
 * stream's own bound pushes back.
 */
export class MessageQueue implements AsyncIterableIterator<ReceivedMessage> {
  readonly #messages: ReceivedMessage[] = []
  /** Told when the message of the same place is read. */
  readonly #taken: (() => void)[] = []
  readonly #onReturn: () => void
  #waiting: ((result: IteratorResult<ReceivedMessage>) => void)[] = []
  #isOver = false

  constructor(onReturn: () => void) {
    this.#onReturn = onReturn
  }

  /** Settles when the message was read; `undefined`: at once. */
  push(message: ReceivedMessage): Promise<void> | undefined {
    if (this.#isOver) return undefined
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) {
      waiting({ value: message, done: false })
      return undefined
    }
    this.#messages.push(message)
    return new Promise((resolve) => this.#taken.push(resolve))
  }

  /** No more will come; what is here can still be read. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onReturn()
    for (const resolve of this.#waiting) resolve({ value: undefined, done: true })
    this.#waiting = []
  }

  async next(): Promise<IteratorResult<ReceivedMessage>> {
    const message = this.#messages.shift()
    if (message !== undefined) {
      this.#taken.shift()!()
      return { value: message, done: false }
    }
    if (this.#isOver) return { value: undefined, done: true }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  async return(): Promise<IteratorResult<ReceivedMessage>> {
    this.#messages.length = 0
    this.end()
    // What nobody will read holds up nobody.
    for (const taken of this.#taken.splice(0)) taken()
    return { value: undefined, done: true }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
