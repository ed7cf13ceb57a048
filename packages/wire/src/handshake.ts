/**
 * Packets outside an association: `join`, `challenge`, `accept`, `refuse`, `hint`, `loose` (PROTOCOL.md §3, §7).
 * `refuse` has the body of `goodbye`.
 *
 * @module
 */

import { bytesAt, firstNonZero } from "./bytes.ts"
import type { DatagramDropReason } from "./drop-reason.ts"
import { NUMBER_MAX, readNumber, writeNumber } from "./numbers.ts"
import { PROFILE, type Profile } from "./prefix.ts"
import { SPREAD_MAX } from "./ranges.ts"

/** Bytes of a unique or a session. */
export const IDENTITY_BYTES = 8
/** The most bytes of a token: 32 for a MAC, and time and spare. */
export const TOKEN_BYTES_MAX = 64
/** The smallest datagram that every peer accepts: 576 B of IPv4 less headers. */
export const DATAGRAM_BYTES_FLOOR = 548
/** Size of a `join` as a datagram, and of every datagram until the path is known to carry more. */
export const DATAGRAM_BYTES_BASE = 1200
/** The longest UDP payload over IPv4. */
export const DATAGRAM_BYTES_MAX = 65_507

/** What the sender of a `join` or `accept` accepts as a receiver. */
export interface Limits {
  /** Bytes of UDP payload, 548 to 65,507. */
  readonly datagramBytes: number
  /** Datagrams in flight, 64 to 1,048,576: bounds what the replay window has to span. */
  readonly inFlight: number
  /** Packets of a stream from the cumulative edge to the newest, a power of two from 64 to 65,536. */
  readonly spread: number
  /** Streams open to it at a time. */
  readonly streams: number
  /** Bytes of the largest message. */
  readonly messageBytes: number
  /** Milliseconds it may hold back a status, 1 to 1,000. */
  readonly statusDelayMs: number
}

/** Bytes of {@link Limits} in a `join` or `accept`. */
export const LIMITS_BYTES = 20
/** The least spread that a peer may announce, in packets. */
export const SPREAD_MIN = 64
/** The least datagrams in flight that a peer may announce. */
export const IN_FLIGHT_MIN = 64
/** The most datagrams in flight that a peer may announce: a replay window of 2^20 bits. */
export const IN_FLIGHT_MAX = 1_048_576
/** The longest that a peer may say it holds back a status, in milliseconds. */
export const STATUS_DELAY_MS_MAX = 1_000

/** A declared reply address: 4 or 16 bytes in network order. */
export interface ReplyAddress {
  /** 4 bytes for v4, 16 for v6, in network order. */
  readonly bytes: Uint8Array
  /** 1 to 65,535. */
  readonly port: number
}

/** Bytes of the address field, by the form in the option bits. */
const ADDRESS_BYTES: readonly number[] = [0, 6, 18]

/** The option bits' value for an address. */
export function addressForm(address: ReplyAddress | undefined): number {
  return address === undefined ? 0 : address.bytes.length === 4 ? 1 : 2
}

/** The body of a `join`. */
export interface Join {
  /** Where answers could go as well, once a path challenge to it was answered. */
  readonly address: ReplyAddress | undefined
  /** The oldest version of the format that the joiner speaks, 0 to 255. */
  readonly versionMin: number
  /** The newest version that it speaks, at least `versionMin`. */
  readonly versionMax: number
  /** Where answers, and later all datagrams of the association, go. */
  readonly slot: number
  /** The joiner's incarnation, {@link IDENTITY_BYTES} bytes, never zero. */
  readonly unique: Uint8Array
  /** The joiner's session with the peer it joins, {@link IDENTITY_BYTES} bytes; zero in a first join. */
  readonly session: Uint8Array
  /** The incarnation addressed, zero for any. */
  readonly receiverUnique: Uint8Array
  /** What the joiner accepts as a receiver. */
  readonly limits: Limits
  /** 32 bits without a meaning in version 0: ignored. */
  readonly features: number
  /** Of two associations of a session, the one with the higher order is used. 0 in a join that begins a session. */
  readonly order: number
  /** Copied from a challenge; empty in a first join. */
  readonly token: Uint8Array
  /** Key exchange of static keys, 96 bytes; empty where there are none, and in `none` and `checksum`. */
  readonly exchange: Uint8Array
}

/** Offsets in a `join` behind its address. */
const JOIN = {
  versionMin: 0,
  versionMax: 1,
  slot: 2,
  unique: 6,
  session: 14,
  receiverUnique: 22,
  limits: 30,
  features: 50,
  order: 54,
  tokenLength: 58,
  token: 59,
} as const

/** Writes a join and its padding up to `end`. */
export function writeJoin(view: DataView, body: number, join: Join, end: number): number {
  const at = writeAddress(view, body, join.address)
  view.setUint8(at + JOIN.versionMin, join.versionMin)
  view.setUint8(at + JOIN.versionMax, join.versionMax)
  view.setUint32(at + JOIN.slot, join.slot, true)
  writeBytes(view, at + JOIN.unique, join.unique)
  writeBytes(view, at + JOIN.session, join.session)
  writeBytes(view, at + JOIN.receiverUnique, join.receiverUnique)
  writeLimits(view, at + JOIN.limits, join.limits)
  view.setUint32(at + JOIN.features, join.features, true)
  view.setUint32(at + JOIN.order, join.order, true)
  view.setUint8(at + JOIN.tokenLength, join.token.length)
  return writeExchange(view, writeBytes(view, at + JOIN.token, join.token), join.exchange, end)
}

/** Reads a checked `join`; `form` is that of its address, `PacketCursor.addressForm`. */
export function readJoin(view: DataView, body: number, form: number): Join {
  const at = body + ADDRESS_BYTES[form]!
  const tokenBytes = view.getUint8(at + JOIN.tokenLength)
  return {
    address: readAddress(view, body, form),
    versionMin: view.getUint8(at + JOIN.versionMin),
    versionMax: view.getUint8(at + JOIN.versionMax),
    slot: view.getUint32(at + JOIN.slot, true),
    unique: copyAt(view, at + JOIN.unique, IDENTITY_BYTES),
    session: copyAt(view, at + JOIN.session, IDENTITY_BYTES),
    receiverUnique: copyAt(view, at + JOIN.receiverUnique, IDENTITY_BYTES),
    limits: readLimits(view, at + JOIN.limits),
    features: view.getUint32(at + JOIN.features, true),
    order: view.getUint32(at + JOIN.order, true),
    token: copyAt(view, at + JOIN.token, tokenBytes),
    exchange: readExchange(view, at + JOIN.token + tokenBytes),
  }
}

/**
 * Why `[body, end)` is no `join` with an address of `form`, or `undefined` if it is one. Only `mac` and `aead` have a
 * key exchange.
 */
export function checkJoin(
  view: DataView,
  body: number,
  end: number,
  form: number,
  profile: Profile,
): DatagramDropReason | undefined {
  const at = body + ADDRESS_BYTES[form]!
  if (at + JOIN.token > end) return "truncated"
  if (form !== 0 && addressPort(view, body, form) === 0) return "value"
  if (view.getUint8(at + JOIN.versionMin) > view.getUint8(at + JOIN.versionMax)) return "value"
  if (view.getUint32(at + JOIN.slot, true) === 0 || isZero(view, at + JOIN.unique)) return "value"
  if (!areLimits(view, at + JOIN.limits)) return "value"
  const tokenBytes = view.getUint8(at + JOIN.tokenLength)
  if (tokenBytes > TOKEN_BYTES_MAX) return "value"
  // A joiner with a token knows the peer's incarnation, and so has a session for it (§6).
  if (tokenBytes > 0 && isZero(view, at + JOIN.session)) return "value"
  const exchange = at + JOIN.token + tokenBytes
  return exchange + EXCHANGE_LENGTH_BYTES > end
    ? "truncated"
    : checkExchange(view, exchange, end, profile, EXCHANGE_BYTES.join)
}

/** The body of a `challenge`. */
export interface Challenge {
  /** The incarnation that answers, {@link IDENTITY_BYTES} bytes, never zero. */
  readonly unique: Uint8Array
  /** 1 to {@link TOKEN_BYTES_MAX} bytes, opaque to the joiner. */
  readonly token: Uint8Array
}

/** Writes the body of a `challenge`; returns the offset behind it. */
export function writeChallenge(view: DataView, body: number, { unique, token }: Challenge): number {
  const at = writeBytes(view, body, unique)
  view.setUint8(at, token.length)
  return writeBytes(view, at + 1, token)
}

/** Reads a checked `challenge`. */
export function readChallenge(view: DataView, body: number): Challenge {
  const at = body + IDENTITY_BYTES
  return { unique: copyAt(view, body, IDENTITY_BYTES), token: copyAt(view, at + 1, view.getUint8(at)) }
}

/** Why `[body, end)` is no `challenge`, or `undefined` if it is one. */
export function checkChallenge(view: DataView, body: number, end: number): DatagramDropReason | undefined {
  const token = body + IDENTITY_BYTES + 1
  if (token > end) return "truncated"
  const tokenBytes = view.getUint8(token - 1)
  if (isZero(view, body) || tokenBytes < 1 || tokenBytes > TOKEN_BYTES_MAX) return "value"
  if (token + tokenBytes > end) return "truncated"
  return token + tokenBytes < end ? "trailing" : undefined
}

/** The body of an `accept`. */
export interface Accept {
  /** Where datagrams could go as well, once a path challenge to it was answered. */
  readonly address: ReplyAddress | undefined
  /** The version of the format that both use from now on, 0 to 255. */
  readonly version: number
  /** The slot that the joiner sends to from now on. */
  readonly slot: number
  /** The incarnation that accepts, {@link IDENTITY_BYTES} bytes, never zero. */
  readonly unique: Uint8Array
  /** Its session with the joiner, {@link IDENTITY_BYTES} bytes, never zero. */
  readonly session: Uint8Array
  /** What the sender of the `accept` takes as a receiver. */
  readonly limits: Limits
  /** 32 bits without a meaning in version 0: ignored. */
  readonly features: number
  /** Key exchange of static keys, 48 bytes; empty where there are none. */
  readonly exchange: Uint8Array
}

/** Offsets in an `accept` behind its address. */
const ACCEPT = { version: 0, slot: 1, unique: 5, session: 13, limits: 21, features: 41, exchange: 45 } as const

/** Writes an accept and its padding up to `end`. */
export function writeAccept(view: DataView, body: number, accept: Accept, end: number): number {
  const at = writeAddress(view, body, accept.address)
  view.setUint8(at + ACCEPT.version, accept.version)
  view.setUint32(at + ACCEPT.slot, accept.slot, true)
  writeBytes(view, at + ACCEPT.unique, accept.unique)
  writeBytes(view, at + ACCEPT.session, accept.session)
  writeLimits(view, at + ACCEPT.limits, accept.limits)
  view.setUint32(at + ACCEPT.features, accept.features, true)
  return writeExchange(view, at + ACCEPT.exchange, accept.exchange, end)
}

/** Reads a checked `accept`; `form` is that of its address, `PacketCursor.addressForm`. */
export function readAccept(view: DataView, body: number, form: number): Accept {
  const at = body + ADDRESS_BYTES[form]!
  return {
    address: readAddress(view, body, form),
    version: view.getUint8(at + ACCEPT.version),
    slot: view.getUint32(at + ACCEPT.slot, true),
    unique: copyAt(view, at + ACCEPT.unique, IDENTITY_BYTES),
    session: copyAt(view, at + ACCEPT.session, IDENTITY_BYTES),
    limits: readLimits(view, at + ACCEPT.limits),
    features: view.getUint32(at + ACCEPT.features, true),
    exchange: readExchange(view, at + ACCEPT.exchange),
  }
}

/**
 * Why `[body, end)` is no `accept` with an address of `form`, or `undefined` if it is one. Only `mac` and `aead` have a
 * key exchange.
 */
export function checkAccept(
  view: DataView,
  body: number,
  end: number,
  form: number,
  profile: Profile,
): DatagramDropReason | undefined {
  const at = body + ADDRESS_BYTES[form]!
  if (at + ACCEPT.exchange + EXCHANGE_LENGTH_BYTES > end) return "truncated"
  if (form !== 0 && addressPort(view, body, form) === 0) return "value"
  if (view.getUint32(at + ACCEPT.slot, true) === 0) return "value"
  if (isZero(view, at + ACCEPT.unique) || isZero(view, at + ACCEPT.session)) return "value"
  if (!areLimits(view, at + ACCEPT.limits)) return "value"
  return checkExchange(view, at + ACCEPT.exchange, end, profile, EXCHANGE_BYTES.accept)
}

/** Names a datagram that came for a slot in no use: only its sender can know both the slot and the counter. */
export interface Hint {
  /** The slot that the datagram was for, never 0. */
  readonly slot: number
  /** The counter that it had, at least 1. */
  readonly counter: number
}

/** Bytes of the body of a `hint`. */
export const HINT_BYTES = 10

/** Writes the body of a `hint`; returns the offset behind it. */
export function writeHint(view: DataView, body: number, hint: Hint): number {
  view.setUint32(body, hint.slot, true)
  writeNumber(view, body + 4, hint.counter)
  return body + HINT_BYTES
}

/** Reads a checked `hint`. */
export function readHint(view: DataView, body: number): Hint {
  return { slot: view.getUint32(body, true), counter: readNumber(view, body + 4) }
}

/** Why `[body, end)` is no `hint`, or `undefined` if it is one. */
export function checkHint(view: DataView, body: number, end: number): DatagramDropReason | undefined {
  if (end - body < HINT_BYTES) return "truncated"
  if (view.getUint32(body, true) === 0) return "value"
  const counter = readNumber(view, body + 4)
  if (counter > NUMBER_MAX) return "number"
  if (counter === 0) return "value"
  return end - body > HINT_BYTES ? "trailing" : undefined
}

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

/** Writes the body of a `loose` packet; returns the offset behind it. */
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
  return isZero(view, body + 8) ? "value" : undefined
}

function writeLimits(view: DataView, at: number, limits: Limits): void {
  view.setUint16(at, limits.datagramBytes, true)
  view.setUint32(at + 2, limits.inFlight, true)
  view.setUint32(at + 6, limits.spread, true)
  view.setUint32(at + 10, limits.streams, true)
  view.setUint32(at + 14, limits.messageBytes, true)
  view.setUint16(at + 18, limits.statusDelayMs, true)
}

function readLimits(view: DataView, at: number): Limits {
  return {
    datagramBytes: view.getUint16(at, true),
    inFlight: view.getUint32(at + 2, true),
    spread: view.getUint32(at + 6, true),
    streams: view.getUint32(at + 10, true),
    messageBytes: view.getUint32(at + 14, true),
    statusDelayMs: view.getUint16(at + 18, true),
  }
}

function areLimits(view: DataView, at: number): boolean {
  const { datagramBytes, inFlight, spread, statusDelayMs } = readLimits(view, at)
  return (
    isWithin(datagramBytes, DATAGRAM_BYTES_FLOOR, DATAGRAM_BYTES_MAX) &&
    isWithin(inFlight, IN_FLIGHT_MIN, IN_FLIGHT_MAX) &&
    isWithin(spread, SPREAD_MIN, SPREAD_MAX) &&
    (spread & (spread - 1)) === 0 &&
    isWithin(statusDelayMs, 1, STATUS_DELAY_MS_MAX)
  )
}

function isWithin(value: number, min: number, max: number): boolean {
  return value >= min && value <= max
}

function writeAddress(view: DataView, at: number, address: ReplyAddress | undefined): number {
  if (address === undefined) return at
  const port = writeBytes(view, at, address.bytes)
  view.setUint16(port, address.port, true)
  return port + 2
}

function readAddress(view: DataView, body: number, form: number): ReplyAddress | undefined {
  if (form === 0) return undefined
  return { bytes: copyAt(view, body, ADDRESS_BYTES[form]! - 2), port: addressPort(view, body, form) }
}

function addressPort(view: DataView, body: number, form: number): number {
  return view.getUint16(body + ADDRESS_BYTES[form]! - 2, true)
}

const EXCHANGE_LENGTH_BYTES = 2
/** Bytes of the exchange between static keys (PROTOCOL.md §9), where there is one. */
export const EXCHANGE_BYTES = {
  /** Noise IK's first message: an ephemeral key of 32 bytes, a static key of 32 and its tag of 16, a tag of 16. */
  join: 96,
  /** Noise IK's second message: an ephemeral key of 32 bytes and a tag of 16. */
  accept: 48,
} as const

/** Writes the key exchange and padding up to `end`: the tail of `join` and `accept`. */
function writeExchange(view: DataView, at: number, exchange: Uint8Array, end: number): number {
  view.setUint16(at, exchange.length, true)
  const padding = writeBytes(view, at + EXCHANGE_LENGTH_BYTES, exchange)
  bytesAt(view, padding, end - padding).fill(0)
  return end
}

function readExchange(view: DataView, at: number): Uint8Array {
  return copyAt(view, at + EXCHANGE_LENGTH_BYTES, view.getUint16(at, true))
}

function checkExchange(
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

function writeBytes(view: DataView, at: number, bytes: Uint8Array): number {
  bytesAt(view, at, bytes.length).set(bytes)
  return at + bytes.length
}

function copyAt(view: DataView, at: number, length: number): Uint8Array {
  return bytesAt(view, at, length).slice()
}

function isZero(view: DataView, at: number): boolean {
  return firstNonZero(view, at, at + IDENTITY_BYTES) === at + IDENTITY_BYTES
}
