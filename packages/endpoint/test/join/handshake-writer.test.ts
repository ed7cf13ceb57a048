// What datagrams outside an association contain, where they go, how long they are, and when none is written.

import { createNetwork } from "@x/transport/simulated"
import * as wire from "@x/wire"
import { describe, expect, test } from "vitest"
import type { Handshake, ReceivedDatagram } from "../../src/join/handshake-reader.ts"
import { type Asked, ZERO_SEED } from "../../src/join/handshake-writer.ts"
import type { Exchange } from "../../src/join/joiner.ts"
import { NO_IDENTITY } from "../../src/keys/identity.ts"
import type { NoiseResponder } from "../../src/keys/noise.ts"
import type { StaticKey } from "../../src/keys/noise-ik.ts"
import { LIMITS } from "../peer/limits.ts"
import { Correspondent, JOIN_SLOT, SECRET, THERE } from "./correspondent.ts"

const KEYED = { profile: wire.PROFILE.mac, secret: SECRET }
const NOTHING = new Uint8Array(0)
const SESSION = new Uint8Array(8).fill(0x55)
const TOKEN = Uint8Array.from({ length: 40 }, (_, i) => i)
const ASKED: Asked = {
  address: THERE,
  slot: JOIN_SLOT,
  attempt: 3,
  length: 1_200,
  seed: ZERO_SEED,
  responder: undefined,
}
const ACCEPT = { slot: 77, session: SESSION, exchange: NOTHING }

/** A joiner that was challenged: its next try answers. */
function challenged(by: Correspondent) {
  const joiner = by.joiner()
  joiner.poll(0)
  joiner.answer(
    joiner.candidates[0]!,
    { unique: new Uint8Array(8).fill(2), token: TOKEN, session: SESSION, order: 4, slotInUse: 6 },
    0,
  )
  return joiner
}

function read(by: Correspondent, datagram: ReceivedDatagram, exchange?: Exchange): Handshake {
  const handshake = by.reader.read(datagram, { seed: ZERO_SEED, exchange })
  if (typeof handshake === "string") throw new Error(`it was dropped: ${handshake}`)
  return handshake
}

function prefixOf({ view }: ReceivedDatagram): object {
  return { slot: wire.prefixSlot(view, 0), counter: wire.prefixCounter(view, 0), epoch: wire.prefixEpoch(view, 0) }
}

/** What `b` needs of a genuine join of `a` to answer it. */
function askedBy(a: Correspondent, b: Correspondent): { asked: Asked; exchange: Exchange | undefined } {
  const { datagram, exchange } = a.join()
  const handshake = read(b, datagram)
  if (handshake.kind !== "join") throw new Error("it is no join")
  return { asked: { ...ASKED, attempt: handshake.attempt, responder: handshake.opened?.responder }, exchange }
}

describe.each([
  ["in the clear", {}],
  ["sealed", KEYED],
])("a join, %s", (_, options) => {
  test("tells who asks and what it takes, for whoever is there", () => {
    const [a, b] = [new Correspondent(1, options), new Correspondent(2, options)]
    const { datagram } = a.join(a.joiner({ firstSession: SESSION }))
    expect(datagram.address).toBe(THERE)
    expect(prefixOf(datagram)).toMatchObject({ slot: 0, counter: 1 })
    expect(read(b, datagram)).toMatchObject({
      kind: "join",
      join: {
        ...{ address: undefined, versionMin: wire.VERSION, versionMax: wire.VERSION, slotInUse: 0 },
        ...{ slot: JOIN_SLOT, unique: a.unique, session: SESSION, receiverUnique: NO_IDENTITY },
        ...{ limits: LIMITS, order: 0, token: NOTHING, exchange: NOTHING },
      },
    })
  })

  test("that answers a challenge says to which incarnation, of which session and order, and brings the token", () => {
    const [a, b] = [new Correspondent(1, options), new Correspondent(2, options)]
    expect(read(b, a.join(challenged(a)).datagram)).toMatchObject({
      attempt: 2,
      join: { receiverUnique: new Uint8Array(8).fill(2), session: SESSION, order: 4, slotInUse: 6, token: TOKEN },
    })
  })

  test("fills a datagram of the base size, and the least one when those were of no use", () => {
    const a = new Correspondent(1, options)
    const joiner = a.joiner({ timeoutMs: 60_000 })
    const lengths: number[] = []
    for (let nowMs = 0; lengths.length < 6; nowMs = joiner.nextTimeoutMs)
      lengths.push(a.join(joiner, nowMs).datagram.length)
    const [full, small] = [wire.DATAGRAM_BYTES_BASE, wire.DATAGRAM_BYTES_FLOOR]
    // The gap of a sealed one is taken from its padding.
    expect(lengths).toEqual([full, full, full, full, small, small])
  })
})

test("without keys a join begins no exchange; with keys it tells of which try its answer is", () => {
  expect(new Correspondent(1).join().exchange).toBeUndefined()
  const a = new Correspondent(1, KEYED)
  const joiner = challenged(a)
  expect(a.join(joiner, 20).exchange).toMatchObject({
    ...{ address: THERE, sentMs: 20, session: SESSION, order: 4, identity: undefined },
  })
})

test("a join for a member shows who asks, to that member alone", () => {
  const { crypto } = createNetwork({ seed: 1 }).host("a")
  const [aKey, bKey, cKey] = [1, 2, 3].map((id) => {
    const privateKey = new Uint8Array(32).fill(id)
    return { privateKey, publicKey: crypto.x25519PublicKey(privateKey) }
  })
  const member = (id: number, own: StaticKey) =>
    new Correspondent(id, { ...KEYED, identity: { own, trust: () => true } })
  const [a, b, c] = [member(1, aKey!), member(2, bKey!), member(3, cKey!)]
  const { datagram, exchange } = a.join(a.joiner({ publicKey: bKey!.publicKey, firstSession: SESSION }))
  expect(exchange!.identity).toBeDefined()
  const shownTo = (it: Correspondent): Uint8Array | undefined => {
    const handshake = read(it, datagram)
    if (handshake.kind !== "join") throw new Error("it is no join")
    expect(handshake.join.exchange).toHaveLength(wire.EXCHANGE_BYTES.join)
    return it.sealed!.readIdentity(handshake.opened!, handshake.join)?.publicKey
  }
  expect([shownTo(b), shownTo(c)]).toEqual([aKey!.publicKey, undefined])
})

describe.each([
  ["in the clear", {}],
  ["sealed", KEYED],
])("an answer, %s", (_, options) => {
  test("goes to the slot, the try and the address that asked", () => {
    const [a, b] = [new Correspondent(1, options), new Correspondent(2, options)]
    const { asked } = askedBy(a, b)
    const isSealed = asked.responder !== undefined
    b.writer.challenge({ ...asked, address: 4, attempt: 8 }, TOKEN)
    b.writer.refuse({ ...asked, address: 4, attempt: 8 }, { reason: 1, text: "" })
    b.writer.accept({ ...asked, address: 4, attempt: 8, length: 600 }, ACCEPT)
    const sent = b.sent()
    expect(sent.map(({ address }) => address)).toEqual([4, 4, 4])
    const prefix = { slot: JOIN_SLOT, counter: 8 }
    // Only an accept is a message of the exchange.
    expect(sent.map((datagram) => prefixOf(datagram))).toMatchObject(
      isSealed
        ? [
            { ...prefix, epoch: 0 },
            { ...prefix, epoch: 0 },
            { ...prefix, epoch: 1 },
          ]
        : [prefix, prefix, prefix],
    )
  })

  test("a challenge says who is there, and the token that is to come back", () => {
    const [a, b] = [new Correspondent(1, options), new Correspondent(2, options)]
    const { asked, exchange } = askedBy(a, b)
    b.writer.challenge(asked, TOKEN)
    expect(read(a, b.sentOne(), exchange)).toMatchObject({
      ...{ kind: "challenge", attempt: 1, challenge: { unique: b.unique, token: TOKEN } },
    })
  })

  test("a refusal says why", () => {
    const [a, b] = [new Correspondent(1, options), new Correspondent(2, options)]
    const { asked, exchange } = askedBy(a, b)
    const refusal = { reason: wire.REASON.peersFull, text: "too many peers" }
    b.writer.refuse(asked, refusal)
    expect(read(a, b.sentOne(), exchange)).toMatchObject({ kind: "refuse", attempt: 1, refusal })
  })

  test("an accept names the slot and session, and what this side takes", () => {
    const [a, b] = [new Correspondent(1, options), new Correspondent(2, options)]
    const { asked, exchange } = askedBy(a, b)
    const result = b.writer.accept({ ...asked, length: wire.DATAGRAM_BYTES_BASE }, ACCEPT)
    expect(result !== undefined).toBe(asked.responder !== undefined)
    expect(read(a, b.sentOne(), exchange)).toMatchObject({
      ...{ kind: "accept", attempt: 1, exchange, result },
      accept: { ...ACCEPT, unique: b.unique, version: wire.VERSION, limits: LIMITS, address: undefined, features: 0 },
    })
  })

  test.each([
    [wire.DATAGRAM_BYTES_FLOOR, wire.DATAGRAM_BYTES_FLOOR],
    [700, 700],
    [wire.DATAGRAM_BYTES_BASE + 1, wire.DATAGRAM_BYTES_BASE],
  ])(
    "an accept of a join of %i bytes has %i: no more than came, and no more than the base size",
    (joinBytes, bytes) => {
      const [a, b] = [new Correspondent(1, options), new Correspondent(2, options)]
      const { asked } = askedBy(a, b)
      b.writer.accept({ ...asked, length: joinBytes }, ACCEPT)
      expect(b.sentOne().length).toBe(bytes)
    },
  )

  test("is not written while the socket is full", () => {
    const [a, b] = [new Correspondent(1, options), new Correspondent(2, options)]
    const { asked } = askedBy(a, b)
    b.fill()
    expect(b.writer.makeRoom()).toBe(false)
    b.writer.challenge(asked, TOKEN)
    b.writer.refuse(asked, { reason: 1, text: "" })
    expect(b.writer.accept({ ...asked, length: 600 }, ACCEPT)).toBeUndefined()
    b.tap.room = Infinity
    expect(b.sent()).toHaveLength(1)
    expect(b.writer.makeRoom()).toBe(true)
  })
})

test("nothing is sent where an exchange gives no keys", () => {
  const [a, b] = [new Correspondent(1, KEYED), new Correspondent(2, KEYED)]
  const { asked } = askedBy(a, b)
  // As with a public key of small order.
  const responder = { write: () => undefined } as unknown as NoiseResponder
  expect(b.writer.accept({ ...asked, responder, length: 600 }, ACCEPT)).toBe("no keys")
  expect(b.sent()).toEqual([])
})

test.each([
  ["in the clear", {}],
  ["sealed", KEYED],
])("no refusal is longer than what it answers, %s: its text is cut", (_, options) => {
  const [a, b] = [new Correspondent(1, options), new Correspondent(2, options)]
  const { asked, exchange } = askedBy(a, b)
  const text = "the joiner's key isn't welcome, it asked for another member's, or one of the two has no identity"
  for (const length of [1_200, 150, 130, 118]) {
    b.writer.refuse({ ...asked, length }, { reason: wire.REASON.untrusted, text })
    const datagram = b.sentOne()
    expect(datagram.length).toBeLessThanOrEqual(length)
    const { refusal } = read(a, datagram, exchange) as Extract<Handshake, { kind: "refuse" }>
    expect([refusal.reason, text.startsWith(refusal.text)]).toEqual([wire.REASON.untrusted, true])
    if (length === 1_200) expect(refusal.text).toBe(text)
  }
})
