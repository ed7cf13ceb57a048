/**
 * Payloads of any size as web streams. Ending and aborting differ: an aborted stream errors on the other side, and
 * never looks complete.
 *
 * @module
 */

import { onAbort } from "@x/transport/host"
import { REASON, reasonName } from "@x/wire"
import { EndpointError } from "../errors/endpoint-error.ts"
import type { IncomingStream, OutgoingStream, StreamEnd } from "./handles.ts"
import { isMessageType, type MessageType } from "./message-type.ts"

/** A longer chunk is cut into messages of this many bytes: enough to cost little, few enough to be repaired soon. */
const CHUNK_BYTES = 65_536

/** A web stream of bytes, cut into messages; or of values of a defined type, each of them a message. */
export function writableOf(
  stream: OutgoingStream & { readonly closedError: EndpointError },
  type: number | MessageType<unknown>,
  messageBytesMax: number,
  signal: AbortSignal | undefined,
): WritableStream<unknown> {
  const step = Math.min(CHUNK_BYTES, messageBytesMax)
  const giveUp = (): void => stream.reset(REASON.aborted)
  let isClosing = false
  return new WritableStream<unknown>({
    start(controller: WritableStreamDefaultController & { readonly signal?: AbortSignal }) {
      // The standard calls `abort` only once the write under way has settled, and that write may wait for a reader that
      // takes nothing.
      controller.signal?.addEventListener("abort", giveUp, { once: true })
      const forget = signal && onAbort(signal, giveUp)
      if (signal?.aborted === true) giveUp()
      void stream.closed.then(() => {
        forget?.()
        // Its own `close` reports the result by itself.
        if (!isClosing) controller.error(stream.closedError)
      })
    },
    async write(chunk) {
      try {
        if (isMessageType(type)) return await stream.send(type, chunk)
        if (!(chunk instanceof Uint8Array))
          throw new TypeError("a chunk is a Uint8Array; encode text first, as by a TextEncoderStream")
        for (let at = 0; at < chunk.length; at += step) await stream.send(type, chunk.subarray(at, at + step))
      } catch (error) {
        // A part is missing: the reader must not wait for it, nor take the rest for everything.
        giveUp()
        throw error
      }
    },
    close() {
      isClosing = true
      return stream.end()
    },
    abort: giveUp,
  })
}

/**
 * Closes or errors as soon as the stream is over and all its messages were read, even while nothing reads: the standard
 * asks a source only when something does.
 */
export function readableOf(stream: IncomingStream): ReadableStream<Uint8Array> {
  const messages = stream.messages()
  let end: StreamEnd | undefined
  let isPulling = false
  let isCancelled = false
  const finish = (controller: ReadableStreamDefaultController<Uint8Array>, { isComplete, reason }: StreamEnd): void => {
    if (isCancelled) return
    if (isComplete) controller.close()
    else
      controller.error(
        new EndpointError("stream-closed", `the stream ended before it was complete (${reasonName(reason)})`),
      )
  }
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        void stream.closed.then((it) => {
          end = it
          // A chunk that is being pulled goes before the end.
          if (!isPulling) finish(controller, it)
        })
      },
      async pull(controller) {
        isPulling = true
        const { value, done } = await messages.next()
        if (done === true) return finish(controller, await stream.closed)
        isPulling = false
        if (isCancelled) return
        controller.enqueue(value.bytes)
        // An error would throw away chunks that a released reader didn't take.
        if (end !== undefined && (end.isComplete || controller.desiredSize === 0)) finish(controller, end)
      },
      async cancel() {
        isCancelled = true
        stream.stop()
        await messages.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}
