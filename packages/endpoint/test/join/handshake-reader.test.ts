// How a datagram outside an association is read, and why one is dropped.

import * as wire from "@x/wire"
import { describe, expect, test } from "vitest"
import type { Handshake, ReceivedDatagram } from "../../src/join/handshake-reader.ts"
import { type Asked, ZERO_SEED } from "../../src/join/handshake-writer.ts"
import type { Exchange } from "../../src/join/joiner.ts"
import { NO_IDENTITY } from "../../src/keys/identity.ts"
import { ANSWER, HANDSHAKE_GAP_BYTES, JOIN_GAP_BYTES } from "../../src/keys/sealed-handshakes.ts"
import { Correspondent, JOIN_SLOT, SECRET, THERE } from "./correspondent.ts"

const CHECKSUM = { profile: wire.PROFILE.checksum }
const KEYED = { profile: wire.PROFILE.mac, secret: SECRET }
const SESSION = new Uint8Array(8).fill(0x55)
const TOKEN = Uint8Array.of(1, 2, 3)
const SEED = wire.pseudoHeaderSeed({ receiverUnique: SESSION })
const ASKED: Asked = { address: THERE, slot: JOIN_SLOT, attempt: 3, length: 1_200, seed: SEED, responder: undefined }
const ACCEPT = { slot: 77, session: SESSION, exchange: new Uint8Array(0) }

/** The same datagram with one of its bytes changed, counted from its end. */
function spoilt({ bytes, ...rest }: ReceivedDatagram, fromEnd: number): ReceivedDatagram {
  const changed = bytes.slice()
  changed[changed.length - fromEnd]! ^= 1
  return { ...rest, bytes: changed, view: new DataView(changed.buffer) }
}

/** The same datagram without its last bytes. */
function cut(datagram: ReceivedDatagram, bytes: number): ReceivedDatagram {
  return { ...datagram, length: datagram.length - bytes }
}

/** The result: its kind, or why it was dropped. */
function outcome(it: Handshake | wire.DropReason): string {
  return typeof it === "string" ? it : it.kind
}

/** A datagram in the clear with one packet. */
function written(
  by: Correspondent,
  { kind, slot, counter }: { kind: number; slot: number; counter: number },
  write: (view: DataView, body: number) => number,
): ReceivedDatagram {
  const { outbox } = by
  outbox.composeHandshake()
  const { writer } = outbox
  writer.finish(write(writer.view, writer.begin(kind)))
  outbox.postHandshake(THERE, slot, counter, ZERO_SEED)
  return by.sentOne()
}

describe.each([
  ["none", {}],
  ["checksum", CHECKSUM],
])("in profile %s", (_, options) => {
  const a = new Correspondent(1, options)
  const b = new Correspondent(2, options)
  const read = (datagram: ReceivedDatagram, seed = SEED) => b.reader.read(datagram, { seed, exchange: undefined })

  test("each kind tells its try, its bytes and its source", () => {
    const join = a.join().datagram
    expect(read(join, ZERO_SEED)).toMatchObject({ kind: "join", attempt: 1, length: 1_200, address: THERE })
    a.writer.challenge(ASKED, TOKEN)
    a.writer.refuse(ASKED, { reason: 6, text: "no" })
    a.writer.accept({ ...ASKED, length: 600 }, ACCEPT)
    const answers = a.sent()
    expect(answers.map((datagram) => read(datagram))).toMatchObject([
      { kind: "challenge", challenge: { unique: a.unique, token: TOKEN } },
      { kind: "refuse", refusal: { reason: 6, text: "no" } },
      { kind: "accept", accept: { slot: 77, session: SESSION }, exchange: undefined, result: undefined },
    ])
    for (const it of answers)
      expect(read(it)).toMatchObject({ attempt: ASKED.attempt, length: it.length, address: THERE })
  })

  test("a hint is read, and answers no try", () => {
    const hint = { slot: 5, counter: 9 }
    const datagram = written(a, { kind: wire.KIND.hint, slot: 0, counter: 0 }, (view, body) =>
      wire.writeHint(view, body, hint),
    )
    expect(read(datagram, ZERO_SEED)).toMatchObject({ kind: "hint", hint, attempt: 0 })
  })

  test("a message outside an association isn't welcome", () => {
    const loose = { receiverUnique: NO_IDENTITY, unique: a.unique, type: 1, bytes: TOKEN }
    const datagram = written(a, { kind: wire.KIND.loose, slot: 0, counter: 0 }, (view, body) =>
      wire.writeLoose(view, body, loose),
    )
    expect(read(datagram, ZERO_SEED)).toBe("not-welcome")
  })

  test("a datagram is read where it lies among others", () => {
    const { bytes, length } = a.join().datagram
    const slab = new Uint8Array(length + 100).fill(0xff)
    slab.set(bytes, 50)
    const around = { view: new DataView(slab.buffer), bytes: slab, offset: 50, length, address: 4 }
    expect(read(around, ZERO_SEED)).toMatchObject({ kind: "join", attempt: 1, length, address: 4 })
  })
})

test("without a tag what isn't well-formed is dropped for what is wrong with it", () => {
  const [a, b] = [new Correspondent(1), new Correspondent(2)]
  const { datagram } = a.join()
  const read = (it: ReceivedDatagram) => b.reader.read(it, { seed: ZERO_SEED, exchange: undefined })
  expect(read(spoilt(datagram, 1))).toBe("padding")
  expect(read(cut(datagram, datagram.length - 30))).toBe("truncated")
})

test("a checksum is checked under the seed that is expected, before anything else", () => {
  const [a, b] = [new Correspondent(1, CHECKSUM), new Correspondent(2, CHECKSUM)]
  a.writer.challenge(ASKED, TOKEN)
  const datagram = a.sentOne()
  const read = (it: ReceivedDatagram, seed: number) => outcome(b.reader.read(it, { seed, exchange: undefined }))
  expect([read(datagram, SEED), read(datagram, ZERO_SEED)]).toEqual(["challenge", "tag"])
  for (let fromEnd = 1; fromEnd <= 20; fromEnd++) expect(read(spoilt(datagram, fromEnd), SEED)).toBe("tag")
})

describe("with keys", () => {
  /** A genuine join of `a` at `b`, and how each reads later datagrams. */
  function opened() {
    const [a, b] = [new Correspondent(1, KEYED), new Correspondent(2, KEYED)]
    const { datagram, exchange } = a.join()
    const read = (it: ReceivedDatagram, by = a, of: Exchange | undefined = exchange) =>
      by.reader.read(it, { seed: ZERO_SEED, exchange: of })
    const join = b.reader.read(datagram, { seed: ZERO_SEED, exchange: undefined })
    if (typeof join === "string" || join.kind !== "join") throw new Error("the join was dropped")
    const asked: Asked = { ...ASKED, responder: join.opened!.responder }
    return { a, b, datagram, exchange: exchange!, read, join: join.opened!, asked }
  }

  /** An answer of `b` that is sealed incorrectly. */
  function missealed(b: Correspondent, kind: number, epoch: number, seal: (packets: Uint8Array) => Uint8Array) {
    const { outbox } = b
    outbox.composeHandshake(HANDSHAKE_GAP_BYTES)
    const { writer } = outbox
    const body = writer.begin(kind)
    writer.finish(
      kind === wire.KIND.challenge
        ? wire.writeChallenge(writer.view, body, { unique: b.unique, token: TOKEN })
        : wire.writeReasonText(writer.view, body, { reason: 1, text: "" }),
    )
    outbox.postSealed(THERE, JOIN_SLOT, 1, epoch, HANDSHAKE_GAP_BYTES, (_prefix, packets) => seal(packets))
    return b.sentOne()
  }

  test("a genuine join is opened, and tells what it can be answered with", () => {
    const { datagram, b } = opened()
    expect(b.reader.read(datagram, { seed: ZERO_SEED, exchange: undefined })).toMatchObject({
      ...{ kind: "join", attempt: 1, length: datagram.length, address: THERE, opened: { kind: "join" } },
    })
  })

  test("a join by a stranger, or one that was changed, is dropped unread", () => {
    const { datagram, b } = opened()
    const read = (it: ReceivedDatagram) => outcome(b.reader.read(it, { seed: ZERO_SEED, exchange: undefined }))
    const stranger = new Correspondent(3, { ...KEYED, secret: SECRET.map((byte) => byte + 1) })
    expect(read(stranger.join().datagram)).toBe("tag")
    for (const fromEnd of [1, 17, 600, datagram.length - 16, datagram.length])
      expect(read(spoilt(datagram, fromEnd))).toBe("tag")
    expect(read(cut(datagram, 1))).toBe("tag")
    expect(read(cut(datagram, datagram.length - 40))).toBe("too-short")
  })

  test("both sides of an accept have the same keys, and the joiner knows which try it answers", () => {
    const { b, read, asked, exchange } = opened()
    const result = b.writer.accept({ ...asked, length: 600 }, ACCEPT)
    expect(read(b.sentOne())).toMatchObject({ kind: "accept", exchange, result, accept: { session: SESSION } })
    expect(result).toMatchObject({ chainingKey: expect.any(Uint8Array) as Uint8Array })
  })

  test("an answer to another try, or one that was changed, is dropped unread", () => {
    const { a, b, read, asked } = opened()
    const other = a.join().exchange
    b.writer.challenge(asked, TOKEN)
    b.writer.accept({ ...asked, length: 600 }, ACCEPT)
    for (const it of b.sent()) {
      expect(typeof read(it)).not.toBe("string")
      expect(read(it, a, other)).toBe("tag")
      expect(read(spoilt(it, 1))).toBe("tag")
      expect(read(cut(it, it.length - 40))).toBe("too-short")
    }
  })

  test("a join is no answer, and an answer no join", () => {
    const { b, datagram, read, asked } = opened()
    b.writer.challenge(asked, TOKEN)
    expect(b.reader.read(b.sentOne(), { seed: ZERO_SEED, exchange: undefined })).toBe("tag")
    expect(read(datagram)).toBe("tag")
  })

  test("what goes beside the exchange is no message of it", () => {
    const { b, read, join } = opened()
    const random = b.sealed!.random()
    const aside = (packets: Uint8Array): Uint8Array => join.responder.writeAside(random, packets)
    const message = (packets: Uint8Array): Uint8Array => join.responder.write(random, packets)!.message
    for (const [kind, name] of [
      [wire.KIND.challenge, "challenge"],
      [wire.KIND.refuse, "refuse"],
    ] as const) {
      expect(outcome(read(missealed(b, kind, ANSWER.aside, aside)))).toBe(name)
      expect(read(missealed(b, kind, ANSWER.accept, message))).toBe("unexpected")
    }
  })

  test.each([
    ["hint", wire.KIND.hint],
    ["loose message", wire.KIND.loose],
  ])("a %s isn't said where there are keys, not even by one that has them", (_, kind) => {
    const { a, b } = opened()
    const { outbox } = a
    outbox.composeHandshake(JOIN_GAP_BYTES)
    const { writer } = outbox
    const body = writer.begin(kind)
    const loose = { receiverUnique: NO_IDENTITY, unique: a.unique, type: 1, bytes: TOKEN }
    writer.finish(
      kind === wire.KIND.hint
        ? wire.writeHint(writer.view, body, { slot: 1, counter: 1 })
        : wire.writeLoose(writer.view, body, loose),
    )
    outbox.postSealed(THERE, 0, 0, 0, JOIN_GAP_BYTES, (prefix, packets) => a.sealed!.begin(prefix, packets).message)
    expect(b.reader.read(a.sentOne(), { seed: ZERO_SEED, exchange: undefined })).toBe("unexpected")
  })
})
