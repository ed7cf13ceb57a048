/**
 * One or more datagrams for each obligation that bytes alone decide (PROTOCOL.md §11). Each breaks that obligation and
 * none before it.
 */
import {
  type DatagramDropReason,
  EXCHANGE_BYTES,
  FLAG_WANTED,
  FORM,
  KIND,
  MODE,
  NUMBER_MAX,
  PROFILE,
  sealChecksum,
} from "@x/wire"
import { type Envelope, type Receiver, ZERO_SEED } from "./build.ts"
import * as r from "./raw.ts"
import { ANSWER, ATTEMPT, HEARTBEAT, MESSAGE, raw, RELIABLE, u16, u48, UNASKED, zeros } from "./raw.ts"

export interface Violation {
  readonly obligation: string
  readonly reason: DatagramDropReason
  readonly name: string
  readonly bytes: Uint8Array
  readonly receiver: Receiver
}

type Case = Uint8Array | { readonly bytes: Uint8Array; readonly receiver: Receiver }

const ABOVE = NUMBER_MAX + 1
const V4 = 0x20
const heartbeat = raw(HEARTBEAT)

/** The same datagram with another first byte and a tag that fits. */
function startingWith(first: number, bytes: Uint8Array): Uint8Array {
  const copy = bytes.with(0, first)
  sealChecksum(copy, 0, copy.length - 4, ZERO_SEED)
  return copy
}

function inNone(bytes: Uint8Array): Case {
  return { bytes, receiver: { profile: PROFILE.none } }
}

/** A case in a profile whose datagrams are encrypted, and opened before they are judged. */
function inAead(packets: r.Bytes, envelope: Envelope = {}): Case {
  return { bytes: raw(packets, { ...envelope, profile: PROFILE.aead }), receiver: { profile: PROFILE.aead } }
}

function ofObligation(
  obligation: string,
  reason: DatagramDropReason,
  cases: Readonly<Record<string, Case>>,
): Violation[] {
  return Object.entries(cases).map(([name, one]) => ({
    obligation,
    reason,
    name,
    ...(one instanceof Uint8Array ? { bytes: one, receiver: {} } : one),
  }))
}

export const violations: readonly Violation[] = [
  ...ofObligation("O1", "too-short", {
    "an empty datagram": new Uint8Array(0),
    "prefix and tag without a packet": heartbeat.subarray(0, 15),
    "a prefix without a packet, profile none": inNone(heartbeat.subarray(0, 11)),
    "prefix, epoch and tag without a packet, profile aead": inAead([]),
  }),
  ...ofObligation("O2", "too-long", {
    "longer than announced": {
      bytes: raw(r.mtuProbe(FLAG_WANTED, 549, zeros(527))),
      receiver: { datagramBytesMax: 548 },
    },
    "a join longer than announced": {
      bytes: raw(r.join({ tail: zeros(600) }), ATTEMPT),
      receiver: { datagramBytesMax: 548 },
    },
  }),
  ...ofObligation("O3", "version", {
    "version 1": startingWith(0x11, heartbeat),
    "version 8": startingWith(0x81, heartbeat),
  }),
  ...ofObligation("O4", "profile", {
    "profile none": startingWith(0x00, heartbeat),
    "profile mac": startingWith(0x02, heartbeat),
    "profile aead": startingWith(0x03, heartbeat),
    "profile checksum at one of none": inNone(heartbeat),
    "profile checksum at one of aead": {
      bytes: raw(r.goodbye(r.utf8("long enough"))),
      receiver: { profile: PROFILE.aead },
    },
    "profile mac at one of aead": {
      bytes: raw(HEARTBEAT, { profile: PROFILE.mac }),
      receiver: { profile: PROFILE.aead },
    },
  }),
  ...ofObligation("O5", "reserved", {
    "the reserved bit of the prefix": startingWith(0x0d, raw(r.join(), ATTEMPT)),
  }),
  ...ofObligation("O9", "tag", {
    "a wrong tag": heartbeat.with(heartbeat.length - 1, heartbeat.at(-1)! ^ 1),
    "the tag of no pseudo-header": raw(HEARTBEAT, { seed: 0 }),
  }),
  ...ofObligation("O10", "kind", {
    "kind 0": raw([0]),
    "kind 21": raw([21]),
    "kind 31": raw([31]),
  }),
  ...ofObligation("O11", "option", {
    "W on a status": raw(r.status([], []).with(0, KIND.status | FLAG_WANTED)),
    "bit 6 on a heartbeat": raw([KIND.heartbeat | 0x40]),
    "W and bit 6 on a heartbeat": raw([KIND.heartbeat | 0x60]),
    "address form 3": raw(r.join({ option: 0x60 }), ATTEMPT),
  }),
  ...ofObligation("O12", "length", {
    "a length cut off": raw([...r.withLength(r.stop()).slice(0, 2)]),
    "length 0": raw([...r.withLength(HEARTBEAT), ...HEARTBEAT]),
    "a length past the datagram": raw([...r.withLength(r.stop()).with(1, 9), ...HEARTBEAT]),
    "a length that leaves nothing behind it": raw(r.withLength(r.stop())),
  }),
  ...ofObligation("O13", "truncated", {
    "a sequenced packet without its delivery": raw(r.sequenced(RELIABLE, []).slice(0, -1)),
    "a part without its total, of stream 0": raw(r.part(0, 9, [], 0).slice(0, -1)),
    "a fire-and-forget packet without its delivery": raw(r.fireAndForget(0, []).slice(0, -1)),
    "an open without its priority": raw(r.open(RELIABLE).slice(0, -1)),
    "an end cut by a byte": raw(r.end(9, 4).slice(0, -1)),
    "a reset cut by a byte": raw(r.reset(9, 4).slice(0, -1)),
    "a stop cut by a byte": raw(r.stop().slice(0, -1)),
    "a status without its second count": raw(r.status([], []).slice(0, -1)),
    "a sync without its count": raw(r.sync(1, 9, []).slice(0, -1)),
    "a feedback cut by a byte": raw(r.feedback(1).slice(0, -1)),
    "a feedback with a skip cut off": raw(r.feedback(9, { reach: 8, missing: [0x80] })),
    "a feedback with a skip and no more": raw(r.feedback(9, { reach: 8, missing: [1] })),
    "a feedback with a more cut off": raw(r.feedback(9, { reach: 8, missing: [1, 0x80] })),
    "a goodbye without its reason": raw(r.goodbye([]).slice(0, -1)),
    "a path challenge of 15 bytes": raw([KIND.pathChallenge, ...zeros(15)]),
    "a rate of 9 bytes": raw([KIND.rate, ...zeros(9)]),
    "an mtu probe without its size": raw(r.mtuProbe(0, 0, []).slice(0, -1)),
    "ranges cut off": raw(r.status([1, 0], [], { counts: [2, 0] })),
    "missing ranges cut off, received at the edge": raw(r.status([0, 0], [], { counts: [1, 1] })),
    "gone ranges cut off": raw(r.sync(1, 9, [[1, 0, 4]]).slice(0, -1)),
    "gone ranges cut off, gone at the low mark": raw(r.sync(1, 9, [[0, 0, 4]]).slice(0, -1)),
    "a join cut in its limits": raw(r.join().slice(0, 40), ATTEMPT),
    "a join without its token length, of slot 0": raw(r.join({ slot: 0 }).slice(0, 59), ATTEMPT),
    "a join with its token cut off": raw(r.join({ session: 2, token: [9], tail: zeros(8) }), ATTEMPT),
    "a join without its exchange length": raw(r.join({ tail: [0] }), ATTEMPT),
    "a key exchange cut off in a join": inAead(r.join({ tail: [...u16(EXCHANGE_BYTES.join), ...zeros(95)] }), ATTEMPT),
    "a key exchange cut off in an accept": inAead(
      r.accept({ tail: [...u16(EXCHANGE_BYTES.accept), ...zeros(47)] }),
      ANSWER,
    ),
    "a challenge without its token length, of unique 0": raw(r.challenge(0, 0, []).slice(0, -1), ANSWER),
    "a token cut off": raw(r.challenge(1, 3, [1, 2]), ANSWER),
    "an accept without its exchange length, of slot 0": raw(r.accept({ slot: 0, tail: [0] }), ANSWER),
    "a refuse without its reason": raw([KIND.refuse, 1], ANSWER),
    "a hint cut by a byte, of slot 0": raw(r.hint(0, 1).slice(0, -1), UNASKED),
    "a loose message without its type": raw(r.loose(0).slice(0, -2), UNASKED),
  }),
  ...ofObligation("O14", "trailing", {
    "a byte behind an end": raw([...r.end(9, 4), 0]),
    "a byte behind a reset": raw([...r.reset(9, 4), 0]),
    "a byte behind a stop": raw([...r.stop(), 0]),
    "a byte behind the ranges": raw([...r.status([1, 0], []), 0]),
    "a byte behind the gone ranges": raw([...r.sync(1, 9, [[1, 0, 4]]), 0]),
    "a heartbeat with a body": raw([...HEARTBEAT, 0]),
    "a rate of 11 bytes": raw([KIND.rate, ...zeros(11)]),
    "a path response of 17 bytes": raw([KIND.pathResponse, ...zeros(17)]),
    "a byte behind a challenge": raw([...r.challenge(1, 1, [7]), 0], ANSWER),
    "a byte behind a hint": raw([...r.hint(9, 1), 0], UNASKED),
  }),
  ...ofObligation("O15", "class", {
    "data and control in one datagram": raw([...r.withLength(r.stop()), ...r.sequenced(RELIABLE, MESSAGE)]),
    "an mtu probe that is not alone": raw([...r.withLength(r.stop()), ...r.mtuProbe(0, 30, [])]),
    "a part that another follows": raw([...r.withLength(r.part(0, 9, [1])), ...r.sequenced(RELIABLE, MESSAGE)]),
    "a join that another follows": raw([...r.withLength(r.join()), ...HEARTBEAT], ATTEMPT),
    "a join for a slot": raw(r.join(), { handshake: true, slot: 7 }),
    "a hint for a slot": raw(r.hint(9, 1), { handshake: true, slot: 7, counter: 0 }),
    "a loose message for a slot": raw(r.loose(1), { handshake: true, slot: 7, counter: 0 }),
    "an accept for no slot": raw(r.accept(), ATTEMPT),
    "a join in an association": raw(r.join(), { slot: 0 }),
    "a heartbeat outside an association": raw(HEARTBEAT, { handshake: true }),
    "a heartbeat for no slot": raw(HEARTBEAT, { slot: 0 }),
  }),
  ...ofObligation("O16", "delivery", {
    "mode 5": raw(r.sequenced(5, MESSAGE)),
    "form 5": raw(r.sequenced(r.reliable(5), MESSAGE)),
    "reserved bits": raw(r.sequenced(RELIABLE | 0x40, MESSAGE)),
    "a sequenced packet of mode fire-and-forget": raw(r.sequenced(MODE["fire-and-forget"], MESSAGE)),
    "a part of mode fire-and-forget": raw(r.part(0, 9, [1], 3, MODE["fire-and-forget"])),
    "a fire-and-forget packet of mode reliable": raw(r.fireAndForget(RELIABLE, MESSAGE)),
    "fire-and-forget abandoned": raw(r.fireAndForget(FORM.abandoned << 3, u48(1))),
    "an open with a form": raw(r.open(r.reliable(FORM.first))),
    "a sync with a form": raw(r.sync(1, 9, []).with(5, r.reliable(FORM.last))),
    "a sync of mode fire-and-forget": raw(r.sync(1, 9, []).with(5, MODE["fire-and-forget"])),
  }),
  ...ofObligation("O17", "ranges", {
    "65 received": raw(r.status(apart(65), [])),
    "65 missing": raw(r.status([], apart(65))),
    "65 missing in a feedback": raw(r.feedback(200, { reach: 199, missing: Array<number[]>(65).fill([1, 0]).flat() })),
    "missing above the highest counter": raw(r.feedback(9, { reach: 8, missing: [0, 0] })),
    "missing in a feedback that touch": raw(r.feedback(9, { reach: 8, missing: [1, 0, 0, 0] })),
    "missing below the reach, behind a range": raw(r.feedback(9, { reach: 8, missing: [1, 0, 7, 0] })),
    "missing below the reach, at the end of a range": raw(r.feedback(9, { reach: 8, missing: [1, 8] })),
    "missing where the reach is 0": raw(r.feedback(9, { missing: [1, 0] })),
    "a skip not in its shortest form": raw(r.feedback(9, { reach: 8, missing: [0x81, 0, 0] })),
    "a more not in its shortest form": raw(r.feedback(9, { reach: 8, missing: [1, 0x80, 0] })),
    "a skip of four bytes": raw(r.feedback(9, { reach: 8, missing: [0x81, 0x80, 0x80, 0] })),
    "65 gone": raw(r.sync(1, 999, Array<[number, number, number]>(65).fill([1, 0, 4]))),
    "received at the edge": raw(r.status([0, 0], [])),
    "received that touch": raw(r.status([1, 0, 0, 0], [])),
    "missing that touch": raw(r.status([], [0, 0, 0, 0])),
    "received past the spread": raw(r.status([1, 65_535], [])),
    "missing past the spread": raw(r.status([], [0, 65_534, 1, 0])),
    "a packet received and missing, at its start": raw(r.status([1, 3], [0, 1])),
    "a packet received and missing, inside": raw(r.status([1, 3], [2, 0])),
    "a packet received and missing, at its end": raw(r.status([1, 3], [4, 3])),
    "a packet received and missing, in a range that touches the one before": raw(r.status([1, 0, 1, 0], [2, 1])),
    "a packet received and missing, in later ranges": raw(r.status([1, 0, 8, 1], [0, 0, 3, 0, 6, 0])),
    "gone at the low mark": raw(r.sync(1, 9, [[0, 0, 4]])),
    "gone above the high mark": raw(r.sync(1, 9, [[1, 7, 4]])),
    "begun falling below the sync's own": raw(r.sync(1, 9, [[1, 0, 3]])),
    "begun falling from range to range": raw(
      r.sync(1, 9, [
        [1, 0, 6],
        [1, 0, 5],
      ]),
    ),
  }),
  ...ofObligation("O18", "number", {
    "a counter above the most": raw(HEARTBEAT, { counter: ABOVE }),
    "a rate above the most": raw([KIND.rate, ...zeros(4), ...u48(ABOVE)]),
    "a counter above the most, of an unknown kind": raw([0], { counter: ABOVE }),
    "a packet number above the most": raw(r.sequenced(RELIABLE, MESSAGE, ABOVE)),
    "a first number above the most": raw(r.open(RELIABLE, ABOVE)),
    "a final number above the most": raw(r.end(ABOVE, 4)),
    "begun above the most in an end": raw(r.end(9, ABOVE)),
    "a final number above the most in a reset": raw(r.reset(ABOVE, 4)),
    "begun above the most in a reset": raw(r.reset(9, ABOVE)),
    "a cumulative edge above the most": raw(r.status([], [], { cumulative: ABOVE })),
    "a high mark above the most": raw(r.sync(1, ABOVE, [])),
    "low above high": raw(r.sync(9, 8, [])),
    "begun above the most in a sync": raw(r.sync(1, 9, [], ABOVE)),
    "begun above the most in a gone range": raw(r.sync(1, 9, [[1, 0, ABOVE]])),
    "the counter of a feedback above the most": raw(r.feedback(ABOVE)),
    "datagrams above the most": raw(r.feedback(1, { datagrams: ABOVE })),
    "congestion above the most": raw(r.feedback(1, { congestion: ABOVE })),
    "ect0 above the most": raw(r.feedback(1, { ect0: ABOVE })),
    "the counter of a hint above the most": raw(r.hint(9, ABOVE), UNASKED),
    "a message number above the most": raw(r.last(ABOVE, 9, [1])),
    "a message number above the most, and no bytes": raw(r.first(ABOVE, 9, [])),
    "an abandoned message above the most, and bytes": raw(r.abandoned(ABOVE, [1])),
  }),
  ...ofObligation("O19", "value", {
    "a reach to counter 0": raw(r.feedback(9, { reach: 9 })),
    "a reach where nothing came": raw(r.feedback(0, { datagrams: 0, reach: 1 })),
    "counter 0 in an association": raw(HEARTBEAT, { counter: 0 }),
    "counter 0, of a join": raw(r.join(), { ...ATTEMPT, counter: 0 }),
    "counter 0, of an answer": raw(r.challenge(1, 1, [7]), { ...ANSWER, counter: 0 }),
    "counter 0, of a refuse": raw([KIND.refuse, 2, 0], { ...ANSWER, counter: 0 }),
    "a hint with a counter": raw(r.hint(9, 1), { ...UNASKED, counter: 1 }),
    "a loose message with a counter": raw(r.loose(1), { ...UNASKED, counter: 1 }),
    "stream 0 in data": raw(r.part(0, 9, [1], 0)),
    "stream 0 in a fire-and-forget packet": raw(r.fireAndForget(0, MESSAGE).with(1, 0)),
    "stream 0 in control": raw(r.stop(0)),
    "a part without bytes": raw(r.part(0, 4, [])),
    "a part as long as its total": raw(r.part(0, 2, [1, 2])),
    "a part past its total": raw(r.part(3, 4, [1, 2])),
    "a first number for fire-and-forget": raw(r.open(MODE["fire-and-forget"], 1)),
    "metadata that is too long": raw(r.open(RELIABLE, 0, zeros(1025))),
    "an unknown state bit": raw(r.status([], [], { state: 16 })),
    "ahead with room": raw(r.status([], [0, 0], { state: 8 })),
    "ahead without a missing range": raw(r.status([1, 0], [], { state: 12 })),
    "ahead without a missing range, with too many received": raw(r.status(apart(65), [], { state: 12 })),
    "ahead with start unknown": raw(r.status([], [0, 0], { state: 13, cumulative: 0 })),
    "start unknown with a cumulative edge": raw(r.status([], [], { state: 1 })),
    "start unknown with ranges": raw(r.status([1, 0], [], { state: 1, cumulative: 0 })),
    "start unknown with too many missing": raw(r.status([], apart(65), { state: 1, cumulative: 0 })),
    "text that is too long": raw(r.goodbye(r.utf8("a".repeat(257)))),
    "text that is no UTF-8: a byte that continues nothing": raw(r.goodbye([0x80])),
    "text that is no UTF-8: an overlong form of two bytes": raw(r.goodbye([0xc1, 0xbf])),
    "text that is no UTF-8: an overlong form of three bytes": raw(r.goodbye([0xe0, 0x9f, 0xbf])),
    "text that is no UTF-8: an overlong form of four bytes": raw(r.goodbye([0xf0, 0x8f, 0xbf, 0xbf])),
    "text that is no UTF-8: a surrogate": raw(r.goodbye([0xed, 0xa0, 0x80])),
    "text that is no UTF-8: above U+10FFFF": raw(r.goodbye([0xf4, 0x90, 0x80, 0x80])),
    "text that is no UTF-8: a lead that is none": raw(r.goodbye([0xf5, 0x80, 0x80, 0x80])),
    "text that is no UTF-8: cut off": raw(r.goodbye([0xe2, 0x82])),
    "text that is no UTF-8: a character in a character": raw(r.goodbye([0xe2, 0x82, 0x41])),
    "text of a refuse that is no UTF-8": raw([KIND.refuse, ...u16(2), 0xff], ANSWER),
    "port 0 in a join": raw(r.join({ option: V4, address: [127, 0, 0, 1, 0, 0] }), ATTEMPT),
    "versions the wrong way round": raw(r.join({ versions: [2, 1] }), ATTEMPT),
    "slot 0 in a join": raw(r.join({ slot: 0 }), ATTEMPT),
    "unique 0 in a join": raw(r.join({ unique: 0 }), ATTEMPT),
    "a token without a session": raw(r.join({ token: [1, 7] }), ATTEMPT),
    "a token without a session, cut off": raw(r.join({ token: [9], tail: [] }), ATTEMPT),
    "a token that is too long": raw(r.join({ session: 2, token: [65, ...zeros(65)] }), ATTEMPT),
    "a key exchange without keys": raw(r.join({ tail: [...u16(32), ...zeros(32)] }), ATTEMPT),
    "a key exchange of another length in a join": inAead(r.join({ tail: [...u16(48), ...zeros(48)] }), ATTEMPT),
    "a key exchange of another length in an accept, cut off": inAead(r.accept({ tail: [...u16(96), 1] }), ANSWER),
    "a key exchange without keys, cut off": raw(r.join({ tail: [...u16(32), 1] }), ATTEMPT),
    ...limitsOutside((limitBytes) => raw(r.join({ limitBytes }), ATTEMPT)),
    "unique 0 in a challenge": raw(r.challenge(0, 1, [7]), ANSWER),
    "a challenge without a token": raw(r.challenge(1, 0, []), ANSWER),
    "a challenge with a token that is too long": raw(r.challenge(1, 65, zeros(65)), ANSWER),
    "port 0 in an accept": raw(r.accept({ option: V4, address: [127, 0, 0, 1, 0, 0] }), ANSWER),
    "slot 0 in an accept": raw(r.accept({ slot: 0 }), ANSWER),
    "unique 0 in an accept": raw(r.accept({ unique: 0 }), ANSWER),
    "session 0 in an accept": raw(r.accept({ session: 0 }), ANSWER),
    "a status delay of 0 in an accept": raw(r.accept({ limitBytes: r.limits({ statusDelayMs: 0 }) }), ANSWER),
    "a key exchange in an accept, cut off": raw(r.accept({ tail: u16(1) }), ANSWER),
    "slot 0 in a hint": raw(r.hint(0, 1), UNASKED),
    "counter 0 in a hint": raw(r.hint(9, 0), UNASKED),
    "unique 0 in a loose message": raw(r.loose(0), UNASKED),
  }),
  ...ofObligation("O20", "padding", {
    "padding of a join that is not zero": raw(r.join({ tail: [...zeros(30), 1] }), ATTEMPT),
    "padding behind a key exchange that is not zero": inAead(r.join({ tail: [...u16(96), ...zeros(99), 1] }), ATTEMPT),
    "padding of an accept that is not zero": raw(r.accept({ tail: [...zeros(2), 1, ...zeros(9)] }), ANSWER),
    "padding of a probe that is not zero": raw(r.mtuProbe(FLAG_WANTED, 32, [...zeros(9), 1])),
    "a probe shorter than its size": raw(r.mtuProbe(FLAG_WANTED, 33, zeros(10))),
    "a probe longer than its size": raw(r.mtuProbe(FLAG_WANTED, 31, zeros(10))),
    "a probe that counts a tag, profile none": inNone(raw(r.mtuProbe(FLAG_WANTED, 32, zeros(10)), { profile: 0 })),
    "an answer with padding": raw(r.mtuProbe(0, 500, [0])),
  }),
  ...ofObligation("O21", "payload", {
    "an empty payload": raw(r.sequenced(RELIABLE, [])),
    "an empty payload, profile none": inNone(raw(r.fireAndForget(0, []), { profile: 0 })),
    "a type cut off": raw(r.sequenced(RELIABLE, [...MESSAGE, 1])),
    "a length missing": raw(r.sequenced(RELIABLE, [...MESSAGE, 1, 0])),
    "a length cut off": raw(r.sequenced(RELIABLE, [...MESSAGE, 1, 0, 0x80])),
    "a message cut off": raw(r.sequenced(RELIABLE, [...MESSAGE, 1, 0, 3, 1])),
    "a length not in its shortest form": raw(r.sequenced(RELIABLE, [...u16(1), 0x80, 0])),
    "a length of three bytes not in its shortest form": raw(r.sequenced(RELIABLE, [...u16(1), 0x81, 0x80, 0, 7])),
    "a length of four bytes": raw(r.sequenced(RELIABLE, [...u16(1), 0x80, 0x80, 0x80, 1])),
    "a first piece cut in its fields": raw(r.first(0, 9, []).slice(0, -1)),
    "a first piece without bytes": raw(r.first(0, 9, [])),
    "a first piece as long as its total": raw(r.first(0, 2, [1, 2])),
    "a middle piece without bytes": raw(r.middle(0, 9, 2, [])),
    "a middle piece at the start": raw(r.middle(0, 9, 0, [1])),
    "a middle piece that touches the end": raw(r.middle(0, 9, 8, [1])),
    "a middle piece whose end passes 32 bits": raw(r.middle(0, 9, 0xffff_ffff, [1, 2])),
    "a last piece without bytes": raw(r.last(0, 9, [])),
    "a last piece as long as its total": raw(r.last(0, 2, [1, 2])),
    "an abandoned piece cut off": raw(r.abandoned(0).slice(0, -1)),
    "an abandoned piece with bytes": raw(r.abandoned(0, [1])),
  }),
]

/** This many ranges of one packet, with one packet between each and the next. */
function apart(count: number): number[] {
  return Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? 1 : 0))
}

function limitsOutside(make: (limitBytes: number[]) => Uint8Array): Record<string, Uint8Array> {
  return {
    "datagrams below the floor": make(r.limits({ datagramBytes: 547 })),
    "datagrams above what UDP carries": make(r.limits({ datagramBytes: 65_508 })),
    "63 datagrams in flight": make(r.limits({ inFlight: 63 })),
    "1,048,577 datagrams in flight": make(r.limits({ inFlight: 1_048_577 })),
    "a spread of 32": make(r.limits({ spread: 32 })),
    "a spread of 131,072": make(r.limits({ spread: 131_072 })),
    "a spread that is no power of two": make(r.limits({ spread: 1000 })),
    "a status delay of 0": make(r.limits({ statusDelayMs: 0 })),
    "a status delay of 1,001": make(r.limits({ statusDelayMs: 1001 })),
  }
}
