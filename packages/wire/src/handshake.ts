/**
 * The packets that open an association: `join`, `challenge`, `accept` (PROTOCOL.md §7). `refuse` has the body of
 * `goodbye`.
 *
 * @module
 */

import { copyAt, writeBytes } from "./bytes.ts"
import type { DatagramDropReason } from "./drop-reason.ts"
import { IDENTITY_BYTES, isNoIdentity } from "./identity.ts"
import { checkExchange, EXCHANGE_BYTES, EXCHANGE_LENGTH_BYTES, readExchange, writeExchange } from "./key-exchange.ts"
import { areLimits, type Limits, readLimits, writeLimits } from "./limits.ts"
import type { Profile } from "./prefix.ts"
import { ADDRESS_BYTES, addressPort, readAddress, type ReplyAddress, writeAddress } from "./reply-address.ts"

/** The most bytes of a token: 32 for a MAC, and time and spare. */
export const TOKEN_BYTES_MAX = 64

/** The body of a `join`. */
export interface Join {
  /** Where answers may go too, once it has answered a path challenge. */
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
  /**
   * In a join that goes on with a session: the receiver's slot of the association that the joiner uses, which nobody else
   * is told. 0: none.
   */
  readonly slotInUse: number
  /** Of two associations of a session, the one with the higher order is used. 0 in a join that begins a session. */
  readonly order: number
  /** Copied from a challenge; empty in a first join. */
  readonly token: Uint8Array
  /** Key exchange of static keys, 96 bytes; empty where there are none, and in `none` and `checksum`. */
  readonly exchange: Uint8Array
}

/** Offsets in a `join` after its address. */
const JOIN = {
  versionMin: 0,
  versionMax: 1,
  slot: 2,
  unique: 6,
  session: 14,
  receiverUnique: 22,
  limits: 30,
  slotInUse: 50,
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
  view.setUint32(at + JOIN.slotInUse, join.slotInUse, true)
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
    slotInUse: view.getUint32(at + JOIN.slotInUse, true),
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
  if (view.getUint32(at + JOIN.slot, true) === 0 || isNoIdentity(view, at + JOIN.unique)) return "value"
  if (!areLimits(view, at + JOIN.limits)) return "value"
  const tokenBytes = view.getUint8(at + JOIN.tokenLength)
  if (tokenBytes > TOKEN_BYTES_MAX) return "value"
  // A joiner with a token knows the peer's incarnation, and so has a session for it (§6).
  if (tokenBytes > 0 && isNoIdentity(view, at + JOIN.session)) return "value"
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

/** Writes the body of a `challenge`; returns the offset after it. */
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
  if (isNoIdentity(view, body) || tokenBytes < 1 || tokenBytes > TOKEN_BYTES_MAX) return "value"
  if (token + tokenBytes > end) return "truncated"
  return token + tokenBytes < end ? "trailing" : undefined
}

/** The body of an `accept`. */
export interface Accept {
  /** Where datagrams may go too, once it has answered a path challenge. */
  readonly address: ReplyAddress | undefined
  /** The version of the format that both use from now on, 0 to 255. */
  readonly version: number
  /** The slot that the joiner sends to from now on. */
  readonly slot: number
  /** The incarnation that accepts, {@link IDENTITY_BYTES} bytes, never zero. */
  readonly unique: Uint8Array
  /** Its session with the joiner, {@link IDENTITY_BYTES} bytes, never zero. */
  readonly session: Uint8Array
  /** What the sender of the `accept` accepts as a receiver. */
  readonly limits: Limits
  /** 32 bits without a meaning in version 0: ignored. */
  readonly features: number
  /** Key exchange of static keys, 48 bytes; empty where there are none. */
  readonly exchange: Uint8Array
}

/** Offsets in an `accept` after its address. */
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
  if (isNoIdentity(view, at + ACCEPT.unique) || isNoIdentity(view, at + ACCEPT.session)) return "value"
  if (!areLimits(view, at + ACCEPT.limits)) return "value"
  return checkExchange(view, at + ACCEPT.exchange, end, profile, EXCHANGE_BYTES.accept)
}
