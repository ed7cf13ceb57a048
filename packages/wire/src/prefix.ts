/**
 * The prefix and the tag of a datagram (PROTOCOL.md §2). Functions have a parameter for each field, more than five where
 * there are more: no object is made for a datagram.
 *
 * @module
 */

import { crc32c } from "./crc32c.ts"
import type { DatagramDropReason } from "./drop-reason.ts"
import { readNumber, writeNumber } from "./numbers.ts"

/** The version of the format that this package implements. */
export const VERSION = 0

/** Protection profiles: pinned by configuration, never negotiated. */
export const PROFILE = {
  /** No tag: for loopback and tests. */
  none: 0,
  /** CRC-32C, 4 bytes: finds accidents, not attacks. */
  checksum: 1,
  /** AES-256-GCM over packets in clear, 16 bytes: authenticated. */
  mac: 2,
  /** AES-256-GCM, 16 bytes: authenticated and encrypted. */
  aead: 3,
} as const

/** The name of a protection profile, as users write it. */
export type ProfileName = keyof typeof PROFILE
/** A protection profile as a number, 0 to 3. */
export type Profile = (typeof PROFILE)[ProfileName]

/** Bytes before the first packet, by profile: `mac` and `aead` have the key epoch too. */
export const PREFIX_BYTES: readonly number[] = [11, 11, 12, 12]
/** Bytes after the last packet, by profile. */
export const TAG_BYTES: readonly number[] = [0, 4, 16, 16]

const FIRST = 0
const SLOT = 1
const COUNTER = 5
const EPOCH = 11
const PROFILE_MASK = 0x03
const HANDSHAKE = 0x04
/** Of a datagram of an association its nonce; of any other reserved. */
const NONCE = 0x08
const NONCE_SHIFT = 3
const VERSION_SHIFT = 4

/** Where the counter is in a datagram: six bytes, the least significant first. */
export const PREFIX_COUNTER_OFFSET: number = COUNTER

/** Writes `epoch`, a byte, in profiles `mac` and `aead` only. `nonce`: a bit, 0 outside an association. */
export function writePrefix(
  view: DataView,
  offset: number,
  profile: Profile,
  handshake: boolean,
  slot: number,
  counter: number,
  epoch = 0,
  nonce = 0,
): void {
  const bits = (handshake ? HANDSHAKE : 0) | (nonce << NONCE_SHIFT)
  view.setUint8(offset + FIRST, (VERSION << VERSION_SHIFT) | profile | bits)
  view.setUint32(offset + SLOT, slot, true)
  writeNumber(view, offset + COUNTER, counter)
  if (profile >= PROFILE.mac) view.setUint8(offset + EPOCH, epoch)
}

/** Checks what the first byte and the length show: version, profile, reserved bit, room for a packet. */
export function checkPrefix(
  view: DataView,
  offset: number,
  length: number,
  profile: Profile,
  datagramBytesMax: number,
): DatagramDropReason | undefined {
  if (length < PREFIX_BYTES[profile]! + 1 + TAG_BYTES[profile]!) return "too-short"
  if (length > datagramBytesMax) return "too-long"
  const first = view.getUint8(offset + FIRST)
  if (first >>> VERSION_SHIFT !== VERSION) return "version"
  if ((first & PROFILE_MASK) !== profile) return "profile"
  if ((first & (HANDSHAKE | NONCE)) === (HANDSHAKE | NONCE)) return "reserved"
  return undefined
}

/** Bit "H": the datagram is outside an association. */
export function prefixHandshake(view: DataView, offset: number): boolean {
  return (view.getUint8(offset + FIRST) & HANDSHAKE) !== 0
}

/** Bit "N": the random bit that proves the receipt of a datagram of an association, 0 or 1. */
export function prefixNonce(view: DataView, offset: number): number {
  return (view.getUint8(offset + FIRST) >>> NONCE_SHIFT) & 1
}

/** The slot that a datagram is for: the receiver's, 32 bits; 0 in `join`, `hint` and `loose`. */
export function prefixSlot(view: DataView, offset: number): number {
  return view.getUint32(offset + SLOT, true)
}

/** The counter of a datagram; outside an association, the number of the attempt, or 0. */
export function prefixCounter(view: DataView, offset: number): number {
  return readNumber(view, offset + COUNTER)
}

/** The epoch of the key that a datagram of profile `mac` or `aead` is sealed with, 0 to 255. */
export function prefixEpoch(view: DataView, offset: number): number {
  return view.getUint8(offset + EPOCH)
}

/**
 * The four identifiers that a tag covers before the datagram, from the sender's view. One not yet known is `undefined`
 * here and zeros under the tag.
 */
export interface PseudoHeader {
  /** The receiver's incarnation, 8 bytes. */
  readonly receiverUnique?: Uint8Array
  /** The sender's incarnation, 8 bytes. */
  readonly senderUnique?: Uint8Array
  /** The receiver's session, 8 bytes. */
  readonly receiverSession?: Uint8Array
  /** The sender's session, 8 bytes. */
  readonly senderSession?: Uint8Array
}

const PSEUDO_HEADER_BYTES = 32

/** The CRC-32C over a pseudo-header. Started from it, the tag of a datagram costs one pass over the datagram alone. */
export function pseudoHeaderSeed(header: PseudoHeader): number {
  return crc32c(pseudoHeaderBytes(header), 0, PSEUDO_HEADER_BYTES)
}

/** A pseudo-header as a tag covers it, 32 bytes. */
export function pseudoHeaderBytes(header: PseudoHeader): Uint8Array {
  const bytes = new Uint8Array(PSEUDO_HEADER_BYTES)
  if (header.receiverUnique) bytes.set(header.receiverUnique, 0)
  if (header.senderUnique) bytes.set(header.senderUnique, 8)
  if (header.receiverSession) bytes.set(header.receiverSession, 16)
  if (header.senderSession) bytes.set(header.senderSession, 24)
  return bytes
}

/** Writes the tag of profile `checksum` after `bytes[offset, offset + length)`. */
export function sealChecksum(bytes: Uint8Array, offset: number, length: number, seed: number): void {
  const end = offset + length
  const crc = crc32c(bytes, offset, end, seed)
  bytes[end] = crc
  bytes[end + 1] = crc >>> 8
  bytes[end + 2] = crc >>> 16
  bytes[end + 3] = crc >>> 24
}

/** Whether the tag of profile `checksum` at the end of `bytes[offset, offset + length)` is right. */
export function openChecksum(bytes: Uint8Array, offset: number, length: number, seed: number): boolean {
  const end = offset + length - 4
  const crc = crc32c(bytes, offset, end, seed)
  return ((bytes[end]! | (bytes[end + 1]! << 8) | (bytes[end + 2]! << 16) | (bytes[end + 3]! << 24)) ^ crc) === 0
}
