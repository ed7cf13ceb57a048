// Valid datagrams of every kind, from a seed, with a preference for the edges of each field.
import type { Context } from "../src/decode.ts"
import type {
  Accept,
  Address,
  Datagram,
  Delivery,
  GoneRange,
  Join,
  Limits,
  Message,
  Packet,
  Payload,
  Piece,
  Prefix,
  Range,
} from "../src/datagram.ts"
import { encodeDatagram, type Framing, PROFILES, toHex, utf8 } from "./encode.ts"
import type { Random } from "./random.ts"

export const NUMBER_MAX: number = 2 ** 48 - 2 ** 20 - 1
/** §9: the messages of the exchange between static keys. */
export const EXCHANGE_BYTES = { join: 96, accept: 48 } as const
export const U32_MAX: number = 2 ** 32 - 1
/** The most that UDP over v4 carries. */
export const DATAGRAM_BYTES_MAX = 65_507

export interface Sample {
  bytes: Uint8Array
  context: Context
}

export interface ValidSample extends Sample {
  datagram: Datagram
}

export type KindName = Packet["kind"]

export const DATA: KindName[] = ["sequenced", "fire-and-forget"]
/**
 * Kinds that can be anywhere in a datagram. A heartbeat has no body, and a length of 0 is refused, so it can only be
 * the last.
 */
export const CONTROL: KindName[] = [
  "open",
  "end",
  "reset",
  "stop",
  "status",
  "sync",
  "feedback",
  "goodbye",
  "path-challenge",
  "path-response",
  "rate",
]
export const ALONE: KindName[] = ["part", "mtu-probe"]
export const HANDSHAKE: KindName[] = ["join", "challenge", "accept", "refuse", "hint", "loose"]
export const EVERY_KIND: KindName[] = [...DATA, ...CONTROL, "heartbeat", ...ALONE, ...HANDSHAKE]

export function generateContext(random: Random): Context {
  return {
    profile: random.pick([0, 1, 1, 2, 3] as const),
    datagramBytesMax: DATAGRAM_BYTES_MAX,
    pseudoHeader: random.once(4) ? new Uint8Array(32) : random.bytes(32),
  }
}

/** A valid datagram. If a kind is given, one of its packets has that kind. */
export function generateValid(random: Random, kind: KindName = random.pick(EVERY_KIND)): ValidSample {
  for (;;) {
    const sample = generateAny(random, kind)
    if (sample.bytes.length > DATAGRAM_BYTES_MAX) continue
    sample.context.datagramBytesMax = random.between(Math.max(548, sample.bytes.length), DATAGRAM_BYTES_MAX)
    return sample
  }
}

function generateAny(random: Random, kind: KindName): ValidSample {
  const context = generateContext(random)
  const framing = framingOf(context)
  const datagram: Datagram = { prefix: generatePrefix(random, kind, context), packets: company(random, kind) }
  for (const packet of datagram.packets)
    if ("exchange" in packet && context.profile >= 2 && random.once(2))
      packet.exchange = toHex(random.bytes(EXCHANGE_BYTES[packet.kind]))
  const bytes = encodeDatagram(datagram, framing, random.pick([0, 0, 1, random.between(0, 1200)]))

  // A probe states the size to which it pads its datagram.
  const [first] = datagram.packets
  if (first?.kind === "mtu-probe" && first.statusWanted) {
    first.size = bytes.length
    return { datagram, bytes: encodeDatagram(datagram, framing), context }
  }
  return { datagram, bytes, context }
}

export function generatePrefix(random: Random, kind: KindName, context: Context): Prefix {
  return {
    version: 0,
    profile: PROFILES[context.profile]!,
    handshake: HANDSHAKE.includes(kind),
    slot: kind === "join" || kind === "hint" || kind === "loose" ? 0 : random.between(1, U32_MAX),
    counter: kind === "hint" || kind === "loose" ? 0 : random.between(1, NUMBER_MAX),
    ...(HANDSHAKE.includes(kind) ? {} : { nonce: random.below(2) }),
    ...(context.profile < 2 ? {} : { epoch: random.between(0, 255) }),
  }
}

export function framingOf(context: Context): Framing {
  return { tagBytes: ([0, 4, 16, 16] as const)[context.profile], pseudoHeader: context.pseudoHeader }
}

/** A packet of the kind, with others of its class around it if the kind allows that. */
function company(random: Random, kind: KindName): Packet[] {
  const packet = generatePacket(random, kind)
  if (ALONE.includes(kind) || HANDSHAKE.includes(kind)) return [packet]
  const before = Array.from({ length: random.pick([0, 0, 0, 1, 2, 5]) }, () => generateNeighbour(random, kind))
  const after = Array.from({ length: kind === "heartbeat" ? 0 : random.pick([0, 0, 1, 3]) }, () =>
    generateNeighbour(random, kind),
  )
  const packets = [...before, packet, ...after]
  if (!DATA.includes(kind) && kind !== "heartbeat" && random.once(4)) packets.push(generatePacket(random, "heartbeat"))
  return packets
}

/** A packet that may precede one of the kind. */
export function generateNeighbour(random: Random, kind: KindName): Packet {
  return generatePacket(random, random.pick(DATA.includes(kind) ? DATA : CONTROL))
}

export function generatePacket(random: Random, kind: KindName): Packet {
  switch (kind) {
    case "sequenced": {
      const form = random.pick(["whole", "first", "middle", "last", "abandoned"] as const)
      return {
        kind,
        statusWanted: random.once(2),
        stream: stream(random),
        number: number(random),
        mode: sequencedMode(random),
        form,
        ...payload(random, form),
      }
    }
    case "part": {
      const form = random.pick(["whole", "first", "middle", "last", "abandoned"] as const)
      const bytes = random.bytes(random.between(1, 600))
      const offset = random.between(0, 65_535 - bytes.length)
      const total = random.between(Math.max(offset + bytes.length, bytes.length + 1), 65_535)
      return {
        kind,
        stream: stream(random),
        number: number(random),
        mode: sequencedMode(random),
        form,
        offset,
        total,
        bytes: toHex(bytes),
      }
    }
    case "fire-and-forget": {
      const form = random.pick(["whole", "first", "middle", "last"] as const)
      return { kind, stream: stream(random), mode: "fire-and-forget", form, ...payload(random, form) }
    }
    case "open": {
      const mode = random.once(4) ? "fire-and-forget" : sequencedMode(random)
      const first = mode === "fire-and-forget" ? 0 : number(random)
      return {
        kind,
        stream: stream(random),
        first,
        mode,
        form: "whole",
        priority: random.between(0, 255),
        metadata: hexOf(random, 0, 1024),
      }
    }
    case "end":
      return { kind, stream: stream(random), final: number(random), begun: number(random) }
    case "reset":
      return {
        kind,
        stream: stream(random),
        reason: random.between(0, 65_535),
        final: number(random),
        begun: number(random),
      }
    case "stop":
      return { kind, stream: stream(random), reason: random.between(0, 65_535) }
    case "status":
      return status(random)
    case "sync":
      return sync(random)
    case "feedback":
      return feedback(random)
    case "heartbeat":
      return { kind, statusWanted: random.once(2) }
    case "goodbye":
      return { kind, statusWanted: random.once(2), reason: random.between(0, 65_535), text: text(random) }
    case "path-challenge":
    case "path-response":
      return { kind, data: toHex(random.bytes(16)) }
    case "rate":
      return {
        kind,
        statusWanted: random.once(2),
        number: random.between(0, U32_MAX),
        bytesPerSecond: number(random),
      }
    case "mtu-probe": {
      const statusWanted = random.once(2)
      const paddingBytes = statusWanted ? random.between(0, 1500) : 0
      return { kind, statusWanted, probe: random.between(0, U32_MAX), size: random.between(0, 65_535), paddingBytes }
    }
    case "join":
      return join(random)
    case "challenge":
      return { kind, unique: unique(random), token: hexOf(random, 1, 64) }
    case "accept":
      return accept(random)
    case "refuse":
      return { kind, reason: random.between(0, 65_535), text: text(random) }
    case "hint":
      return { kind, slot: random.between(1, U32_MAX), counter: random.between(1, NUMBER_MAX) }
    case "loose":
      return {
        kind,
        receiverUnique: random.once(4) ? "00".repeat(8) : unique(random),
        unique: unique(random),
        type: random.between(0, 65_535),
        bytes: hexOf(random, 0, 300),
      }
  }
}

export function stream(random: Random): number {
  return random.between(1, U32_MAX)
}

export function number(random: Random): number {
  return random.between(0, NUMBER_MAX)
}

function sequencedMode(random: Random): Delivery["mode"] {
  return random.pick(["latest", "best-effort", "reliable", "reliable-unordered"] as const)
}

function payload(random: Random, form: Delivery["form"]): Payload {
  if (form === "whole") return { messages: Array.from({ length: random.pick([1, 1, 2, 3, 8]) }, () => message(random)) }
  return { piece: piece(random, form) }
}

function message(random: Random): Message {
  const length = random.pick([
    0,
    1,
    127,
    128,
    random.below(40),
    random.below(40),
    random.below(400),
    random.once(150) ? random.pick([16_383, 16_384]) : 2,
  ])
  return { type: random.between(0, 65_535), bytes: toHex(random.bytes(length)) }
}

function piece(random: Random, form: Delivery["form"]): Piece {
  const message = number(random)
  if (form === "abandoned") return { message }
  const length = random.between(1, 400)
  const bytes = toHex(random.bytes(length))
  if (form === "middle") {
    const total = random.between(length + 2, U32_MAX)
    return { message, total, offset: random.between(1, total - length - 1), bytes }
  }
  const total = random.between(length + 1, U32_MAX)
  return form === "first" ? { type: random.between(0, 65_535), message, total, bytes } : { message, total, bytes }
}

function status(random: Random): Packet {
  const state = random.below(8)
  if (state % 2 === 1)
    return { kind: "status", stream: stream(random), state, cumulative: 0, received: [], missing: [] }
  const cumulative = number(random)
  const bound = cumulative + 65_536
  const counts = [random.pick([0, 1, 2, 64, random.below(65)]), random.pick([0, 1, 2, 64, random.below(65)])]

  // Runs from the edge on: each goes to one of the lists or to neither, but never to the list of the run it touches.
  const lists: Range[][] = [[], []]
  let edge = cumulative
  let touching = 0
  for (let run = 0; run < 200 && edge < bound; run++) {
    const to = Math.min(bound, edge + 1 + (random.once(30) ? random.below(65_536) : random.below(200)))
    const choice = random.below(3)
    const list = lists[choice]
    if (list !== undefined && choice !== touching && list.length < (counts[choice] ?? 0)) {
      list.push({ from: edge, to })
      touching = choice
    } else {
      touching = -1
    }
    edge = to
  }
  const [received = [], missing = []] = lists
  // Bit 3, ahead, goes with no room and a missing range.
  const ahead = (state & 4) !== 0 && missing.length > 0 && random.once(2) ? 8 : 0
  return { kind: "status", stream: stream(random), state: state | ahead, cumulative, received, missing }
}

function feedback(random: Random): Packet {
  const counter = random.once(8) ? 0 : number(random)
  const reach = random.between(0, Math.max(0, Math.min(65_535, counter - 1)))
  const missing: Range[] = []
  let edge = counter + 1
  for (let count = random.pick([0, 0, 1, 2, 64]); count > 0; count--) {
    const to = edge - random.between(1, random.pick([1, 3, 300, 20_000]))
    const from = to - random.between(1, random.pick([1, 3, 300, 20_000]))
    if (from < Math.max(1, counter - reach)) break
    missing.push({ from, to })
    edge = from
  }
  return {
    kind: "feedback",
    counter,
    holdUs: random.between(0, U32_MAX),
    datagrams: number(random),
    congestion: number(random),
    ect0: number(random),
    proof: random.between(0, U32_MAX),
    reach,
    missing,
  }
}

function sync(random: Random): Packet {
  const low = number(random)
  const high = random.between(low, random.once(3) ? NUMBER_MAX : Math.min(NUMBER_MAX, low + 70_000))
  const gone: GoneRange[] = []
  const begun = number(random)
  let edge = low
  let begunBefore = begun
  for (let count = random.pick([0, 0, 1, 2, 64]); count > 0; count--) {
    const skip = random.between(1, random.pick([1, 3, 500, 65_535]))
    const packets = random.between(1, random.pick([1, 3, 500, 65_536]))
    if (edge + skip + packets > high) break
    const from = edge + skip
    edge = from + packets
    begunBefore = random.once(2) ? begunBefore : random.between(begunBefore, Math.min(NUMBER_MAX, begunBefore + 100))
    gone.push({ from, to: edge, begun: begunBefore })
  }
  return {
    kind: "sync",
    statusWanted: random.once(2),
    stream: stream(random),
    mode: sequencedMode(random),
    form: "whole",
    low,
    high,
    begun,
    gone,
  }
}

export function join(random: Random): Join {
  const address = maybeAddress(random)
  const versionMin = random.pick([0, 0, random.below(256)])
  const isFirst = random.once(2)
  return {
    kind: "join",
    ...(address === undefined ? {} : { address }),
    versionMin,
    versionMax: random.between(versionMin, 255),
    slot: random.between(1, U32_MAX),
    unique: unique(random),
    session: isFirst ? "00".repeat(8) : unique(random),
    receiverUnique: random.once(2) ? "00".repeat(8) : unique(random),
    limits: limits(random),
    slotInUse: random.between(0, U32_MAX),
    order: random.between(0, U32_MAX),
    token: isFirst ? "" : hexOf(random, 0, 64),
    exchange: "",
  }
}

export function accept(random: Random): Accept {
  const address = maybeAddress(random)
  return {
    kind: "accept",
    ...(address === undefined ? {} : { address }),
    version: random.between(0, 255),
    slot: random.between(1, U32_MAX),
    unique: unique(random),
    session: unique(random),
    limits: limits(random),
    features: random.between(0, U32_MAX),
    exchange: "",
  }
}

function maybeAddress(random: Random): Address | undefined {
  const family = random.pick([undefined, 4, 6] as const)
  if (family === undefined) return undefined
  return { family, host: toHex(random.bytes(family === 4 ? 4 : 16)), port: random.between(1, 65_535) }
}

function limits(random: Random): Limits {
  return {
    datagramBytes: random.between(548, 65_507),
    inFlight: random.between(64, 1_048_576),
    spread: 2 ** random.between(6, 16),
    streams: random.between(0, U32_MAX),
    messageBytes: random.between(0, U32_MAX),
    statusDelayMs: random.between(1, 1_000),
  }
}

function unique(random: Random): string {
  const bytes = random.once(8) ? new Uint8Array(8) : random.bytes(8)
  bytes[random.below(8)] = random.between(1, 255)
  return toHex(bytes)
}

/** At most 256 bytes of UTF-8, with code points of one to four bytes and a byte order mark now and then. */
function text(random: Random): string {
  if (random.once(8)) return random.pick(["a".repeat(256), "é".repeat(128), "€".repeat(85), "\u{10ffff}".repeat(64)])
  let written = ""
  for (let count = random.below(40); count > 0; count--) {
    written += random.pick([
      "a",
      " ",
      "\0",
      "\x7f",
      "\x80",
      "\u07ff",
      "\u0800",
      "\ud7ff",
      "\ue000",
      "\ufeff",
      "\uffff",
      "\u{10000}",
      "\u{10ffff}",
    ])
  }
  return utf8(written).length <= 256 ? written : ""
}

function hexOf(random: Random, bytesMin: number, bytesMax: number): string {
  return toHex(random.bytes(random.between(bytesMin, bytesMax)))
}
