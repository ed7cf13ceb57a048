/**
 * Payloads of any size as web streams. Ending and aborting are two things: what was aborted errors on the other side, and never looks complete.
 *
 * @module
 */

import { REASON, reasonName } from "@x/wire"
import { EndpointError } from "./endpoint-error.ts"
import type { IncomingStream } from "./incoming-stream.ts"
import type { OutgoingStream } from "./outgoing-stream.ts"

/** Bytes of the messages that a longer chunk is cut into: enough to cost nothing, few enough to be repaired soon. */
const CHUNK_BYTES = 65_536

export function writableOf(stream: OutgoingStream, type: number, messageBytesMax: number): WritableStream<Uint8Array> {
  const step = Math.min(CHUNK_BYTES, messageBytesMax)
  return new WritableStream<Uint8Array>({
    async write(chunk) {
      if (!(chunk instanceof Uint8Array)) throw new TypeError("a chunk is a Uint8Array; encode text first, as by a TextEncoderStream")
      for (let at = 0; at < chunk.length; at += step) await stream.send(type, chunk.subarray(at, at + step))
    },
    close: () => stream.end(),
    abort: () => stream.reset(REASON.aborted),
  })
}

export function readableOf(stream: IncomingStream): ReadableStream<Uint8Array> {
  const messages = stream.messages()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { value, done } = await messages.next()
        if (done !== true) return controller.enqueue(value.bytes)
        const { isComplete, reason } = await stream.closed
        if (isComplete) controller.close()
        else controller.error(new EndpointError("stream-closed", `the stream ended before it was complete (${reasonName(reason)})`))
      },
      async cancel() {
        stream.stop()
        await messages.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}
