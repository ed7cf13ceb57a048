/** `loose`: a message outside an association (PROTOCOL.md §7). */

import { copyAt, writeBytes } from "./bytes.ts"
import type { DatagramDropReason } from "./drop-reason.ts"
import { IDENTITY_BYTES, isNoIdentity } from "./identity.ts"

/** A message without an association. */
export interface Loose {
  /** The incarnation addressed, zero for any. */
  readonly receiverUnique: Uint8Array
  /** The sender's incarnation, {@link IDENTITY_BYTES} bytes, never zero. */
  readonly unique: Uint8Array
  /** The application's type of message, 0 to 65,535. */
  readonly type: number
  /** The message: what is left of the datagram, 0 bytes and more. */
  readonly bytes: Uint8Array
}

/** Bytes of the body of a `loose` packet before the message. */
export const LOOSE_HEADER_BYTES = 18

/** Writes the body of a `loose` packet; returns the offset after it. */
export function writeLoose(view: DataView, body: number, loose: Loose): number {
  writeBytes(view, body, loose.receiverUnique)
  writeBytes(view, body + 8, loose.unique)
  view.setUint16(body + 16, loose.type, true)
  return writeBytes(view, body + LOOSE_HEADER_BYTES, loose.bytes)
}

/** Reads a checked `loose` packet; its bytes are copied. */
export function readLoose(view: DataView, body: number, end: number): Loose {
  return {
    receiverUnique: copyAt(view, body, IDENTITY_BYTES),
    unique: copyAt(view, body + 8, IDENTITY_BYTES),
    type: view.getUint16(body + 16, true),
    bytes: copyAt(view, body + LOOSE_HEADER_BYTES, end - body - LOOSE_HEADER_BYTES),
  }
}

/** Why `[body, end)` is no `loose` packet, or `undefined` if it is one. */
export function checkLoose(view: DataView, body: number, end: number): DatagramDropReason | undefined {
  if (end - body < LOOSE_HEADER_BYTES) return "truncated"
  return isNoIdentity(view, body + 8) ? "value" : undefined
}
