// A name with several addresses: which of them are asked, when, and what is left of the others.

import { type Connection, Endpoint, EndpointError, type EndpointOptions } from "@x/endpoint"
import { systemHost, TransportError } from "@x/transport"
import type { Host, ResolvedAddress, SocketErrorCode, Transport } from "@x/transport/host"
import { createNetwork, type LinkOptions, type Network } from "@x/transport/simulated"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { runs } from "../../../tools/testkit/src/runs.ts"
import { hostWith } from "./host-with.ts"
import { PORT } from "./world.ts"

const KEYED: EndpointOptions = { secrets: ["0123456789abcdef"] }
const PLAIN: EndpointOptions = {}
const DELAY_MS = 10
const RTT_MS = 2 * DELAY_MS

const DEAD_V4: ResolvedAddress = { family: 4, host: "10.9.9.9" }
const DEAD_V6: ResolvedAddress = { family: 6, host: "fd09::9" }

type Answer = () => unknown

/** A host with a resolver of its own, where the system refuses to send to some addresses. */
function resolving(host: Host, answer: Answer, refusals: ReadonlyMap<string, SocketErrorCode> = new Map()): Host {
  return hostWith(host, {
    resolve: async () => answer() as ResolvedAddress[],
    bind: async (options) => {
      const transport: Transport = await host.bind(options)
      const nowhere = transport.internAddress({ family: 4, host: "10.99.99.99", port: 9 })
      const { send, onError } = { send: transport.send.bind(transport), onError: transport.onError.bind(transport) }
      let report: Parameters<Transport["onError"]>[0] = () => {}
      transport.onError = (fn) => onError((report = fn))
      transport.send = (batch) => {
        const addresses = batch.address.slice(0, batch.count)
        for (const [row, address] of addresses.entries()) {
          const code = refusals.get(transport.addressOf(address).host)
          if (code === undefined) continue
          batch.address[row] = nowhere
          const cause = Object.assign(new Error(`send ${code}`), { code })
          report({ code, operation: "send", address, bytes: batch.length[row]!, cause })
        }
        const taken = send(batch)
        batch.address.set(addresses)
        return taken
      }
      return transport
    },
  })
}

interface Pair {
  readonly network: Network
  readonly a: Endpoint
  readonly b: Endpoint
  readonly v4: ResolvedAddress
  readonly v6: ResolvedAddress
}

async function makePair(
  answer: (b: { readonly v4: ResolvedAddress; readonly v6: ResolvedAddress }) => unknown,
  options: EndpointOptions = KEYED,
  refusals?: ReadonlyMap<string, SocketErrorCode>,
  link: LinkOptions = { delayMs: DELAY_MS },
): Promise<Pair> {
  const network = createNetwork({ seed: 1, link, crypto: systemHost().crypto })
  const host = network.host("b")
  const b = await network.until(Endpoint.bind({ port: PORT, ...options, host }))
  const [v4, v6] = [host.machine.addresses[0]!, host.machine.addresses[1]!]
  const a = await network.until(
    Endpoint.bind({ port: PORT, ...options, host: resolving(network.host("a"), () => answer({ v4, v6 }), refusals) }),
  )
  return { network, a, b, v4, v6 }
}

async function timed<T>(network: Network, promise: Promise<T>): Promise<[T, number]> {
  const startMs = network.now
  const result = await network.until(promise)
  return [result, network.now - startMs]
}

async function failureOf(network: Network, promise: Promise<unknown>): Promise<EndpointError> {
  const error = await network.until(
    promise.then(
      () => undefined,
      (error: unknown) => error,
    ),
  )
  expect(error).toBeInstanceOf(EndpointError)
  return error as EndpointError
}

describe("v6 before v4", () => {
  test.each([
    ["v6 answers", ({ v4, v6 }: Pair) => [v6, v4], RTT_MS, 6],
    ["v6 is a black hole", ({ v4 }: Pair) => [DEAD_V6, v4], 250 + RTT_MS, 4],
    ["all of v6 is a black hole", ({ v4 }: Pair) => [DEAD_V6, { family: 6, host: "fd09::8" }, v4], 250 + RTT_MS, 4],
  ] as const)("%s: joined within 250 ms and a round trip", async (_, answer, withinMs, family) => {
    const { network, a, b } = await makePair((at) => answer(at as Pair))
    const [peer, tookMs] = await timed(network, a.join(`name:${PORT}`))
    expect([tookMs <= withinMs + 1, peer.address.family]).toEqual([true, family])
    await network.advance(RTT_MS)
    expect([a.sizes.joins, b.sizes.halfOpen, a.peers.length, b.peers.length]).toEqual([0, 0, 1, 1])
  })

  test("the system refuses v6: v4 is asked at once", async () => {
    for (const code of ["ENETUNREACH", "EADDRNOTAVAIL", "EHOSTUNREACH", "EPERM", "other"] as const) {
      const { network, a } = await makePair(({ v4 }) => [DEAD_V6, v4], KEYED, new Map([[DEAD_V6.host, code]]))
      const [peer, tookMs] = await timed(network, a.join(`name:${PORT}`))
      expect([code, Math.round(tookMs), peer.address.family]).toEqual([code, RTT_MS, 4])
    }
  })

  test("an error that may be of an earlier datagram, or passes, hastens nothing", async () => {
    for (const code of ["ENOBUFS", "EAGAIN", "ECONNREFUSED", "ECONNRESET"] as const) {
      const { network, a } = await makePair(({ v4 }) => [DEAD_V6, v4], KEYED, new Map([[DEAD_V6.host, code]]))
      const [, tookMs] = await timed(network, a.join(`name:${PORT}`))
      expect([code, Math.round(tookMs)]).toEqual([code, 250 + RTT_MS])
    }
  })

  test("what the other side has accepted over v6 is dropped there as soon as it hears that v4 was taken", async () => {
    const network = createNetwork({ seed: 1, link: { delayMs: DELAY_MS }, crypto: systemHost().crypto })
    const [hostA, hostB] = [network.host("a"), network.host("b")]
    const [v4, v6] = hostB.machine.addresses
    // What b answers over v6 doesn't arrive.
    const lost = new Map(hostA.machine.addresses.slice(1).map(({ host }) => [host, "ENOBUFS"] as const))
    const b = await network.until(Endpoint.bind({ port: PORT, ...KEYED, host: resolving(hostB, () => [], lost) }))
    const a = await network.until(Endpoint.bind({ port: PORT, ...KEYED, host: resolving(hostA, () => [v6, v4]) }))
    const joining = a.join(`name:${PORT}`)
    await network.advance(100)
    expect(b.sizes.halfOpen).toBe(1)
    await network.until(joining)
    await network.advance(RTT_MS)
    expect([b.sizes.halfOpen, b.sizes.slots, b.peers.length, a.sizes.joins, a.peers.length]).toEqual([0, 1, 1, 0, 1])
  })
})

describe("nobody answers", () => {
  test("the error names all addresses that were asked", async () => {
    const { network, a } = await makePair(() => [DEAD_V6, DEAD_V4])
    const error = await failureOf(network, a.join(`name:${PORT}`))
    expect([error.code, error.cause]).toEqual(["join-timeout", undefined])
    expect(error.message).toContain(`nobody answered at [fd09::9]:${PORT} or 10.9.9.9:${PORT} within 5000 ms`)
    expect(a.sizes).toMatchObject({ joins: 0, slots: 0, timers: 0 })
  })

  test("where the system refused to send, the error says so, with the system's as its cause", async () => {
    const refusals = new Map<string, SocketErrorCode>([["::1", "EADDRNOTAVAIL"]])
    const { network, a } = await makePair(() => ({ family: 6, host: "::1" }), KEYED, refusals)
    const error = await failureOf(network, a.join(`[::1]:${PORT}`, { timeoutMs: 500 }))
    expect([error.code, (error.cause as { code?: string }).code]).toEqual(["join-timeout", "EADDRNOTAVAIL"])
    expect(error.message).toBe(
      `nobody answered at [::1]:${PORT} within 500 ms; the system refused to send to [::1]:${PORT} (EADDRNOTAVAIL): has this machine an address of that family, and a route there?`,
    )
    expect(a.sizes).toMatchObject({ joins: 0, slots: 0, timers: 0 })
    // What it refused before, and took last, isn't the cause.
    const joining = a.join(`[::1]:${PORT}`, { timeoutMs: 500 })
    joining.catch(() => {})
    await network.advance(50)
    refusals.clear()
    expect((await failureOf(network, joining)).cause).toBeUndefined()
  })

  test("where it refused two addresses, the cause has both", async () => {
    const refusals = new Map<string, SocketErrorCode>([
      [DEAD_V6.host, "ENETUNREACH"],
      [DEAD_V4.host, "EPERM"],
    ])
    const { network, a } = await makePair(() => [DEAD_V6, { family: 4, host: "10.9.9.8" }, DEAD_V4], KEYED, refusals)
    const { message, cause } = await failureOf(network, a.join(`name:${PORT}`))
    expect(message).toContain(`refused to send to [fd09::9]:${PORT} (ENETUNREACH) and 10.9.9.9:${PORT} (EPERM)`)
    expect((cause as AggregateError).errors.map(({ code }: { code: string }) => code)).toEqual(["ENETUNREACH", "EPERM"])
  })

  test("an endpoint without a v6 socket says why it has none", async () => {
    const network = createNetwork({ seed: 1 })
    const a = await network.until(Endpoint.bind({ host: network.host("a", { v6: false }), port: PORT }))
    const error = await failureOf(network, a.join(`[::1]:${PORT}`))
    expect([error.code, error.message]).toEqual([
      "invalid-target",
      `::1 has only a v6 address, and this endpoint has no v6 socket ("a" has no v6 address)`,
    ])
  })
})

test("a host that knows one address may give it by itself", async () => {
  const { network, a } = await makePair(({ v4 }) => v4)
  expect((await network.until(a.join(`name:${PORT}`))).address.family).toBe(4)
})

describe("a connection", () => {
  /** Two machines that a name may lead to, and a connection by that name. */
  async function makeConnection(): Promise<{
    network: Network
    a: Endpoint
    /** What the name resolves to from now on; and how often it was asked for. */
    say: (answer: Answer) => void
    asked: () => number
    bind: (name: "b" | "c") => Promise<Endpoint>
    at: Record<"b" | "c", readonly ResolvedAddress[]>
    connection: () => Connection
  }> {
    const network = createNetwork({ seed: 1, link: { delayMs: DELAY_MS }, crypto: systemHost().crypto })
    const at = { b: network.host("b").machine.addresses, c: network.host("c").machine.addresses }
    let answer: Answer = () => []
    let asked = 0
    const host = resolving(network.host("a"), () => {
      asked++
      return answer()
    })
    const a = await network.until(Endpoint.bind({ ...KEYED, host, joinTimeoutMs: 3_000 }))
    return {
      ...{ network, a, at, asked: () => asked },
      say: (next) => void (answer = next),
      bind: (name) => network.until(Endpoint.bind({ port: PORT, ...KEYED, host: network.host(name) })),
      connection: () => a.connect(`name:${PORT}`, { retry: { minMs: 50, maxMs: 100 } }),
    }
  }

  test("asks the resolver each time, and goes where the name leads by then", async () => {
    const { network, say, asked, bind, at, connection } = await makeConnection()
    const b = await bind("b")
    say(() => at.b)
    const node = connection()
    expect((await network.until(node.joined())).unique).toBe(b.unique)
    const before = asked()
    const c = await bind("c")
    say(() => at.c)
    await network.until(b.close())
    expect((await network.until(node.joined())).unique).toBe(c.unique)
    expect(asked()).toBeGreaterThan(before)
  })

  test.each<[string, (at: Record<"b" | "c", readonly ResolvedAddress[]>) => unknown]>([
    ["leads to nobody", () => [DEAD_V4]],
    ["leads to a family that the endpoint can't ask", () => [{ family: 4, host: "255.255.255.255" }]],
    ["leads nowhere", () => []],
    ["is unknown", () => Promise.reject(new TransportError("name-not-found", "no such name"))],
    ["isn't answered", () => new Promise(() => {})],
  ])("asks where it was joined before, too, if the name %s", async (_, later) => {
    const { network, a, say, bind, at, connection } = await makeConnection()
    const b = await bind("b")
    // The second of them is the good one.
    say(() => [DEAD_V6, at.b[0]])
    const node = connection()
    await network.until(node.joined())
    say(() => later(at))
    await network.until(b.close())
    const again = await bind("b")
    const [peer, tookMs] = await timed(network, node.joined())
    // At most one wait of the connection, a second for the resolver, and a quarter for whoever is asked first.
    expect([peer.unique, tookMs < 1_500]).toEqual([again.unique, true])
    await network.advance(1_000)
    expect([a.sizes.joins, a.peers.length, again.peers.length]).toEqual([0, 1, 1])
  })

  test("keeps the other addresses of the name for when the name gives nothing", async () => {
    const { network, say, bind, at, connection } = await makeConnection()
    const b = await bind("b")
    say(() => [at.b[0], at.c[0]])
    const node = connection()
    expect((await network.until(node.joined())).unique).toBe(b.unique)
    say(() => [])
    const c = await bind("c")
    await network.until(b.close())
    expect((await network.until(node.joined())).unique).toBe(c.unique)
  })

  test("prefers where the name leads now to where it led before", async () => {
    const { network, say, bind, at, connection } = await makeConnection()
    const b = await bind("b")
    say(() => at.b)
    const node = connection()
    const peer = await network.until(node.joined())
    const c = await bind("c")
    say(() => at.c)
    // The former one lives on.
    await network.until(peer.leave())
    expect((await network.until(node.joined())).unique).toBe(c.unique)
    expect(b.peers).toEqual([])
  })
})

describe.each([
  ["keys", KEYED],
  ["no keys", PLAIN],
] as const)("any mix of addresses (%s)", (_, options) => {
  type Fate = "dead" | "refused" | "live" | "slow"
  const TIMEOUT_MS = 4_000

  test("a join succeeds if and only if somebody lives at one of them; then there is one peer on both sides, and nothing else", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.array(
          fc.record({
            fate: fc.constantFrom<Fate>("dead", "refused", "live", "slow"),
            family: fc.constantFrom<4 | 6>(4, 6),
          }),
          {
            minLength: 1,
            maxLength: 7,
          },
        ),
        async (seed, mix) => {
          const network = createNetwork({ seed, link: { delayMs: DELAY_MS }, crypto: systemHost().crypto })
          const hostA = network.host("a")
          const refusals = new Map<string, SocketErrorCode>()
          const addresses: ResolvedAddress[] = []
          const others: Endpoint[] = []
          for (const [i, { fate, family }] of mix.entries()) {
            const nobody = { family, host: family === 4 ? `10.9.9.${i}` : `fd09::${i}` }
            if (fate === "refused") refusals.set(nobody.host, "ENETUNREACH")
            // Every other one that lives is the last one's other address.
            const name = `peer${Math.floor(i / 2)}`
            const host = network.host(name)
            const isThere = fate === "live" || fate === "slow"
            addresses.push(isThere ? host.machine.addresses.find((it) => it.family === family)! : nobody)
            if (!isThere) continue
            if (fate === "slow")
              for (const [from, to] of [
                ["a", name],
                [name, "a"],
              ] as const)
                network.link(from, to, { delayMs: 300 })
            if (host.machine.socketAt(4, PORT) === undefined)
              others.push(await network.until(Endpoint.bind({ port: PORT, ...options, host })))
          }
          const a = await network.until(
            Endpoint.bind({ port: PORT, ...options, host: resolving(hostA, () => addresses, refusals) }),
          )
          const joined: string[] = []
          for (const endpoint of [a, ...others]) endpoint.on("joined", (peer) => joined.push(peer.unique))
          const joining = a.join(`name:${PORT}`, { timeoutMs: TIMEOUT_MS })
          joining.catch(() => {})
          await network.advance(TIMEOUT_MS)
          const peer = await joining.catch((error: EndpointError) => error.code)
          // What others have accepted in vain is kept for five seconds.
          await network.advance(6_000)
          expect(typeof peer === "string" ? peer : "joined").toBe(others.length > 0 ? "joined" : "join-timeout")
          const there = others.filter(({ peers }) => peers.length > 0)
          expect([a.peers.length, there.length]).toEqual(others.length > 0 ? [1, 1] : [0, 0])
          expect(joined.toSorted()).toEqual(there.flatMap(({ unique }) => [unique, a.unique]).toSorted())
          for (const endpoint of [a, ...others])
            expect(endpoint.sizes).toMatchObject({ joins: 0, halfOpen: 0, slots: endpoint.peers.length })
        },
      ),
      { numRuns: runs(100) },
    )
  })
})
