/**
 * How a file travels, as an application of message streams. The section "How a file travels" of the README is the
 * specification.
 *
 * @module
 */

/**
 * Message types. The sender sends its messages on the file's stream; the receiver's messages begin with that stream's
 * id, a u32.
 */
export const FILE = {
  /** JSON of an {@link Offer}, at most {@link OFFER_BYTES_MAX}. Always and only the first message of a stream. */
  offer: 1,
  /**
   * The next {@link CHUNK_BYTES} of the file; the last chunk holds the rest, and none is empty. If the file's size
   * isn't known: any number of bytes up to that.
   */
  chunk: 2,
  /** SHA-256 of the whole file, {@link SHA256_BYTES}. */
  finish: 3,
  /**
   * Stream id, then how many bytes are written, a u64. The first one asks for the chunks from there on: 0, or the bytes
   * kept.
   */
  written: 4,
  /** Stream id: the file has its name and is on the disk. */
  stored: 5,
  /** Stream id, the index of one of {@link REFUSALS}, a u8, then the reason in UTF-8. */
  refused: 6,
  /**
   * Stream id, then how many bytes of a file of this name came before, a u64: a multiple of {@link CHUNK_BYTES}, above
   * 0. Sent before the first `written`.
   */
  kept: 7,
  /** SHA-256 of the first bytes of the file, as many as were kept, {@link SHA256_BYTES}. Only in answer to `kept`. */
  prefix: 8,
} as const

/** For `x perf`: received and dropped. */
export const PERF = 100

/** Bytes of a chunk: large enough that its overhead is small, small enough for a progress bar. */
export const CHUNK_BYTES = 262_144

/** The most bytes sent but not written: a receiver with a slow disk holds this much of a file in memory. */
export const UNWRITTEN_BYTES_MAX = 8_388_608

/** From this size on a sender asks to resume an interrupted file: a smaller one is quickly sent again. */
export const RESUME_BYTES_MIN = 1_048_576

/** What to do about an interrupted file whose bytes are there. */
export const GOES_ON = "what came is kept, and sending the file again goes on from there"

/** A name of 255 bytes, each escaped, and room for fields to come. */
export const OFFER_BYTES_MAX = 4_096

export const SHA256_BYTES = 32

/**
 * Why a file was refused, for programs: the sender broke the protocol · the name is invalid · a file of that name
 * exists · the bytes don't match the hash · the disk failed · too many files at a time · the receiver ends. The order
 * is part of the wire format.
 */
export const REFUSALS = ["protocol", "name", "exists", "content", "storage", "busy", "ended"] as const
export type Refusal = (typeof REFUSALS)[number]

export interface Offer {
  readonly name: string
  /** Bytes; `undefined`: unknown, as for a pipe. */
  readonly size: number | undefined
  /** The sender can resume an interrupted file, if the receiver kept the bytes that came; only if the size is known. */
  readonly canResume: boolean
}

export function encodeOffer({ name, size, canResume }: Offer): Uint8Array {
  return encoder.encode(JSON.stringify({ name, size, resume: canResume ? true : undefined }))
}

/** `undefined`: it is no offer. */
export function parseOffer(bytes: Uint8Array): Offer | undefined {
  if (bytes.length > OFFER_BYTES_MAX) return undefined
  try {
    const { name, size, resume } = JSON.parse(decoder.decode(bytes)) as Record<string, unknown>
    if (typeof name !== "string") return undefined
    if (size === undefined) return { name, size, canResume: false }
    return Number.isSafeInteger(size) && (size as number) >= 0
      ? { name, size: size as number, canResume: resume === true }
      : undefined
  } catch {
    return undefined
  }
}

/** The receiver's message about the file on a stream. */
export type Reply =
  | { readonly type: typeof FILE.written; readonly stream: number; readonly written: number }
  | { readonly type: typeof FILE.kept; readonly stream: number; readonly kept: number }
  | { readonly type: typeof FILE.stored; readonly stream: number }
  | { readonly type: typeof FILE.refused; readonly stream: number; readonly refusal: Refusal; readonly why: string }

/** The bytes of a reply, to send under its type. */
export function encodeReply(reply: Reply): Uint8Array {
  const why = reply.type === FILE.refused ? encoder.encode(reply.why) : new Uint8Array(0)
  const rest = { [FILE.written]: 8, [FILE.kept]: 8, [FILE.stored]: 0, [FILE.refused]: 1 + why.length }[reply.type]
  const bytes = new Uint8Array(4 + rest)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, reply.stream)
  if (reply.type === FILE.written) view.setBigUint64(4, BigInt(reply.written))
  if (reply.type === FILE.kept) view.setBigUint64(4, BigInt(reply.kept))
  if (reply.type === FILE.refused) {
    bytes[4] = REFUSALS.indexOf(reply.refusal)
    bytes.set(why, 5)
  }
  return bytes
}

/** `undefined`: it is no reply of that type. */
export function parseReply(type: number, bytes: Uint8Array): Reply | undefined {
  if (bytes.length < 4) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const stream = view.getUint32(0)
  if (type === FILE.stored && bytes.length === 4) return { type, stream }
  if ((type === FILE.written || type === FILE.kept) && bytes.length === 12) {
    const count = Number(view.getBigUint64(4))
    if (!Number.isSafeInteger(count)) return undefined
    return type === FILE.written ? { type, stream, written: count } : { type, stream, kept: count }
  }
  const refusal = REFUSALS[bytes[4] ?? REFUSALS.length]
  return type === FILE.refused && refusal !== undefined
    ? { type, stream, refusal, why: decoder.decode(bytes.subarray(5)) }
    : undefined
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()
