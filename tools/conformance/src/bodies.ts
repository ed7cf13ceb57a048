// §3: the body of each kind. Checks first that the fields of fixed width fit (O13), then the values in the order of the
// table.
import type { Accept, Address, Delivery, Join, Limits, Packet } from "./datagram.ts"
import type { Kind } from "./kinds.ts"
import { isNumber } from "./numbers.ts"
import { decodePayload } from "./payload.ts"
import {
  checkCount,
  checkDisjoint,
  decodeGone,
  decodeMissing,
  decodeRanges,
  GONE_RANGE_BYTES,
  RANGE_BYTES,
} from "./ranges.ts"
import { hex, isZero, type Reader, refuse } from "./reader.ts"

/**
 * `datagramBytes` is the length of the datagram, tag included, which the padding of some kinds fills; `hasKeys`: its
 * profile has keys.
 */
export function decodeBody(kind: Kind, option: number, body: Reader, datagramBytes: number, hasKeys: boolean): Packet {
  const statusWanted = option === 1

  switch (kind.name) {
    case "sequenced": {
      body.need(4 + 6 + 1, "truncated")
      const stream = decodeStream(body)
      const number = decodeNumber(body)
      const delivery = decodeDelivery(body, kind)
      return {
        kind: "sequenced",
        statusWanted,
        stream,
        number,
        ...delivery,
        ...decodePayload(body.rest(), delivery.form),
      }
    }

    case "part": {
      body.need(4 + 6 + 1 + 2 + 2, "truncated")
      const stream = decodeStream(body)
      const number = decodeNumber(body)
      const delivery = decodeDelivery(body, kind)
      const offset = body.u16()
      const total = body.u16()
      const bytes = body.rest()
      // §3: bytes [offset, offset + n) of a payload, at least one and not all of it.
      if (bytes.length === 0) refuse("value")
      if (bytes.length >= total) refuse("value")
      if (offset + bytes.length > total) refuse("value")
      return { kind: "part", stream, number, ...delivery, offset, total, bytes: hex(bytes) }
    }

    case "fire-and-forget": {
      body.need(4 + 1, "truncated")
      const stream = decodeStream(body)
      const delivery = decodeDelivery(body, kind)
      return { kind: "fire-and-forget", stream, ...delivery, ...decodePayload(body.rest(), delivery.form) }
    }

    case "open": {
      body.need(4 + 6 + 1 + 1, "truncated")
      const stream = decodeStream(body)
      const first = decodeNumber(body)
      const delivery = decodeDelivery(body, kind)
      // For fire-and-forget streams first number is 0.
      if (delivery.mode === "fire-and-forget" && first !== 0) refuse("value")
      const priority = body.u8()
      const metadata = body.rest()
      if (metadata.length > 1024) refuse("value")
      return { kind: "open", stream, first, ...delivery, priority, metadata: hex(metadata) }
    }

    case "end": {
      body.need(4 + 6 + 6, "truncated")
      const stream = decodeStream(body)
      const final = decodeNumber(body)
      const begun = decodeNumber(body)
      return { kind: "end", stream, final, begun }
    }

    case "reset": {
      body.need(4 + 2 + 6 + 6, "truncated")
      const stream = decodeStream(body)
      const reason = body.u16()
      const final = decodeNumber(body)
      const begun = decodeNumber(body)
      return { kind: "reset", stream, reason, final, begun }
    }

    case "stop": {
      body.need(4 + 2, "truncated")
      const stream = decodeStream(body)
      const reason = body.u16()
      return { kind: "stop", stream, reason }
    }

    case "status": {
      body.need(4 + 1 + 6 + 1 + 1, "truncated")
      const stream = decodeStream(body)
      const state = body.u8()
      // §8: bit 0 start unknown, bit 1 closed, bit 2 no room, bit 3 ahead, others 0.
      if (state > 0b1111) refuse("value")
      const startUnknown = (state & 1) === 1
      const cumulative = decodeNumber(body)
      if (startUnknown && cumulative !== 0) refuse("value")
      const receivedCount = body.u8()
      const missingCount = body.u8()
      if (startUnknown && (receivedCount !== 0 || missingCount !== 0)) refuse("value")
      // Ahead goes with no room, and is about the last missing range.
      if ((state & 8) !== 0 && ((state & 4) === 0 || missingCount === 0)) refuse("value")
      checkCount(receivedCount)
      checkCount(missingCount)
      // Both lists are one field of the table: all of it must fit before its values are checked.
      body.need((receivedCount + missingCount) * RANGE_BYTES, "truncated")
      const received = decodeRanges(body, receivedCount, cumulative, 1)
      const missing = decodeRanges(body, missingCount, cumulative, 0)
      checkDisjoint(received, missing)
      return { kind: "status", stream, state, cumulative, received, missing }
    }

    case "sync": {
      body.need(4 + 1 + 6 + 6 + 6 + 1, "truncated")
      const stream = decodeStream(body)
      const delivery = decodeDelivery(body, kind)
      const low = decodeNumber(body)
      const high = decodeNumber(body)
      // O18: low above high.
      if (low > high) refuse("number")
      const begun = decodeNumber(body)
      const goneCount = body.u8()
      checkCount(goneCount)
      body.need(goneCount * GONE_RANGE_BYTES, "truncated")
      const gone = decodeGone(body, goneCount, low, high, begun)
      return { kind: "sync", statusWanted, stream, ...delivery, low, high, begun, gone }
    }

    case "feedback": {
      body.need(6 + 4 + 6 + 6 + 6 + 4 + 2, "truncated")
      const counter = decodeNumber(body)
      const holdUs = body.u32()
      const datagrams = decodeNumber(body)
      const congestion = decodeNumber(body)
      const ect0 = decodeNumber(body)
      const proof = body.u32()
      const reach = body.u16()
      // Counters start at 1; where nothing came there is nothing to reach.
      if (counter === 0 ? reach !== 0 : reach >= counter) refuse("value")
      const missing = decodeMissing(body, counter, counter - reach)
      return { kind: "feedback", counter, holdUs, datagrams, congestion, ect0, proof, reach, missing }
    }

    case "heartbeat":
      return { kind: "heartbeat", statusWanted }

    case "goodbye": {
      body.need(2, "truncated")
      const reason = body.u16()
      return { kind: "goodbye", statusWanted, reason, text: decodeText(body) }
    }

    case "path-challenge":
      body.need(16, "truncated")
      return { kind: "path-challenge", data: hex(body.bytes(16)) }

    case "path-response":
      body.need(16, "truncated")
      return { kind: "path-response", data: hex(body.bytes(16)) }

    case "mtu-probe": {
      body.need(4 + 2, "truncated")
      const probe = body.u32()
      const size = body.u16()
      const padding = body.rest()
      if (!isZero(padding)) refuse("padding")
      // With W padding fills the datagram to `size`; the answer has no padding.
      if (statusWanted && datagramBytes !== size) refuse("padding")
      if (!statusWanted && padding.length !== 0) refuse("padding")
      return { kind: "mtu-probe", statusWanted, probe, size, paddingBytes: padding.length }
    }

    case "rate":
      body.need(4 + 6, "truncated")
      return { kind: "rate", statusWanted, number: body.u32(), bytesPerSecond: decodeNumber(body) }

    case "join":
      return decodeJoin(body, option, hasKeys)

    case "challenge": {
      body.need(8 + 1, "truncated")
      const unique = decodeUnique(body)
      const tokenLength = body.u8()
      if (tokenLength < 1 || tokenLength > 64) refuse("value")
      body.need(tokenLength, "truncated")
      return { kind: "challenge", unique, token: hex(body.bytes(tokenLength)) }
    }

    case "accept":
      return decodeAccept(body, option, hasKeys)

    case "refuse": {
      body.need(2, "truncated")
      const reason = body.u16()
      return { kind: "refuse", reason, text: decodeText(body) }
    }

    case "hint": {
      body.need(4 + 6, "truncated")
      const slot = decodeSlot(body)
      const counter = decodeNumber(body)
      // §2: it names the counter of an association, which starts at 1.
      if (counter < 1) refuse("value")
      return { kind: "hint", slot, counter }
    }

    case "loose": {
      body.need(8 + 8 + 2, "truncated")
      const receiverUnique = hex(body.bytes(8))
      const unique = decodeUnique(body)
      const type = body.u16()
      return { kind: "loose", receiverUnique, unique, type, bytes: hex(body.rest()) }
    }
  }
}

function decodeJoin(body: Reader, option: number, hasKeys: boolean): Join {
  // The length of the exchange comes after a field of variable length, so it is checked later.
  body.need(addressBytes(option) + 1 + 1 + 4 + 8 + 8 + 8 + 20 + 4 + 4 + 1, "truncated")
  const address = decodeAddress(body, option)
  const versionMin = body.u8()
  const versionMax = body.u8()
  if (versionMin > versionMax) refuse("value")
  const slot = decodeSlot(body)
  const unique = decodeUnique(body)
  const session = body.bytes(8)
  const receiverUnique = hex(body.bytes(8))
  const limits = decodeLimits(body)
  const slotInUse = body.u32()
  const order = body.u32()
  const tokenLength = body.u8()
  if (tokenLength > 64) refuse("value")
  // §6: a session is zero only in a first join, and §7: a first join has no token.
  if (isZero(session) && tokenLength > 0) refuse("value")
  body.need(tokenLength, "truncated")
  const token = hex(body.bytes(tokenLength))
  const exchange = decodeExchange(body, 96, hasKeys)
  decodePadding(body)
  return {
    kind: "join",
    ...(address === undefined ? {} : { address }),
    versionMin,
    versionMax,
    slot,
    unique,
    session: hex(session),
    receiverUnique,
    limits,
    slotInUse,
    order,
    token,
    exchange,
  }
}

function decodeAccept(body: Reader, option: number, hasKeys: boolean): Accept {
  body.need(addressBytes(option) + 1 + 4 + 8 + 8 + 20 + 4 + 2, "truncated")
  const address = decodeAddress(body, option)
  const version = body.u8()
  const slot = decodeSlot(body)
  const unique = decodeUnique(body)
  const session = body.bytes(8)
  // §6: zero only in a first join.
  if (isZero(session)) refuse("value")
  const limits = decodeLimits(body)
  const features = body.u32()
  const exchange = decodeExchange(body, 48, hasKeys)
  decodePadding(body)
  return {
    kind: "accept",
    ...(address === undefined ? {} : { address }),
    version,
    slot,
    unique,
    session: hex(session),
    limits,
    features,
    exchange,
  }
}

/** §8: ids count up from 1. */
function decodeStream(body: Reader): number {
  const stream = body.u32()
  if (stream < 1) refuse("value")
  return stream
}

function decodeNumber(body: Reader): number {
  const number = body.u48()
  if (!isNumber(number)) refuse("number")
  return number
}

/** A slot in a body is a slot that its sender has allocated: 0 isn't one (§2). */
function decodeSlot(body: Reader): number {
  const slot = body.u32()
  if (slot === 0) refuse("value")
  return slot
}

/** §6: never zero. */
function decodeUnique(body: Reader): string {
  const unique = body.bytes(8)
  if (isZero(unique)) refuse("value")
  return hex(unique)
}

/** O16 */
function decodeDelivery(body: Reader, kind: Kind): Delivery {
  const byte = body.u8()
  const modes = ["fire-and-forget", "latest", "best-effort", "reliable", "reliable-unordered"] as const
  const forms = ["whole", "first", "middle", "last", "abandoned"] as const
  const mode = modes[byte & 0b111]
  const form = forms[(byte >> 3) & 0b111]
  const reserved = byte >> 6
  if (mode === undefined || form === undefined || reserved !== 0) refuse("delivery")

  // Mode 0 is only for fire-and-forget and open, and fire-and-forget allows no other mode.
  if (mode === "fire-and-forget" && kind.name !== "fire-and-forget" && kind.name !== "open") refuse("delivery")
  if (mode !== "fire-and-forget" && kind.name === "fire-and-forget") refuse("delivery")
  // open and sync have form 0; abandoned is for sequenced and part.
  if (form !== "whole" && (kind.name === "open" || kind.name === "sync")) refuse("delivery")
  if (form === "abandoned" && kind.name !== "sequenced" && kind.name !== "part") refuse("delivery")
  return { mode, form }
}

function addressBytes(option: number): number {
  if (option === 1) return 4 + 2
  if (option === 2) return 16 + 2
  return 0
}

function decodeAddress(body: Reader, option: number): Address | undefined {
  if (option === 0) return undefined
  const host = hex(body.bytes(option === 1 ? 4 : 16))
  const port = body.u16()
  if (port < 1) refuse("value")
  return { family: option === 1 ? 4 : 6, host, port }
}

function decodeLimits(body: Reader): Limits {
  const datagramBytes = body.u16()
  if (datagramBytes < 548 || datagramBytes > 65_507) refuse("value")
  const inFlight = body.u32()
  if (inFlight < 64 || inFlight > 1_048_576) refuse("value")
  const spread = body.u32()
  if (spread < 64 || spread > 65_536 || !Number.isInteger(Math.log2(spread))) refuse("value")
  const streams = body.u32()
  const messageBytes = body.u32()
  const statusDelayMs = body.u16()
  if (statusDelayMs < 1 || statusDelayMs > 1_000) refuse("value")
  return { datagramBytes, inFlight, spread, streams, messageBytes, statusDelayMs }
}

/** Length u16 and bytes. §3: empty or, where there are keys, of its one length. */
function decodeExchange(body: Reader, bytes: number, hasKeys: boolean): string {
  body.need(2, "truncated")
  const length = body.u16()
  if (length !== 0 && !(hasKeys && length === bytes)) refuse("value")
  body.need(length, "truncated")
  return hex(body.bytes(length))
}

/** O20 */
function decodePadding(body: Reader): void {
  if (!isZero(body.rest())) refuse("padding")
}

/** 0 to 256 bytes of UTF-8. */
function decodeText(body: Reader): string {
  const bytes = body.rest()
  if (bytes.length > 256) refuse("value")
  try {
    // Keeps a byte order mark, so that the text has the characters that were sent.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return refuse("value")
  }
}
