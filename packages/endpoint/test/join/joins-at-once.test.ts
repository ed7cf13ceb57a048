/**
 * Joins that cross: however two incarnations join each other, by any number of names, addresses, sides and times, they
 * have one session as long as both live.
 */
import { Endpoint, type EndpointOptions, type Peer } from "@x/endpoint"
import { systemHost } from "@x/transport"
import type { Host } from "@x/transport/host"
import { createNetwork, type LinkOptions, type Network } from "@x/transport/simulated"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { hostWith } from "../host-with.ts"
import { makeWorld, pattern, PORT } from "../world.ts"

const V4 = `10.0.0.2:${PORT}`
const V6 = `[fd00::2]:${PORT}`
const A_V4 = `10.0.0.1:${PORT}`
const A_V6 = `[fd00::1]:${PORT}`

interface Meeting {
  readonly network: Network
  readonly a: Endpoint
  readonly b: Endpoint
  /** A number below `below`, drawn from the seed. */
  draw(below: number): number
}

/** What each side begins, in promises of peers; all of them have to settle, and none may fail. */
type Way = (meeting: Meeting) => Promise<unknown>[] | Promise<Promise<unknown>[]>

const WAYS: Readonly<Record<string, Way>> = {
  "twice by one name": ({ a }) => [a.join(`b:${PORT}`), a.join(`b:${PORT}`)],
  "by three names": ({ a }) => [a.join(`b:${PORT}`), a.join(`other:${PORT}`), a.join(V4)],
  "over v4 and v6": ({ a }) => [a.join(V4), a.join(V6)],
  "over v4 and v6, one a little later": async ({ network, a, draw }) => {
    const first = a.join(V4)
    await network.advance(draw(100))
    return [first, a.join(V6)]
  },
  "from both sides": ({ a, b }) => [a.join(V4), b.join(A_V4)],
  "from both sides, one a little later": async ({ network, a, b, draw }) => {
    const first = a.join(V4)
    await network.advance(draw(100))
    return [first, b.join(A_V4)]
  },
  "from both sides, over v4 and v6": ({ a, b }) => [a.join(V4), b.join(A_V6)],
  "from both sides, twice, over everything": ({ a, b }) => [a.join(V4), a.join(V6), b.join(`a:${PORT}`), b.join(A_V6)],
  "a connection beside a join, by another name": ({ a }) => [a.connect(`other:${PORT}`).joined(), a.join(V4)],
  "a connection of each side": ({ a, b }) => [a.connect(`other:${PORT}`).joined(), b.connect(A_V6).joined()],
  "again, after one was given up whose answer is still on its way": async ({ network, a, draw }) => {
    const given = a.join(V4, { timeoutMs: 1 + draw(90) }).catch(() => {})
    await network.until(given)
    return [a.join(V4)]
  },
  "again over v6, after one over v4 was aborted": async ({ network, a, draw }) => {
    const abort = new AbortController()
    const first = a.join(V4, { signal: abort.signal }).catch(() => {})
    await network.advance(draw(120))
    abort.abort()
    await network.until(first)
    return [a.join(V6)]
  },
  "again and again while joined, over either family": async ({ network, a, b, draw }) => {
    await network.until(a.join(V4), 60_000)
    const more: Promise<unknown>[] = []
    for (let i = 0; i < 4; i++) {
      more.push(draw(2) === 0 ? a.join(draw(2) === 0 ? V4 : V6) : b.join(draw(2) === 0 ? A_V4 : A_V6))
      await network.advance(draw(60))
    }
    return more
  },
  "a join beside probes of both sides": async ({ network, a, b, draw }) => {
    await network.until(a.join(V4), 60_000)
    await network.advance(200)
    // Three heartbeats are unanswered: each side joins to learn which incarnation is there.
    network.partition("a", "b")
    await network.advance(700 + draw(300))
    network.heal()
    const first = a.join(draw(2) === 0 ? V4 : V6)
    await network.advance(draw(60))
    return [first, b.join(draw(2) === 0 ? A_V4 : A_V6)]
  },
}

const PATHS: readonly LinkOptions[] = [
  { delayMs: 20, jitterMs: 10, reorderRate: 0.1 },
  { delayMs: 1, jitterMs: 30 },
  { delayMs: 15, jitterMs: 15, reorderRate: 0.3, duplicateRate: 0.2 },
  { delayMs: 10, jitterMs: 10, lossRate: 0.2, duplicateRate: 0.1 },
]

/** Resolves `other` like `b`, with its addresses in reverse. */
function withAlias(host: Host): Host {
  return hostWith(host, {
    resolve: async (name, signal) =>
      name === "other" ? (await host.resolve("b", signal)).toReversed() : host.resolve(name, signal),
  })
}

async function meet(seed: number, options: EndpointOptions): Promise<Meeting> {
  const network = createNetwork({ seed, link: PATHS[seed % PATHS.length]!, crypto: systemHost().crypto })
  const bind = (name: string): Promise<Endpoint> =>
    network.until(
      Endpoint.bind({
        port: PORT,
        heartbeatMs: 200,
        joinTimeoutMs: 20_000,
        ...options,
        host: withAlias(network.host(name)),
      }),
    )
  const [a, b] = [await bind("a"), await bind("b")]
  let state = seed * 2_654_435_761
  const draw = (below: number): number => {
    state = (Math.imul(state | 0, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  return { network, a, b, draw }
}

async function run(way: Way, seed: number, options: EndpointOptions): Promise<void> {
  const meeting = await meet(seed, options)
  const { network, a, b } = meeting
  const events: string[] = []
  const received = { a: 0, b: 0 }
  for (const [name, endpoint] of Object.entries({ a, b }) as ["a" | "b", Endpoint][]) {
    for (const event of ["joined", "rejoined", "restarted", "left"] as const)
      endpoint.on(event, () => events.push(`${name} ${event}`))
    endpoint.handle(1, () => received[name]++)
    // The joined side goes on at once.
    endpoint.on("joined", (peer: Peer) => {
      const stream = peer.open()
      for (let i = 0; i < 5; i++) stream.trySend(1, new Uint8Array(10))
    })
  }
  const joining = await way(meeting)
  await network.until(Promise.all(joining), 60_000)
  network.links({ delayMs: 10 })
  await network.advance(8_000)
  const state = [
    events.toSorted(),
    received,
    [a, b].map(({ sizes }) => [sizes.peers, sizes.slots, sizes.joins, sizes.halfOpen]),
  ]
  expect([seed, ...state]).toEqual([
    seed,
    ["a joined", "b joined"],
    { a: 5, b: 5 },
    [
      [1, 1, 0, 0],
      [1, 1, 0, 0],
    ],
  ])
  // And it is one association: each hears the other.
  await network.until(Promise.all([a.peers[0]!.ping({ timeoutMs: 500 }), b.peers[0]!.ping({ timeoutMs: 500 })]))
  for (const endpoint of [a, b]) endpoint.assertInvariants()
}

const PROTECTIONS: Readonly<Record<string, EndpointOptions>> = {
  checksum: { protection: "checksum" },
  mac: { secrets: ["a secret that both of them know"] },
}

for (const [protection, options] of Object.entries(PROTECTIONS))
  test.each(Object.entries(WAYS))(`joins %s make one session (${protection})`, async (_, way) => {
    for (let seed = 0; seed < runs(40); seed++) await run(way, seed, options)
  })

test("with keys, an accept that comes as late as it likes, while the other side joins too, is of the session that they come to", async () => {
  for (let lateMs = 10; lateMs <= 60; lateMs++) {
    const { network, a, b } = await meet(0, { secrets: ["a secret that both of them know"] })
    network.links({ delayMs: 10 })
    const events: string[] = []
    for (const endpoint of [a, b])
      for (const event of ["joined", "rejoined", "restarted", "left"] as const)
        endpoint.on(event, () => events.push(event))
    let isHeld = false
    network.filter(({ from, bytes }) => {
      // The first accept: outside an association, and sealed with the result of an exchange.
      if (isHeld || from !== "b" || (bytes[0]! & 4) === 0 || bytes[11] !== 1) return true
      isHeld = true
      network.inject(b.addresses[0]!, a.addresses[0]!, bytes.slice(), lateMs)
      return false
    })
    const first = a.join(V4)
    await network.when(() => b.sizes.halfOpen === 1)
    await network.until(Promise.all([first, b.join(A_V4)]))
    await network.advance(8_000)
    expect([lateMs, isHeld, events, a.sizes.slots, b.sizes.slots]).toEqual([lateMs, true, ["joined", "joined"], 1, 1])
  }
})

test.each(Object.entries(PROTECTIONS))(
  "a join is over when another has joined its peer: there is one association, and never a second (%s)",
  async (_, options) => {
    const { network, a, b } = await meet(0, options)
    network.links({ delayMs: 10 })
    let slots = 0
    network.filter(() => {
      slots = Math.max(slots, a.peers.length === 0 ? 0 : a.sizes.slots)
      return true
    })
    const [first, second] = await network.until(Promise.all([a.join(V4), a.join(V6)]))
    expect(second).toBe(first)
    await network.advance(8_000)
    expect([slots, a.sizes.slots, b.sizes.slots, b.sizes.halfOpen]).toEqual([1, 1, 1, 0])
  },
)

test("two joins to the same peer at once give one peer on both sides", async () => {
  const { network, bind } = makeWorld(1, { delayMs: 5 })
  const { endpoint: a } = await bind("a")
  const { endpoint: b } = await bind("b")
  const events: string[] = []
  for (const [n, e] of [
    ["a", a],
    ["b", b],
  ] as const)
    for (const name of ["joined", "rejoined", "restarted", "left"] as const)
      e.on(name, () => events.push(`${n} ${name}`))
  const first = a.join(`b:${PORT}`)
  await network.advance(5)
  const [p, q] = await network.until(Promise.all([first, a.join(`b:${PORT}`)]))
  const s = p.open()
  await network.until(s.send(1, pattern(10)))
  await network.advance(1_000)
  expect(s.unacknowledgedBytes).toBe(0)
  expect(p).toBe(q)
  expect(events).toEqual(["a joined", "b joined"])
})
