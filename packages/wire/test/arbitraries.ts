/** Every packet that the format allows, as descriptions. */
import { DELIVERIES, NUMBER_MAX, type PacketDescription } from "@x/wire"
import fc, { type Arbitrary } from "fast-check"

const edgy = (min: number, max: number): Arbitrary<number> => fc.oneof({ weight: 3, arbitrary: fc.integer({ min, max }) }, fc.constantFrom(min, max))
const u8 = edgy(0, 0xff)
const u16 = edgy(0, 0xffff)
const u32 = edgy(0, 0xffff_ffff)
const number = fc.oneof(fc.integer({ min: 0, max: 300 }), edgy(0, NUMBER_MAX))
const stream = edgy(1, 0xffff_ffff)
const hex = (min: number, max: number): Arbitrary<string> => fc.uint8Array({ minLength: min, maxLength: max }).map((bytes) => Buffer.from(bytes).toString("hex"))
const nonZero = (bytes: number): Arbitrary<string> => hex(bytes, bytes).filter((text) => /[^0]/.test(text))
const utf8 = (bytes: number): Arbitrary<string> => fc.string({ unit: "binary", maxLength: Math.floor(bytes / 4) })
const statusWanted = fc.boolean()
const sequencedMode = fc.constantFrom(...DELIVERIES.slice(1))
const limits = fc.record({
  datagramBytes: edgy(548, 65_507),
  inFlight: edgy(64, 1_048_576),
  spread: fc.integer({ min: 6, max: 16 }).map((bits) => 2 ** bits),
  streams: u32,
  messageBytes: u32,
  statusDelayMs: edgy(1, 1_000),
})
const address = fc.oneof(
  fc.record({ family: fc.constant(4), host: hex(4, 4), port: edgy(1, 65_535) }),
  fc.record({ family: fc.constant(6), host: hex(16, 16), port: edgy(1, 65_535) }),
)

/** Ranges above `base`, the first skipping at least `first`. */
function ranges(base: number, first: number, max: number, bound: number): Arbitrary<{ from: number; to: number }[]> {
  return fc.array(fc.tuple(edgy(1, 900), edgy(1, 90)), { maxLength: max }).map((pairs) => {
    let edge = base
    const list: { from: number; to: number }[] = []
    for (const [i, [skip, length]] of pairs.entries()) {
      const from = edge + (i === 0 ? Math.max(first, skip - 1) : skip)
      if (from + length - base > bound) break
      list.push({ from, to: from + length })
      edge = from + length
    }
    return list
  })
}

const whole = fc.record({ form: fc.constant("whole"), messages: fc.array(fc.record({ type: u16, bytes: fc.oneof(hex(0, 40), hex(126, 130)) }), { minLength: 1, maxLength: 5 }) })
const total = (bytes: string): Arbitrary<number> => edgy(bytes.length / 2 + 1, 0xffff_ffff)
const first = hex(1, 60).chain((bytes) => fc.record({ form: fc.constant("first"), piece: fc.record({ type: u16, message: number, total: total(bytes), bytes: fc.constant(bytes) }) }))
const last = hex(1, 60).chain((bytes) => fc.record({ form: fc.constant("last"), piece: fc.record({ message: number, total: total(bytes), bytes: fc.constant(bytes) }) }))
const middle = fc
  .tuple(hex(1, 60), edgy(1, 0x7fff_ffff), edgy(1, 0x7fff_0000))
  .map(([bytes, offset, rest]) => ({ form: "middle", piece: { message: 0, total: offset + bytes.length / 2 + rest, offset, bytes } }))
const abandoned = fc.record({ form: fc.constant("abandoned"), piece: fc.record({ message: number }) })

const join = <T extends object, U extends object>(a: Arbitrary<T>, b: Arbitrary<U>): Arbitrary<T & U> => fc.tuple(a, b).map(([x, y]) => ({ ...x, ...y }))
const of = (kind: string, fields: Arbitrary<object>): Arbitrary<PacketDescription> => fields.map((rest) => ({ kind, ...rest }))

export const dataPacket: Arbitrary<PacketDescription> = fc.oneof(
  of("sequenced", join(fc.record({ statusWanted, stream, number, mode: sequencedMode }), fc.oneof(whole, first, middle, last, abandoned))),
  of("fire-and-forget", join(fc.record({ stream, mode: fc.constant("fire-and-forget") }), fc.oneof(whole, first, middle, last))),
)

const open = fc
  .record({ stream, first: number, mode: fc.constantFrom(...DELIVERIES), form: fc.constant("whole"), priority: u8, metadata: fc.oneof(hex(0, 20), hex(1024, 1024)) })
  .map((fields) => ({ ...fields, first: fields.mode === "fire-and-forget" ? 0 : fields.first }))
const status = number.chain((cumulative) =>
  fc
    .record({ stream, state: fc.integer({ min: 0, max: 7 }), all: ranges(cumulative, 0, 64, 65_536), isMissing: fc.array(fc.boolean(), { minLength: 64, maxLength: 64 }) })
    .map(({ stream, state, all, isMissing }) => {
      if ((state & 1) === 1) return { stream, state, cumulative: 0, received: [], missing: [] }
      const missing = all.filter(({ from }, i) => isMissing[i] === true || from === cumulative)
      return { stream, state, cumulative, received: all.filter((range) => !missing.includes(range)), missing }
    }),
)
const sync = fc.tuple(number, edgy(0, 20_000), number).chain(([low, span, begun]) => {
  const high = Math.min(low + span, NUMBER_MAX)
  return fc.record({ statusWanted, stream, mode: sequencedMode, form: fc.constant("whole"), gone: ranges(low, 1, 64, high - low), step: edgy(0, 5) }).map(({ gone, step, ...fields }) => ({
    ...fields,
    low,
    high,
    begun,
    gone: gone.map((range, i) => ({ ...range, begun: Math.min(begun + i * step, NUMBER_MAX) })),
  }))
})

/** Control packets that share a datagram; a heartbeat has no body and so is the last. */
export const controlPacket: Arbitrary<PacketDescription> = fc.oneof(
  of("open", open),
  of("end", fc.record({ stream, final: number, begun: number })),
  of("reset", fc.record({ stream, reason: u16, final: number, begun: number })),
  of("stop", fc.record({ stream, reason: u16 })),
  of("status", status),
  of("sync", sync),
  of("feedback", fc.record({ counter: number, holdUs: u32, datagrams: number, bytes: number, congestion: number })),
  of("goodbye", fc.record({ statusWanted, reason: u16, text: utf8(256) })),
  of("path-challenge", fc.record({ data: hex(16, 16) })),
  of("path-response", fc.record({ data: hex(16, 16) })),
)

export const heartbeat: Arbitrary<PacketDescription> = of("heartbeat", fc.record({ statusWanted }))

const paddingBytes = edgy(0, 1_100)

/** Packets that have a datagram to themselves, with whether it is outside an association and has no slot. */
export const lonePacket: Arbitrary<{ packet: PacketDescription; handshake: boolean; slotIsNone: boolean }> = fc.oneof(
  lone(
    false,
    false,
    of(
      "part",
      hex(1, 60).chain((bytes) =>
        fc.tuple(stream, number, sequencedMode, fc.constantFrom("whole", "first", "middle", "last", "abandoned"), edgy(0, 900), edgy(0, 900)).map(([stream, number, mode, form, offset, rest]) => ({
          stream,
          number,
          mode,
          form,
          offset,
          total: offset + bytes.length / 2 + Math.max(rest, offset === 0 ? 1 : 0),
          bytes,
        })),
      ),
    ),
  ),
  // 22 bytes of prefix, flags, header and tag stand around the padding in profile `checksum`.
  lone(false, false, of("mtu-probe", fc.oneof(fc.record({ statusWanted: fc.constant(false), probe: u32, size: u16, paddingBytes: fc.constant(0) }), fc.tuple(u32, paddingBytes).map(([probe, padding]) => ({ statusWanted: true, probe, size: padding + 22, paddingBytes: padding }))))),
  lone(true, true, of("join", fc.record({ address, versionMin: fc.constant(0), versionMax: u8, slot: stream, unique: nonZero(8), session: hex(8, 8), receiverUnique: hex(8, 8), limits, features: u32, token: hex(0, 64), exchange: fc.constant(""), paddingBytes }, { requiredKeys: ["versionMin", "versionMax", "slot", "unique", "session", "receiverUnique", "limits", "features", "token", "exchange", "paddingBytes"] }))),
  lone(true, false, of("challenge", fc.record({ unique: nonZero(8), token: hex(1, 64) }))),
  lone(true, false, of("accept", fc.record({ address, version: u8, slot: stream, unique: nonZero(8), session: nonZero(8), limits, features: u32, exchange: fc.constant(""), paddingBytes }, { requiredKeys: ["version", "slot", "unique", "session", "limits", "features", "exchange", "paddingBytes"] }))),
  lone(true, false, of("refuse", fc.record({ reason: u16, text: utf8(256) }))),
  lone(true, true, of("hint", fc.record({ slot: stream, counter: number }))),
  lone(true, true, of("loose", fc.record({ receiverUnique: hex(8, 8), unique: nonZero(8), type: u16, bytes: hex(0, 80) }))),
)

function lone(handshake: boolean, slotIsNone: boolean, arbitrary: Arbitrary<PacketDescription>): Arbitrary<{ packet: PacketDescription; handshake: boolean; slotIsNone: boolean }> {
  return arbitrary.map((packet) => ({ packet, handshake, slotIsNone }))
}

export interface DescribedDatagram {
  readonly profile: 0 | 1
  readonly handshake: boolean
  readonly slot: number
  readonly counter: number
  readonly packets: readonly PacketDescription[]
}

/** Any datagram. */
export const anyDatagram: Arbitrary<DescribedDatagram> = fc
  .tuple(
    fc.oneof(
      fc.array(dataPacket, { minLength: 1, maxLength: 4 }).map((packets) => ({ packets, handshake: false, slotIsNone: false })),
      fc.tuple(fc.array(controlPacket, { maxLength: 4 }), fc.option(heartbeat)).filter(([list, beat]) => list.length > 0 || beat !== null).map(([list, beat]) => ({ packets: beat === null ? list : [...list, beat], handshake: false, slotIsNone: false })),
      lonePacket.map(({ packet, ...rest }) => ({ ...rest, packets: [packet] })),
    ),
    stream,
    number,
  )
  .map(([{ packets, handshake, slotIsNone }, slot, counter]) => ({ profile: 1, handshake, slot: slotIsNone ? 0 : slot, counter, packets }))
