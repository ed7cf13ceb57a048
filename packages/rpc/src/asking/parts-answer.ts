/**
 * An answer in parts, as its asker reads it: a queue with a bound. While it is full the stream is paused, and so its
 * sender waits.
 *
 * @module
 */

import { type IncomingStream, type Message, REASON } from "@x/endpoint"
import { leftError, streamClosedError, undecodableError } from "../errors.ts"
import { decodeFailure } from "../format/failure.ts"
import { Head, KIND } from "../format/head.ts"
import { MESSAGE } from "../format/labels.ts"
import { RequestError } from "../request-error.ts"
import type { PartsRequest } from "../request-type.ts"
import { Asked, type AskedHost } from "./asked.ts"

/** Parts that wait for their reader before the stream is paused, and bytes of these. */
export const QUEUED_PARTS_MAX = 256
export const QUEUED_BYTES_MAX = 1_048_576

export interface PartsHost extends AskedHost {
  /** It waits no more. `isWanted`: its answerer needn't be told, it has said all. */
  onOver(parts: PartsAnswer, hasEnded: boolean): void
  onMalformed(): void
}

interface Reader {
  readonly resolve: (result: IteratorResult<unknown, undefined>) => void
  readonly reject: (error: RequestError) => void
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined }
const head = new Head()

export class PartsAnswer extends Asked implements AsyncIterableIterator<unknown, undefined> {
  readonly #queue: unknown[] = []
  readonly #sizes: number[] = []
  #bytes = 0
  readonly #readers: Reader[] = []
  #incoming: IncomingStream | undefined
  /** No more parts come. */
  #isOver = false
  #error: RequestError | undefined

  constructor(request: PartsRequest<unknown, unknown>) {
    super(request)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Parts that wait for their reader. */
  get queued(): number {
    return this.#queue.length
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#queue.length > 0) return Promise.resolve({ done: false, value: this.#shift() })
    if (this.#isOver) return this.#last()
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }))
  }

  /** The reader wants no more: the answerer is told. */
  return(): Promise<IteratorResult<unknown, undefined>> {
    this.#queue.length = this.#sizes.length = 0
    this.#error = undefined
    if (!this.#isOver) {
      this.#isOver = true
      this.#leave(REASON.aborted)
      this.#settleReaders()
    }
    return Promise.resolve(DONE)
  }

  #shift(): unknown {
    this.#bytes -= this.#sizes.shift()!
    const value = this.#queue.shift()
    const { length } = this.#queue
    if (this.#incoming?.isPaused === true && length <= QUEUED_PARTS_MAX / 2 && this.#bytes <= QUEUED_BYTES_MAX / 2)
      this.#incoming.resume()
    return value
  }

  /** An error is told once. */
  #last(): Promise<IteratorResult<unknown, undefined>> {
    const error = this.#error
    this.#error = undefined
    return error === undefined ? Promise.resolve(DONE) : Promise.reject(error)
  }

  #settleReaders(): void {
    for (const { resolve, reject } of this.#readers.splice(0)) {
      const error = this.#error
      this.#error = undefined
      if (error === undefined) resolve(DONE)
      else reject(error)
    }
  }

  /** Takes the stream of its parts. `false`: it has one already, or waits for none. */
  take(incoming: IncomingStream): boolean {
    if (this.#incoming !== undefined || this.isDone) return false
    this.#incoming = incoming
    incoming.handle(MESSAGE, (message) => this.#take(message))
    void incoming.closed.then(() => this.#onClosed(incoming))
    return true
  }

  #onClosed({ peer }: IncomingStream): void {
    if (this.isDone) return
    this.#over(peer.state === "left" ? leftError("maybe-done") : streamClosedError("maybe-done"), true)
  }

  #take(message: Message): void {
    if (this.isDone) return
    const { view, offset, length } = message
    if (!head.readPart(view, offset, length)) return this.#refuse()
    const bytes = new Uint8Array(view.buffer, view.byteOffset + offset + head.bytes, length - head.bytes)
    if (head.kind === KIND.part) this.#push(bytes)
    else if (head.kind === KIND.end) this.#over(undefined, true)
    else if (head.kind === KIND.partsFailure) {
      const error = decodeFailure(bytes)
      if (error === undefined) this.#refuse()
      else this.#over(error, true)
    } else this.#refuse()
  }

  #push(bytes: Uint8Array): void {
    let value
    try {
      value = this.request.answer.decode(bytes)
    } catch (cause) {
      this.#leave(REASON.undecodable)
      return this.fail(undecodableError(this.request.number, cause), false)
    }
    const reader = this.#readers.shift()
    if (reader !== undefined) return reader.resolve({ done: false, value })
    this.#queue.push(value)
    this.#sizes.push(bytes.length)
    this.#bytes += bytes.length
    if (this.#queue.length >= QUEUED_PARTS_MAX || this.#bytes >= QUEUED_BYTES_MAX) this.#incoming!.pause()
  }

  #refuse(): void {
    const host = this.host as PartsHost | undefined
    host?.onMalformed()
    this.#leave(REASON.undecodable)
    this.fail(new RequestError("malformed", "the peer sent what is no part of an answer", "maybe-done"), false)
  }

  /** The stream has said all that it says. */
  #over(error: RequestError | undefined, hasEnded: boolean): void {
    const host = this.host as PartsHost | undefined
    host?.onOver(this, hasEnded)
    this.#end(error)
  }

  /** Nothing of it is wanted any more. */
  #leave(reason: number): void {
    if (this.isDone) return
    const host = this.host as PartsHost | undefined
    if (host === undefined) {
      this.isDone = true
      this.forget?.()
    } else host.onOver(this, false)
    this.#incoming?.stop(reason)
  }

  #end(error: RequestError | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#error = error
    this.#settleReaders()
  }

  /** A single answer isn't what was asked for; its table doesn't hand one over. */
  override answer(): void {}

  override fail(error: RequestError, isAtOnce: boolean): void {
    if (isAtOnce) this.#queue.length = this.#sizes.length = this.#bytes = 0
    this.#incoming?.stop(REASON.aborted)
    this.#end(error)
  }
}
