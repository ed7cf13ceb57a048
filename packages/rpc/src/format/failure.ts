/**
 * Failures as they cross the wire: outcome, code and text, and nothing else of what was thrown.
 *
 * @module
 */

import { markOwn } from "../errors.ts"
import { RequestError } from "../request-error.ts"

const CODE_BYTES_MAX = 64
const TEXT_BYTES_MAX = 1_024

const encoder = new TextEncoder()
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * A code that is no code is `failed`; a text that is too long is cut, also so that all of it has at most `bytesMax`
 * bytes, as far as the code has.
 */
export function encodeFailure({ code, text, outcome }: RequestError, bytesMax: number = Infinity): Uint8Array {
  let codeBytes = encoder.encode(code)
  if (codeBytes.length === 0 || codeBytes.length > CODE_BYTES_MAX) codeBytes = encoder.encode("failed")
  const textBytes = cut(encoder.encode(text), Math.min(TEXT_BYTES_MAX, bytesMax - 2 - codeBytes.length))
  const bytes = new Uint8Array(2 + codeBytes.length + textBytes.length)
  bytes[0] = outcome === "not-done" ? 0 : 1
  bytes[1] = codeBytes.length
  bytes.set(codeBytes, 2)
  bytes.set(textBytes, 2 + codeBytes.length)
  return bytes
}

/** At most so many bytes, without half a character. */
function cut(bytes: Uint8Array, bytesMax: number): Uint8Array {
  if (bytes.length <= bytesMax) return bytes
  let end = Math.max(0, bytesMax)
  while ((bytes[end]! & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}

/** `undefined`: it is malformed. */
export function decodeFailure(bytes: Uint8Array): RequestError | undefined {
  const outcome = bytes[0]
  const codeBytes = bytes[1]
  if (outcome === undefined || codeBytes === undefined || outcome > 1) return undefined
  const textAt = 2 + codeBytes
  if (codeBytes === 0 || codeBytes > CODE_BYTES_MAX || textAt > bytes.length) return undefined
  if (bytes.length - textAt > TEXT_BYTES_MAX) return undefined
  try {
    const code = strict.decode(bytes.subarray(2, textAt))
    const text = strict.decode(bytes.subarray(textAt))
    return markOwn(new RequestError(code, text, outcome === 0 ? "not-done" : "maybe-done"))
  } catch {
    return undefined
  }
}
