import type { IncomingStream, ReceivedMessage } from "./handles.ts"
import { type MessageCopy, ValueCopy } from "./message.ts"
import { isMessageType, type MessageType, numberOf } from "./message-type.ts"
import type { QueuedMessage } from "./queue-budget.ts"
import type { Routes } from "./routes.ts"

/** The readers of the same messages; each gets a copy. */
export class Readers {
  readonly #queues = new Set<MessageQueue>()
  readonly #routes: Routes

  constructor(routes: Routes) {
    this.#routes = routes
  }

  get size(): number {
    return this.#queues.size
  }

  [Symbol.iterator](): IterableIterator<MessageQueue> {
    return this.#queues.values()
  }

  /** Adds a reader, until it is done or ended. For a defined type it gets `ReceivedValue`s. */
  open(type: MessageType<unknown> | undefined): MessageQueue {
    const queue: MessageQueue = new MessageQueue(type, () => {
      this.#queues.delete(queue)
      this.#routes.change()
    })
    this.#queues.add(queue)
    this.#routes.change()
    return queue
  }

  /** No more messages will come for any of them. */
  end(): void {
    for (const queue of [...this.#queues]) queue.end()
  }
}

/**
 * The readers of one stream, and the readers of a type of it. A stream or type that was read once belongs to its
 * readers from then on.
 */
export class StreamReaders {
  readonly #routes: Routes
  #own: Readers | undefined
  #ofTypes: Map<number, Readers> | undefined

  constructor(routes: Routes) {
    this.#routes = routes
  }

  /** Whether all of it was ever read. */
  get hasOwn(): boolean {
    return this.#own !== undefined
  }

  /** All groups of readers. */
  get all(): readonly Readers[] {
    return [...(this.#own === undefined ? [] : [this.#own]), ...(this.#ofTypes?.values() ?? [])]
  }

  /** Adds a reader of all of it, or of a type. */
  open(type: number | MessageType<unknown> | undefined): MessageQueue {
    return this.#readersFor(type).open(isMessageType(type) ? type : undefined)
  }

  #readersFor(type: number | MessageType<unknown> | undefined): Readers {
    if (type === undefined) return (this.#own ??= new Readers(this.#routes))
    const number = numberOf(type)
    const readers = this.#ofTypes?.get(number) ?? new Readers(this.#routes)
    this.#ofTypes = (this.#ofTypes ?? new Map<number, Readers>()).set(number, readers)
    return readers
  }

  /** The readers of messages of a type, possibly none now; `undefined`: there never were any. */
  of(type: number): readonly MessageQueue[] | undefined {
    const ofType = this.#ofTypes?.get(type)
    return this.#own === undefined && ofType === undefined ? undefined : [...(this.#own ?? []), ...(ofType ?? [])]
  }
}

/**
 * Messages for an async iterator. They stay in the queues of their streams until they are read, and only one of each
 * stream is here at a time. So messages that a reader leaves go to the next one, and later messages of a stream wait
 * where the bound of the stream takes effect.
 */
export class MessageQueue implements AsyncIterableIterator<ReceivedMessage> {
  readonly #type: MessageType<unknown> | undefined
  readonly #onReturn: () => void
  #offered: { readonly message: ReceivedMessage; readonly held: QueuedMessage }[] = []
  #waiting: ((result: IteratorResult<ReceivedMessage>) => void)[] = []
  #isOver = false

  constructor(type: MessageType<unknown> | undefined, onReturn: () => void) {
    this.#type = type
    this.#onReturn = onReturn
  }

  /** Offers a message. The queue lets go of it once it was read, or won't be. Throws `Undecodable`, and doesn't hold it. */
  push(received: MessageCopy, held: QueuedMessage): void {
    if (this.#isOver) return
    const message = this.#type === undefined ? received : new ValueCopy(received, this.#type)
    held.hold()
    const waiting = this.#waiting.shift()
    if (waiting === undefined) return void this.#offered.push({ message, held })
    waiting({ value: message, done: false })
    held.letGo(true)
  }

  /** A stream was stopped: its waiting messages must not be read any more. */
  drop(stream: IncomingStream): void {
    const dropped = this.#offered.filter(({ message }) => message.stream === stream)
    this.#offered = this.#offered.filter(({ message }) => message.stream !== stream)
    for (const { held } of dropped) held.letGo(false)
  }

  /** No more messages will come; those that are here can still be read. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onReturn()
    for (const resolve of this.#waiting.splice(0)) resolve({ value: undefined, done: true })
  }

  async next(): Promise<IteratorResult<ReceivedMessage>> {
    const offered = this.#offered.shift()
    if (offered !== undefined) {
      offered.held.letGo(true)
      return { value: offered.message, done: false }
    }
    if (this.#isOver) return { value: undefined, done: true }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Messages that it didn't read wait for another reader. */
  async return(): Promise<IteratorResult<ReceivedMessage>> {
    this.end()
    for (const { held } of this.#offered.splice(0)) held.letGo(false)
    return { value: undefined, done: true }
  }

  async throw(error?: unknown): Promise<IteratorResult<ReceivedMessage>> {
    await this.return()
    throw error
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
