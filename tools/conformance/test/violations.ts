// Datagrams that break one obligation each, built from valid ones. The names say which part of PROTOCOL.md is broken.
import type { DropReason, Packet } from "../src/datagram.ts"
import {
  type Bytes,
  encodePacket,
  packetBytes,
  short,
  prefixBytes,
  type RawPacket,
  type RawPrefix,
  u16,
  u32,
  u48,
  withTag,
  zeros,
} from "./encode.ts"
import {
  ALONE,
  CONTROL,
  DATA,
  EVERY_KIND,
  EXCHANGE_BYTES,
  framingOf,
  generateContext,
  generateNeighbour,
  generatePacket,
  generatePrefix,
  generateValid,
  HANDSHAKE,
  type KindName,
  NUMBER_MAX,
  type Sample,
  stream,
  U32_MAX,
} from "./generate.ts"
import type { Random } from "./random.ts"

export interface Violation {
  obligation: `O${number}`
  drop: DropReason
  name: string
  make: (random: Random) => Sample
}

/**
 * §3: the offsets of the fields in the bodies, without an address. `fixed` is the least length, if all variable lengths
 * are 0.
 */
const LAYOUT: Record<KindName, { fixed: number; stream?: number; u48?: number[]; delivery?: number; trailing?: true }> =
  {
    sequenced: { fixed: 11, stream: 0, u48: [4], delivery: 10 },
    part: { fixed: 15, stream: 0, u48: [4], delivery: 10 },
    "fire-and-forget": { fixed: 5, stream: 0, delivery: 4 },
    open: { fixed: 12, stream: 0, u48: [4], delivery: 10 },
    end: { fixed: 16, stream: 0, u48: [4, 10], trailing: true },
    reset: { fixed: 18, stream: 0, u48: [6, 12], trailing: true },
    stop: { fixed: 6, stream: 0, trailing: true },
    status: { fixed: 13, stream: 0, trailing: true },
    sync: { fixed: 24, stream: 0, u48: [5, 11, 17], delivery: 4, trailing: true },
    feedback: { fixed: 34, u48: [0, 10, 16, 22] },
    heartbeat: { fixed: 0, trailing: true },
    goodbye: { fixed: 2 },
    "path-challenge": { fixed: 16, trailing: true },
    "path-response": { fixed: 16, trailing: true },
    "mtu-probe": { fixed: 6 },
    rate: { fixed: 10, u48: [4], trailing: true },
    join: { fixed: 59 },
    challenge: { fixed: 9, trailing: true },
    accept: { fixed: 47 },
    refuse: { fixed: 2 },
    hint: { fixed: 10, u48: [4], trailing: true },
    loose: { fixed: 18 },
  }

const W: KindName[] = ["sequenced", "sync", "heartbeat", "goodbye", "mtu-probe", "rate"]
const A: KindName[] = ["join", "accept"]
const MODES = [1, 2, 3, 4]

export const VIOLATIONS: Violation[] = [
  prefix("O1", "too-short", "a datagram without room for a packet", (random) => {
    const { bytes, context } = generateValid(random)
    return {
      context,
      bytes: bytes.slice(0, random.below((context.profile < 2 ? 12 : 13) + framingOf(context).tagBytes)),
    }
  }),
  prefix("O2", "too-long", "a datagram above what we announced", (random) => {
    const { bytes, context } = generateValid(random)
    return { bytes, context: { ...context, datagramBytesMax: bytes.length - 1 } }
  }),
  prefix("O3", "version", "another version", (random) => changedPrefix(random, { version: random.between(1, 15) })),
  prefix("O4", "profile", "another profile", (random) => {
    const { bytes, context } = generateValid(random, "loose")
    // But not one that our own profile would find too short.
    const padded = Uint8Array.from([...bytes, ...random.bytes(4)])
    padded[0] = (padded[0] ?? 0) ^ random.between(1, 3)
    return { bytes: padded, context: { ...context, datagramBytesMax: 65_507 } }
  }),
  prefix("O5", "reserved", "the reserved bit of the prefix", (random) =>
    changedPrefix(random, { handshake: true, bit3: 1 }),
  ),
  prefix("O9", "tag", "a bit flipped behind the first byte", (random) => {
    const { bytes, context } = generateTagged(random)
    const at = 1 + random.below(bytes.length - 1)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
    return { bytes, context }
  }),
  prefix("O9", "tag", "another incarnation or session", (random) => {
    const { bytes, context } = generateTagged(random)
    const pseudoHeader = context.pseudoHeader.slice()
    const at = random.below(32)
    pseudoHeader[at] = (pseudoHeader[at] ?? 0) ^ (1 << random.below(8))
    return { bytes, context: { ...context, pseudoHeader } }
  }),

  broken("O10", "kind", "a kind that isn't known", ["stop", "fire-and-forget", "hint"], (raw, random) => {
    raw.kind = random.pick([0, 4, 5, 6, 7, 21, 22, 23, 30, 31])
  }),

  broken("O11", "option", "an option where there is none", without(W, A), (raw, random) => {
    raw.option = random.between(1, 3)
  }),
  broken("O11", "option", "bit 6 beside W", W, (raw, random) => {
    raw.option = random.between(2, 3)
  }),
  broken("O11", "option", "address form 3", A, (raw) => {
    raw.option = 3
  }),

  framed("a length of 0", (raw) => [raw.kind + 128, 0, 0, ...raw.body, 15]),
  framed("a length that leaves nothing behind it", (raw) => [raw.kind + 128, ...u16(raw.body.length), ...raw.body]),
  framed("a length past the datagram", (raw, random) => {
    return [raw.kind + 128, ...u16(random.between(raw.body.length + 1, 65_535)), ...raw.body]
  }),
  framed("a length cut off", (raw, random) => [raw.kind + 128, ...random.bytes(random.below(2))]),

  broken("O13", "truncated", "fields of fixed width cut off", without(["heartbeat"]), (raw, random) => {
    raw.body.length = random.below(LAYOUT[kindOf(raw)].fixed)
  }),
  broken("O13", "truncated", "a token cut off", ["challenge"], (raw, random) => {
    const tokenLength = random.between(1, 64)
    raw.body.splice(8, raw.body.length, tokenLength, ...random.bytes(random.below(tokenLength)))
  }),
  broken("O13", "truncated", "the end of a token or the length behind it cut off", ["join"], (raw, random) => {
    raw.option = 0
    const tokenLength = random.between(3, 64)
    raw.body = [...joinHead(), tokenLength, ...random.bytes(2 + random.below(tokenLength))]
  }),
  broken(
    "O13",
    "truncated",
    "fields of fixed width cut off behind values out of range",
    ["part", "accept", "hint"],
    (raw, random) => {
      raw.option = 0
      raw.body = zeros(random.below(LAYOUT[kindOf(raw)].fixed))
    },
  ),
  broken("O13", "truncated", "received ranges cut off", ["status"], (raw, random) => {
    const count = random.between(1, 64)
    raw.body = [
      ...statusHead(random, 0, 1000, count, random.below(65)),
      ...ranges(count, 1).slice(0, random.below(count * 4)),
    ]
  }),
  broken("O13", "truncated", "missing ranges cut off", ["status"], (raw, random) => {
    const count = random.between(1, 64)
    raw.body = [...statusHead(random, 0, 1000, 0, count), ...ranges(count, 1).slice(0, random.below(count * 4))]
  }),
  broken("O13", "truncated", "gone ranges cut off", ["sync"], (raw, random) => {
    const count = random.between(1, 64)
    const gone = Array.from({ length: count }, () => [1, 0, 0, 0, ...u48(7)]).flat()
    raw.body = [...syncHead(random, 0, 1000, 7, count), ...gone.slice(0, random.below(count * 10))]
  }),

  broken(
    "O14",
    "trailing",
    "bytes behind the last field",
    EVERY_KIND.filter((kind) => LAYOUT[kind].trailing),
    (raw, random) => {
      raw.body.push(...random.bytes(random.between(1, 20)))
    },
  ),

  prefix("O15", "class", "data and control in one datagram", (random) => {
    const kinds = [random.pick(DATA), random.pick(CONTROL)]
    if (random.once(2)) kinds.reverse()
    return datagram(
      random,
      "stop",
      kinds.map((kind) => encodePacket(generatePacket(random, kind))),
    )
  }),
  prefix("O15", "class", "a packet not alone that has to be, in front", (random) => {
    const kind = random.pick([...ALONE, ...HANDSHAKE])
    const packet = encodePacket(generatePacket(random, kind))
    return datagram(random, kind, [packet, encodePacket(generatePacket(random, "stop"))])
  }),
  prefix("O15", "class", "a packet not alone that has to be, behind", (random) => {
    const kind = random.pick(ALONE)
    const neighbour = generateNeighbour(random, kind === "part" ? "sequenced" : "stop")
    return datagram(random, kind, [encodePacket(neighbour), encodePacket(generatePacket(random, kind))])
  }),
  prefix("O15", "class", "H with another class, or none with class handshake", (random) => {
    const kind = random.pick(EVERY_KIND)
    return datagram(random, kind, [encodePacket(generatePacket(random, kind))], {
      handshake: !HANDSHAKE.includes(kind),
    })
  }),
  prefix(
    "O15",
    "class",
    "slot 0 in an association or an answer, or another in a join, a hint or a loose message",
    (random) => {
      const kind = random.pick(EVERY_KIND)
      const slot = kind === "join" || kind === "hint" || kind === "loose" ? random.between(1, U32_MAX) : 0
      return datagram(random, kind, [encodePacket(generatePacket(random, kind))], { slot })
    },
  ),

  broken(
    "O16",
    "delivery",
    "a mode or form that doesn't go with the kind",
    EVERY_KIND.filter((kind) => LAYOUT[kind].delivery),
    (raw, random) => {
      const kind = kindOf(raw)
      const modes = kind === "fire-and-forget" ? [0] : kind === "open" ? [0, ...MODES] : MODES
      const forms =
        kind === "open" || kind === "sync" ? [0] : kind === "fire-and-forget" ? [0, 1, 2, 3] : [0, 1, 2, 3, 4]
      const good = modes.flatMap((mode) => forms.map((form) => form * 8 + mode))
      const bad = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !good.includes(byte))
      raw.body[LAYOUT[kind].delivery ?? 0] = random.pick(bad)
    },
  ),

  broken("O17", "ranges", "more than 64 received or missing", ["status"], (raw, random) => {
    const counts = [random.between(65, 255), random.below(65)]
    if (random.once(2)) counts.reverse()
    const [received = 0, missing = 0] = counts
    raw.body = [...statusHead(random, 0, 1000, received, missing), ...ranges(received, 1), ...ranges(missing, 1)]
  }),
  broken("O17", "ranges", "more than 64 gone", ["sync"], (raw, random) => {
    raw.body = [
      ...syncHead(random, 0, 1000, 7, 65),
      ...Array.from({ length: 65 }, () => [1, 0, 0, 0, ...u48(7)]).flat(),
    ]
  }),
  broken("O17", "ranges", "received at the cumulative edge", ["status"], (raw, random) => {
    raw.body = [...statusHead(random, 0, 1000, 1, 0), ...u16(0), ...u16(random.below(100))]
  }),
  broken("O17", "ranges", "ranges that touch", ["status"], (raw, random) => {
    const counts = random.once(2) ? [2, 0] : [0, 2]
    raw.body = [...statusHead(random, 0, 1000, counts[0] ?? 0, counts[1] ?? 0), 1, 0, 3, 0, 0, 0, 3, 0]
  }),
  broken("O17", "ranges", "a range past the bound", ["status"], (raw, random) => {
    const counts = random.once(2) ? [1, 0] : [0, 1]
    const skip = random.between(1, 65_535)
    // The upper edge is skip + more + 1.
    const more = random.between(65_536 - skip, 65_535)
    raw.body = [...statusHead(random, 0, 1000, counts[0] ?? 0, counts[1] ?? 0), ...u16(skip), ...u16(more)]
  }),
  broken("O17", "ranges", "a packet received and missing", ["status"], (raw, random) => {
    const width = random.below(10)
    const skip = 10 + random.below(20)
    // Received is [10, 30) from the edge on.
    raw.body = [
      ...statusHead(random, 0, 1000, 1, 1),
      ...u16(10),
      ...u16(19),
      ...u16(skip - Math.min(width, 9)),
      ...u16(width),
    ]
  }),
  broken("O17", "ranges", "gone at the low edge, touching, or above high", ["sync"], (raw, random) => {
    const begun = u48(7)
    const bad = random.pick([
      [...u16(0), ...u16(0), ...begun, ...u16(1), ...u16(0), ...begun],
      [...u16(1), ...u16(3), ...begun, ...u16(0), ...u16(0), ...begun],
      [...u16(1), ...u16(3), ...begun, ...u16(10), ...u16(86), ...begun],
    ])
    raw.body = [...syncHead(random, 500, 600, 7, 2), ...bad]
  }),
  broken("O13", "truncated", "a missing range cut off", ["feedback"], (raw, random) => {
    raw.body = [...feedbackHead(random, 9_000, 8_000), ...random.pick([[1], [0x81], [1, 0, 1], [1, 0x81]])]
  }),
  broken("O17", "ranges", "more than 64 missing", ["feedback"], (raw, random) => {
    const list = Array.from({ length: random.between(65, 90) }, () => [random.between(1, 5), random.below(5)])
    raw.body = [...feedbackHead(random, 9_000, 8_000), ...list.flat()]
  }),
  broken(
    "O17",
    "ranges",
    "missing above the highest, touching, below the reach, or badly written",
    ["feedback"],
    (raw, random) => {
      const bad = random.pick([
        [0, 0],
        [1, 0, 0, 0],
        [...short(random.between(501, 65_535)), 0],
        [1, ...short(random.between(500, 65_535))],
        [1, 9, ...short(random.between(491, 9_000)), 0],
        [0x81, 0, 0],
        [1, 0x80, 0],
        [0xff, 0xff, 0x80, 0],
      ])
      raw.body = [...feedbackHead(random, 9_000, 500), ...bad]
    },
  ),
  broken("O19", "value", "a reach to counter 0 or below", ["feedback"], (raw, random) => {
    const counter = random.below(300)
    raw.body = feedbackHead(random, counter, random.between(Math.max(1, counter), 65_535))
  }),
  broken("O17", "ranges", "begun falling", ["sync"], (raw, random) => {
    const [first, second] = random.pick([
      [6, 8],
      [9, 8],
    ]) as [number, number]
    raw.body = [
      ...syncHead(random, 500, 600, 7, 2),
      ...u16(1),
      ...u16(3),
      ...u48(first),
      ...u16(1),
      ...u16(3),
      ...u48(second),
    ]
  }),

  prefix("O18", "number", "a counter above the most", (random) => {
    const kind = random.pick(EVERY_KIND)
    return datagram(random, kind, [encodePacket(generatePacket(random, kind))], { counter: above(random) })
  }),
  broken(
    "O18",
    "number",
    "a number above the most",
    EVERY_KIND.filter((kind) => LAYOUT[kind].u48),
    (raw, random) => {
      const kind = kindOf(raw)
      raw.body.splice(random.pick(LAYOUT[kind].u48 ?? []), 6, ...u48(above(random)))
    },
  ),
  broken("O18", "number", "a cumulative edge above the most", ["status"], (raw, random) => {
    raw.body = statusHead(random, 0, above(random), 0, 0)
  }),
  broken("O18", "number", "low above high", ["sync"], (raw, random) => {
    const high = random.between(0, NUMBER_MAX - 1)
    raw.body = syncHead(random, random.between(high + 1, NUMBER_MAX), high, 7, 0)
  }),
  broken("O18", "number", "a message number above the most", ["sequenced", "fire-and-forget"], (raw, random) => {
    const at = LAYOUT[kindOf(raw)].delivery ?? 0
    const mode = (raw.body[at] ?? 0) % 8
    raw.body.splice(at, raw.body.length, 3 * 8 + mode, ...u48(above(random)), ...u32(10), 1, 2, 3)
  }),
  broken(
    "O18",
    "number",
    "a message number above the most before payloads that end too soon or too late",
    ["sequenced"],
    (raw, random) => {
      const [form, ...rest] = random.pick<Bytes>([
        [1, ...u32(9)],
        [2, ...u32(9), ...u32(2)],
        [3, ...u32(9)],
        [4, 1],
      ])
      const type = form === 1 ? [1, 0] : []
      raw.body.splice(10, raw.body.length, (form ?? 0) * 8 + 3, ...type, ...u48(above(random)), ...rest)
    },
  ),
  broken("O18", "number", "begun above the most in a gone range", ["sync"], (raw, random) => {
    raw.body = [...syncHead(random, 500, 600, 7, 1), ...u16(1), ...u16(3), ...u48(above(random))]
  }),

  broken(
    "O19",
    "value",
    "stream 0",
    EVERY_KIND.filter((kind) => LAYOUT[kind].stream !== undefined),
    (raw) => {
      raw.body.splice(0, 4, 0, 0, 0, 0)
    },
  ),
  prefix("O19", "value", "counter 0 where they start at 1, another where there is none", (random) => {
    const kind = random.pick(EVERY_KIND)
    const counter = kind === "hint" || kind === "loose" ? random.between(1, NUMBER_MAX) : 0
    return datagram(random, kind, [encodePacket(generatePacket(random, kind))], { counter })
  }),
  broken("O19", "value", "first number of a fire-and-forget stream", ["open"], (raw, random) => {
    raw.body.splice(4, 7, ...u48(random.between(1, NUMBER_MAX)), 0)
  }),
  broken("O19", "value", "metadata too long", ["open"], (raw, random) => {
    raw.body.splice(12, raw.body.length, ...random.bytes(random.between(1025, 1400)))
  }),
  broken("O19", "value", "an unknown state bit", ["status"], (raw, random) => {
    raw.body[4] = random.between(16, 255)
  }),
  broken("O19", "value", "ahead with room", ["status"], (raw, random) => {
    raw.body = [...statusHead(random, 8 | (random.below(2) * 2), 1000, 0, 1), ...ranges(1, 1)]
  }),
  broken("O19", "value", "ahead without a missing range", ["status"], (raw, random) => {
    raw.body = [...statusHead(random, 12 | (random.below(2) * 2), 1000, 1, 0), ...ranges(1, 1)]
  }),
  broken("O19", "value", "start unknown with an edge", ["status"], (raw, random) => {
    raw.body = statusHead(random, 1, random.between(1, NUMBER_MAX), 0, 0)
  }),
  broken("O19", "value", "start unknown with ranges", ["status"], (raw, random) => {
    const counts = random.pick([
      [1, 0],
      [0, 1],
    ])
    raw.body = [...statusHead(random, 1, 0, counts[0] ?? 0, counts[1] ?? 0), ...ranges(1, 1)]
  }),
  broken("O19", "value", "text that is no UTF-8", ["goodbye", "refuse"], (raw, random) => {
    const bad = [
      [0x80],
      [0xc0, 0x80],
      [0xc1, 0xbf],
      [0xc3],
      [0xe0, 0x9f, 0xbf],
      [0xed, 0xa0, 0x80],
      [0xf0, 0x8f, 0xbf, 0xbf],
    ]
    const more = [
      [0xf4, 0x90, 0x80, 0x80],
      [0xf5, 0x80, 0x80, 0x80],
      [0xff],
      [0xe2, 0x82],
      [0xf0, 0x9f, 0x98],
      [0xc3, 0x28],
    ]
    raw.body.splice(2, raw.body.length, 0x61, ...random.pick([...bad, ...more]))
  }),
  broken("O19", "value", "text too long", ["goodbye", "refuse"], (raw, random) => {
    const length = random.between(257, 600)
    raw.body.splice(2, raw.body.length, ...Array.from({ length }, () => 0x61))
  }),
  broken("O19", "value", "a token of no or too many bytes", ["challenge"], (raw, random) => {
    const tokenLength = random.pick([0, random.between(65, 255)])
    raw.body.splice(8, raw.body.length, tokenLength, ...random.bytes(tokenLength))
  }),
  broken("O19", "value", "a unique of zeros", ["challenge"], (raw) => {
    raw.body.splice(0, 8, ...zeros(8))
  }),
  broken("O19", "value", "a unique of zeros", ["loose"], (raw) => {
    raw.body.splice(8, 8, ...zeros(8))
  }),
  broken("O19", "value", "a slot or counter of 0", ["hint"], (raw, random) => {
    if (random.once(2)) raw.body.splice(0, 4, ...zeros(4))
    else raw.body.splice(4, 6, ...zeros(6))
  }),
  broken("O19", "value", "a field of a join outside its range", ["join"], (raw, random) => {
    const [at, bytes] = random.pick<[number, Bytes]>([
      [0, [1, 0]],
      [2, zeros(4)],
      [6, zeros(8)],
      ...badLimits(30),
      [58, [65]],
    ])
    raw.option = 0
    raw.body = [...joinHead(), ...zeros(2000)]
    raw.body.splice(at, bytes.length, ...bytes)
  }),
  broken("O19", "value", "a token in a join without a session", ["join"], (raw, random) => {
    const tokenLength = random.between(1, 64)
    raw.option = 0
    raw.body = [...joinHead(), tokenLength, ...random.bytes(tokenLength), 0, 0]
    raw.body.splice(14, 8, ...zeros(8))
  }),
  broken("O19", "value", "an exchange of a length that it never has, whole or not", ["join"], (raw, random) => {
    raw.option = 0
    const length = random.between(1, 65_535)
    raw.body = [
      ...joinHead(),
      0,
      ...u16(length === EXCHANGE_BYTES.join ? EXCHANGE_BYTES.accept : length),
      ...random.bytes(random.below(100)),
    ]
  }),
  exchange("O19", "value", "an exchange where there are no keys", false, (random) => random.bytes(EXCHANGE_BYTES.join)),
  exchange("O13", "truncated", "an exchange cut off", true, (random) =>
    random.bytes(random.below(EXCHANGE_BYTES.join)),
  ),
  broken("O19", "value", "port 0", A, (raw, random) => {
    const had = [0, 6, 18][raw.option] ?? 0
    raw.option = random.between(1, 2)
    raw.body.splice(0, had, ...random.bytes(raw.option === 1 ? 4 : 16), 0, 0)
  }),
  broken("O19", "value", "a field of an accept outside its range", ["accept"], (raw, random) => {
    const [at, bytes] = random.pick<[number, Bytes]>([
      [1, zeros(4)],
      [5, zeros(8)],
      [13, zeros(8)],
      ...badLimits(21),
      [45, [random.between(1, 255), 0]],
    ])
    raw.body.splice(0, [0, 6, 18][raw.option] ?? 0)
    raw.option = 0
    raw.body.splice(at, bytes.length, ...bytes)
  }),
  broken("O19", "value", "a part without bytes", ["part"], (raw) => {
    raw.body.length = 15
  }),
  broken("O19", "value", "a part as long as its total, or past it", ["part"], (raw, random) => {
    const length = random.between(1, 300)
    const offset = random.once(4) ? 0 : random.between(1, 65_535)
    const totalMax = offset === 0 ? length : Math.min(65_535, offset + length - 1)
    raw.body.splice(11, raw.body.length, ...u16(offset), ...u16(random.between(0, totalMax)), ...random.bytes(length))
  }),

  broken("O20", "padding", "padding that isn't zero", A, (raw, random) => {
    raw.body.push(...zeros(random.below(100)), random.between(1, 255))
  }),
  broken("O20", "padding", "padding of an MTU probe that isn't zero", ["mtu-probe"], (raw, random) => {
    raw.body.push(...zeros(random.below(100)), random.between(1, 255))
  }),
  broken("O20", "padding", "padding in the answer to an MTU probe", ["mtu-probe"], (raw, random) => {
    raw.option = 0
    raw.body.splice(6, raw.body.length, ...zeros(random.between(1, 1000)))
  }),
  broken("O20", "padding", "an MTU probe of another size than it says", ["mtu-probe"], (raw, random) => {
    raw.option = 1
    const paddingBytes = random.between(0, 1000)
    const untagged = 12 + 6 + paddingBytes
    // Neither of the two possible sizes, with and without tag.
    const size = random.pick([untagged - 1, untagged + 1, untagged + 3, untagged + 5, 0, 65_535])
    raw.body.splice(4, raw.body.length, ...u16(size), ...zeros(paddingBytes))
  }),

  payload("an empty payload", 0, () => []),
  payload("a message cut off", 0, (random) => {
    const length = random.between(1, 127)
    return [1, 0, 1, 9, 2, 0, length, ...random.bytes(random.below(length))]
  }),
  payload("a message without its type or length", 0, (random) => [1, 0, 1, 9, ...random.bytes(random.between(1, 2))]),
  payload("a length cut off", 0, (random) =>
    random.pick([
      [1, 0, 0x80],
      [1, 0, 0x80, 0x80],
    ]),
  ),
  payload("a length not in its shortest form", 0, (random) => {
    return random.pick([
      [1, 0, 0x80, 0],
      [1, 0, 0x81, 0, 7],
      [1, 0, 0x80, 0x80, 0],
      [1, 0, 0xff, 0xff, 0, ...zeros(16_383)],
    ])
  }),
  payload("a length of four bytes", 0, () => [1, 0, 0x80, 0x80, 0x80, 1]),
  payload("the fields of a piece cut off", 1, (random) =>
    [...random.bytes(2), ...u48(7), ...u32(9), 1].slice(0, random.below(12)),
  ),
  payload("the fields of a piece cut off", 2, (random) =>
    [...u48(7), ...u32(9), ...u32(2), 1].slice(0, random.below(14)),
  ),
  payload("the fields of a piece cut off", 3, (random) => [...u48(7), ...u32(9), 1].slice(0, random.below(10))),
  payload("a first piece without bytes", 1, (random) => [...random.bytes(2), ...u48(7), ...u32(9)]),
  payload("a first piece as long as its total", 1, (random) => {
    const length = random.between(1, 20)
    return [...random.bytes(2), ...u48(7), ...u32(random.between(0, length)), ...random.bytes(length)]
  }),
  payload("a middle piece without bytes", 2, () => [...u48(7), ...u32(9), ...u32(2)]),
  payload("a middle piece that touches the start", 2, (random) => [
    ...u48(7),
    ...u32(9),
    ...u32(0),
    ...random.bytes(4),
  ]),
  payload("a middle piece that touches the end, or goes past it", 2, (random) => {
    const offset = random.pick([1, 4, U32_MAX, U32_MAX - 3])
    return [...u48(7), ...u32(random.between(0, Math.min(U32_MAX, offset + 4))), ...u32(offset), ...random.bytes(4)]
  }),
  payload("a last piece without bytes", 3, () => [...u48(7), ...u32(9)]),
  payload("a last piece as long as its total", 3, (random) => {
    const length = random.between(1, 20)
    return [...u48(7), ...u32(random.between(0, length)), ...random.bytes(length)]
  }),
  broken("O21", "payload", "an abandoned message with less or more than its number", ["sequenced"], (raw, random) => {
    raw.body.splice(
      10,
      raw.body.length,
      4 * 8 + 3,
      ...[...u48(7), ...random.bytes(9)].slice(0, random.pick([0, 1, 5, 7, 15])),
    )
  }),
]

function prefix(
  obligation: Violation["obligation"],
  drop: DropReason,
  name: string,
  make: Violation["make"],
): Violation {
  return { obligation, drop, name, make }
}

/** A violation inside a packet, with valid packets before and after it where allowed. */
function broken(
  obligation: Violation["obligation"],
  drop: DropReason,
  name: string,
  kinds: KindName[],
  breakIt: (raw: RawPacket, random: Random) => void,
): Violation {
  const make = (random: Random): Sample => {
    const kind = random.pick(kinds)
    const raw = encodePacket(generatePacket(random, kind))
    breakIt(raw, random)
    return datagram(random, kind, surrounded(random, kind, raw))
  }
  return { obligation, drop, name: `${name} (${kinds.length > 4 ? `${kinds.length} kinds` : kinds.join(", ")})`, make }
}

/** A violation in the frame of a last, valid packet. */
function framed(name: string, frame: (raw: RawPacket, random: Random) => Bytes): Violation {
  const make = (random: Random): Sample => {
    const kind = random.pick([...DATA, ...CONTROL])
    const raw = encodePacket(generatePacket(random, kind))
    const before = packetBytes([...neighbours(random, kind), { kind: 0, option: 0, body: [] }])
    before.pop()
    return bytesOf(random, kind, [...before, ...frame(raw, random)])
  }
  return { obligation: "O12", drop: "length", name, make }
}

/** A join whose exchange has the right length but only these bytes. */
function exchange(
  obligation: Violation["obligation"],
  drop: DropReason,
  name: string,
  hasKeys: boolean,
  bytes: (random: Random) => Uint8Array,
): Violation {
  const make = (random: Random): Sample =>
    where(
      ({ context }) => context.profile >= 2 === hasKeys,
      () =>
        datagram(random, "join", [
          { kind: 24, option: 0, body: [...joinHead(), 0, ...u16(EXCHANGE_BYTES.join), ...bytes(random)] },
        ]),
    )
  return { obligation, drop, name, make }
}

function payload(name: string, form: number, make: (random: Random) => Bytes): Violation {
  return broken("O21", "payload", `${name}, form ${form}`, ["sequenced", "fire-and-forget"], (raw, random) => {
    const at = LAYOUT[kindOf(raw)].delivery ?? 0
    const mode = (raw.body[at] ?? 0) % 8
    raw.body.splice(at, raw.body.length, form * 8 + mode, ...make(random))
  })
}

function surrounded(random: Random, kind: KindName, raw: RawPacket): RawPacket[] {
  if (ALONE.includes(kind) || HANDSHAKE.includes(kind)) return [raw]
  // A length of 0 would be refused before the violation is.
  const after = raw.body.length > 0 && random.once(3) ? neighbours(random, kind) : []
  return [...neighbours(random, kind), raw, ...after]
}

function neighbours(random: Random, kind: KindName): RawPacket[] {
  return Array.from({ length: random.pick([0, 0, 1, 3]) }, () => encodePacket(generateNeighbour(random, kind)))
}

function datagram(random: Random, kind: KindName, packets: RawPacket[], change: Partial<RawPrefix> = {}): Sample {
  return bytesOf(random, kind, packetBytes(packets), change)
}

function bytesOf(random: Random, kind: KindName, packets: Bytes, change: Partial<RawPrefix> = {}): Sample {
  const context = generateContext(random)
  const { handshake, slot, counter, epoch } = generatePrefix(random, kind, context)
  const head = prefixBytes({
    version: 0,
    bit3: 0,
    handshake,
    profile: context.profile,
    slot,
    counter,
    epoch,
    ...change,
  })
  return { bytes: withTag([...head, ...packets], framingOf(context)), context }
}

/** A datagram that is valid except for its prefix, where the version is checked before the tag. */
function changedPrefix(random: Random, change: Partial<RawPrefix>): Sample {
  const kind = random.pick(EVERY_KIND)
  return datagram(random, kind, [encodePacket(generatePacket(random, kind))], change)
}

function generateTagged(random: Random): Sample {
  return where(
    ({ context }) => context.profile === 1,
    () => generateValid(random),
  )
}

function where(holds: (sample: Sample) => boolean, make: () => Sample): Sample {
  for (;;) {
    const sample = make()
    if (holds(sample)) return sample
  }
}

function kindOf(raw: RawPacket): KindName {
  const names: Record<number, Packet["kind"]> = {
    1: "sequenced",
    2: "part",
    3: "fire-and-forget",
    8: "open",
    9: "end",
    10: "reset",
    11: "stop",
    12: "status",
    13: "sync",
    14: "feedback",
    15: "heartbeat",
    16: "goodbye",
    17: "path-challenge",
    18: "path-response",
    19: "mtu-probe",
    20: "rate",
    24: "join",
    25: "challenge",
    26: "accept",
    27: "refuse",
    28: "hint",
    29: "loose",
  }
  const name = names[raw.kind]
  if (name === undefined) throw new RangeError(`no kind ${raw.kind}`)
  return name
}

function without(...lists: KindName[][]): KindName[] {
  return EVERY_KIND.filter((kind) => !lists.some((list) => list.includes(kind)))
}

function above(random: Random): number {
  return random.between(NUMBER_MAX + 1, 2 ** 48 - 1)
}

function statusHead(random: Random, state: number, cumulative: number, received: number, missing: number): Bytes {
  return [...u32(stream(random)), state, ...u48(cumulative), received, missing]
}

function feedbackHead(random: Random, counter: number, reach: number): Bytes {
  const totals = Array.from({ length: 3 }, () => u48(random.between(0, NUMBER_MAX))).flat()
  return [...u48(counter), ...random.bytes(4), ...totals, ...random.bytes(4), ...u16(reach)]
}

function ranges(count: number, skip: number): Bytes {
  return Array.from({ length: count }, () => [...u16(skip), 0, 0]).flat()
}

function syncHead(random: Random, low: number, high: number, begun: number, goneCount: number): Bytes {
  return [...u32(stream(random)), random.pick(MODES), ...u48(low), ...u48(high), ...u48(begun), goneCount]
}

/** A valid join without address, up to its token length. */
function joinHead(): Bytes {
  const limits = [...u16(1200), ...u32(1024), ...u32(1024), ...u32(16), ...u32(1_000_000), ...u16(25)]
  return [0, 0, ...u32(9), ...u48(0), 0, 1, ...u48(0), 0, 2, ...zeros(8), ...limits, ...u32(0), ...u32(0)]
}

/** §3, limits: the offset from the body's start, and a value that isn't allowed there. */
function badLimits(at: number): [number, Bytes][] {
  return [
    [at, u16(547)],
    [at, u16(65_508)],
    [at + 2, u32(63)],
    [at + 2, u32(1_048_577)],
    [at + 6, u32(32)],
    [at + 6, u32(65)],
    [at + 6, u32(65_535)],
    [at + 6, u32(131_072)],
    [at + 18, u16(0)],
    [at + 18, u16(1_001)],
  ]
}
