import { EndpointError } from "./endpoint-error.ts"
import type { ReceivedMessage } from "./message.ts"

/** Copies of messages for an async iterator, which reads at its own pace but not without end: more than this many waiting is an error. */
export const QUEUED_MESSAGES_MAX = 65_536

export class MessageQueue implements AsyncIterableIterator<ReceivedMessage> {
  readonly #messages: ReceivedMessage[] = []
  readonly #onReturn: () => void
  #waiting: { resolve: (result: IteratorResult<ReceivedMessage>) => void; reject: (error: Error) => void }[] = []
  #isOver = false
  #error: Error | undefined

  constructor(onReturn: () => void) {
    this.#onReturn = onReturn
  }

  push(message: ReceivedMessage): void {
    if (this.#isOver) return
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) return waiting.resolve({ value: message, done: false })
    if (this.#messages.length >= QUEUED_MESSAGES_MAX) {
      this.#error = new EndpointError("dropped", `more than ${QUEUED_MESSAGES_MAX} messages wait to be read; read faster, or use a handler`)
      this.end()
      return
    }
    this.#messages.push(message)
  }

  /** No more will come; what is here can still be read. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onReturn()
    for (const { resolve } of this.#waiting) resolve({ value: undefined, done: true })
    this.#waiting = []
  }

  async next(): Promise<IteratorResult<ReceivedMessage>> {
    const message = this.#messages.shift()
    if (message !== undefined) return { value: message, done: false }
    if (this.#error !== undefined) throw this.#error
    if (this.#isOver) return { value: undefined, done: true }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  async return(): Promise<IteratorResult<ReceivedMessage>> {
    this.#messages.length = 0
    this.end()
    return { value: undefined, done: true }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
