/** Bodies of packets as bytes, valid by default. */
import { deliveryByte, FLAG_LENGTH, FORM, KIND, MODE, PREFIX_BYTES } from "@x/wire"
import { datagram, type Envelope } from "./build.ts"

export type Bytes = readonly number[]

export const u16 = (value: number): number[] => [value & 255, value >>> 8]
export const u32 = (value: number): number[] => [...u16(value & 0xffff), ...u16(value >>> 16)]
export const u48 = (value: number): number[] => [...u32(value % 2 ** 32), ...u16(Math.floor(value / 2 ** 32))]
export const zeros = (count: number): number[] => Array.from({ length: count }, () => 0)
export const utf8 = (text: string): number[] => [...new TextEncoder().encode(text)]

/** A datagram of these packets, flags and all. */
export function raw(packets: Bytes, envelope: Envelope = {}): Uint8Array {
  return datagram(envelope, (writer) => {
    const at = PREFIX_BYTES[envelope.profile ?? 1]!
    new Uint8Array(writer.view.buffer).set(packets, at)
    writer.finish(at + packets.length)
  })
}

/** The prefix of a datagram outside an association. */
export const ATTEMPT: Envelope = { handshake: true, slot: 0 }
export const ANSWER: Envelope = { handshake: true }
export const UNASKED: Envelope = { handshake: true, slot: 0, counter: 0 }

export const RELIABLE: number = deliveryByte(MODE.reliable, FORM.whole)
export const reliable = (form: number): number => deliveryByte(MODE.reliable, form)

/** Two bytes under type 1. */
export const MESSAGE: Bytes = [...u16(1), 2, 65, 66]

export const sequenced = (delivery: number, payload: Bytes, number = 5): number[] => [
  KIND.sequenced,
  ...u32(3),
  ...u48(number),
  delivery,
  ...payload,
]

/** With the form of a piece: its header, then its bytes. */
export const first = (message: number, total: number, bytes: Bytes): number[] =>
  sequenced(reliable(FORM.first), [...u16(1), ...u48(message), ...u32(total), ...bytes])
export const middle = (message: number, total: number, offset: number, bytes: Bytes): number[] =>
  sequenced(reliable(FORM.middle), [...u48(message), ...u32(total), ...u32(offset), ...bytes])
export const last = (message: number, total: number, bytes: Bytes): number[] =>
  sequenced(reliable(FORM.last), [...u48(message), ...u32(total), ...bytes])
export const abandoned = (message: number, bytes: Bytes = []): number[] =>
  sequenced(reliable(FORM.abandoned), [...u48(message), ...bytes])

export const part = (offset: number, total: number, bytes: Bytes, stream = 3, delivery = RELIABLE): number[] => [
  KIND.part,
  ...u32(stream),
  ...u48(5),
  delivery,
  ...u16(offset),
  ...u16(total),
  ...bytes,
]
export const fireAndForget = (delivery: number, payload: Bytes): number[] => [
  KIND.fireAndForget,
  ...u32(3),
  delivery,
  ...payload,
]

export const open = (delivery: number, first = 0, metadata: Bytes = []): number[] => [
  KIND.open,
  ...u32(3),
  ...u48(first),
  delivery,
  0,
  ...metadata,
]
export const end = (final: number, begun: number): number[] => [KIND.end, ...u32(3), ...u48(final), ...u48(begun)]
export const reset = (final: number, begun: number): number[] => [
  KIND.reset,
  ...u32(3),
  ...u16(0),
  ...u48(final),
  ...u48(begun),
]
export const stop = (stream = 3): number[] => [KIND.stop, ...u32(stream), ...u16(0)]

/** Lists as they are written: skip and more, in turn. */
export const status = (
  received: Bytes,
  missing: Bytes,
  change: { state?: number; cumulative?: number; counts?: Bytes } = {},
): number[] => {
  const { state = 0, cumulative = 10, counts = [received.length / 2, missing.length / 2] } = change
  return [KIND.status, ...u32(3), state, ...u48(cumulative), ...counts, ...[...received, ...missing].flatMap(u16)]
}

/** `gone`: skip, more, messages begun. */
export const sync = (
  low: number,
  high: number,
  gone: readonly (readonly [number, number, number])[],
  begun = 4,
): number[] => [
  KIND.sync,
  ...u32(3),
  MODE.reliable,
  ...u48(low),
  ...u48(high),
  ...u48(begun),
  gone.length,
  ...gone.flatMap(([skip, more, messages]) => [...u16(skip), ...u16(more), ...u48(messages)]),
]

/** `missing`: skip and more of each range, in turn, as bytes. */
export const feedback = (
  counter: number,
  { datagrams = 1, congestion = 0, ect0 = 0, proof = 0, reach = 0, missing = [] as Bytes } = {},
): number[] => [
  KIND.feedback,
  ...u48(counter),
  ...u32(0),
  ...u48(datagrams),
  ...u48(congestion),
  ...u48(ect0),
  ...u32(proof),
  ...u16(reach),
  ...missing,
]
export const HEARTBEAT: Bytes = [KIND.heartbeat]
export const goodbye = (text: Bytes): number[] => [KIND.goodbye, ...u16(1), ...text]
export const mtuProbe = (option: number, size: number, padding: Bytes): number[] => [
  KIND.mtuProbe | option,
  ...u32(1),
  ...u16(size),
  ...padding,
]

/** A packet with a length: another has to follow. */
export const withLength = ([flags = 0, ...body]: Bytes): number[] => [flags | FLAG_LENGTH, ...u16(body.length), ...body]

export const limits = ({ datagramBytes = 1200, inFlight = 1024, spread = 1024, statusDelayMs = 25 } = {}): number[] => [
  ...u16(datagramBytes),
  ...u32(inFlight),
  ...u32(spread),
  ...u32(64),
  ...u32(1_000_000),
  ...u16(statusDelayMs),
]

const identity = (lowest: number): number[] => [lowest, ...zeros(7)]

/** `session`, `unique`: their first byte. `token`: its length, then its bytes. `tail`: everything after it. */
export const join = ({
  option = 0,
  address = zeros(0),
  versions = [0, 0],
  slot = 9,
  unique = 1,
  session = 0,
  limitBytes = limits(),
  token = [0],
  tail = zeros(22),
} = {}): number[] => [
  KIND.join | option,
  ...address,
  ...versions,
  ...u32(slot),
  ...identity(unique),
  ...identity(session),
  ...identity(0),
  ...limitBytes,
  ...u32(0),
  ...u32(0),
  ...token,
  ...tail,
]

/** `tail`: everything after the features. */
export const accept = ({
  option = 0,
  address = zeros(0),
  slot = 9,
  unique = 1,
  session = 2,
  limitBytes = limits(),
  tail = zeros(22),
} = {}): number[] => [
  KIND.accept | option,
  ...address,
  0,
  ...u32(slot),
  ...identity(unique),
  ...identity(session),
  ...limitBytes,
  ...u32(0),
  ...tail,
]

export const challenge = (unique: number, tokenLength: number, token: Bytes): number[] => [
  KIND.challenge,
  ...identity(unique),
  tokenLength,
  ...token,
]
export const hint = (slot: number, counter: number): number[] => [KIND.hint, ...u32(slot), ...u48(counter)]
export const loose = (unique: number): number[] => [KIND.loose, ...identity(0), ...identity(unique), ...u16(1), 65]
