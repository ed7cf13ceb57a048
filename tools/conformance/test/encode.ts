// An encoder written from PROTOCOL.md: the counterpart of the decoder, sharing nothing with it but the plain form. It
// writes any input, valid or not.
import { crc32 } from "./crc-table.ts"
import type {
  Address,
  Datagram,
  Delivery,
  GoneRange,
  Limits,
  Message,
  Packet,
  Payload,
  Piece,
  Range,
} from "../src/datagram.ts"

export type Bytes = number[]

export function u8(value: number): Bytes {
  return [value]
}

export function u16(value: number): Bytes {
  return [value & 0xff, value >>> 8]
}

export function u32(value: number): Bytes {
  return [...u16(value % 0x10000), ...u16(Math.floor(value / 0x10000))]
}

export function u48(value: number): Bytes {
  return [...u32(value % 2 ** 32), ...u16(Math.floor(value / 2 ** 32))]
}

export function fromHex(text: string): Bytes {
  return (text.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16))
}

export function toHex(bytes: Iterable<number>): string {
  return Array.from(bytes, (byte) => (byte + 0x100).toString(16).slice(1)).join("")
}

/** A packet before it is framed: the body without flags and length. */
export interface RawPacket {
  kind: number
  option: number
  body: Bytes
}

export interface RawPrefix {
  version: number
  /** The nonce, or reserved with H. */
  bit3: number
  handshake: boolean
  profile: number
  slot: number
  counter: number
  epoch?: number | undefined
}

export interface Framing {
  tagBytes: 0 | 4 | 16
  pseudoHeader: Uint8Array
}

export function prefixBytes(prefix: RawPrefix): Bytes {
  const first = prefix.version * 16 + prefix.bit3 * 8 + (prefix.handshake ? 4 : 0) + prefix.profile
  return [first, ...u32(prefix.slot), ...u48(prefix.counter), ...(prefix.epoch === undefined ? [] : u8(prefix.epoch))]
}

/** Packets one after the other, each but the last with L and its length. */
export function packetBytes(packets: RawPacket[]): Bytes {
  return packets.flatMap((packet, index) => {
    const flags = packet.option * 32 + packet.kind
    return index === packets.length - 1
      ? [flags, ...packet.body]
      : [flags + 128, ...u16(packet.body.length), ...packet.body]
  })
}

/**
 * Adds the right tag for the bytes before it. With keys the tag has already been checked, and its bytes may be
 * anything.
 */
export function withTag(untagged: Bytes | Uint8Array, framing: Framing): Uint8Array {
  if (framing.tagBytes !== 4) return Uint8Array.from([...untagged, ...zeros(framing.tagBytes)])
  return Uint8Array.from([...untagged, ...u32(crc32([...framing.pseudoHeader, ...untagged]))])
}

export const PROFILES = ["none", "checksum", "mac", "aead"] as const

/** `paddingBytes` is for join and accept: the plain form doesn't include their padding. */
export function encodeDatagram(datagram: Datagram, framing: Framing, paddingBytes = 0): Uint8Array {
  const { version, profile, handshake, slot, counter, nonce = 0, epoch } = datagram.prefix
  const prefix = prefixBytes({
    version,
    bit3: nonce,
    handshake,
    profile: PROFILES.indexOf(profile),
    slot,
    counter,
    epoch,
  })
  const packets = datagram.packets.map(encodePacket)
  const untagged = [...prefix, ...packetBytes(packets)]
  const last = datagram.packets.at(-1)
  if (last?.kind === "join" || last?.kind === "accept") untagged.push(...zeros(paddingBytes))
  return withTag(untagged, framing)
}

/** The list of a feedback: each range counted down from the one before. */
function missing(highest: number, list: Range[]): Bytes {
  return list.flatMap(({ from, to }, index) => [
    ...short((list[index - 1]?.from ?? highest + 1) - to),
    ...short(to - from - 1),
  ])
}

/** 7 bits a byte, lowest first. */
export function short(value: number): Bytes {
  return value < 128 ? [value] : [128 + (value % 128), ...short(Math.floor(value / 128))]
}

export function encodePacket(packet: Packet): RawPacket {
  switch (packet.kind) {
    case "sequenced":
      return raw(
        1,
        wanted(packet),
        u32(packet.stream),
        u48(packet.number),
        u8(deliveryByte(packet)),
        payload(packet, packet.form),
      )
    case "part":
      return raw(
        2,
        0,
        u32(packet.stream),
        u48(packet.number),
        u8(deliveryByte(packet)),
        u16(packet.offset),
        u16(packet.total),
        fromHex(packet.bytes),
      )
    case "fire-and-forget":
      return raw(3, 0, u32(packet.stream), u8(deliveryByte(packet)), payload(packet, packet.form))
    case "open":
      return raw(
        8,
        0,
        u32(packet.stream),
        u48(packet.first),
        u8(deliveryByte(packet)),
        u8(packet.priority),
        fromHex(packet.metadata),
      )
    case "end":
      return raw(9, 0, u32(packet.stream), u48(packet.final), u48(packet.begun))
    case "reset":
      return raw(10, 0, u32(packet.stream), u16(packet.reason), u48(packet.final), u48(packet.begun))
    case "stop":
      return raw(11, 0, u32(packet.stream), u16(packet.reason))
    case "status":
      return raw(
        12,
        0,
        u32(packet.stream),
        u8(packet.state),
        u48(packet.cumulative),
        u8(packet.received.length),
        u8(packet.missing.length),
        ranges(packet.received, packet.cumulative),
        ranges(packet.missing, packet.cumulative),
      )
    case "sync":
      return raw(
        13,
        wanted(packet),
        u32(packet.stream),
        u8(deliveryByte(packet)),
        u48(packet.low),
        u48(packet.high),
        u48(packet.begun),
        u8(packet.gone.length),
        goneRanges(packet.gone, packet.low),
      )
    case "feedback":
      return raw(
        14,
        0,
        u48(packet.counter),
        u32(packet.holdUs),
        u48(packet.datagrams),
        u48(packet.congestion),
        u48(packet.ect0),
        u32(packet.proof),
        u16(packet.reach),
        missing(packet.counter, packet.missing),
      )
    case "heartbeat":
      return raw(15, wanted(packet))
    case "goodbye":
      return raw(16, wanted(packet), u16(packet.reason), utf8(packet.text))
    case "path-challenge":
      return raw(17, 0, fromHex(packet.data))
    case "path-response":
      return raw(18, 0, fromHex(packet.data))
    case "mtu-probe":
      return raw(19, wanted(packet), u32(packet.probe), u16(packet.size), zeros(packet.paddingBytes))
    case "rate":
      return raw(20, wanted(packet), u32(packet.number), u48(packet.bytesPerSecond))
    case "join":
      return raw(
        24,
        addressForm(packet.address),
        address(packet.address),
        u8(packet.versionMin),
        u8(packet.versionMax),
        u32(packet.slot),
        fromHex(packet.unique),
        fromHex(packet.session),
        fromHex(packet.receiverUnique),
        limits(packet.limits),
        u32(packet.slotInUse),
        u32(packet.order),
        u8(packet.token.length / 2),
        fromHex(packet.token),
        u16(packet.exchange.length / 2),
        fromHex(packet.exchange),
      )
    case "challenge":
      return raw(25, 0, fromHex(packet.unique), u8(packet.token.length / 2), fromHex(packet.token))
    case "accept":
      return raw(
        26,
        addressForm(packet.address),
        address(packet.address),
        u8(packet.version),
        u32(packet.slot),
        fromHex(packet.unique),
        fromHex(packet.session),
        limits(packet.limits),
        u32(packet.features),
        u16(packet.exchange.length / 2),
        fromHex(packet.exchange),
      )
    case "refuse":
      return raw(27, 0, u16(packet.reason), utf8(packet.text))
    case "hint":
      return raw(28, 0, u32(packet.slot), u48(packet.counter))
    case "loose":
      return raw(29, 0, fromHex(packet.receiverUnique), fromHex(packet.unique), u16(packet.type), fromHex(packet.bytes))
  }
}

/** §4: the shortest form of a length. */
export function varint(value: number): Bytes {
  const groups = [value & 0x7f, (value >>> 7) & 0x7f, value >>> 14]
  const count = value < 128 ? 1 : value < 16_384 ? 2 : 3
  return groups.slice(0, count).map((group, index) => (index === count - 1 ? group : group + 128))
}

export function deliveryByte({ mode, form }: Delivery): number {
  const modes = ["fire-and-forget", "latest", "best-effort", "reliable", "reliable-unordered"]
  const forms = ["whole", "first", "middle", "last", "abandoned"]
  return forms.indexOf(form) * 8 + modes.indexOf(mode)
}

export function zeros(count: number): Bytes {
  return Array.from({ length: count }, () => 0)
}

export function utf8(text: string): Bytes {
  return [...new TextEncoder().encode(text)]
}

function raw(kind: number, option: number, ...fields: Bytes[]): RawPacket {
  return { kind, option, body: fields.flat() }
}

function wanted(packet: { statusWanted: boolean }): number {
  return packet.statusWanted ? 1 : 0
}

function payload(packet: Payload, form: Delivery["form"]): Bytes {
  return "messages" in packet ? packet.messages.flatMap(message) : piece(packet.piece, form)
}

function message({ type, bytes }: Message): Bytes {
  return [...u16(type), ...varint(bytes.length / 2), ...fromHex(bytes)]
}

function piece(fields: Piece, form: Delivery["form"]): Bytes {
  const { type = 0, message: number, total = 0, offset = 0, bytes = "" } = fields
  switch (form) {
    case "first":
      return [...u16(type), ...u48(number), ...u32(total), ...fromHex(bytes)]
    case "middle":
      return [...u48(number), ...u32(total), ...u32(offset), ...fromHex(bytes)]
    case "last":
      return [...u48(number), ...u32(total), ...fromHex(bytes)]
    default:
      return u48(number)
  }
}

function ranges(list: Range[], edge: number): Bytes {
  return list.flatMap((range, index) => {
    const before = index === 0 ? edge : (list[index - 1] as Range).to
    return [...u16(range.from - before), ...u16(range.to - range.from - 1)]
  })
}

function goneRanges(list: GoneRange[], edge: number): Bytes {
  return list.flatMap((range, index) => {
    const before = index === 0 ? edge : (list[index - 1] as GoneRange).to
    return [...u16(range.from - before), ...u16(range.to - range.from - 1), ...u48(range.begun)]
  })
}

function addressForm(value: Address | undefined): number {
  if (value === undefined) return 0
  return value.family === 4 ? 1 : 2
}

function address(value: Address | undefined): Bytes {
  return value === undefined ? [] : [...fromHex(value.host), ...u16(value.port)]
}

function limits(value: Limits): Bytes {
  return [
    ...u16(value.datagramBytes),
    ...u32(value.inFlight),
    ...u32(value.spread),
    ...u32(value.streams),
    ...u32(value.messageBytes),
    ...u16(value.statusDelayMs),
  ]
}
