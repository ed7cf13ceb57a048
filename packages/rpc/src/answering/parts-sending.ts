/**
 * Answers in parts: each has a stream of its own, and goes on as that has room.
 *
 * @module
 */

import { type EndpointError, type OutgoingStream, REASON } from "@x/endpoint"
import { encodeFailure } from "../format/failure.ts"
import { KIND, PART_HEAD_BYTES } from "../format/head.ts"
import { MESSAGE, partsLabel } from "../format/labels.ts"
import type { MessageWriter } from "../format/message-writer.ts"
import type { Writers } from "../format/writers.ts"
import { RequestError } from "../request-error.ts"
import type { AnsweredCall } from "./call.ts"

export interface PartsSendingHost {
  /** Its handler is done. */
  onDone(call: AnsweredCall): void
  /** What the asker is told of what the handler threw; `undefined`: nothing. */
  fail(call: AnsweredCall, cause: unknown): RequestError | undefined
  /** The same of a part that can't be sent. */
  tooLarge(call: AnsweredCall, bytes: number): RequestError
  unencodable(call: AnsweredCall, cause: unknown): RequestError
}

/** Opens the stream of the parts. Returns why there is none. */
export function openParts(call: AnsweredCall): RequestError | undefined {
  try {
    call.out = call.peer.open({ label: partsLabel(call.slot, call.generation), delivery: "reliable" })
    return undefined
  } catch (error) {
    return new RequestError("busy", (error as EndpointError).message, "not-done")
  }
}

export class PartsSending {
  readonly #writers: Writers
  readonly #host: PartsSendingHost

  constructor(writers: Writers, host: PartsSendingHost) {
    this.#writers = writers
    this.#host = host
  }

  /** Sends what a handler has returned, to its end; never rejects. */
  async serve(call: AnsweredCall, result: unknown): Promise<void> {
    const stream = call.out!
    let failure
    try {
      const iterator = iteratorOf(await result)
      call.iterator = iterator
      let hasMore = true
      while (hasMore && !call.isOver) {
        const next = await iterator.next()
        hasMore = next.done !== true
        if (!call.isOver) await (hasMore ? this.#sendPart(call, next.value) : this.#sendEnd(call))
      }
      // It was given up before the handler returned: the iterator wasn't known then.
      if (hasMore) returnOf(call)
    } catch (error) {
      // What waited for room rejects too when the asker stops the stream, perhaps before that is told.
      failure = stream.state === "closed" ? undefined : this.#host.fail(call, error)
      returnOf(call)
    }
    if (failure !== undefined) this.fail(call, failure)
    else if (!call.isOver) void stream.end()
    this.#host.onDone(call)
  }

  /** A part that can't be sent is the last one. */
  async #sendPart(call: AnsweredCall, value: unknown): Promise<void> {
    const writer = this.#writers.take()
    let waiting
    let problem
    try {
      writer.part(call.answerer.request.answer, value)
      waiting = this.#write(writer, call.out!)
      if (waiting === "too-large") problem = this.#host.tooLarge(call, writer.bytes)
    } catch (error) {
      problem = this.#host.unencodable(call, error)
    } finally {
      this.#writers.give(writer)
    }
    if (problem !== undefined) throw problem
    await waiting
  }

  async #sendEnd(call: AnsweredCall): Promise<void> {
    const writer = this.#writers.take()
    writer.plainPart(KIND.end)
    const waiting = this.#write(writer, call.out!)
    this.#writers.give(writer)
    await waiting
  }

  /** Returns what settles once there is room for more, if there is none now. */
  #write(writer: MessageWriter, stream: OutgoingStream): Promise<void> | "too-large" | undefined {
    const result = writer.write(stream)
    if (result === "refused") return whenTaken(stream, writer.copy())
    return result === "too-large" ? result : undefined
  }

  /** Ends the parts by a failure, once there is room for it. */
  fail({ out, peer }: AnsweredCall, error: RequestError): void {
    const writer = this.#writers.take()
    writer.plainPart(KIND.partsFailure, encodeFailure(error, peer.messageBytesMax - PART_HEAD_BYTES))
    const bytes = writer.copy()
    this.#writers.give(writer)
    const end = (): void => void out!.end()
    whenTaken(out!, bytes).then(end, end)
  }

  /** Nobody wants the parts any more. */
  stop(call: AnsweredCall): void {
    call.out!.reset(REASON.aborted)
    returnOf(call)
  }
}

/** Sends a message, however little may wait for room: `send` refuses what finds neither room nor a place to wait. */
async function whenTaken(stream: OutgoingStream, bytes: Uint8Array): Promise<void> {
  for (;;) {
    const room = roomIn(stream)
    try {
      await stream.send(MESSAGE, bytes)
      return
    } catch (error) {
      if ((error as EndpointError).code !== "refused" || stream.state === "closed") throw error
      await room.isThere
    } finally {
      room.forget()
    }
  }
}

/** Settles once a stream may have room again, or is closed. */
function roomIn(stream: OutgoingStream): { isThere: Promise<void>; forget(): void } {
  let forget = (): void => {}
  const isThere = new Promise<void>((resolve) => {
    const listening = [stream.on("drain", resolve), stream.on("closed", () => resolve())]
    forget = () => listening.forEach((stop) => stop())
  })
  return { isThere, forget }
}

function iteratorOf(source: unknown): AsyncIterator<unknown> | Iterator<unknown> {
  const given = source as Partial<AsyncIterable<unknown> & Iterable<unknown>> | null | undefined
  const iterator = given?.[Symbol.asyncIterator]?.() ?? given?.[Symbol.iterator]?.()
  if (iterator === undefined)
    throw new TypeError("the handler of a request with an answer in parts returns an iterable")
  return iterator
}

/** Lets a generator run its `finally`, once. What it throws then is of no use to anybody. */
function returnOf(call: AnsweredCall): void {
  const { iterator } = call
  call.iterator = undefined
  if (iterator === undefined) return
  try {
    Promise.resolve(iterator.return?.()).then(undefined, () => {})
  } catch {
    // A plain iterator throws at once.
  }
}
