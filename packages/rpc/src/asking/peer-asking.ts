/**
 * What is asked of one peer: the requests that wait for their answer, and the streams that they go on. A request that
 * waits for room is watched until it is certain whether it was sent: only then it is told what became of it.
 *
 * @module
 */

import { type EndpointError, type IncomingStream, type Message, type OutgoingStream, type Peer } from "@x/endpoint"
import { onAbort } from "@x/transport/host"
import type { Alarm, Timed } from "../alarm.ts"
import type { AskingDrops } from "../stats.ts"
import {
  abortedError,
  busyError,
  deadlineError,
  leftError,
  streamClosedError,
  tooLargeError,
  unencodableError,
} from "../errors.ts"
import { decodeFailure } from "../format/failure.ts"
import { Head, KIND } from "../format/head.ts"
import { askLabel, CANCEL_LABEL, MESSAGE } from "../format/labels.ts"
import type { MessageWriter } from "../format/message-writer.ts"
import type { Writers } from "../format/writers.ts"
import { type Outcome, RequestError } from "../request-error.ts"
import type { Asked, Why } from "./asked.ts"
import { Outstanding } from "./outstanding.ts"
import { PartsAnswer, type PartsHost } from "./parts-answer.ts"

/** Streams on which nothing was asked for this long, up to twice that, are ended: they keep the peer from leaving. */
export const IDLE_MS = 10_000
/** Of a larger question it is watched how much was sent. */
const WATCHED_BYTES = 16_384

/** Until when a request waits, and how long that is from now on. */
export interface Times {
  readonly dueMs: number
  readonly remainingMs: number
}

/** What it shares with the other peers of its endpoint. */
export interface AskingContext {
  readonly alarm: Alarm
  readonly writers: Writers
  readonly drops: AskingDrops
  readonly outstandingMax: number
}

export class PeerAsking implements PartsHost, Timed {
  dueMs: number = Infinity
  heapIndex: number = -1
  readonly #peer: Peer
  readonly #context: AskingContext
  readonly #outstanding: Outstanding<Asked>
  /** Streams for requests, by number; those that are closed are opened anew when they are needed. */
  readonly #streams = new Map<number, OutgoingStream>()
  #cancels: OutgoingStream | undefined
  readonly #head = new Head()
  /** Something was asked since the idle time began. */
  #isUsed = false

  constructor(peer: Peer, context: AskingContext) {
    this.#peer = peer
    this.#context = context
    this.#outstanding = new Outstanding(context.outstandingMax)
  }

  get outstanding(): number {
    return this.#outstanding.count
  }

  /** Sends a request. Throws `RequestError` `unencodable` for a question that its codec refuses. */
  ask(asked: Asked, question: unknown, { dueMs, remainingMs }: Times, signal: AbortSignal | undefined): void {
    if (!this.#outstanding.add(asked)) {
      asked.isDone = true
      return asked.fail(busyError(`${this.#outstanding.count} requests to this peer are outstanding`), true)
    }
    const { alarm, writers } = this.#context
    asked.host = this
    this.#isUsed = true
    const writer = writers.take()
    try {
      writer.request(asked.slot, asked.generation, remainingMs, asked.request.question, question)
      this.#offer(asked, writer)
    } catch (error) {
      // The codec may have closed what it writes for.
      if (!asked.isDone) this.#finish(asked)
      throw unencodableError(asked.request.number, error)
    } finally {
      writers.give(writer)
    }
    if (asked.isDone) return
    alarm.set(asked, dueMs)
    if (signal !== undefined)
      asked.forget = onAbort(signal, () => this.#giveUp(asked, (outcome) => abortedError(signal, outcome)))
  }

  #offer(asked: Asked, writer: MessageWriter): void {
    const { number } = asked.request
    let stream = this.#streams.get(number)
    if (stream?.state !== "open") {
      const opened = this.#open(askLabel(number))
      if (opened instanceof RequestError) return this.#fail(asked, opened)
      this.#streams.set(number, (stream = opened))
      const own = stream
      stream.on("closed", () => this.#onClosed(number, own))
    }
    asked.stream = stream
    if (writer.bytes > WATCHED_BYTES) return this.#park(asked, stream, writer)
    const result = writer.write(stream)
    if (result === "sent") return
    if (result === "refused") return this.#park(asked, stream, writer)
    if (result === "too-large") this.#fail(asked, tooLargeError("question", "not-done"))
    else if (result !== "parked") this.#fail(asked, this.#closedError("not-done"))
  }

  #open(label: string): OutgoingStream | RequestError {
    try {
      const stream = this.#peer.open({ label, delivery: "reliable-unordered" })
      if (this.heapIndex < 0) this.#context.alarm.set(this, this.#context.alarm.now() + IDLE_MS)
      return stream
    } catch (error) {
      const { code, message } = error as EndpointError
      return code === "refused" ? busyError(message) : leftError("not-done")
    }
  }

  /** It waits for room; `send` tells for sure whether it was sent. */
  #park(asked: Asked, stream: OutgoingStream, writer: MessageWriter): void {
    const controller = new AbortController()
    asked.parked = controller
    stream.send(MESSAGE, writer.copy(), { signal: controller.signal }).then(
      () => this.#onSent(asked, stream),
      (error: unknown) => this.#onUnsent(asked, error as EndpointError),
    )
  }

  #onSent(asked: Asked, stream: OutgoingStream): void {
    asked.parked = undefined
    // Its reader left in this same turn.
    if (asked.isDone) return this.#cancel(asked)
    if (asked.why !== undefined) this.#giveUp(asked, asked.why)
    else if (stream.state === "closed") this.#fail(asked, this.#closedError("maybe-done"))
  }

  #onUnsent(asked: Asked, { code, message }: EndpointError): void {
    asked.parked = undefined
    if (asked.isDone) return
    if (asked.why !== undefined) this.#fail(asked, asked.why("not-done"))
    else if (code === "refused") this.#fail(asked, busyError(message))
    else if (code === "too-large") this.#fail(asked, tooLargeError("question", "not-done"))
    else this.#fail(asked, this.#closedError("not-done"))
  }

  #closedError(outcome: Outcome): RequestError {
    return this.#peer.state === "left" ? leftError(outcome) : streamClosedError(outcome)
  }

  /** The requests that went on this stream have no answer, or none that can be waited for. */
  #onClosed(number: number, stream: OutgoingStream): void {
    if (this.#streams.get(number) === stream) this.#streams.delete(number)
    this.#lose((asked) => asked.stream === stream)
  }

  /** Those that wait for room are told by their own promise. */
  #lose(isLost: (asked: Asked) => boolean): void {
    for (const asked of this.#outstanding.all())
      if (asked.parked === undefined && isLost(asked)) this.#fail(asked, this.#closedError("maybe-done"), false)
  }

  /** The peer has left. */
  lose(): void {
    this.#context.alarm.clear(this)
    this.#lose(() => true)
  }

  /** Requests end here. */
  close(why: Why): void {
    for (const asked of this.#outstanding.all()) this.#giveUp(asked, why)
    this.#endStreams()
    this.#context.alarm.clear(this)
  }

  // What no longer waits.

  #finish(asked: Asked): void {
    asked.isDone = true
    this.#outstanding.remove(asked)
    this.#context.alarm.clear(asked)
    if (asked.forget === undefined) return
    asked.forget()
    asked.forget = undefined
  }

  #fail(asked: Asked, error: RequestError, isAtOnce = true): void {
    this.#finish(asked)
    asked.fail(error, isAtOnce)
  }

  /** Nobody waits for the answer any more. */
  #giveUp(asked: Asked, why: Why): void {
    if (asked.isDone) return
    if (asked.parked !== undefined) {
      asked.why ??= why
      return asked.parked.abort()
    }
    this.#fail(asked, why("maybe-done"))
    this.#cancel(asked)
  }

  #cancel({ slot, generation }: Asked): void {
    if (this.#peer.state === "left") return
    if (this.#cancels?.state !== "open") {
      const opened = this.#open(CANCEL_LABEL)
      // The answerer finds out by the deadline, or by the next use of the slot.
      if (opened instanceof RequestError) return void this.#context.drops["untold-cancel"]++
      this.#cancels = opened
    }
    const writer = this.#context.writers.take()
    writer.plain(KIND.cancel, slot, generation)
    const result = this.#cancels.trySend(MESSAGE, writer.copy())
    if (result !== "sent" && result !== "parked") this.#context.drops["untold-cancel"]++
    this.#context.writers.give(writer)
  }

  onDeadline(asked: Asked): void {
    this.#giveUp(asked, deadlineError)
  }

  onOver(parts: PartsAnswer, hasEnded: boolean): void {
    this.#finish(parts)
    if (!hasEnded) this.#withdraw(parts)
  }

  /** A reader of parts wants no more. */
  #withdraw(parts: PartsAnswer): void {
    if (parts.parked === undefined) this.#cancel(parts)
    else parts.parked.abort()
  }

  onMalformed(): void {
    this.#context.drops.malformed++
  }

  // Answers.

  /** A stream of answers that the peer has opened. */
  takeAnswers(stream: IncomingStream): void {
    stream.handle(MESSAGE, (message) => this.#onAnswer(message))
    void stream.closed.then(({ isComplete }) => {
      // It was cut off: which answers were lost nobody knows.
      if (!isComplete) this.#lose(({ request }) => !request.isInParts)
    })
  }

  #onAnswer(message: Message): void {
    const { view, offset, length } = message
    const head = this.#head
    const { drops } = this.#context
    if (!head.read(view, offset, length)) return void drops.malformed++
    const { kind } = head
    if (kind !== KIND.answer && kind !== KIND.failure) return void drops.malformed++
    const asked = this.#outstanding.find(head.slot, head.generation)
    if (asked === undefined) return void drops["unknown-answer"]++
    const bytes = new Uint8Array(view.buffer, view.byteOffset + offset + head.bytes, length - head.bytes)
    if (kind === KIND.failure) return this.#onFailure(asked, bytes)
    if (asked.request.isInParts) return void drops["unasked-form"]++
    this.#finish(asked)
    asked.answer(bytes)
  }

  #onFailure(asked: Asked, bytes: Uint8Array): void {
    const error = decodeFailure(bytes)
    if (error === undefined) this.#context.drops.malformed++
    this.#fail(
      asked,
      error ?? new RequestError("malformed", "the peer sent a failure that can't be read", "maybe-done"),
    )
  }

  /** A stream of parts that the peer has opened. Returns whether it is asked for. */
  takeParts(slot: number, generation: number, stream: IncomingStream): boolean {
    const asked = this.#outstanding.find(slot, generation)
    if (asked === undefined) this.#context.drops["unknown-answer"]++
    else if (!(asked instanceof PartsAnswer) || !asked.take(stream)) this.#context.drops["unasked-form"]++
    else return true
    return false
  }

  // Idle streams.

  onDue(nowMs: number): void {
    if (this.#isUsed || this.#outstanding.count > 0) this.#context.alarm.set(this, nowMs + IDLE_MS)
    else this.#endStreams()
    this.#isUsed = false
  }

  #endStreams(): void {
    for (const stream of this.#streams.values()) void stream.end()
    void this.#cancels?.end()
    this.#streams.clear()
    this.#cancels = undefined
  }
}
