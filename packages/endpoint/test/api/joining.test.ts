/** A join from its call to its end: one deadline, one signal, one promise, whatever it is waiting for. */
import { getEventListeners } from "node:events"
import { Endpoint, EndpointError, type EndpointOptions, type Peer } from "@x/endpoint"
import { systemHost, TransportError } from "@x/transport"
import type { Host, ResolvedAddress, Transport } from "@x/transport/host"
import { createNetwork, type LinkOptions, type Network, type SimulatedHost } from "@x/transport/simulated"
import { prefixHandshake } from "@x/wire"
import { describe, expect, test } from "vitest"
import { hostWith } from "../host-with.ts"
import { makePair, makeWorld, PORT } from "../world.ts"

const NOTHING_LEFT = { joins: 0, slots: 0, timers: 0, peers: 0 }

/** How a promise of a peer ends: with a peer, or the code of an `EndpointError`; and when. */
function endOf(network: Network, promise: Promise<unknown>): Promise<string> {
  const startMs = network.now
  const after = (how: string): string => `${how} after ${Math.round(network.now - startMs)} ms`
  return promise.then(
    () => after("Peer"),
    (error: unknown) => after(error instanceof EndpointError ? error.code : String(error)),
  )
}

type Resolve = Host["resolve"]

async function bindWith(
  network: Network,
  name: string,
  resolve: (host: SimulatedHost) => Resolve,
  options: EndpointOptions = {},
): Promise<Endpoint> {
  const host = network.host(name)
  return network.until(Endpoint.bind({ port: PORT, ...options, host: hostWith(host, { resolve: resolve(host) }) }))
}

/** The host's answer, delayed by this much. */
const slow =
  (ms: number) =>
  (host: SimulatedHost): Resolve =>
  (name) =>
    new Promise((resolve, reject) =>
      host.wakeUp(() => void host.resolve(name).then(resolve, reject)).at(host.now() + ms),
    )
const never = (): Resolve => () => new Promise(() => {})

describe("a resolver that takes its time", () => {
  test.each([
    ["for ever", never],
    ["30 s", slow(30_000)],
    [
      "30 s, and then fails",
      (host: SimulatedHost): Resolve =>
        () =>
          slow(30_000)(host)("nobody"),
    ],
  ])("%s: a join's time is over when it is", async (_, resolve) => {
    const network = createNetwork({ seed: 1, link: { delayMs: 10 } })
    await network.until(Endpoint.bind({ host: network.host("b"), port: PORT }))
    const a = await bindWith(network, "a", resolve)
    const ends = [endOf(network, a.join(`b:${PORT}`, { timeoutMs: 500 })), endOf(network, a.join(`b:${PORT}`))]
    await network.advance(60_000)
    expect(await Promise.all(ends)).toEqual(["join-timeout after 500 ms", "join-timeout after 5000 ms"])
    expect(a.sizes).toMatchObject(NOTHING_LEFT)
  })

  test("a signal, and close, end a join that is waiting for it at once", async () => {
    const network = createNetwork({ seed: 2 })
    const heard: AbortSignal[] = []
    const a = await bindWith(network, "a", () => (_name, signal) => {
      heard.push(signal!)
      // Like the system's resolver: it rejects with the signal's reason.
      return new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason as Error)))
    })
    const abort = new AbortController()
    const reason = new Error("enough")
    const joins = Array.from({ length: 20 }, () => a.join(`b:${PORT}`, { signal: abort.signal }))
    const ends = joins.map((join) => endOf(network, join))
    const closing = a.join(`b:${PORT}`)
    const closed = endOf(network, closing)
    await network.advance(100)
    // One listener for all of them.
    expect(getEventListeners(abort.signal, "abort")).toHaveLength(1)
    abort.abort(reason)
    expect(await Promise.all(ends)).toEqual(ends.map(() => "aborted after 100 ms"))
    await expect(joins[0]).rejects.toMatchObject({ name: "EndpointError", code: "aborted", cause: reason })
    await network.until(a.close())
    expect(await closed).toBe("closed after 100 ms")
    expect([heard.every(({ aborted }) => aborted), getEventListeners(abort.signal, "abort").length]).toEqual([true, 0])
    expect(a.sizes).toMatchObject(NOTHING_LEFT)
  })

  test("the time that it took is no more there for asking", async () => {
    const network = createNetwork({ seed: 3, link: { delayMs: 10 } })
    network.host("b")
    const a = await bindWith(network, "a", slow(700))
    expect(await network.until(endOf(network, a.join(`b:${PORT}`, { timeoutMs: 1_000 })))).toBe(
      "join-timeout after 1000 ms",
    )
  })
})

test.each([
  [
    "throws at once",
    (): Resolve => () => {
      throw new Error("no resolver here")
    },
    /no resolver here/,
  ],
  ["rejects with what is no error", (): Resolve => () => Promise.reject(42 as unknown as Error), /42/],
  ["answers an empty list", (): Resolve => async () => [], /no address/],
  ["answers nothing", (): Resolve => async () => undefined as unknown as ResolvedAddress[], /no address/],
  [
    "answers garbage",
    (): Resolve => async () =>
      [
        null,
        7,
        {},
        { host: 7 },
        { family: 4, host: "b" },
        { family: 4, host: "1.2.3" },
      ] as unknown as ResolvedAddress[],
    /no address/,
  ],
])("a resolver that %s knows no address", async (_, resolve, message) => {
  const network = createNetwork({ seed: 4 })
  const a = await bindWith(network, "a", resolve as () => Resolve)
  await expect(network.until(a.join(`b:${PORT}`))).rejects.toMatchObject({
    name: "EndpointError",
    code: "name-not-found",
    message: expect.stringMatching(message),
  })
  expect(a.sizes).toMatchObject(NOTHING_LEFT)
})

test("a name that nobody knows, and sockets that can't be had, are told as errors of this package, with the transport's as cause", async () => {
  const { network, bind } = makeWorld(5)
  const { endpoint: a } = await bind("a")
  await expect(network.until(a.join(`nobody:${PORT}`))).rejects.toMatchObject({
    name: "EndpointError",
    code: "name-not-found",
    cause: expect.any(TransportError),
  })
  await expect(bind("a")).rejects.toMatchObject({
    name: "EndpointError",
    code: "address-in-use",
    cause: expect.any(TransportError),
  })
  await expect(network.until(Endpoint.bind({ host: network.host("c"), v4: false, v6: false }))).rejects.toMatchObject({
    name: "EndpointError",
  })
  const broken = hostWith(network.host("d"), { bind: () => Promise.reject(new Error("no sockets today")) })
  await expect(Endpoint.bind({ host: broken })).rejects.toMatchObject({
    name: "EndpointError",
    code: "bind-failed",
    message: expect.stringContaining("no sockets today"),
  })
})

test("an endpoint that can't be made leaves no socket behind", async () => {
  const network = createNetwork({ seed: 6 })
  const { crypto } = systemHost()
  const host = hostWith(network.host("a"), {
    crypto: {
      ...crypto,
      x25519PublicKey: () => {
        throw new Error("no such curve")
      },
    },
  })
  const identity = { privateKey: new Uint8Array(32).fill(1), trust: () => true }
  const options = { port: PORT, secrets: ["0123456789abcdef"] }
  await expect(network.until(Endpoint.bind({ ...options, identity, host }))).rejects.toThrow("no such curve")
  await network.until(Endpoint.bind({ ...options, host: network.host("a") }))
})

test("bind: a signal ends the wait for sockets at once, and those that come later are closed", async () => {
  const network = createNetwork({ seed: 6 })
  const host = network.host("a")
  const late = hostWith(host, {
    bind: (options) =>
      new Promise((resolve, reject) =>
        host.wakeUp(() => void host.bind(options).then(resolve, reject)).at(host.now() + 5_000),
      ),
  })
  const abort = new AbortController()
  const reason = new Error("enough")
  const bindings = [
    Endpoint.bind({ port: PORT, host: late, signal: abort.signal }),
    Endpoint.bind({ port: PORT, host: late, signal: AbortSignal.abort(reason) }),
  ]
  const ends = bindings.map((binding) => endOf(network, binding))
  await network.advance(100)
  abort.abort(reason)
  expect(await Promise.all(ends)).toEqual(["aborted after 100 ms", "aborted after 0 ms"])
  await expect(bindings[0]).rejects.toMatchObject({ name: "EndpointError", cause: reason })
  await network.advance(10_000)
  expect(getEventListeners(abort.signal, "abort")).toEqual([])
  await network.until(Endpoint.bind({ port: PORT, host: network.host("a") }))
})

describe("a signal", () => {
  test("that aborted before ends a join before anything is asked", async () => {
    const { network, bind } = makeWorld(7)
    const { endpoint: a } = await bind("a")
    await bind("b")
    let sent = 0
    network.filter(() => ++sent > 0)
    expect(await network.until(endOf(network, a.join(`b:${PORT}`, { signal: AbortSignal.abort() })))).toBe(
      "aborted after 0 ms",
    )
    await network.advance(1_000)
    expect(sent).toBe(0)
  })

  test.each(Array.from({ length: 24 }, (_, i) => i))(
    "that aborts %i ms into a join settles it, one way or the other, and leaves nothing",
    async (ms) => {
      for (const protection of [{}, { secrets: ["0123456789abcdef"] }]) {
        const { network, bind } = makeWorld(8, { delayMs: 5 })
        const { endpoint: a } = await bind("a", protection)
        const { endpoint: b } = await bind("b", protection)
        const abort = new AbortController()
        const end = endOf(network, a.join(`b:${PORT}`, { signal: abort.signal }))
        await network.advance(ms)
        abort.abort()
        const how = await network.until(end, 0)
        expect(["aborted", "Peer"]).toContain(how.split(" ")[0])
        expect(a.peers.length).toBe(how.startsWith("Peer") ? 1 : 0)
        expect([a.sizes.joins, getEventListeners(abort.signal, "abort").length]).toEqual([0, 0])
        // What was accepted there is forgotten unless it was confirmed.
        await network.advance(6_000)
        expect([b.peers.length, b.sizes.slots, b.sizes.halfOpen]).toEqual(
          how.startsWith("Peer") ? [1, 1, 0] : [0, 0, 0],
        )
      }
    },
  )

  test("that aborts as the accept comes leaves nobody joined; as the peer is told, or after it, the peer stays", async () => {
    for (const when of ["accept", "event", "promise"]) {
      const { network, bind } = makeWorld(9, { delayMs: 5 })
      const { endpoint: a } = await bind("a")
      await bind("b")
      const abort = new AbortController()
      const joining = a.join(`b:${PORT}`, { signal: abort.signal })
      const end = endOf(network, joining)
      if (when === "event") a.on("joined", () => abort.abort())
      if (when === "promise") void joining.then(() => abort.abort())
      network.filter(({ from, index }) => {
        if (when === "accept" && from === "b" && index === 1) abort.abort()
        return true
      })
      const how = (await network.until(end)).split(" ")[0]
      if (when !== "event") expect(how).toBe(when === "accept" ? "aborted" : "Peer")
      await network.advance(1_000)
      expect([a.peers.length, a.sizes.joins]).toEqual([when === "accept" ? 0 : 1, 0])
    }
  })
})

test("joins to the same addresses share what is asked, each with its own time and signal, and the last to go ends it", async () => {
  const { network, bind } = makeWorld(10, { delayMs: 5 })
  const { endpoint: a } = await bind("a")
  network.host("b")
  let asked = 0
  network.filter(({ bytes }) => (prefixHandshake(new DataView(bytes.buffer, bytes.byteOffset), 0) ? ++asked > 0 : true))
  const abort = new AbortController()
  const alone = endOf(network, a.join(`10.0.0.2:${PORT}`, { timeoutMs: 4_000 }))
  await network.advance(4_000)
  const askedAlone = asked
  asked = 0
  const ends = [
    endOf(network, a.join(`10.0.0.2:${PORT}`, { timeoutMs: 300 })),
    endOf(network, a.join({ host: "10.0.0.2", port: PORT }, { timeoutMs: 4_000, signal: abort.signal })),
    ...Array.from({ length: 50 }, () => endOf(network, a.join(`[::ffff:10.0.0.2]:${PORT}`, { timeoutMs: 4_000 }))),
  ]
  await network.advance(100)
  expect(a.sizes).toMatchObject({ joins: 1, slots: 1 })
  await network.advance(900)
  abort.abort()
  await network.advance(3_000)
  expect(await Promise.all([alone, ...ends])).toEqual([
    "join-timeout after 4000 ms",
    "join-timeout after 300 ms",
    "aborted after 1000 ms",
    ...ends.slice(2).map(() => "join-timeout after 4000 ms"),
  ])
  expect(asked).toBe(askedAlone)
  expect(a.sizes).toMatchObject(NOTHING_LEFT)
})

test("who begins to wait for a join that has been asked for long doesn't wait for its next try", async () => {
  const { network, bind } = makeWorld(11, { delayMs: 5 })
  const { endpoint: a } = await bind("a")
  network.host("b")
  const first = a.join(`10.0.0.2:${PORT}`, { timeoutMs: 60_000 })
  // Tries are a second apart by now.
  await network.advance(20_300)
  await bind("b")
  const second = a.join(`10.0.0.2:${PORT}`)
  const startMs = network.now
  expect(await network.until(second)).toBe(await network.until(first))
  expect(network.now - startMs).toBeLessThan(130)
})

test("time that is over at once, and none at all", async () => {
  const { network, bind } = makeWorld(12, { delayMs: 5 })
  const { endpoint: a } = await bind("a")
  network.host("b")
  expect(await network.until(endOf(network, a.join(`b:${PORT}`, { timeoutMs: 0 })))).toBe("join-timeout after 0 ms")
  const abort = new AbortController()
  const patient = endOf(network, a.join(`b:${PORT}`, { timeoutMs: Infinity, signal: abort.signal }))
  await network.advance(3_600_000)
  abort.abort()
  expect(await network.until(patient)).toBe("aborted after 3600000 ms")
  expect(a.sizes).toMatchObject(NOTHING_LEFT)
})

test("close ends joins in whatever state they are, and nothing can be joined after it", async () => {
  for (const ms of [0, 3, 7, 12, 18, 25]) {
    const { network, bind } = makeWorld(13, { delayMs: 5 })
    const { endpoint: a } = await bind("a")
    const { endpoint: b } = await bind("b")
    const ends = [
      endOf(network, a.join(`b:${PORT}`)),
      endOf(network, a.join(`b:${PORT}`)),
      endOf(network, a.join("10.0.0.9:9")),
    ]
    await network.advance(ms)
    const closing = a.close()
    await network.until(closing, 10_000)
    const states = (await network.until(Promise.all(ends))).map((end) => end.split(" ")[0])
    expect(states[2]).toBe("closed")
    expect(["closed", "Peer"]).toContain(states[0])
    expect(states[1]).toBe(states[0])
    expect(await network.until(endOf(network, a.join(`b:${PORT}`)))).toBe("closed after 0 ms")
    await network.advance(6_000)
    expect([b.peers.length, b.sizes.slots]).toEqual([0, 0])
  }
})

describe.each([
  ["checksum", {}],
  ["mac", { secrets: ["0123456789abcdef"] }],
] as const)("a peer that is known (%s)", (_, protection) => {
  test("and answers where it is comes back after one round trip, and nothing changes", async () => {
    const { network, a, b, toB } = await makePair(14, { delayMs: 5 }, protection)
    const startMs = network.now
    expect(await network.until(a.join(`b:${PORT}`))).toBe(toB)
    expect([network.now - startMs, a.sizes.slots, b.sizes.slots]).toEqual([10, 1, 1])
  })

  test("and unreachable: a join settles when it is heard again, or says that nobody answered", async () => {
    const { network, a, toB } = await makePair(
      15,
      { delayMs: 5 },
      { ...protection, unreachableMs: 2_000, heartbeatMs: 500 },
    )
    network.partition("a", "b")
    await network.advance(5_000)
    expect(toB.state).toBe("unreachable")
    const ends = [
      endOf(network, a.join(`b:${PORT}`, { timeoutMs: 1_000 })),
      endOf(network, a.join(`b:${PORT}`, { timeoutMs: 20_000 })),
    ]
    await network.advance(3_000)
    network.heal()
    const [first, second] = await network.until(Promise.all(ends), 20_000)
    expect(first).toBe("join-timeout after 1000 ms")
    expect(second).toMatch(/^Peer after/)
    expect([toB.state, a.peers]).toEqual(["joined", [toB]])
  })

  test.each([0, 4, 8, 12, 16, 30])(
    "and left %i ms after a join to it was begun: the join brings it back as another",
    async (ms) => {
      const { network, a, b, toB } = await makePair(16, { delayMs: 5 }, protection)
      const joining = a.join(`b:${PORT}`)
      await network.advance(ms)
      void toB.leave()
      const again = await network.until(joining)
      await network.advance(3_000)
      if (again === toB) return expect([a.peers.length, b.peers.length]).toEqual([0, 0])
      expect([again.state, toB.state, a.peers, b.peers.length]).toEqual(["joined", "left", [again], 1])
      await network.until(again.ping())
    },
  )

  test.each([0, 2, 6, 11])("and leaving for %i ms: a join begins a session of its own", async (ms) => {
    const { network, a, b, toB } = await makePair(17, { delayMs: 5 }, protection)
    const leaving = toB.leave()
    await network.advance(ms)
    const again = await network.until(a.join(`b:${PORT}`))
    await network.until(leaving)
    expect(again).not.toBe(toB)
    await network.advance(3_000)
    expect([again.state, a.peers, b.peers.length, a.sizes.slots, b.sizes.slots]).toEqual(["joined", [again], 1, 1, 1])
    await network.until(again.ping())
  })
})

test("with keys a join takes one round trip, and two where whoever is asked has a join of its own under way, wherever to", async () => {
  const tookMs: number[] = []
  for (const isJoining of [false, true]) {
    const { network, bind } = makeWorld(18, { delayMs: 5 })
    const { endpoint: a } = await bind("a", { secrets: ["0123456789abcdef"] })
    const { endpoint: b } = await bind("b", { secrets: ["0123456789abcdef"] })
    network.host("c")
    if (isJoining) b.join(`c:${PORT}`).catch(() => {})
    await network.advance(50)
    const startMs = network.now
    await network.until(a.join(`b:${PORT}`))
    tookMs.push(network.now - startMs)
  }
  expect(tookMs).toEqual([10, 20])
})

/** A host whose datagrams to addresses of a family are lost while `isCut` says so. */
function cutting(network: Network, name: string, isCut: (family: 4 | 6) => boolean): Host {
  const host = network.host(name)
  return hostWith(host, {
    bind: async (options) => {
      const transport: Transport = await host.bind(options)
      const nowhere = transport.internAddress({ family: 4, host: "10.99.99.99", port: 9 })
      const send = transport.send.bind(transport)
      transport.send = (batch) => {
        const addresses = batch.address.slice(0, batch.count)
        for (const [row, address] of addresses.entries())
          if (isCut(transport.addressOf(address).family)) batch.address[row] = nowhere
        const taken = send(batch)
        batch.address.set(addresses)
        return taken
      }
      return transport
    },
  })
}

interface Move {
  readonly network: Network
  readonly a: Endpoint
  readonly b: Endpoint
  readonly cut: Set<4 | 6>
}

async function twoWays(seed: number, options: EndpointOptions, link: LinkOptions = { delayMs: 5 }): Promise<Move> {
  const network = createNetwork({ seed, link, crypto: systemHost().crypto })
  const cut = new Set<4 | 6>()
  const bind = (name: string): Promise<Endpoint> =>
    network.until(Endpoint.bind({ port: PORT, ...options, host: cutting(network, name, (family) => cut.has(family)) }))
  return { network, cut, a: await bind("a"), b: await bind("b") }
}

describe.each([
  ["checksum", { protection: "checksum" }],
  ["mac", { secrets: ["0123456789abcdef"] }],
  ["aead", { protection: "aead", secrets: ["0123456789abcdef"] }],
] as const)("two families (%s)", (_, protection) => {
  test.each([
    ["the side that joined", "a", `[fd00::2]:${PORT}`, 0],
    ["the side that was joined", "b", `[fd00::1]:${PORT}`, 0],
    ["the side that joined, by a name, after v4 has been silent for a while", "a", `b:${PORT}`, 4_000],
    ["the side that was joined, after it was taken for unreachable", "b", `a:${PORT}`, 15_000],
  ] as const)(
    "v4 dies, and %s joins over v6: the peer moves there, streams and session go on",
    async (_who, mover, target, afterMs) => {
      for (let seed = 1; seed <= 9; seed++) {
        const { network, a, b, cut } = await twoWays(seed, protection, {
          delayMs: 5,
          jitterMs: seed % 2 === 0 ? 10 : 0,
          lossRate: seed % 3 === 0 ? 0.1 : 0,
        })
        const toB = await network.until(a.join(`10.0.0.2:${PORT}`))
        await network.when(() => b.peers.length === 1)
        const [toA] = b.peers
        const events: string[] = []
        for (const endpoint of [a, b])
          for (const name of ["left", "rejoined", "restarted"] as const) endpoint.on(name, () => events.push(name))
        const received: number[] = []
        for (const endpoint of [a, b]) endpoint.handle(1, ({ length }) => received.push(length))
        const streams = [toB.open(), toA!.open()]
        for (const stream of streams) stream.trySend(1, new Uint8Array(1))
        await network.until(Promise.all(streams.map((stream) => stream.flush())))
        cut.add(4)
        for (const stream of streams) stream.trySend(1, new Uint8Array(2))
        await network.advance(afterMs)
        expect(received.filter((length) => length === 2)).toEqual([])
        const joined: Peer = await network.until(mover === "a" ? a.join(target) : b.join(target))
        expect(joined).toBe(mover === "a" ? toB : toA)
        for (const stream of streams) stream.trySend(1, new Uint8Array(3))
        await network.until(Promise.all(streams.map((stream) => stream.flush())), 10_000)
        expect(received.toSorted((x, y) => x - y)).toEqual([1, 1, 2, 2, 3, 3])
        await network.advance(5_000)
        expect([events, toB.state, toA!.state, toB.address.family, toA!.address.family]).toEqual([
          [],
          "joined",
          "joined",
          6,
          6,
        ])
        expect([a.sizes.slots, b.sizes.slots, a.sizes.joins, b.sizes.halfOpen]).toEqual([1, 1, 0, 0])
        // And back, when IPv6 fails.
        cut.clear()
        cut.add(6)
        expect(await network.until(a.join(`10.0.0.2:${PORT}`))).toBe(toB)
        await network.until(Promise.all([toB.ping(), toA!.ping()]), 10_000)
        expect([events, toB.address.family, toA!.address.family]).toEqual([[], 4, 4])
      }
    },
  )

  test("a join that was accepted over one address, whence its answer is lost, goes on over another and is confirmed from there", async () => {
    const network = createNetwork({ seed: 1, link: { delayMs: 5 }, crypto: systemHost().crypto })
    const cut = new Set<4 | 6>()
    const bind = (host: Host): Promise<Endpoint> => network.until(Endpoint.bind({ port: PORT, ...protection, host }))
    const a = await bind(network.host("a"))
    const b = await bind(cutting(network, "b", (family) => cut.has(family)))
    const events: string[] = []
    for (const endpoint of [a, b])
      for (const name of ["joined", "rejoined", "left"] as const) endpoint.on(name, () => events.push(name))
    const joining = a.join(`b:${PORT}`)
    // In a profile with keys the first try is accepted, in others the one that returns a token.
    await network.advance("secrets" in protection ? 1 : 12)
    cut.add(4)
    await network.advance(100)
    expect([a.peers.length, b.sizes.halfOpen]).toEqual([0, 1])
    const toB = await network.until(joining)
    await network.until(toB.ping({ timeoutMs: 2_000 }))
    await network.advance(6_000)
    expect([events, toB.address.family, b.sizes.halfOpen, b.sizes.slots]).toEqual([["joined", "joined"], 6, 0, 1])
  })

  test("while v6 answers, a name that has it behind v4 doesn't move the peer", async () => {
    const { network, a, b } = await twoWays(1, protection)
    const toB = await network.until(a.join(`[fd00::2]:${PORT}`))
    await network.advance(100)
    for (const target of [`b:${PORT}`, `[fd00::2]:${PORT}`]) expect(await network.until(a.join(target))).toBe(toB)
    await network.advance(1_000)
    expect([toB.address.family, a.sizes.slots, b.sizes.slots]).toEqual([6, 1, 1])
  })
})

describe.each([
  ["checksum", {}],
  ["mac", { secrets: ["0123456789abcdef"] }],
] as const)("a name with many addresses (%s)", (_, protection) => {
  const dead = (count: number): ResolvedAddress[] =>
    Array.from({ length: count }, (_, i) => ({ family: 4, host: `10.9.${i >> 8}.${i & 255}` }))
  /** What `name` resolves to on a: this many addresses where nobody is, and then b. */
  async function named(
    seed: number,
    count: number,
    link: LinkOptions = { delayMs: 20 },
  ): Promise<{ network: Network; a: Endpoint; b: Endpoint }> {
    const network = createNetwork({ seed, link, crypto: systemHost().crypto })
    const b = await network.until(Endpoint.bind({ host: network.host("b"), port: PORT, ...protection }))
    const a = await bindWith(
      network,
      "a",
      (host) => async () => [...dead(count - 1), ...(await host.resolve("b")).slice(0, 1)],
      protection,
    )
    return { network, a, b }
  }

  test.each([
    [2, 400],
    [4, 900],
    [10, 2_400],
    [32, 2_600],
    [40, 2_600],
    [200, 2_600],
  ])("of %i, the last alive: joined within %i ms, and nothing is left of the others", async (count, withinMs) => {
    const { network, a, b } = await named(1, count)
    const startMs = network.now
    const peer = await network.until(a.join(`name:${PORT}`))
    expect(network.now - startMs).toBeLessThan(withinMs)
    await network.advance(6_000)
    expect([a.peers, b.peers.length, a.sizes.slots, a.sizes.joins, b.sizes.slots, b.sizes.halfOpen]).toEqual([
      [peer],
      1,
      1,
      0,
      1,
      0,
    ])
  })

  test.each([
    [2, 200],
    [10, 500],
    [32, 1_000],
  ])("of %i, the last is asked in time though there are only %i ms", async (count, timeoutMs) => {
    const { network, a } = await named(2, count)
    await network.until(a.join(`name:${PORT}`, { timeoutMs }))
  })

  test.each([4, 8, 10, 32])(
    "of %i, the last alive, on a path that loses a fifth: every join comes through",
    async (count) => {
      for (let seed = 0; seed < 30; seed++) {
        const { network, a } = await named(seed, count, { delayMs: 20, lossRate: 0.2 })
        await network.until(a.join(`name:${PORT}`, { timeoutMs: 10_000 }), 10_000)
      }
    },
  )

  test("of more than are asked at a time, one that comes to life late is found on another round", async () => {
    const { network, a, b } = await named(3, 100)
    network.partition("a", "b")
    const joining = a.join(`name:${PORT}`, { timeoutMs: 30_000 })
    await network.advance(10_000)
    network.heal()
    const startMs = network.now
    await network.until(joining, 20_000)
    // Seventy others come before it, 150 ms apart.
    expect([network.now - startMs < 16_000, b.sizes.halfOpen <= 1]).toEqual([true, true])
  })

  test("where each belongs to another endpoint, one of them is joined, and no other", async () => {
    for (let seed = 0; seed < 20; seed++) {
      const network = createNetwork({ seed, link: { delayMs: 200, jitterMs: 150 }, crypto: systemHost().crypto })
      const others = ["b", "c", "d", "e"]
      const endpoints = await Promise.all(others.map(async (name) => network.host(name))).then(async (hosts) => {
        const bound: Endpoint[] = []
        for (const host of hosts) bound.push(await network.until(Endpoint.bind({ host, port: PORT, ...protection })))
        return bound
      })
      const a = await bindWith(
        network,
        "a",
        (host) => async () => (await Promise.all(others.map((name) => host.resolve(name)))).flat(),
        protection,
      )
      const peer = await network.until(a.join(`all:${PORT}`))
      await network.advance(8_000)
      expect([a.peers, endpoints.map(({ peers }) => peers.length).toSorted((x, y) => x - y), a.sizes.slots]).toEqual([
        [peer],
        [0, 0, 0, 1],
        1,
      ])
      expect(endpoints.map(({ sizes }) => [sizes.halfOpen, sizes.slots - sizes.peers])).toEqual(
        endpoints.map(() => [0, 0]),
      )
    }
  })

  test("where one refuses, the others are asked, at once; only where all do, it is refused", async () => {
    const network = createNetwork({ seed: 4, link: { delayMs: 20 }, crypto: systemHost().crypto })
    const bind = (name: string, options: EndpointOptions = {}): Promise<Endpoint> =>
      network.until(Endpoint.bind({ host: network.host(name, { v6: false }), port: PORT, ...protection, ...options }))
    const full = await bind("full", { peersMax: 1 })
    const guest = await bind("guest")
    await network.until(guest.join(`full:${PORT}`))
    await bind("b")
    const answers: ResolvedAddress[][] = []
    const a = await bindWith(network, "a", (host) => async () => answers.shift() ?? host.resolve("a"), protection)
    const [fullAt, bAt] = [full, { addresses: [{ family: 4, host: "10.0.0.3" }] }].map(
      (it) => it.addresses[0] as ResolvedAddress,
    )
    answers.push([fullAt!, bAt!])
    const startMs = network.now
    const peer = await network.until(a.join(`name:${PORT}`))
    expect([peer.address.host, network.now - startMs < 250]).toEqual([bAt!.host, true])
    answers.push([fullAt!, ...a.addresses])
    await expect(network.until(a.join(`name:${PORT}`))).rejects.toMatchObject({
      code: "join-refused",
      message: expect.stringContaining("too many peers"),
    })
    // Its own address is the only one left.
    answers.push([...a.addresses])
    await expect(network.until(a.join(`name:${PORT}`))).rejects.toMatchObject({
      code: "join-refused",
      message: expect.stringContaining("itself"),
    })
    // One address refuses, and one says nothing.
    answers.push([fullAt!, ...dead(1)])
    await expect(network.until(a.join(`name:${PORT}`))).rejects.toMatchObject({
      code: "join-refused",
      message: expect.stringContaining("too many peers"),
    })
    expect(a.sizes.joins).toBe(0)
  })
})

test.each([
  ["no secret", 10_000, {}, 40_000],
  ["a secret", 1_000, { secrets: ["0123456789abcdef"] }, 80_000],
])(
  "with %s, %i joins to nobody take little memory and end in time, and one beside them takes no longer",
  async (_, count, protection, bytesMax) => {
    const { network, bind } = makeWorld(20, { delayMs: 5 })
    const { endpoint: a } = await bind("a", protection)
    await bind("b", protection)
    network.host("c")
    network.filter(({ to }) => to === "b" || to === "a")
    const ends = new Map<string, number>()
    const held = (): number => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers
    const before = held()
    const joins = Array.from({ length: count }, (__, i) =>
      endOf(network, a.join({ host: "10.0.0.3", port: 1 + i }, { timeoutMs: 1_000 })).then((end) =>
        ends.set(end, (ends.get(end) ?? 0) + 1),
      ),
    )
    await network.advance(500)
    expect(a.sizes).toMatchObject({ joins: count, slots: count })
    const startMs = network.now
    await network.until(a.join(`b:${PORT}`))
    expect(network.now - startMs).toBeLessThan(50)
    await network.advance(400)
    // Present garbage counts too.
    expect((held() - before) / count).toBeLessThan(bytesMax)
    await network.until(Promise.all(joins))
    expect([...ends]).toEqual([["join-timeout after 1000 ms", count]])
    expect(a.sizes).toMatchObject({ joins: 0, slots: 1, timers: 1 })
  },
)

test("more joins at a time than twice the peers that there may be, or 1,024, are refused", async () => {
  const { network, bind } = makeWorld(21)
  const { endpoint: a } = await bind("a", { peersMax: 100 })
  network.host("c")
  const joins = Array.from({ length: 1_100 }, (_, i) =>
    endOf(network, a.join({ host: "10.0.0.2", port: 1 + i }, { timeoutMs: 1_000 })),
  )
  const seen = await network.until(Promise.all(joins))
  expect([
    seen.filter((end) => end === "join-timeout after 1000 ms").length,
    seen.filter((end) => end === "refused after 0 ms").length,
  ]).toEqual([1_024, 76])
  expect(a.sizes).toMatchObject(NOTHING_LEFT)
})
