/** Datagrams at the edge of what is allowed: the neighbours of those in obligations.ts. */
import { FLAG_WANTED, KIND, MODE, NUMBER_MAX } from "@x/wire"
import { type Receiver } from "./build.ts"
import * as r from "./raw.ts"
import { ANSWER, ATTEMPT, HEARTBEAT, raw, RELIABLE, u16, u32, u48, UNASKED, zeros } from "./raw.ts"

export interface Edge {
  readonly name: string
  readonly bytes: Uint8Array
  readonly receiver?: Receiver
}

const message = (length: Iterable<number>, bytes: number): number[] => [...u16(1), ...length, ...zeros(bytes)]
const V4 = 0x20

/** A byte order mark, and both sides of each border of the encoding. */
const TEXT = "\ufeff\0\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\u{10000}\u{10ffff}"

/** 64 packets received and 64 ranges missing, in turn, the last of them up to 65,536 packets from the edge. */
const everyOther = (count: number): number[] => Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? 1 : 0))
const fullStatus = r.status(everyOther(64), [0, 0, ...everyOther(62), 3, 65_407])

export const edges: readonly Edge[] = [
  {
    name: "as long as announced",
    bytes: raw(r.mtuProbe(FLAG_WANTED, 548, zeros(526))),
    receiver: { datagramBytesMax: 548 },
  },
  { name: "as short as one packet", bytes: raw(HEARTBEAT) },
  { name: "as short as one packet, profile none", bytes: raw(HEARTBEAT, { profile: 0 }), receiver: { profile: 0 } },
  { name: "the highest counter", bytes: raw(HEARTBEAT, { counter: NUMBER_MAX }) },
  {
    name: "feedback before a heartbeat",
    bytes: raw([
      ...r.withLength(
        r.feedback(NUMBER_MAX, {
          ...{ datagrams: NUMBER_MAX, congestion: NUMBER_MAX, ect0: NUMBER_MAX },
          ...{ proof: 0xffff_ffff, reach: 65_535, missing: [0xff, 0x7f, 0xff, 0xff, 2] },
        }),
      ),
      ...HEARTBEAT,
    ]),
  },
  { name: "feedback of nothing", bytes: raw(r.feedback(0, { datagrams: 0 })) },
  { name: "feedback that reaches the first counter", bytes: raw(r.feedback(9, { reach: 8, missing: [1, 0, 3, 3] })) },
  {
    name: "feedback with 64 ranges",
    bytes: raw(r.feedback(200, { reach: 128, missing: Array.from({ length: 128 }, (_, i) => (i + 1) % 2) })),
  },
  { name: "nonce 1", bytes: raw(HEARTBEAT, { nonce: 1 }) },
  { name: "nonce 1, profile none", bytes: raw(HEARTBEAT, { nonce: 1, profile: 0 }), receiver: { profile: 0 } },
  { name: "the highest packet number", bytes: raw(r.sequenced(RELIABLE, r.MESSAGE, NUMBER_MAX)) },
  { name: "message of 0 bytes", bytes: raw(r.sequenced(RELIABLE, message([0], 0))) },
  { name: "message of 127 bytes", bytes: raw(r.sequenced(RELIABLE, message([127], 127))) },
  { name: "message of 128 bytes", bytes: raw(r.sequenced(RELIABLE, message([0x80, 1], 128))) },
  { name: "message of 16,384 bytes", bytes: raw(r.sequenced(RELIABLE, message([0x80, 0x80, 1], 16_384))) },
  { name: "first piece a byte short of its total", bytes: raw(r.first(NUMBER_MAX, 3, [1, 2])) },
  { name: "middle piece a byte from both ends", bytes: raw(r.middle(0, 4, 1, [1, 2])) },
  { name: "last piece a byte short of its total", bytes: raw(r.last(0, 3, [1, 2])) },
  { name: "abandoned piece", bytes: raw(r.abandoned(NUMBER_MAX)) },
  { name: "fire-and-forget in pieces", bytes: raw(r.fireAndForget(1 << 3, [...u16(1), ...zeros(6), 9, 0, 0, 0, 1])) },
  { name: "part at the start, a byte short of its total", bytes: raw(r.part(0, 3, [1, 2])) },
  { name: "part at the end", bytes: raw(r.part(65_533, 65_535, [1, 2])) },
  { name: "open for fire-and-forget", bytes: raw(r.open(MODE["fire-and-forget"])) },
  { name: "open with 1024 bytes of metadata", bytes: raw(r.open(RELIABLE, NUMBER_MAX, zeros(1024))) },
  { name: "status with full lists that touch each other and the bound", bytes: raw(fullStatus) },
  { name: "status with all packets ahead", bytes: raw(r.status([], [0, 65_535], { state: 12 })) },
  { name: "status with all packets missing", bytes: raw(r.status([], [0, 65_535])) },
  {
    name: "status with the highest cumulative edge",
    bytes: raw(r.status([1, 65_534], [], { cumulative: NUMBER_MAX })),
  },
  { name: "sync with all gone but the first", bytes: raw(r.sync(1, 9, [[1, 6, 4]])) },
  { name: "sync with nothing between its marks", bytes: raw(r.sync(NUMBER_MAX, NUMBER_MAX, [], NUMBER_MAX)) },
  {
    name: "sync with 64 gone ranges",
    bytes: raw(
      r.sync(
        1,
        129,
        Array.from({ length: 64 }, () => [1, 0, 4]),
      ),
    ),
  },
  { name: "text up to the borders of UTF-8", bytes: raw(r.goodbye(r.utf8(TEXT))) },
  { name: "text of 256 bytes", bytes: raw(r.goodbye(r.utf8("é".repeat(128)))) },
  { name: "a reserved reason", bytes: raw([KIND.stop, 3, 0, 0, 0, ...u16(19)]) },
  {
    name: "mtu probe without padding, profile none",
    bytes: raw(r.mtuProbe(FLAG_WANTED, 18, []), { profile: 0 }),
    receiver: { profile: 0 },
  },
  { name: "a rate of as much as there can be", bytes: raw([KIND.rate | FLAG_WANTED, ...u32(1), ...u48(NUMBER_MAX)]) },
  { name: "answer to a rate without a bound", bytes: raw([KIND.rate, ...u32(0xffff_ffff), ...u48(0)]) },
  { name: "answer to an mtu probe of any size", bytes: raw(r.mtuProbe(0, 65_535, [])) },
  { name: "join of 1200 bytes", bytes: raw(r.join({ tail: zeros(1200 - 15 - 60) }), ATTEMPT) },
  { name: "join without padding", bytes: raw(r.join({ tail: zeros(2) }), ATTEMPT) },
  { name: "join with a session and no token", bytes: raw(r.join({ session: 2 }), ATTEMPT) },
  { name: "join with 64 bytes of token", bytes: raw(r.join({ session: 2, token: [64, ...zeros(64)] }), ATTEMPT) },
  { name: "join of the highest attempt", bytes: raw(r.join(), { ...ATTEMPT, counter: NUMBER_MAX }) },
  {
    name: "join with port 1, little-endian",
    bytes: raw(r.join({ option: V4, address: [127, 0, 0, 1, 1, 0] }), ATTEMPT),
  },
  { name: "join with the least limits", bytes: raw(r.join({ limitBytes: leastLimits() }), ATTEMPT) },
  { name: "accept with the highest limits", bytes: raw(r.accept({ limitBytes: highestLimits() }), ANSWER) },
  { name: "accept without padding", bytes: raw(r.accept({ tail: zeros(2) }), ANSWER) },
  { name: "challenge with one byte of token", bytes: raw(r.challenge(1, 1, [7]), ANSWER) },
  { name: "challenge with 64 bytes of token", bytes: raw(r.challenge(1, 64, zeros(64)), ANSWER) },
  { name: "hint of the highest counter", bytes: raw(r.hint(1, NUMBER_MAX), UNASKED) },
  { name: "loose message for any incarnation", bytes: raw(r.loose(1), UNASKED) },
]

function leastLimits(): number[] {
  return r.limits({ datagramBytes: 548, inFlight: 64, spread: 64, statusDelayMs: 1 })
}

function highestLimits(): number[] {
  return r.limits({ datagramBytes: 65_507, inFlight: 1_048_576, spread: 65_536, statusDelayMs: 1_000 })
}
