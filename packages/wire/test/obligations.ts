/** One or more datagrams for each obligation that bytes alone decide (PROTOCOL.md §11), each breaking it and nothing before it. */
import { type DatagramDropReason, deliveryByte, FORM, KIND, MODE, NUMBER_MAX, type PacketWriter, sealChecksum } from "@x/wire"
import { datagram, type Envelope } from "./build.ts"

export interface Violation {
  readonly obligation: string
  readonly reason: DatagramDropReason
  readonly name: string
  readonly bytes: Uint8Array
}

const FLAG_LENGTH = 0x80

/** A datagram from raw packet bytes. */
function raw(packets: readonly number[], envelope: Envelope = {}): Uint8Array {
  return datagram(envelope, (writer: PacketWriter) => {
    new Uint8Array(writer.view.buffer).set(packets, 11)
    writer.finish(11 + packets.length)
  })
}

/** The same datagram with bytes replaced and the tag made right again. */
function patched(bytes: Uint8Array, changes: Readonly<Record<number, number>>): Uint8Array {
  const copy = bytes.slice()
  for (const [at, value] of Object.entries(changes)) copy[Number(at)] = value
  sealChecksum(copy, 0, copy.length - 4, 0)
  return copy
}

const u16 = (value: number): number[] => [value & 255, value >>> 8]
const u32 = (value: number): number[] => [...u16(value & 0xffff), ...u16(value >>> 16)]
const u48 = (value: number): number[] => [...u32(value % 2 ** 32), ...u16(Math.floor(value / 2 ** 32))]
const zeros = (count: number): number[] => Array.from({ length: count }, () => 0)
const RELIABLE = deliveryByte(MODE.reliable, FORM.whole)
const message = [...u16(1), 2, 65, 66]
const sequenced = (delivery: number, payload: readonly number[], number = 5): number[] => [KIND.sequenced, ...u32(3), ...u48(number), delivery, ...payload]
const status = (received: readonly number[], missing: readonly number[], state = 0, counts = [received.length / 2, missing.length / 2]): number[] => [
  KIND.status,
  ...u32(3),
  state,
  ...u48(10),
  ...counts,
  ...[...received, ...missing].flatMap(u16),
]
const sync = (low: number, high: number, gone: readonly (readonly [number, number, number])[], begun = 4): number[] => [
  KIND.sync,
  ...u32(3),
  MODE.reliable,
  ...u48(low),
  ...u48(high),
  ...u48(begun),
  gone.length,
  ...gone.flatMap(([skip, more, messages]) => [...u16(skip), ...u16(more), ...u48(messages)]),
]
const heartbeat = [KIND.heartbeat]
const limits = (datagramBytes = 1200, spread = 1024, statusDelay = 25): number[] => [...u16(datagramBytes), ...u32(1024), ...u32(spread), ...u32(64), ...u32(1_000_000), ...u16(statusDelay)]
const join = ({ slot = 9, versions = [0, 0], unique = 1, lim = limits(), token = zeros(0), exchange = zeros(0), padding = zeros(20), flags = 0, address = zeros(0) } = {}): number[] => [
  KIND.join | flags,
  ...address,
  ...versions,
  ...u32(slot),
  ...[unique, ...zeros(7)],
  ...zeros(16),
  ...lim,
  ...u32(0),
  token.length,
  ...token,
  ...u16(exchange.length),
  ...exchange,
  ...padding,
]
const handshake: Envelope = { handshake: true, slot: 0 }
const good = raw(heartbeat)
const list = (count: number): number[] => Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? 1 : 0))

export const violations: readonly Violation[] = (
  [
    ["O1", "too-short", "an empty datagram", new Uint8Array(0)],
    ["O1", "too-short", "prefix and tag without a packet", good.subarray(0, 15)],
    ["O2", "too-long", "longer than announced", new Uint8Array(65_508)],
    ["O3", "version", "an unknown version", patched(good, { 0: 0x11 })],
    ["O4", "profile", "profile none", patched(good, { 0: 0x00 })],
    ["O4", "profile", "profile aead", patched(good, { 0: 0x03 })],
    ["O5", "reserved", "the reserved bit of the prefix", patched(good, { 0: 0x09 })],
    ["O9", "tag", "a wrong tag", Uint8Array.from(good, (byte, i) => (i === good.length - 1 ? byte ^ 1 : byte))],
    ["O10", "kind", "kind 0", raw([0])],
    ["O10", "kind", "kind 31", raw([31])],
    ["O11", "option", "W on a status", raw([KIND.status | 0x20, ...status([], []).slice(1)])],
    ["O11", "option", "bit 6 on a heartbeat", raw([KIND.heartbeat | 0x40])],
    ["O11", "option", "address form 3", raw(join({ flags: 0x60 }), handshake)],
    ["O12", "length", "a length cut off", raw([KIND.stop | FLAG_LENGTH, 6])],
    ["O12", "length", "length 0", raw([KIND.heartbeat | FLAG_LENGTH, 0, 0, ...heartbeat])],
    ["O12", "length", "a length past the datagram", raw([KIND.stop | FLAG_LENGTH, 9, 0, ...u32(3), ...u16(0), ...heartbeat])],
    ["O12", "length", "a length that leaves nothing behind it", raw([KIND.stop | FLAG_LENGTH, 6, 0, ...u32(3), ...u16(0)])],
    ["O13", "truncated", "a sequenced packet without its delivery", raw([KIND.sequenced, ...u32(3), ...u48(5)])],
    ["O13", "truncated", "ranges cut off", raw(status([1, 0], [], 0, [2, 0]))],
    ["O13", "truncated", "gone ranges cut off", raw(sync(1, 9, [[1, 0, 4]]).slice(0, -1))],
    ["O13", "truncated", "a join cut in its limits", raw(join().slice(0, 40), handshake)],
    ["O13", "truncated", "a token cut off", raw([KIND.challenge, 1, ...zeros(7), 3, 1, 2], { handshake: true })],
    ["O14", "trailing", "a byte behind a stop", raw([KIND.stop, ...u32(3), ...u16(0), 0])],
    ["O14", "trailing", "a byte behind the ranges", raw([...status([1, 0], []), 0])],
    ["O14", "trailing", "a heartbeat with a body", raw([...heartbeat, 0])],
    ["O15", "class", "data and control in one datagram", raw([KIND.stop | FLAG_LENGTH, 6, 0, ...u32(3), ...u16(0), ...sequenced(RELIABLE, message)])],
    ["O15", "class", "an mtu probe that is not alone", raw([KIND.stop | FLAG_LENGTH, 6, 0, ...u32(3), ...u16(0), KIND.mtuProbe, ...u32(1), ...u16(30)])],
    ["O15", "class", "a join for a slot", raw(join(), { handshake: true, slot: 7 })],
    ["O15", "class", "a join in an association", raw(join())],
    ["O15", "class", "a heartbeat outside an association", raw(heartbeat, { handshake: true })],
    ["O15", "class", "a heartbeat for no slot", raw(heartbeat, { slot: 0 })],
    ["O16", "delivery", "mode 5", raw(sequenced(5, message))],
    ["O16", "delivery", "form 5", raw(sequenced(deliveryByte(MODE.reliable, 5), message))],
    ["O16", "delivery", "reserved bits", raw(sequenced(RELIABLE | 0x40, message))],
    ["O16", "delivery", "a sequenced packet of mode fire-and-forget", raw(sequenced(0, message))],
    ["O16", "delivery", "fire-and-forget abandoned", raw([KIND.fireAndForget, ...u32(3), deliveryByte(0, FORM.abandoned), ...u48(1)])],
    ["O16", "delivery", "a sync with a form", raw(sync(1, 9, []).with(5, deliveryByte(MODE.reliable, FORM.last)))],
    ["O17", "ranges", "65 ranges", raw(status(list(65), []))],
    ["O17", "ranges", "received at the edge", raw(status([0, 0], []))],
    ["O17", "ranges", "ranges that touch", raw(status([1, 0, 0, 0], []))],
    ["O17", "ranges", "ranges past the spread", raw(status([1, 65_535], []))],
    ["O17", "ranges", "a packet received and missing", raw(status([1, 3], [2, 0]))],
    ["O17", "ranges", "gone at the low mark", raw(sync(1, 9, [[0, 0, 4]]))],
    ["O17", "ranges", "gone above the high mark", raw(sync(1, 9, [[1, 7, 4]]))],
    ["O17", "ranges", "begun falling", raw(sync(1, 9, [[1, 0, 3]]))],
    ["O18", "number", "a counter above the most", raw(heartbeat, { counter: NUMBER_MAX + 1 })],
    ["O18", "number", "a packet number above the most", raw(sequenced(RELIABLE, message, NUMBER_MAX + 1))],
    ["O18", "number", "low above high", raw(sync(9, 8, []))],
    ["O19", "value", "stream 0", raw([KIND.stop, ...u32(0), ...u16(0)])],
    ["O19", "value", "an unknown state bit", raw(status([], [], 8))],
    ["O19", "value", "start unknown with a cumulative edge", raw(status([], [], 1))],
    ["O19", "value", "slot 0 in a join", raw(join({ slot: 0 }), handshake)],
    ["O19", "value", "unique 0", raw(join({ unique: 0 }), handshake)],
    ["O19", "value", "versions the wrong way round", raw(join({ versions: [2, 1] }), handshake)],
    ["O19", "value", "a spread that is no power of two", raw(join({ lim: limits(1200, 1000) }), handshake)],
    ["O19", "value", "a datagram below the floor", raw(join({ lim: limits(547) }), handshake)],
    ["O19", "value", "a status delay of 0", raw(join({ lim: limits(1200, 1024, 0) }), handshake)],
    ["O19", "value", "a token that is too long", raw(join({ token: zeros(65) }), handshake)],
    ["O19", "value", "a key exchange in version 0", raw(join({ exchange: zeros(32) }), handshake)],
    ["O19", "value", "port 0", raw(join({ flags: 0x20, address: [127, 0, 0, 1, 0, 0] }), handshake)],
    ["O19", "value", "text that is no UTF-8", raw([KIND.goodbye, ...u16(1), 0xc0, 0x80])],
    ["O19", "value", "text that is too long", raw([KIND.goodbye, ...u16(1), ...Array.from({ length: 257 }, () => 65)])],
    ["O19", "value", "metadata that is too long", raw([KIND.open, ...u32(3), ...u48(0), MODE.reliable, 0, ...zeros(1025)])],
    ["O19", "value", "a part past its total", raw([KIND.part, ...u32(3), ...u48(5), RELIABLE, ...u16(3), ...u16(4), 1, 2])],
    ["O20", "padding", "padding that is not zero", raw(join({ padding: [0, 0, 1] }), handshake)],
    ["O20", "padding", "a probe of another size", raw([KIND.mtuProbe | 0x20, ...u32(1), ...u16(500), ...zeros(9)])],
    ["O20", "padding", "an answer with padding", raw([KIND.mtuProbe, ...u32(1), ...u16(500), 0])],
    ["O21", "payload", "an empty payload", raw(sequenced(RELIABLE, []))],
    ["O21", "payload", "a message cut off", raw(sequenced(RELIABLE, [...message, ...u16(1), 3, 1]))],
    ["O21", "payload", "a length not in its shortest form", raw(sequenced(RELIABLE, [...u16(1), 0x80, 0]))],
    ["O21", "payload", "a length of four bytes", raw(sequenced(RELIABLE, [...u16(1), 0x80, 0x80, 0x80, 1]))],
    ["O21", "payload", "a last piece as long as its total", raw(sequenced(deliveryByte(MODE.reliable, FORM.last), [...u48(0), ...u32(2), 1, 2]))],
    ["O21", "payload", "a middle piece at the start", raw(sequenced(deliveryByte(MODE.reliable, FORM.middle), [...u48(0), ...u32(9), ...u32(0), 1]))],
    ["O21", "payload", "a middle piece that touches the end", raw(sequenced(deliveryByte(MODE.reliable, FORM.middle), [...u48(0), ...u32(9), ...u32(8), 1]))],
    ["O21", "payload", "a piece without bytes", raw(sequenced(deliveryByte(MODE.reliable, FORM.first), [...u16(1), ...u48(0), ...u32(9)]))],
    ["O21", "payload", "an abandoned piece with bytes", raw(sequenced(deliveryByte(MODE.reliable, FORM.abandoned), [...u48(0), 1]))],
  ] as const
).map(([obligation, reason, name, bytes]) => ({ obligation, reason, name, bytes }))
