// Other sockets for a running endpoint: when it is asked for, and when the system says that the address is gone.

import { Endpoint, type EndpointOptions } from "@x/endpoint"
import { TransportError } from "@x/transport"
import type { BindOptions, SocketError, Transport } from "@x/transport/host"
import { expect, test } from "vitest"
import { Ledger, quiesce } from "./catalogue/ledger.ts"
import { hostWith } from "./host-with.ts"
import { eventsOf, makePair, makeWorld, PORT } from "./world.ts"

const KEYED: EndpointOptions = { secrets: ["a secret of sixteen bytes"], port: 0 }
const PLAIN: EndpointOptions = { port: 0 }

/** Two endpoints on ports of their own; b is joined by a. */
async function makeFreePair(options: EndpointOptions, delayMs: number) {
  const { network, bind } = makeWorld(5, { delayMs })
  const { endpoint: a, host: hostA } = await bind("a", options)
  const { endpoint: b } = await bind("b", { ...options, port: PORT })
  const toB = await network.until(a.join(`b:${PORT}`))
  await network.when(() => b.peers.length === 1)
  const events = eventsOf([a, b], ["left", "rejoined", "restarted", "unreachable"])
  return { network, a, b, hostA, toB, toA: b.peers[0]!, ledger: new Ledger(network, a, b), events }
}

test.each([
  ["keys", KEYED, 0],
  ["no keys", PLAIN, 1],
])(
  "peers follow an endpoint to other sockets (%s): a gap is at most a round trip and 50 ms, one more without keys",
  async (_, options, more) => {
    for (const delayMs of [5, 20]) {
      const { network, a, toB, toA, ledger, events } = await makeFreePair(options, delayMs)
      const rebound: number[] = []
      a.on("rebound", (addresses) => rebound.push(addresses[0]!.port))
      const streams = [ledger.open(toB), ledger.open(toA)]
      const ports = new Set([a.port])
      let longestMs = 0
      for (let ms = 0; ms < 3_000; ms += 10) {
        if (ms % 1_000 === 500) {
          await network.until(a.rebind())
          ports.add(a.port)
        }
        for (const stream of streams) stream.trySend(64)
        await ledger.advance(10, 10)
        for (const { deliveredMs } of streams)
          longestMs = Math.max(longestMs, network.now - (deliveredMs.at(-1) ?? network.now))
      }
      expect(longestMs).toBeLessThanOrEqual((1 + more) * 2 * delayMs + 50)
      expect([ports.size, rebound.length, toA.stats().addressMoves, events]).toEqual([4, 3, 3, []])
      expect([toA.address.port, a.stats().rebinds, a.stats().rebindsFailed]).toEqual([a.port, 3, 0])
      await quiesce(ledger)
    }
  },
)

test("a peer hears from other sockets at once, also when there is nothing to say", async () => {
  const { network, a, b, toA } = await makeFreePair(KEYED, 5)
  await network.advance(3_010)
  const before = toA.address.port
  await network.until(a.rebind())
  await network.advance(25)
  expect([toA.address.port, a.port !== before]).toEqual([a.port, true])
  await network.until(Promise.all([a.close(), b.close()]))
})

test("10 MB arrive over other sockets and another network, each way", async () => {
  for (const isUp of [true, false]) {
    const { network, a, toB, toA, ledger, events } = await makeFreePair(KEYED, 10)
    network.links({ delayMs: 10, rateBitsPerSecond: 20_000_000 })
    const stream = ledger.open(isUp ? toB : toA)
    let [sent, longestMs] = [0, 0]
    for (let ms = 0; stream.deliveredMs.length < 10_000 && ms < 20_000; ms += 10) {
      if (ms === 1_000 || ms === 2_000) network.move("a", { sockets: "stay" })
      if (ms === 1_000) await network.until(a.rebind())
      while (sent < 10_000 && stream.trySend(1_000) === "sent") sent++
      await ledger.advance(10, 10)
      longestMs = Math.max(longestMs, network.now - (stream.deliveredMs.at(-1) ?? network.now))
    }
    console.log(`10 MB ${isUp ? "up" : "down"}: gaps of at most ${longestMs.toFixed(0)} ms`)
    expect([stream.deliveredMs.length >= 10_000, a.stats().rebinds, events]).toEqual([true, 2, []])
    await quiesce(ledger)
  }
})

test("an endpoint whose address is gone goes on over other sockets by itself, and says so", async () => {
  const { network, a, toB, toA, ledger, events } = await makeFreePair(KEYED, 5)
  const rebound: string[] = []
  a.on("rebound", (addresses) => rebound.push(addresses[0]!.host))
  network.move("a", { sockets: "stay" })
  const streams = [ledger.open(toB), ledger.open(toA)]
  for (const stream of streams) stream.trySend(100)
  await ledger.advance(1_100)
  expect(streams.map(({ deliveredMs }) => deliveredMs.length)).toEqual([1, 1])
  expect([rebound, a.stats().rebinds, events]).toEqual([[toA.address.host], 1, []])
  await quiesce(ledger)
})

test("one that changes networks again and again goes on at once each time", async () => {
  const { network, a, toB, toA, ledger, events } = await makeFreePair(PLAIN, 5)
  const streams = [ledger.open(toB), ledger.open(toA)]
  let longestMs = 0
  for (let ms = 0; ms < 84_000; ms += 100) {
    // The sixth would wait for some seconds if those before it counted as tried in vain.
    if (ms % 12_000 === 5_000) network.move("a", { sockets: "stay" })
    for (const stream of streams) stream.trySend(64)
    await ledger.advance(100, 100)
    for (const { deliveredMs } of streams)
      longestMs = Math.max(longestMs, network.now - (deliveredMs.at(-1) ?? network.now))
  }
  expect([a.stats().rebinds, events]).toEqual([7, []])
  // One of those that go each 100 ms is lost with the sockets.
  expect(longestMs).toBeLessThan(300)
  await quiesce(ledger)
})

test("while no other socket helps it tries again, further and further apart", async () => {
  const { network, hostA, a, toB, ledger } = await makeFreePair(KEYED, 5)
  const times: number[] = []
  a.on("rebound", () => times.push(network.now))
  hostA.failSends("ENETDOWN")
  const startMs = network.now
  ledger.open(toB).trySend(100)
  await ledger.advance(9_000, 100)
  const waits = times.map((ms, i) => Math.round(ms - (times[i - 1] ?? startMs)))
  expect(waits.slice(0, 4).map((ms) => Math.floor(ms / 1_000))).toEqual([0, 1, 2, 4])
  hostA.failSends(undefined)
  await quiesce(ledger)
})

test("other failures to send are no reason for other sockets", async () => {
  const { hostA, a, toB, ledger } = await makeFreePair(KEYED, 5)
  for (const code of ["ECONNREFUSED", "EPERM", "ENOBUFS"] as const) {
    hostA.failSends(code)
    ledger.open(toB).trySend(100)
    await ledger.advance(500)
  }
  expect(a.stats().rebinds).toBe(0)
  hostA.failSends(undefined)
  await quiesce(ledger)
})

test("a given port stays, and another is taken where another program has it by then", async () => {
  const { network, a, b, toB } = await makePair(7, { delayMs: 5 }, { secrets: KEYED.secrets! })
  await network.until(a.rebind())
  expect(a.port).toBe(PORT)
  await network.until(a.rebind({ port: 5_000 }))
  await network.until(a.rebind())
  expect(a.port).toBe(5_000)
  const other = await network.until(Endpoint.bind({ host: network.host("a"), port: PORT }))
  await network.until(a.rebind({ port: PORT }))
  expect(a.port).not.toBe(PORT)
  await network.until(toB.ping())
  await network.advance(20)
  expect(b.peers[0]!.address.port).toBe(a.port)
  await network.until(Promise.all([a.close(), b.close(), other.close()]))
})

test("what can't be bound rejects, and the sockets before are used on; without secrets it stays on loopback", async () => {
  const { network, a, b, toB } = await makePair(8)
  for (const options of [
    { port: -1 },
    { v4: "10.0.0.9" },
    { v4: "a" },
    { ports: 1 },
    { v4: false, v6: false },
  ] as never[])
    await expect(a.rebind(options)).rejects.toMatchObject({ name: "EndpointError" })
  expect(a.stats().rebinds).toBe(0)
  await network.until(toB.ping())
  await network.until(Promise.all([a.close(), b.close()]))
  await expect(a.rebind()).rejects.toMatchObject({ code: "closed" })
})

test("a host whose transports can't do it says so", async () => {
  const { network } = makeWorld(9)
  const host = network.host("a")
  const bind = async (options: object): Promise<never> => {
    const transport = await host.bind(options)
    Object.defineProperty(transport, "rebind", { value: undefined })
    return transport as never
  }
  const a = await network.until(Endpoint.bind({ host: hostWith(host, { bind }) }))
  await expect(a.rebind()).rejects.toMatchObject({ code: "bind-failed" })
  await network.until(a.close())
})

test("the error of the transport is the cause", async () => {
  const { network } = makeWorld(9)
  const host = network.host("a")
  const cause = new TransportError("address-not-available", "it is gone")
  const bind = async (options: object): Promise<never> =>
    Object.assign(await host.bind(options), { rebind: () => Promise.reject(cause) }) as never
  const a = await network.until(Endpoint.bind({ host: hostWith(host, { bind }) }))
  await expect(a.rebind()).rejects.toMatchObject({ code: "address-not-available", cause })
  expect(a.stats().rebindsFailed).toBe(1)
  await network.until(a.close())
})

/** An endpoint on a socket that can end, and another that it has joined. */
async function makeEndingPair() {
  const { network, bind } = makeWorld(6)
  const host = network.host("a")
  let end = (): void => {}
  const opened = async (options: BindOptions): Promise<Transport> => {
    const transport = await host.bind(options)
    const onError = transport.onError.bind(transport)
    return Object.assign(transport, {
      onError: (tell: (error: SocketError) => void) => {
        onError(tell)
        const cause = Object.assign(new Error("sendmmsg EBADF"), { code: "EBADF" })
        end = () => tell({ code: "other", operation: "socket", address: 0, bytes: 0, cause })
      },
    })
  }
  const a = await network.until(Endpoint.bind({ ...KEYED, host: hostWith(host, { bind: opened }) }))
  const { endpoint: b } = await bind("b", { ...KEYED, port: PORT })
  const toB = await network.until(a.join(`b:${PORT}`))
  await network.when(() => b.peers.length === 1)
  return { network, a, b, toB, end: () => end() }
}

test("a socket that ends is an error at once, and others are opened on its port, further and further apart; peers stay", async () => {
  const { network, a, b, toB, end } = await makeEndingPair()
  const [told, times, left] = [[] as string[], [] as number[], [] as string[]]
  a.on("error", ({ code, message }) => told.push(`${code}: ${message}`))
  a.on("rebound", () => times.push(network.now))
  for (const endpoint of [a, b]) endpoint.on("left", () => left.push("left"))
  const { port } = a
  const startMs = network.now
  end()
  // Of the other family: it is being seen to.
  end()
  await network.advance(1)
  expect(told).toHaveLength(1)
  expect(told[0]).toContain(`socket-ended: a socket of UDP port ${port} was closed or shut down`)
  for (let i = 0; i < 3; i++) {
    end()
    await network.advance(5_000)
  }
  expect(times.map((ms) => Math.floor((ms - startMs) / 1_000))).toEqual([0, 1, 5, 10])
  expect([a.port, told.length, a.stats().socketsEnded, a.stats().rebinds, left]).toEqual([port, 4, 5, 4, []])
  await network.until(toB.ping())
  // Without a port of its own it takes another when it is asked to.
  await network.until(a.rebind())
  expect(a.port).not.toBe(port)
  await network.until(Promise.all([a.close(), b.close()]))
})

test("a socket that ends while nobody listens is counted, and throws nothing", async () => {
  const { network, a, b, toB, end } = await makeEndingPair()
  end()
  await network.advance(10)
  expect([a.stats().socketsEnded, a.stats().untoldErrors, a.stats().rebinds]).toEqual([1, 1, 1])
  await network.until(toB.ping())
  const closing = a.close()
  end()
  await network.until(Promise.all([closing, b.close()]))
})

test.each([KEYED, PLAIN])("over real sockets messages go on both ways", async (options) => {
  const loopback = { v4: "127.0.0.1", v6: "::1" } as const
  const a = await Endpoint.bind({ ...options, ...loopback })
  const b = await Endpoint.bind({ ...options, ...loopback })
  const received: number[] = []
  for (const endpoint of [a, b]) endpoint.handle(1, ({ bytes }) => void received.push(bytes[0]!))
  const toB = await a.join(`127.0.0.1:${b.port}`)
  const up = toB.open()
  up.trySend(1, Uint8Array.of(1))
  await up.flush()
  const down = b.peers[0]!.open()
  const before = a.port
  await a.rebind()
  expect(a.port).not.toBe(before)
  up.trySend(1, Uint8Array.of(2))
  down.trySend(1, Uint8Array.of(3))
  await Promise.all([up.flush(), down.flush()])
  expect(received.toSorted((x, y) => x - y)).toEqual([1, 2, 3])
  expect([b.peers[0]!.address.port, b.peers[0]!.unique, b.peers.length]).toEqual([a.port, a.unique, 1])
  await Promise.all([a.close(), b.close()])
})
