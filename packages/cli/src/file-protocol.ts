/**
 * How a file travels, as an application of message streams: see "How a file travels" in the README, which is the rule.
 *
 * @module
 */

/** Message types. The sender's go on the file's stream; the receiver's begin with that stream's id, a u32. */
export const FILE = {
  /** JSON of an {@link Offer}, at most {@link OFFER_BYTES_MAX}. The first message of a stream, and only there. */
  offer: 1,
  /**
   * The next {@link CHUNK_BYTES} of the file; the last chunk holds what is left, and none is empty. Of a file whose
   * size isn't known: any up to that.
   */
  chunk: 2,
  /** SHA-256 of the whole, {@link SHA256_BYTES}. */
  finish: 3,
  /**
   * Stream id, then how many bytes are written, a u64. The first asks for the chunks from there: 0, or what was kept.
   */
  written: 4,
  /** Stream id: the file is there under its name, and on the disk. */
  stored: 5,
  /** Stream id, one of {@link REFUSALS} by index, a u8, then the reason in UTF-8. */
  refused: 6,
  /**
   * Stream id, then so many bytes that came of a file of this name before, a u64: a multiple of {@link CHUNK_BYTES},
   * above 0. Before the first `written`.
   */
  kept: 7,
  /** SHA-256 of as many bytes of the file as were kept, {@link SHA256_BYTES}. Only in answer to `kept`. */
  prefix: 8,
} as const

/** For `x perf`: received and dropped. */
export const PERF = 100

/** Bytes of a chunk: large enough to make little of its cost, small enough for a progress bar. */
export const CHUNK_BYTES = 262_144

/** Bytes that may have been sent and not written: what a receiver holds in memory for a file when its disk is slow. */
export const UNWRITTEN_BYTES_MAX = 8_388_608

/** From this size on a sender asks to go on where it was interrupted: less is sent anew in no time. */
export const RESUME_BYTES_MIN = 1_048_576

/** A name of 255 bytes, each escaped, and room for fields to come. */
export const OFFER_BYTES_MAX = 4_096

export const SHA256_BYTES = 32

/**
 * Why a file wasn't taken, for programs: the sender broke the protocol · the name is none · a file of that name is
 * there · the bytes aren't what was hashed · the disk failed · too many files at a time · the receiver ends. The order
 * is the wire format.
 */
export const REFUSALS = ["protocol", "name", "exists", "content", "storage", "busy", "ended"] as const
export type Refusal = (typeof REFUSALS)[number]

export interface Offer {
  readonly name: string
  /** Bytes; `undefined`: nobody knows, as of a pipe. */
  readonly size: number | undefined
  /** The sender goes on where it was interrupted, if the receiver kept what came; only with a size. */
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

/** What the receiver says of the file on a stream. */
export type Reply =
  | { readonly type: typeof FILE.written; readonly stream: number; readonly written: number }
  | { readonly type: typeof FILE.kept; readonly stream: number; readonly kept: number }
  | { readonly type: typeof FILE.stored; readonly stream: number }
  | { readonly type: typeof FILE.refused; readonly stream: number; readonly refusal: Refusal; readonly why: string }

/** The bytes of a reply, to be sent under its type. */
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
