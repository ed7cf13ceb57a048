/**
 * Memory that changes hands without a copy.
 *
 * @module
 */

import type { Host } from "@x/transport/host"

/**
 * Whether bytes are all of an `ArrayBuffer` that can change hands: not a part of a larger one, as most of Node's small
 * Buffers are, not shared, and of a fixed length.
 */
export function isWholeBuffer({ buffer, byteLength }: Uint8Array): boolean {
  return (
    buffer instanceof ArrayBuffer && buffer.byteLength === byteLength && (buffer as MaybeResizable).resizable !== true
  )
}

/** Nobody uses these bytes any more, which are all of a buffer. */
export function discard(bytes: Uint8Array, host: Pick<Host, "discard">): void {
  host.discard?.(bytes)
  // The buffer is empty for who had it, whatever the host can do.
  if (bytes.length > 0) takeOver(bytes)
}

interface MaybeResizable {
  readonly resizable?: boolean
}

/** Moves the memory of bytes that are all of a buffer: who had it finds it empty. Costs some 10 µs, whatever its size. */
export function takeOver({ buffer }: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(structuredClone(buffer as ArrayBuffer, { transfer: [buffer as ArrayBuffer] }))
}
