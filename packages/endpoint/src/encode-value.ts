import { BYTES, checkClass, checkSize } from "./check.ts"
import { type Codec, isWriting, type WritingCodec } from "./message-type.ts"

/** The bytes of a value, in memory of their own where the codec writes. Throws `TypeError` or `RangeError` for a codec that gives no bytes. */
export function encodeValue(codec: Codec<unknown> | WritingCodec<unknown>, value: unknown): Uint8Array {
  if (!isWriting(codec)) return checkClass.value("what encode returns", codec.encode(value), BYTES)
  const bytes = new Uint8Array(sizeOf(codec, value))
  codec.write(value, bytes, 0)
  return bytes
}

/** How many bytes a value takes. */
export function sizeOf(codec: WritingCodec<unknown>, value: unknown): number {
  const size = codec.size(value)
  checkSize(size)
  return size
}
