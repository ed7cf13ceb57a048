/** The address that a `join` or an `accept` may declare in front of its other fields (PROTOCOL.md §7). */

import { copyAt, writeBytes } from "./bytes.ts"

/** A declared reply address: 4 or 16 bytes in network order. */
export interface ReplyAddress {
  /** 4 bytes for v4, 16 for v6, in network order. */
  readonly bytes: Uint8Array
  /** 1 to 65,535. */
  readonly port: number
}

/** Bytes of an address field, by the form in the option bits. */
export const ADDRESS_BYTES: readonly number[] = [0, 6, 18]

/** The option bits' value for an address. */
export function addressForm(address: ReplyAddress | undefined): number {
  return address === undefined ? 0 : address.bytes.length === 4 ? 1 : 2
}

/** Writes an address, if there is one; returns the offset after it. */
export function writeAddress(view: DataView, at: number, address: ReplyAddress | undefined): number {
  if (address === undefined) return at
  const port = writeBytes(view, at, address.bytes)
  view.setUint16(port, address.port, true)
  return port + 2
}

/** Reads an address of this form, if there is one. */
export function readAddress(view: DataView, body: number, form: number): ReplyAddress | undefined {
  if (form === 0) return undefined
  return { bytes: copyAt(view, body, ADDRESS_BYTES[form]! - 2), port: addressPort(view, body, form) }
}

/** The port of an address whose form isn't 0. */
export function addressPort(view: DataView, body: number, form: number): number {
  return view.getUint16(body + ADDRESS_BYTES[form]! - 2, true)
}
