import { type Codec, isWriting, type WritingCodec } from "./message-type.ts"

/** The bytes of a value, in memory of their own where the codec writes. */
export function encodeValue(codec: Codec<unknown> | WritingCodec<unknown>, value: unknown): Uint8Array {
  if (!isWriting(codec)) return codec.encode(value)
  const bytes = new Uint8Array(codec.size(value))
  codec.write(value, bytes, 0)
  return bytes
}
