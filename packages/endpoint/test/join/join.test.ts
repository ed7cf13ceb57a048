import { Endpoint, type EndpointOptions, type Peer, REASON } from "@x/endpoint"
import type { LinkOptions } from "@x/transport/simulated"
import { describe, expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { group, publicKeyOf } from "../members.ts"
import { makePair, makeWorld, PORT } from "../world.ts"

test("F34 a join to nobody fails after five seconds and says what to look at", async () => {
  const { network, bind } = makeWorld(1)
  const { endpoint } = await bind("a")
  network.host("b")
  const startMs = network.now
  await expect(network.until(endpoint.join(`b:${PORT}`))).rejects.toMatchObject({
    code: "join-timeout",
    message: expect.stringContaining("nobody answered"),
  })
  expect(network.now - startMs).toBe(5_000)
  expect(endpoint.sizes).toMatchObject({ joins: 0, slots: 0, timers: 0 })
})

test("F34 a join that is aborted ends at once and leaves nothing", async () => {
  const { network, bind } = makeWorld(2)
  const { endpoint } = await bind("a")
  network.host("b")
  const abort = new AbortController()
  const join = endpoint.join(`b:${PORT}`, { signal: abort.signal })
  join.catch(() => {})
  await network.advance(300)
  abort.abort()
  await expect(network.until(join, 0)).rejects.toMatchObject({ code: "aborted" })
  expect(endpoint.sizes).toMatchObject({ joins: 0, slots: 0, timers: 0 })
})

test("F34 a join to oneself is refused", async () => {
  const { network, bind } = makeWorld(3)
  const { endpoint } = await bind("a")
  await expect(network.until(endpoint.join(`a:${PORT}`))).rejects.toMatchObject({
    code: "join-refused",
    message: expect.stringContaining("itself"),
  })
})

test.each(["a", "a:0", "a:65536", ":1", "a:b:1", "[::1]", "", "[fd00::1]:x"])(
  "the target %j is refused with an example of a good one",
  async (target) => {
    const { network, bind } = makeWorld(4)
    const { endpoint } = await bind("a")
    await expect(network.until(endpoint.join(target))).rejects.toMatchObject({
      code: "invalid-target",
      message: expect.stringContaining("192.0.2.1:port"),
    })
  },
)

test("F47 a peer joins over a path that loses three of ten datagrams", async () => {
  for (let seed = 0; seed < 50; seed++) {
    const { network, bind } = makeWorld(seed, { delayMs: 15, lossRate: 0.3 })
    const { endpoint: a } = await bind("a", { joinTimeoutMs: 20_000 })
    await bind("b")
    await network.until(a.join(`b:${PORT}`))
  }
})

test("F25 both ends see one peer after a simultaneous join, whatever the delays, over one family or two", async () => {
  for (let seed = 0; seed < 100; seed++) {
    const { network, bind } = makeWorld(seed, { delayMs: 1, jitterMs: 20, lossRate: seed % 3 === 0 ? 0.1 : 0 })
    const { endpoint: a } = await bind("a")
    const { endpoint: b } = await bind("b")
    const events: string[] = []
    for (const endpoint of [a, b])
      for (const name of ["joined", "rejoined", "restarted", "left"] as const)
        endpoint.on(name, () => events.push(name))
    const [toB, toA] = await network.until(
      Promise.all([a.join(`10.0.0.2:${PORT}`), b.join(seed % 2 === 0 ? `10.0.0.1:${PORT}` : `[fd00::1]:${PORT}`)]),
    )
    const received: string[] = []
    a.handle(1, ({ peer }) => received.push(`a from ${peer.unique}`))
    b.handle(1, ({ peer }) => received.push(`b from ${peer.unique}`))
    await network.until(Promise.all([toB.open().send(1, new Uint8Array(3)), toA.open().send(1, new Uint8Array(3))]))
    // A half-open association is forgotten after 5 s.
    await network.advance(6_000)
    expect(events).toEqual(["joined", "joined"])
    expect(received.toSorted()).toEqual([`a from ${b.unique}`, `b from ${a.unique}`])
    expect([a.peers.length, b.peers.length]).toEqual([1, 1])
    // The losing association has retired on both sides.
    expect([a.sizes.slots, b.sizes.slots]).toEqual([1, 1])
    expect(toB.stats().datagramsSent).toBeGreaterThan(0)
  }
})

test("F35 joining a peer again gives the peer that is there", async () => {
  const { network, a, b, toB } = await makePair(5)
  expect(await network.until(a.join(`b:${PORT}`))).toBe(toB)
  expect(await network.until(a.join(`[fd00::2]:${PORT}`))).toBe(toB)
  // Datagrams over its previous association are accepted for a while.
  await network.advance(2_000)
  expect([a.peers.length, b.peers.length, a.sizes.slots]).toEqual([1, 1, 1])
})

test("F22 a repeated join gets the same answer and makes no second association", async () => {
  const { network, bind } = makeWorld(6, { delayMs: 5, duplicateRate: 1, reorderRate: 0.5, reorderDelayMs: 50 })
  const { endpoint: a } = await bind("a")
  const { endpoint: b } = await bind("b")
  await network.until(a.join(`b:${PORT}`))
  await network.advance(1_000)
  expect([a.sizes.slots, b.sizes.slots, b.sizes.halfOpen]).toEqual([1, 1, 0])
})

test("F22 who takes the accept of a late try has as long to be heard as after the first one", async () => {
  const { network, bind } = makeWorld(8, { delayMs: 5 })
  const { endpoint: a } = await bind("a", { joinTimeoutMs: 20_000 })
  const { endpoint: b } = await bind("b")
  const events: string[] = []
  for (const name of ["rejoined", "restarted", "left"] as const) a.on(name, () => events.push(name))
  const joining = a.join(`10.0.0.2:${PORT}`)
  // The challenge has come; none of the accepts arrives within a second.
  await network.advance(12)
  network.link("b", "a", { delayMs: 5, lossRate: 1 })
  await network.advance(1_000)
  expect([a.peers.length, b.sizes.halfOpen]).toEqual([0, 1])
  network.link("b", "a", { delayMs: 5 })
  await network.advance(224)
  // An accept is under way. Its confirmation comes more than five seconds after the first accept.
  network.link("a", "b", { delayMs: 5, lossRate: 1 })
  const toB = await network.until(joining)
  await network.advance(4_000)
  expect(network.now).toBeGreaterThan(5_015)
  network.link("a", "b", { delayMs: 5 })
  const stream = toB.open()
  await network.until(stream.send(1, new Uint8Array(3)))
  await network.until(stream.flush())
  expect([events, a.peers, b.sizes.halfOpen, b.sizes.slots]).toEqual([[], [toB], 0, 1])
})

test("F26 a process that restarts on the same address is another peer, and its streams begin anew", async () => {
  const { network, bind, a, b, hostB, toB } = await makePair(7)
  const events: string[] = []
  a.on("restarted", (peer, before) => events.push(`restarted ${peer.unique} ${before.unique}`))
  a.on("left", (peer) => events.push(`left ${peer.unique}`))
  const stream = toB.open()
  await network.until(stream.send(1, new Uint8Array(10)))
  hostB.crash()
  const { endpoint: b2 } = await bind("b")
  const received: number[] = []
  b2.handle(1, ({ length }) => received.push(length))
  expect(stream.trySend(1, new Uint8Array(20))).toBe("sent")
  const toB2 = await network.until(new Promise<Peer>((resolve) => a.on("restarted", resolve)))
  expect(events).toEqual([`left ${b.unique}`, `restarted ${b2.unique} ${b.unique}`])
  expect(received).toEqual([])
  expect(stream.trySend(1, new Uint8Array(1))).toBe("not-joined")
  await network.until(toB2.open().send(1, new Uint8Array(30)))
  await network.advance(100)
  expect(received).toEqual([30])
  expect(a.sizes).toMatchObject({ peers: 1, slots: 1, pool: 0 })
})

test("a peer that was forgotten joins anew under the same identity", async () => {
  const { network, a, b, toB } = await makePair(8, { delayMs: 5 }, { unreachableMs: 2_000, leaveMs: 1_000 })
  network.partition("a", "b")
  await network.advance(60_000)
  expect(toB.state).toBe("left")
  network.heal()
  const again = await network.until(a.join(`b:${PORT}`))
  expect(again).not.toBe(toB)
  expect(again.unique).toBe(toB.unique)
  await network.advance(100)
  expect([a.peers.length, b.peers.length]).toEqual([1, 1])
})

test("one side that forgot the other and joins anew is reported as rejoined", async () => {
  const { network, a, b, toB } = await makePair(9, { delayMs: 5 }, { unreachableMs: 3_600_000 })
  const events: string[] = []
  b.on("rejoined", (peer, before) => events.push(`${peer.unique} ${before.state}`))
  network.partition("a", "b", { both: true })
  await network.until(toB.leave(), 10_000)
  network.heal()
  await network.until(a.join(`b:${PORT}`))
  await network.advance(100)
  expect(events).toEqual([`${a.unique} left`])
  expect([a.peers.length, b.peers.length]).toEqual([1, 1])
  expect([a.sizes.slots, b.sizes.slots]).toEqual([1, 1])
})

describe("families", () => {
  test("a v4-only and a v6-only machine each work, and a dual endpoint talks to both at once", async () => {
    const { network } = makeWorld(10)
    const bind = (name: string, families: { v4?: boolean; v6?: boolean }): Promise<Endpoint> =>
      network.until(Endpoint.bind({ host: network.host(name, families), port: PORT }))
    const [four, six, dual] = [
      await bind("four", { v6: false }),
      await bind("six", { v4: false }),
      await bind("dual", {}),
    ]
    const received: string[] = []
    dual.handle(1, ({ peer }) => received.push(peer.address.host))
    const peers = await network.until(Promise.all([four.join(`dual:${PORT}`), six.join(`dual:${PORT}`)]))
    await network.until(Promise.all(peers.map((peer) => peer.open().send(1, new Uint8Array(1)))))
    await network.advance(100)
    expect(received.toSorted()).toEqual([four.addresses[0]!.host, six.addresses[0]!.host].toSorted())
    await expect(network.until(four.join(`six:${PORT}`))).rejects.toMatchObject({
      code: "invalid-target",
      message: expect.stringContaining("v6"),
    })
  })
})

test("an endpoint that is full refuses further joins and says so", async () => {
  const { network, bind } = makeWorld(11)
  const { endpoint: b } = await bind("b", { peersMax: 1 })
  const { endpoint: a } = await bind("a")
  const { endpoint: c } = await bind("c")
  await network.until(a.join(`b:${PORT}`))
  await expect(network.until(c.join(`b:${PORT}`))).rejects.toMatchObject({
    code: "join-refused",
    message: expect.stringContaining("too many peers"),
  })
  expect(b.stats().drops["peers-full"]).toBeGreaterThan(0)
})

test("leaving tells the peer why, and closes its streams", async () => {
  const { network, b, toB } = await makePair(12)
  const left: unknown[] = []
  b.on("left", (_, why) => left.push(why))
  const there = { ...toB.address }
  const closed: unknown[] = []
  b.handle(1, () => {})
  b.on("stream", (stream) => void stream.closed.then((end) => closed.push(end)))
  await network.until(toB.open({ label: "x" }).send(1, new Uint8Array(1)))
  await network.advance(50)
  await network.until(toB.leave(REASON.closing, "enough for today"))
  await network.advance(1_000)
  expect(left).toEqual([{ reason: REASON.closing, text: "enough for today", unconfirmed: 0, dropped: 0 }])
  expect(closed).toEqual([{ isComplete: false, reason: REASON.closing, gone: 0 }])
  // The address that it was at is remembered.
  expect([there, toB.address]).toEqual([b.addresses[0], b.addresses[0]])
  expect(b.sizes).toMatchObject({ peers: 0, slots: 0, timers: 0 })
})

test("a goodbye that is lost is said again; one that is never heard ends after a second", async () => {
  const { network, a, toB } = await makePair(13)
  network.partition("b", "a", { both: false })
  const startMs = network.now
  await network.until(toB.leave())
  expect(network.now - startMs).toBeLessThanOrEqual(2_000)
  await network.advance(2_000)
  expect(a.sizes).toMatchObject({ peers: 0, slots: 0 })
})

test("F50 a peer that is silent becomes unreachable, reachable again when heard, and leaves after a while", async () => {
  const { network, a, toB } = await makePair(14)
  const events: string[] = []
  for (const name of ["unreachable", "reachable", "left", "restarted", "rejoined"] as const)
    a.on(name, () => events.push(`${name} ${Math.round((network.now - startMs) / 1_000)}`))
  let startMs = network.now
  await network.advance(60_000)
  expect(events).toEqual([])
  startMs = network.now
  network.partition("a", "b", { both: false })
  await network.advance(20_000)
  expect(events.length).toBe(0)
  // b hears nothing, but a hears b: only one of them can tell.
  network.partition("a", "b")
  startMs = network.now
  await network.advance(30_000)
  expect(events.map((event) => event.split(" ")[0])).toEqual(["unreachable"])
  network.heal()
  await network.advance(20_000)
  expect(events.map((event) => event.split(" ")[0])).toEqual(["unreachable", "reachable"])
  network.partition("a", "b")
  await network.advance(80_000)
  expect(events.map((event) => event.split(" ")[0])).toEqual(["unreachable", "reachable", "unreachable", "left"])
  expect(toB.state).toBe("left")
})

const CHATTERS = ["ann", "ben", "eve"] as const

interface Chat {
  readonly network: ReturnType<typeof makeWorld>["network"]
  bind(name: string): Promise<Endpoint>
  join(endpoint: Endpoint, name: string): Promise<Peer>
}

function chat(seed: number, link: LinkOptions, options: EndpointOptions): Chat {
  const { network, bind } = makeWorld(seed, link)
  return {
    network,
    bind: async (name) => (await bind(name, options)).endpoint,
    join: (endpoint, name) => endpoint.join(`${name}:${PORT}`, { timeoutMs: 60_000 }),
  }
}

function chatOfMembers(seed: number, link: LinkOptions): Chat {
  const { network, member } = group(seed, link)
  return {
    network,
    bind: (name) => member(name, CHATTERS),
    join: (endpoint, name) => endpoint.join(`${name}:${PORT}`, { timeoutMs: 60_000, publicKey: publicKeyOf(name) }),
  }
}

const SECRETS = ["what all members know"]
const PROTECTED: Readonly<Record<string, (seed: number, link: LinkOptions) => Chat>> = {
  none: (seed, link) => chat(seed, link, { protection: "none" }),
  checksum: (seed, link) => chat(seed, link, { protection: "checksum" }),
  mac: (seed, link) => chat(seed, link, { protection: "mac", secrets: SECRETS }),
  aead: (seed, link) => chat(seed, link, { protection: "aead", secrets: SECRETS }),
  "aead with identities": chatOfMembers,
}

describe.each(Object.entries(PROTECTED))("after its own `joined` (%s)", (_, makeChat) => {
  test("who joins is told first, and then its join settles; the other side hears that half a round trip later", async () => {
    const { network, bind, join } = makeChat(1, { delayMs: 10 })
    const [ann, ben] = [await bind("ann"), await bind("ben")]
    const told: [string, number][] = []
    ann.on("joined", () => told.push(["ann's joined", network.now]))
    ben.on("joined", () => told.push(["ben's joined", network.now]))
    await network.until(join(ann, "ben"))
    told.push(["ann's join", network.now])
    // Ben doesn't know yet whether its answer has come.
    expect([ann.peers.length, ben.peers.length]).toEqual([1, 0])
    await network.advance(100)
    const atMs = told[0]![1]
    expect(told).toEqual([
      ["ann's joined", atMs],
      ["ann's join", atMs],
      ["ben's joined", atMs + 10],
    ])
  })

  const PATHS: readonly (readonly [string, LinkOptions])[] = [
    ["with loss", { delayMs: 15, lossRate: 0.3 }],
    ["with reordering", { delayMs: 5, jitterMs: 30, reorderRate: 0.3, duplicateRate: 0.2 }],
    ["with both", { delayMs: 15, jitterMs: 15, lossRate: 0.2, reorderRate: 0.2, duplicateRate: 0.1 }],
  ]
  describe.each(PATHS)("%s", (_path, link) => {
    test.each(["one after the other", "all at once"])(
      "all that each of three says at once arrives: they join %s",
      async (how) => {
        for (let seed = 0; seed < runs(5); seed++) {
          const { network, bind, join } = makeChat(seed, link)
          const heard: string[] = []
          const events: string[] = []
          const people = new Map<string, Endpoint>()
          const say = (name: string, when: string, peer: Peer): void => {
            const text = new TextEncoder().encode(`${name} ${when}`)
            expect(peer.open().trySend(1, text)).toBe("sent")
          }
          for (const name of CHATTERS) {
            const endpoint = await bind(name)
            people.set(name, endpoint)
            const known = new Set<Peer>()
            endpoint.on("joined", (peer) => {
              known.add(peer)
              say(name, "joined", peer)
            })
            for (const event of ["rejoined", "restarted", "left"] as const)
              endpoint.on(event, () => events.push(`${name}: ${event}`))
            // Nothing of a peer comes before the peer was reported.
            endpoint.on("stream", ({ peer }) => expect(known.has(peer)).toBe(true))
            endpoint.handle(1, ({ bytes, peer }) => {
              expect(known.has(peer)).toBe(true)
              heard.push(`${name} heard ${new TextDecoder().decode(bytes)}`)
            })
          }
          const enter = async (name: string, others: readonly string[]): Promise<void> => {
            const joining = others.map((other) => join(people.get(name)!, other))
            // Right after the join, to all that are there.
            await Promise.all(joining.map(async (it) => say(name, "has joined", await it)))
          }
          const others = (name: string, i: number): readonly string[] =>
            how === "all at once" ? CHATTERS.filter((it) => it !== name) : CHATTERS.slice(0, i)
          if (how === "all at once")
            await network.until(Promise.all(CHATTERS.map((name, i) => enter(name, others(name, i)))), 120_000)
          else for (const [i, name] of CHATTERS.entries()) await network.until(enter(name, others(name, i)), 120_000)
          await network.advance(20_000)
          const expected = CHATTERS.flatMap((name, i) => [
            ...CHATTERS.filter((it) => it !== name).map((other) => `${other} heard ${name} joined`),
            ...others(name, i).map((other) => `${other} heard ${name} has joined`),
          ])
          expect([seed, events, heard.toSorted()]).toEqual([seed, [], expected.toSorted()])
        }
      },
    )
  })
})
