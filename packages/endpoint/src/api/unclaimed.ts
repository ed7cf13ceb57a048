/**
 * Messages without a consumer. They wait in the queues of their streams until a handler or reader appears. Messages of
 * a type that was never handled or read there wait only for a time: then the stream gives up the type, and its present
 * and later messages of the type are dropped and counted.
 *
 * @module
 */

import type { IncomingStream, Unhandled } from "./handles.ts"

/** Types that a stream distinguishes: this bounds what a peer can make us remember. Further types share one time. */
const TYPES_MAX = 16
const OTHERS = -1

/** A stream with messages that have no consumer. */
export interface WaitingStream extends IncomingStream {
  /** A consumer appeared, or the messages must not wait any more: they are handed over soon. */
  claim(): void
}

/** What this needs of its endpoint. */
export interface UnclaimedHost<Stream> {
  /** Whether a message of this type on a stream has a consumer, or its stream or type was once read. */
  isWanted(stream: Stream, type: number): boolean
  /** A stream gives up a type. Called once for each. */
  onGivenUp(unhandled: Unhandled): void
  /** There is a deadline now, where there was none. */
  onWork(): void
  now(): number
}

/** How long a type of a stream has waited. */
interface Wait<Stream> {
  readonly stream: Stream
  /** The first type that it is for. */
  readonly type: number
  readonly key: number
  readonly dueMs: number
}

class StreamTypes<Stream> {
  readonly waits = new Map<number, Wait<Stream>>()
  readonly givenUp = new Set<number>()

  keyOf(type: number): number {
    if (this.waits.has(type) || this.givenUp.has(type)) return type
    return this.waits.size + this.givenUp.size < TYPES_MAX ? type : OTHERS
  }
}

export class Unclaimed<Stream extends WaitingStream> {
  readonly #host: UnclaimedHost<Stream>
  #waitMs: number
  /** Streams that have messages for any new consumer. */
  readonly #streams = new Set<Stream>()
  /** What streams know of types, while there are any. */
  readonly #types = new WeakMap<Stream, StreamTypes<Stream>>()
  /** In the order in which they are due: all wait for the same time. */
  readonly #waits = new Set<Wait<Stream>>()
  /** When the next type is given up. */
  nextTimeoutMs: number = Infinity

  /** `waitMs`: how long a type waits for a handler or reader, milliseconds. */
  constructor(waitMs: number, host: UnclaimedHost<Stream>) {
    this.#waitMs = waitMs
    this.#host = host
  }

  /** Whether a stream has given up a type. */
  hasGivenUp(stream: Stream, type: number): boolean {
    const types = this.#types.get(stream)
    return types !== undefined && types.givenUp.has(types.keyOf(type))
  }

  /** Whether a message without a consumer may wait; otherwise it is dropped. */
  mayWait(stream: Stream, type: number): boolean {
    let types = this.#types.get(stream)
    if (types === undefined) this.#types.set(stream, (types = new StreamTypes()))
    const key = types.keyOf(type)
    if (types.givenUp.has(key)) return false
    if (types.waits.has(key)) return true
    const wait = { stream, type, key, dueMs: this.#host.now() + this.#waitMs }
    if (this.#waitMs === 0) {
      this.#giveUp(wait, types)
      return false
    }
    types.waits.set(key, wait)
    this.#waits.add(wait)
    if (this.nextTimeoutMs !== Infinity) return true
    this.nextTimeoutMs = wait.dueMs
    this.#host.onWork()
    return true
  }

  /**
   * A message has come on a stream where an earlier one waits for a consumer: its time starts, although it isn't next.
   */
  note(stream: Stream, type: number): void {
    if (!this.#host.isWanted(stream, type)) this.mayWait(stream, type)
  }

  /** A stream has a message that waits for a consumer. */
  add(stream: Stream): void {
    this.#streams.add(stream)
  }

  /** A new consumer appeared, for messages of any stream. */
  claim(): void {
    for (const { stream } of this.#waits) this.recheck(stream)
    const streams = [...this.#streams]
    this.#streams.clear()
    for (const stream of streams) stream.claim()
  }

  /** A new consumer appeared for a stream: types that it takes no longer wait. */
  recheck(stream: Stream): void {
    this.#end(stream, ({ type, key }) => key === type && this.#host.isWanted(stream, type))
  }

  /** A stream hands over nothing for now, or has no more messages: its types no longer wait. */
  suspend(stream: Stream): void {
    this.#streams.delete(stream)
    this.#end(stream, () => true)
  }

  #end(stream: Stream, isOver: (wait: Wait<Stream>) => boolean): void {
    const waits = this.#types.get(stream)?.waits
    if (waits === undefined || waits.size === 0) return
    for (const wait of waits.values()) {
      if (!isOver(wait)) continue
      waits.delete(wait.key)
      this.#waits.delete(wait)
    }
    this.#arm()
  }

  handleTimeout(nowMs: number): void {
    if (nowMs < this.nextTimeoutMs) return
    for (const wait of this.#waits) {
      if (wait.dueMs > nowMs) break
      this.#giveUp(wait, this.#types.get(wait.stream)!)
      wait.stream.claim()
    }
    this.#arm()
  }

  /** No consumer will appear any more: messages of types that were never read or handled are dropped, now and later. */
  finish(): void {
    this.#waitMs = 0
    this.handleTimeout(Infinity)
  }

  #giveUp(wait: Wait<Stream>, types: StreamTypes<Stream>): void {
    const { stream, type, key } = wait
    this.#waits.delete(wait)
    types.waits.delete(key)
    types.givenUp.add(key)
    const others = key === OTHERS ? ` and of others, after ${TYPES_MAX}` : ""
    const text =
      `nobody handles messages of type ${type}${others} that come on ${stream.toString()}: they are dropped. ` +
      `Call endpoint.handle(${type}, …) before others join; or take the stream as it comes, in a listener of "stream", by its handle, messages() or readable; ` +
      `or say by a handler that does nothing that nobody wants them`
    this.#host.onGivenUp({ stream, type, text })
  }

  #arm(): void {
    const [first] = this.#waits
    this.nextTimeoutMs = first?.dueMs ?? Infinity
  }
}
