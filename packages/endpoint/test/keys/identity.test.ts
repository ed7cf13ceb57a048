/** Members with keys of their own, beside the secret that they share. */
import { Endpoint, type EndpointOptions, type IdentityOptions } from "@x/endpoint"
import * as wire from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { ANSWER, SealedHandshakes } from "../../src/keys/sealed-handshakes.ts"
import { v4Of } from "../catalogue/forger.ts"
import { group, hostWithUnique, keyOf, publicKeyOf, SECRET } from "../members.ts"
import { PORT } from "../world.ts"
import { runs } from "../../../../tools/testkit/src/runs.ts"

test("two that trust each other's keys know each other by them, both ways, also as another process", async () => {
  const { network, member } = group(1)
  const a = await member("a", ["b"])
  const b = await member("b", ["a"])
  const received: number[] = []
  for (const endpoint of [a, b]) endpoint.handle(1, ({ length }) => received.push(length))
  const toB = await network.until(a.join(`b:${PORT}`, { publicKey: b.publicKey! }))
  await network.when(() => b.peers.length === 1)
  expect([toB.publicKey, b.peers[0]!.publicKey]).toEqual([publicKeyOf("b"), publicKeyOf("a")])
  toB.open().trySend(1, new Uint8Array(10))
  b.peers[0]!.open().trySend(1, new Uint8Array(20))
  await network.when(() => received.length === 2)
  const again = await member("a", ["b"], { port: PORT + 1 })
  await network.until(again.join(`b:${PORT}`, { publicKey: publicKeyOf("b") }))
  expect(again.peers[0]!.publicKey).toEqual(publicKeyOf("b"))
})

test("who isn't trusted, names a key that isn't there, or has none is refused, though he knows the secret", async () => {
  const { network, member } = group(2)
  const b = await member("b", ["a"])
  const stranger = await member("c", ["b"])
  await expect(network.until(stranger.join(`b:${PORT}`, { publicKey: publicKeyOf("b") }))).rejects.toMatchObject({
    code: "join-refused",
  })
  const a = await member("a", ["b", "c"])
  await expect(network.until(a.join(`b:${PORT}`, { publicKey: publicKeyOf("c") }))).rejects.toMatchObject({
    code: "join-refused",
  })
  const keyless = await network.until(
    Endpoint.bind({ port: PORT, protection: "aead", secrets: [SECRET], host: network.host("d") }),
  )
  await expect(network.until(keyless.join(`b:${PORT}`))).rejects.toMatchObject({ code: "join-refused" })
  await expect(network.until(a.join(`d:${PORT}`, { publicKey: publicKeyOf("b") }))).rejects.toMatchObject({
    code: "join-refused",
  })
  expect([b.peers.length, b.sizes.halfOpen, b.sizes.slots]).toEqual([0, 0, 0])
})

test("a member who takes another's unique, or his place on the network, doesn't take his peers", async () => {
  const { network, member } = group(3)
  const b = await member("b", ["a", "m"])
  const a = await member("a", ["b"])
  await network.until(a.join(`b:${PORT}`, { publicKey: publicKeyOf("b") }))
  await network.when(() => b.peers.length === 1)
  const [peer] = b.peers
  const impostor = await member("m", ["b"], { host: hostWithUnique(network.host("m"), a.unique) })
  expect(impostor.unique).toBe(a.unique)
  await network.until(impostor.join(`b:${PORT}`, { publicKey: publicKeyOf("b") }))
  await network.when(() => b.peers.length === 2)
  expect([peer!.state, b.peers.map(({ publicKey }) => publicKey)]).toEqual([
    "joined",
    [publicKeyOf("a"), publicKeyOf("m")],
  ])
  await network.until(peer!.ping())
  await network.until(b.peers[1]!.ping())
  await network.until(impostor.close(), 10_000)
  await network.advance(100)
  expect(b.peers).toEqual([peer])
})

test("two that join each other at once have one session, whatever the path does", async () => {
  const link = fc.record({
    delayMs: fc.integer({ min: 0, max: 50 }),
    jitterMs: fc.integer({ min: 0, max: 20 }),
    lossRate: fc.constantFrom(0, 0.1, 0.3),
    duplicateRate: fc.constantFrom(0, 0.2),
  })
  await fc.assert(
    fc.asyncProperty(fc.integer(), link, fc.integer({ min: 0, max: 200 }), async (seed, path, laterMs) => {
      const { network, member } = group(seed, path)
      const a = await member("a", ["b"], { joinTimeoutMs: 60_000 })
      const b = await member("b", ["a"], { joinTimeoutMs: 60_000 })
      const joining = a.join(`b:${PORT}`, { publicKey: publicKeyOf("b") })
      await network.advance(laterMs)
      await network.until(b.join(`a:${PORT}`, { publicKey: publicKeyOf("a") }), 60_000)
      const toB = await network.until(joining, 60_000)
      await network.advance(2_000)
      await network.until(toB.ping({ timeoutMs: 60_000 }), 60_000)
      expect([a.peers, b.peers.map(({ unique }) => unique)]).toEqual([[toB], [a.unique]])
    }),
    { numRuns: runs(60) },
  )
})

test.each([
  ["an identity without secrets", { protection: "checksum", secrets: undefined }, /needs secrets too/],
  [
    "a key of another length",
    { identity: { privateKey: new Uint8Array(31), trust: () => true } },
    /privateKey must be a Uint8Array of 32 bytes, not a Uint8Array of 31 bytes/,
  ],
  [
    "nobody to ask",
    { identity: { privateKey: new Uint8Array(32) } as unknown as IdentityOptions },
    /identity.trust must be a function that .*, not undefined/,
  ],
] as const)("%s: an error at once", async (_, options, message) => {
  const { member } = group(4)
  await expect(member("a", [], options as EndpointOptions)).rejects.toMatchObject({
    code: "invalid-option",
    message: expect.stringMatching(message),
  })
})

test("whom one joins is to be named by a key, and only where there are any; what trust throws refuses, and surfaces", async () => {
  const { network, member } = group(5)
  const a = await member("a", ["b"])
  await expect(a.join(`b:${PORT}`)).rejects.toMatchObject({
    code: "invalid-option",
    message: expect.stringMatching(/publicKey must be/),
  })
  await expect(a.join(`b:${PORT}`, { publicKey: new Uint8Array(32) })).rejects.toMatchObject({ code: "invalid-option" })
  const keyless = await network.until(Endpoint.bind({ port: PORT, secrets: [SECRET], host: network.host("c") }))
  await expect(keyless.join(`b:${PORT}`, { publicKey: publicKeyOf("b") })).rejects.toMatchObject({
    code: "invalid-option",
  })
  const trust = (): boolean => {
    throw new Error("the list of members is gone")
  }
  const b = await member("b", [], { identity: { privateKey: keyOf("b"), trust } })
  const errors: string[] = []
  b.on("error", ({ message }) => errors.push(message))
  await expect(network.until(a.join(`b:${PORT}`, { publicKey: publicKeyOf("b") }))).rejects.toMatchObject({
    code: "join-refused",
  })
  // Once for each try.
  expect(errors.length).toBeGreaterThanOrEqual(1)
  expect(new Set(errors).size).toBe(1)
  expect(b.stats().drops["not-welcome"]).toBe(errors.length)
})

test.each([
  ["a promise", (): unknown => Promise.resolve(true), /at once, not by a promise/],
  ["a number", (): unknown => 1, /true or false at once, not number/],
] as const)(
  "whoever answers whether a key is welcome with %s has refused it, and is told",
  async (_, trust, message) => {
    const { network, member } = group(6)
    const a = await member("a", ["b"])
    const b = await member("b", [], {
      identity: { privateKey: keyOf("b"), trust: trust as unknown as IdentityOptions["trust"] },
    })
    const causes: unknown[] = []
    b.on("error", ({ cause }) => causes.push(cause))
    await expect(network.until(a.join(`b:${PORT}`, { publicKey: publicKeyOf("b") }))).rejects.toMatchObject({
      code: "join-refused",
    })
    expect(causes[0]).toMatchObject({ message: expect.stringMatching(message) })
  },
)

test.each([
  ["none", 0],
  ["another", wire.EXCHANGE_BYTES.accept],
])(
  "who answers a join with the secret, but shows %s of the keys that was asked for, isn't joined",
  async (_, exchangeBytes) => {
    const { network, member } = group(7)
    const a = await member("a", ["b"])
    const evil = network.host("e", { v6: false })
    const secret = new TextEncoder().encode(SECRET)
    const handshakes = new SealedHandshakes(
      { crypto: evil.crypto, identity: undefined, entropy: (out) => evil.entropy(out) },
      [secret],
      1_200,
    )
    let answers = 0
    network.filter(({ to, bytes }) => {
      if (to !== "e") return true
      const opened = handshakes.openJoin(bytes, 0, bytes.length)
      if (typeof opened === "string" || opened.kind !== "join") return expect.unreachable()
      const cursor = new wire.PacketCursor()
      cursor.start(handshakes.view, 0, handshakes.length, wire.PROFILE.aead)
      cursor.next()
      const { slot, limits } = wire.readJoin(handshakes.view, cursor.body, cursor.addressForm)
      const writer = new wire.PacketWriter(new Uint8Array(600))
      writer.start(0)
      const accept = {
        address: undefined,
        version: 0,
        slot: 9,
        unique: handshakes.random().slice(0, 8),
        session: handshakes.random().slice(0, 8),
      }
      const exchange = new Uint8Array(exchangeBytes).fill(7)
      writer.finish(
        wire.writeAccept(
          writer.view,
          writer.begin(wire.KIND.accept),
          { ...accept, limits, features: 0, exchange },
          500,
        ),
      )
      const { message } = opened.responder.write(
        handshakes.random(),
        new Uint8Array(writer.view.buffer, 0, writer.end).slice(),
      )!
      const datagram = new Uint8Array(12 + message.length)
      const attempt = wire.prefixCounter(new DataView(bytes.buffer, bytes.byteOffset), 0)
      wire.writePrefix(new DataView(datagram.buffer), 0, wire.PROFILE.aead, true, slot, attempt, ANSWER.accept)
      datagram.set(message, 12)
      network.inject({ family: 4, host: "10.0.0.2", port: PORT }, v4Of(a), datagram, 1)
      answers++
      return false
    })
    const joining = a.join(`10.0.0.2:${PORT}`, { publicKey: publicKeyOf("b"), timeoutMs: 1_000 })
    await expect(network.until(joining)).rejects.toMatchObject({ code: "join-timeout" })
    expect([answers > 0, a.peers.length, a.stats().drops.tag]).toEqual([true, 0, answers])
  },
)
