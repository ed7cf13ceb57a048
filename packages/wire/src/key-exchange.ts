/** The key exchange and the padding at the end of a `join` and an `accept` (PROTOCOL.md §7, §9). */

import { bytesAt, copyAt, firstNonZero, writeBytes } from "./bytes.ts"
import type { DatagramDropReason } from "./drop-reason.ts"
import { PROFILE, type Profile } from "./prefix.ts"

/** Bytes of the length before an exchange. */
export const EXCHANGE_LENGTH_BYTES = 2
/** Bytes of the exchange between static keys (PROTOCOL.md §9), where there is one. */
export const EXCHANGE_BYTES = {
  /** Noise IK's first message: an ephemeral key of 32 bytes, a static key of 32 and its tag of 16, a tag of 16. */
  join: 96,
  /** Noise IK's second message: an ephemeral key of 32 bytes and a tag of 16. */
  accept: 48,
} as const

/** Writes the exchange and padding up to `end`; returns `end`. */
export function writeExchange(view: DataView, at: number, exchange: Uint8Array, end: number): number {
  view.setUint16(at, exchange.length, true)
  const padding = writeBytes(view, at + EXCHANGE_LENGTH_BYTES, exchange)
  bytesAt(view, padding, end - padding).fill(0)
  return end
}

/** Reads a checked exchange. */
export function readExchange(view: DataView, at: number): Uint8Array {
  return copyAt(view, at + EXCHANGE_LENGTH_BYTES, view.getUint16(at, true))
}

/** Why `[at, end)` is no exchange of none or `bytes` bytes with padding, or `undefined` if it is one. */
export function checkExchange(
  view: DataView,
  at: number,
  end: number,
  profile: Profile,
  bytes: number,
): DatagramDropReason | undefined {
  const length = view.getUint16(at, true)
  if (length !== 0 && (length !== bytes || profile < PROFILE.mac)) return "value"
  const padding = at + EXCHANGE_LENGTH_BYTES + length
  if (padding > end) return "truncated"
  return firstNonZero(view, padding, end) === end ? undefined : "padding"
}
