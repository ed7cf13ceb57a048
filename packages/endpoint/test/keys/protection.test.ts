/** Profiles with keys: peers that know the secret take part, and nobody else. */
import { inspect } from "node:util"
import { Endpoint, type EndpointOptions, secretsFrom } from "@x/endpoint"
import { systemHost } from "@x/transport"
import type { BindOptions } from "@x/transport/host"
import { createNetwork, type NetworkOptions } from "@x/transport/simulated"
import * as wire from "@x/wire"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { hostWith } from "../host-with.ts"
import { makePair, makeWorld, pattern, PORT } from "../world.ts"
import { runs } from "../../../../tools/testkit/src/runs.ts"

const SECRET = "correct horse battery staple"
const OTHER = "another secret of the same length"

const link = fc.record({
  delayMs: fc.integer({ min: 0, max: 50 }),
  jitterMs: fc.integer({ min: 0, max: 20 }),
  lossRate: fc.constantFrom(0, 0.01, 0.1, 0.3),
  duplicateRate: fc.constantFrom(0, 0.2),
  reorderRate: fc.constantFrom(0, 0.2),
  corruptRate: fc.constantFrom(0, 0.05),
})

describe.each(["mac", "aead"] as const)("%s", (protection) => {
  const options: EndpointOptions = { protection, secrets: [SECRET] }

  test("messages arrive whole, once and in order, whatever the path does", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        link,
        fc.array(fc.integer({ min: 0, max: 4_000 }), { maxLength: 30 }),
        async (seed, path, lengths) => {
          const world = makeWorld(seed, path)
          const { endpoint: a } = await world.bind("a", { joinTimeoutMs: 60_000, windowPackets: 32, ...options })
          const { endpoint: b } = await world.bind("b", options)
          const received: Uint8Array[] = []
          b.handle(9, (message) => received.push(message.copy()))
          const peer = await world.network.until(a.join(`b:${PORT}`), 60_000)
          const stream = peer.open()
          const done = async (): Promise<void> => {
            for (const [i, length] of lengths.entries()) await stream.send(9, pattern(length, i))
            await stream.end()
          }
          await world.network.until(done(), 600_000)
          expect(received).toEqual(lengths.map((length, i) => pattern(length, i)))
          a.assertInvariants()
          await world.network.until(a.close(), 20_000)
          await world.network.until(b.close(), 20_000)
          for (const endpoint of [a, b])
            expect(endpoint.sizes).toMatchObject({ peers: 0, slots: 0, joins: 0, pool: 0, timers: 0 })
        },
      ),
      { numRuns: runs(25) },
    )
  })

  test("a join takes one round trip", async () => {
    const { network, bind } = makeWorld(1, { delayMs: 50 })
    const { endpoint: a } = await bind("a", options)
    await bind("b", options)
    const startMs = network.now
    await network.until(a.join(`b:${PORT}`))
    expect(network.now - startMs).toBeLessThanOrEqual(101)
  })

  test("F25 two that join each other at once have one session, whoever's join is lost", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), link, fc.integer({ min: 0, max: 200 }), async (seed, path, laterMs) => {
        const world = makeWorld(seed, path)
        const { endpoint: a } = await world.bind("a", { joinTimeoutMs: 60_000, ...options })
        const { endpoint: b } = await world.bind("b", { joinTimeoutMs: 60_000, ...options })
        const joiningA = a.join(`b:${PORT}`)
        await world.network.advance(laterMs)
        const toA = await world.network.until(b.join(`a:${PORT}`), 60_000)
        const toB = await world.network.until(joiningA, 60_000)
        await world.network.advance(2_000)
        const received: number[] = []
        a.handle(1, ({ view, offset }) => received.push(view.getUint8(offset)))
        b.handle(1, ({ view, offset }) => received.push(view.getUint8(offset)))
        await world.network.until(
          toA
            .open()
            .send(1, Uint8Array.of(1))
            .then(() => toB.open().send(1, Uint8Array.of(2))),
          60_000,
        )
        await world.network.when(() => received.length === 2)
        expect(received.toSorted((a, b) => a - b)).toEqual([1, 2])
        expect([a.peers.length, b.peers.length]).toEqual([1, 1])
      }),
      { numRuns: runs(100) },
    )
  })

  test("who has another secret, or none, gets no answer at all", async () => {
    const { network, bind } = makeWorld(1)
    const { endpoint: a } = await bind("a", { protection, secrets: [OTHER] })
    const { endpoint: plain } = await bind("c", { protection: "checksum" })
    const { endpoint: b } = await bind("b", options)
    await expect(network.until(a.join(`b:${PORT}`, { timeoutMs: 2_000 }))).rejects.toMatchObject({
      code: "join-timeout",
    })
    await expect(network.until(plain.join(`b:${PORT}`, { timeoutMs: 2_000 }))).rejects.toMatchObject({
      code: "join-timeout",
    })
    expect(b.stats().transport.datagramsSent).toBe(0)
    expect(b.stats().drops).toMatchObject({ tag: expect.any(Number), profile: expect.any(Number) })
    expect(b.stats().drops.tag).toBeGreaterThan(2)
  })

  test("keys change under way and nothing is lost or held up", async () => {
    const { network, a, b, toB } = await makePair(5, { delayMs: 5 }, { ...options, rekeyAgeMs: 10_000 })
    const epochs = new Set<number>()
    const received: number[] = []
    b.handle(1, ({ view, offset }) => received.push(view.getUint32(offset)))
    const stream = toB.open()
    network.filter(({ from, bytes }) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      if (from === "a" && !wire.prefixHandshake(view, 0)) epochs.add(wire.prefixEpoch(view, 0))
      return true
    })
    let slowestMs = 0
    for (let i = 0; i < 700; i++) {
      const bytes = new Uint8Array(4)
      new DataView(bytes.buffer).setUint32(0, i)
      const atMs = network.now
      stream.trySend(1, bytes)
      await network.when(() => received.length > i)
      slowestMs = Math.max(slowestMs, network.now - atMs)
      await network.advance(100)
    }
    expect(received).toEqual(Array.from({ length: 700 }, (_, i) => i))
    expect([...epochs]).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect(slowestMs).toBeLessThan(10)
    expect(b.stats().drops.tag + a.stats().drops.tag).toBe(0)
  })

  test("secrets change one member after the other, and no message is lost", async () => {
    const { network, a, b, toB } = await makePair(6, { delayMs: 5 }, options)
    const received: number[] = []
    b.handle(1, ({ view, offset }) => received.push(view.getUint8(offset)))
    const stream = toB.open()
    const say = (n: number): void => void stream.trySend(1, Uint8Array.of(n))
    say(1)
    a.setSecrets([OTHER, SECRET])
    b.setSecrets([SECRET, OTHER])
    say(2)
    const third = await network.until(
      Endpoint.bind({ host: network.host("c"), port: PORT, protection, secrets: [OTHER] }),
    )
    await network.until(third.join(`b:${PORT}`))
    b.setSecrets([OTHER])
    a.setSecrets([OTHER])
    say(3)
    await network.when(() => received.length === 3)
    expect(received).toEqual([1, 2, 3])
    const late = await network.until(
      Endpoint.bind({ host: network.host("d"), port: PORT, protection, secrets: [SECRET] }),
    )
    await expect(network.until(late.join(`b:${PORT}`, { timeoutMs: 1_000 }))).rejects.toMatchObject({
      code: "join-timeout",
    })
  })
})

test("a run is the same with a simulated host's cryptography and with this machine's", async () => {
  const run = async (options: Partial<NetworkOptions>): Promise<string> => {
    const network = createNetwork({ seed: 7, link: { delayMs: 5, lossRate: 0.05 }, ...options })
    const bind = (name: string): Promise<Endpoint> =>
      network.until(
        Endpoint.bind({
          host: network.host(name),
          port: PORT,
          protection: "aead",
          secrets: [SECRET],
          rekeyAgeMs: 1_000,
        }),
      )
    const a = await bind("a")
    await bind("b")
    const stream = (await network.until(a.join(`b:${PORT}`))).open()
    for (let i = 0; i < 20; i++) {
      stream.trySend(1, pattern(500, i))
      await network.advance(1_000)
    }
    await network.until(stream.flush())
    return network.traceHash
  }
  expect(await run({ crypto: systemHost().crypto })).toBe(await run({}))
})

describe("secrets", () => {
  const bind = (options: EndpointOptions): Promise<Endpoint> =>
    Endpoint.bind({ host: createNetwork({ seed: 1 }).host("a"), ...options })

  test.each([
    ["a short one", { protection: "aead", secrets: ["fifteen letters"] }, /16 bytes or more, not 15; x keygen/],
    ["none at all", { protection: "aead" }, /needs secrets.*x keygen/],
    ["an empty list", { secrets: [] }, /a list of 1 to 8/],
    ["too many", { secrets: Array.from({ length: 9 }, () => SECRET) }, /a list of 1 to 8/],
    ["what is none", { secrets: [17 as unknown as string] }, /must be a Uint8Array or text/],
    ["one that isn't there", { secrets: [undefined as unknown as string] }, /undefined: is there a variable/],
    ["one without a list", { secrets: SECRET as unknown as string[] }, /must be a list: \[secret\]/],
    ["a line of a file as it is", { secrets: [`${SECRET}\n`] }, /ends with white space: secretsFrom/],
    ["some that nobody uses", { protection: "checksum", secrets: [SECRET] }, /uses no secrets/],
    ["a profile that there isn't", { protection: "toString" as "mac" }, /"none", "checksum", "mac" or "aead"/],
    [
      "keys that last too short",
      { secrets: [SECRET], rekeyDatagrams: 1_023 },
      /rekeyDatagrams must be a whole number from 1024/,
    ],
  ] as const)("%s: an error at once, which says what to do and shows none", async (_, options, message) => {
    const error = await bind(options as EndpointOptions).catch((it: unknown) => it)
    expect(error).toMatchObject({ code: "invalid-option", message: expect.stringMatching(message) })
    expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/fifteen letters|correct horse/)
  })

  test("are read from the lines of a text, without comments, and what is wrong is told by line", () => {
    expect(secretsFrom(`# of the group\r\n${SECRET}\r\n\n  ${OTHER}  `)).toEqual([SECRET, OTHER])
    expect(() => secretsFrom(`${SECRET}\nhunter2\n`)).toThrow(/secret in line 2 must have 16 bytes or more, not 7/)
    expect(() => secretsFrom("\n# none\n")).toThrow(/there is no secret in it/)
    expect(() => secretsFrom(`${SECRET}\n`.repeat(9))).toThrow(/9 secrets in it, more than 8/)
  })

  test("given, they authenticate unless more is asked for, and open the endpoint to others", async () => {
    const bound: (string | false | undefined)[] = []
    const host = createNetwork({ seed: 1 }).host("a")
    const watched = hostWith(host, { bind: (it: BindOptions) => (bound.push(it.v4), host.bind(it)) })
    const first = await Endpoint.bind({ host: watched, secrets: [SECRET] })
    await first.close()
    await Endpoint.bind({ host: watched })
    expect(bound).toEqual([undefined, "127.0.0.1"])
  })

  test("are in nothing that an endpoint shows", async () => {
    const bytes = new TextEncoder().encode(SECRET)
    const endpoint = await bind({ secrets: [bytes] })
    expect(inspect(endpoint, { depth: 9, showHidden: true }) + JSON.stringify(endpoint.stats())).not.toMatch(
      /correct|horse|staple/,
    )
    expect(() => endpoint.setSecrets(["too short"])).toThrow(/16 bytes or more/)
    const open = await bind({ protection: "checksum" })
    expect(() => open.setSecrets([SECRET])).toThrow(/bound without secrets/)
  })
})
