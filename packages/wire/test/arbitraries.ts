/** Every datagram that the format allows, as descriptions. */
import {
  DELIVERIES,
  EXCHANGE_BYTES,
  NUMBER_MAX,
  type PacketDescription,
  PREFIX_BYTES,
  PROFILE,
  type Profile,
  TAG_BYTES,
} from "@x/wire"
import fc, { type Arbitrary } from "fast-check"

export interface DescribedDatagram {
  readonly profile: Profile
  readonly handshake: boolean
  readonly slot: number
  readonly counter: number
  /** Written only in an association. */
  readonly nonce: number
  /** Written only where the profile has keys. */
  readonly epoch: number
  readonly packets: readonly PacketDescription[]
}

interface Range {
  readonly from: number
  readonly to: number
}

const edgy = (min: number, max: number): Arbitrary<number> =>
  fc.oneof({ weight: 3, arbitrary: fc.integer({ min, max }) }, fc.constantFrom(min, max))
const u8 = edgy(0, 0xff)
const u16 = edgy(0, 0xffff)
const u32 = edgy(0, 0xffff_ffff)
const u32NotZero = edgy(1, 0xffff_ffff)
const number = fc.oneof(fc.integer({ min: 0, max: 300 }), edgy(0, NUMBER_MAX))
const counter = fc.oneof(fc.integer({ min: 1, max: 300 }), edgy(1, NUMBER_MAX))

const hex = (min: number, max: number): Arbitrary<string> =>
  fc.uint8Array({ minLength: min, maxLength: max }).map((bytes) => Buffer.from(bytes).toString("hex"))
const bytesOf = (hex: string): number => hex.length / 2
const identity = hex(8, 8)
const identityNotZero = identity.filter((text) => /[^0]/.test(text))
const text = fc.string({ unit: "binary", maxLength: 256 / 4 })

const statusWanted = fc.boolean()
const sequencedMode = fc.constantFrom(...DELIVERIES.slice(1))

const of = (kind: string, fields: Arbitrary<object>): Arbitrary<PacketDescription> =>
  fields.map((rest) => ({ kind, ...rest }))
const merged = <T extends object, U extends object>(a: Arbitrary<T>, b: Arbitrary<U>): Arbitrary<T & U> =>
  fc.tuple(a, b).map(([x, y]) => ({ ...x, ...y }))

// Payloads (§4).

const message = fc.record({ type: u16, bytes: fc.oneof(hex(0, 40), hex(126, 130)) })
const whole = fc.record({ form: fc.constant("whole"), messages: fc.array(message, { minLength: 1, maxLength: 5 }) })

const first = hex(1, 60).chain((bytes) => {
  const total = edgy(bytesOf(bytes) + 1, 0xffff_ffff)
  return fc.record({
    form: fc.constant("first"),
    piece: fc.record({ type: u16, message: number, total, bytes: fc.constant(bytes) }),
  })
})

const middle = fc
  .tuple(number, hex(1, 60), edgy(1, 0x7fff_ffff), edgy(1, 0x7fff_0000))
  .map(([message, bytes, offset, rest]) => ({
    form: "middle",
    piece: { message, total: offset + bytesOf(bytes) + rest, offset, bytes },
  }))

const last = hex(1, 60).chain((bytes) => {
  const total = edgy(bytesOf(bytes) + 1, 0xffff_ffff)
  return fc.record({
    form: fc.constant("last"),
    piece: fc.record({ message: number, total, bytes: fc.constant(bytes) }),
  })
})

const abandoned = fc.record({ form: fc.constant("abandoned"), piece: fc.record({ message: number }) })

// Data.

const sequenced = merged(
  fc.record({ statusWanted, stream: u32NotZero, number, mode: sequencedMode }),
  fc.oneof(whole, first, middle, last, abandoned),
)
const fireAndForget = merged(
  fc.record({ stream: u32NotZero, mode: fc.constant("fire-and-forget") }),
  fc.oneof(whole, first, middle, last),
)
const dataPacket = fc.oneof(of("sequenced", sequenced), of("fire-and-forget", fireAndForget))

const part = fc
  .tuple(hex(1, 60), fc.nat(0xffff))
  .chain(([bytes, at]) => {
    const length = bytesOf(bytes)
    const offset = Math.min(at, 0xffff - length)
    return fc.record({
      offset: fc.constant(offset),
      total: edgy(Math.max(offset + length, length + 1), 0xffff),
      bytes: fc.constant(bytes),
    })
  })
  .chain((fields) =>
    fc.record({
      stream: u32NotZero,
      number,
      mode: sequencedMode,
      form: fc.constantFrom("whole", "first", "middle", "last", "abandoned"),
      offset: fc.constant(fields.offset),
      total: fc.constant(fields.total),
      bytes: fc.constant(fields.bytes),
    }),
  )

// Control.

const open = fc
  .record({
    stream: u32NotZero,
    first: number,
    mode: fc.constantFrom(...DELIVERIES),
    form: fc.constant("whole"),
    priority: u8,
    metadata: fc.oneof(hex(0, 20), hex(1024, 1024)),
  })
  .map((fields) => ({ ...fields, first: fields.mode === "fire-and-forget" ? 0 : fields.first }))

/** Ranges above `base`, the first skipping at least `firstSkip`, none past `base + bound`. */
function ranges(base: number, firstSkip: number, bound: number): Arbitrary<Range[]> {
  const skip = fc.oneof({ weight: 9, arbitrary: edgy(1, 900) }, edgy(1, 65_535))
  return fc.array(fc.tuple(skip, edgy(1, 90)), { maxLength: 64 }).map((pairs) => {
    let edge = base
    const list: Range[] = []
    for (const [i, [skip, length]] of pairs.entries()) {
      const from = edge + (i === 0 ? Math.max(firstSkip, skip - 1) : skip)
      if (from + length - base > bound) break
      list.push({ from, to: from + length })
      edge = from + length
    }
    return list
  })
}

const status = number.chain((cumulative) => {
  const isMissing = fc.array(fc.boolean(), { minLength: 64, maxLength: 64 })
  return fc
    .record({
      stream: u32NotZero,
      state: fc.integer({ min: 0, max: 15 }),
      all: ranges(cumulative, 0, 65_536),
      isMissing,
    })
    .map(({ stream, state, all, isMissing }) => {
      if ((state & 1) === 1) return { stream, state: state & 7, cumulative: 0, received: [], missing: [] }
      const missing = all.filter(({ from }, i) => isMissing[i] === true || from === cumulative)
      const mayBeAhead = (state & 4) !== 0 && missing.length > 0
      return {
        stream,
        state: mayBeAhead ? state : state & 7,
        cumulative,
        received: all.filter((range) => !missing.includes(range)),
        missing,
      }
    })
})

const sync = fc.tuple(number, edgy(0, 20_000), number).chain(([low, span, begun]) => {
  const high = Math.min(low + span, NUMBER_MAX)
  return fc
    .record({
      statusWanted,
      stream: u32NotZero,
      mode: sequencedMode,
      ranges: ranges(low, 1, high - low),
      step: edgy(0, 5),
    })
    .map(({ ranges, step, ...fields }) => {
      const gone = ranges.map((range, i) => ({ ...range, begun: Math.min(begun + i * step, NUMBER_MAX) }))
      return { ...fields, form: "whole", low, high, begun, gone }
    })
})

const feedback = number
  .chain((counter) => fc.tuple(fc.constant(counter), edgy(0, Math.max(0, Math.min(counter - 1, 65_535)))))
  .chain(([counter, reach]) => {
    const totals = { holdUs: u32, datagrams: number, congestion: number, ect0: number, proof: u32 }
    // Mirrored, since these are listed from the highest counter down, which came.
    const missing = ranges(0, 1, reach + 1).map((list) =>
      list.map(({ from, to }) => ({ from: counter + 1 - to, to: counter + 1 - from })),
    )
    return fc.record({ counter: fc.constant(counter), reach: fc.constant(reach), missing, ...totals })
  })

const controlPacket = fc.oneof(
  of("open", open),
  of("end", fc.record({ stream: u32NotZero, final: number, begun: number })),
  of("reset", fc.record({ stream: u32NotZero, reason: u16, final: number, begun: number })),
  of("stop", fc.record({ stream: u32NotZero, reason: u16 })),
  of("status", status),
  of("sync", sync),
  of("feedback", feedback),
  of("goodbye", fc.record({ statusWanted, reason: u16, text })),
  of("path-challenge", fc.record({ data: hex(16, 16) })),
  of("path-response", fc.record({ data: hex(16, 16) })),
  of("rate", fc.record({ statusWanted, number: u32, bytesPerSecond: number })),
)
const heartbeat = of("heartbeat", fc.record({ statusWanted }))

/** A heartbeat has no body, so it is the last. */
const controlPackets = fc
  .tuple(fc.array(controlPacket, { maxLength: 4 }), fc.option(heartbeat))
  .map(([list, beat]) => (beat === null ? list : [...list, beat]))
  .filter((list) => list.length > 0)

/** The `size` of a probe is filled in once the profile, and so the tag, is known. */
const mtuProbe = fc.oneof(
  fc.record({ statusWanted: fc.constant(false), probe: u32, size: u16, paddingBytes: fc.constant(0) }),
  fc.record({ statusWanted: fc.constant(true), probe: u32, paddingBytes: edgy(0, 1_100) }),
)

// Handshake.

const limits = fc.record({
  datagramBytes: edgy(548, 65_507),
  inFlight: edgy(64, 1_048_576),
  spread: fc.integer({ min: 6, max: 16 }).map((bits) => 2 ** bits),
  streams: u32,
  messageBytes: u32,
  statusDelayMs: edgy(1, 1_000),
})
const address = fc.oneof(
  fc.constant(undefined),
  fc.record({ family: fc.constant(4), host: hex(4, 4), port: edgy(1, 65_535) }),
  fc.record({ family: fc.constant(6), host: hex(16, 16), port: edgy(1, 65_535) }),
)
/** A profile without keys has no exchange, whatever is drawn here. */
const exchange = (bytes: number): Arbitrary<string> => fc.oneof(fc.constant(""), hex(bytes, bytes))
const paddingBytes = edgy(0, 1_100)

/** Session and token: a first join may have neither; any other has a session. */
const credentials = fc.oneof(
  fc.record({ session: identity, token: fc.constant("") }),
  fc.record({ session: identityNotZero, token: hex(0, 64) }),
)
const join = merged(
  credentials,
  fc.record({
    address,
    versionMin: fc.constant(0),
    versionMax: u8,
    slot: u32NotZero,
    unique: identityNotZero,
    receiverUnique: identity,
    limits,
    slotInUse: u32,
    order: u32,
    exchange: exchange(EXCHANGE_BYTES.join),
    paddingBytes,
  }),
)
const accept = fc.record({
  address,
  version: u8,
  slot: u32NotZero,
  unique: identityNotZero,
  session: identityNotZero,
  limits,
  features: u32,
  exchange: exchange(EXCHANGE_BYTES.accept),
  paddingBytes,
})
const hint = fc.record({ slot: u32NotZero, counter })
const loose = fc.record({ receiverUnique: identity, unique: identityNotZero, type: u16, bytes: hex(0, 80) })

// Datagrams (§2): which packets are allowed with H, a slot and a counter.

type Contents = Pick<DescribedDatagram, "handshake" | "packets"> & {
  readonly hasSlot: boolean
  readonly hasCounter: boolean
}

const ASSOCIATION = { handshake: false, hasSlot: true, hasCounter: true }
const ATTEMPT = { handshake: true, hasSlot: false, hasCounter: true }
const ANSWER = { handshake: true, hasSlot: true, hasCounter: true }
const UNASKED = { handshake: true, hasSlot: false, hasCounter: false }

const together = (place: Omit<Contents, "packets">, list: Arbitrary<PacketDescription[]>): Arbitrary<Contents> =>
  list.map((packets) => ({ ...place, packets }))
const alone = (place: Omit<Contents, "packets">, kind: string, fields: Arbitrary<object>): Arbitrary<Contents> =>
  of(kind, fields).map((packet) => ({ ...place, packets: [packet] }))

const contents = fc.oneof(
  { weight: 4, arbitrary: together(ASSOCIATION, fc.array(dataPacket, { minLength: 1, maxLength: 4 })) },
  { weight: 4, arbitrary: together(ASSOCIATION, controlPackets) },
  alone(ASSOCIATION, "part", part),
  alone(ASSOCIATION, "mtu-probe", mtuProbe),
  alone(ATTEMPT, "join", join),
  alone(ANSWER, "challenge", fc.record({ unique: identityNotZero, token: hex(1, 64) })),
  alone(ANSWER, "accept", accept),
  alone(ANSWER, "refuse", fc.record({ reason: u16, text })),
  alone(UNASKED, "hint", hint),
  alone(UNASKED, "loose", loose),
)

/** Any datagram. */
export const anyDatagram: Arbitrary<DescribedDatagram> = fc
  .record({
    contents,
    profile: fc.constantFrom(...Object.values(PROFILE)),
    slot: u32NotZero,
    counter,
    nonce: edgy(0, 1),
    epoch: u8,
  })
  .map(({ contents: { handshake, hasSlot, hasCounter, packets }, profile, slot, counter, nonce, epoch }) => ({
    profile,
    handshake,
    slot: hasSlot ? slot : 0,
    counter: hasCounter ? counter : 0,
    nonce: handshake ? 0 : nonce,
    epoch,
    packets: packets.map((packet) => ofProfile(packet, profile)),
  }))

/** Flags and fields of an `mtu-probe` before its padding. */
const PROBE_BYTES = 1 + 6

function ofProfile(packet: PacketDescription, profile: Profile): PacketDescription {
  if ("exchange" in packet && profile < PROFILE.mac) return { ...packet, exchange: "" }
  if (packet.kind !== "mtu-probe" || packet["statusWanted"] !== true) return packet
  return {
    ...packet,
    size: PREFIX_BYTES[profile]! + PROBE_BYTES + (packet["paddingBytes"] as number) + TAG_BYTES[profile]!,
  }
}
