/**
 * How a file travels: on a stream of its own the sender says its name and size, then the bytes, then their SHA-256. The receiver answers on one
 * stream of its own: how much it has written, and in the end whether the file is stored.
 *
 * @module
 */

/** Message types. The sender's go on the file's stream; the receiver's name that stream by its id, a u32, first. */
export const FILE = {
  /** JSON: `{ name, size }`. */
  offer: 1,
  chunk: 2,
  /** SHA-256 of the whole, 32 bytes. */
  finish: 3,
  /** Stream id, then how many bytes are written, a f64. */
  written: 4,
  /** Stream id: the file is there under its name. */
  stored: 5,
  /** Stream id, then why not, UTF-8. */
  refused: 6,
} as const

/** For `x perf`: received and counted, nothing else. */
export const PERF = 100

/** Bytes of a chunk: large enough to make little of its cost, small enough for a progress bar. */
export const CHUNK_BYTES = 262_144

/** Bytes that may be on their way to the receiver's disk: a slow one slows the sender down. */
export const UNWRITTEN_BYTES_MAX = 8_388_608

export interface Offer {
  readonly name: string
  readonly size: number
}

/** An offer from its bytes; `undefined`: it isn't one. */
export function parseOffer(bytes: Uint8Array): Offer | undefined {
  try {
    const { name, size } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>
    return typeof name === "string" && Number.isSafeInteger(size) && (size as number) >= 0 ? { name, size: size as number } : undefined
  } catch {
    return undefined
  }
}

/** A reply about a stream. */
export function encodeReply(stream: number, rest: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + rest.length)
  new DataView(bytes.buffer).setUint32(0, stream)
  bytes.set(rest, 4)
  return bytes
}

export function encodeWritten(stream: number, written: number): Uint8Array {
  const rest = new Uint8Array(8)
  new DataView(rest.buffer).setFloat64(0, written)
  return encodeReply(stream, rest)
}
