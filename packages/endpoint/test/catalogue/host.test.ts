// What machines do: clocks that jump, long sleeps, sockets that refuse, and an application's own code.
import type { Delivery } from "@x/endpoint"
import type { SocketErrorCode } from "@x/transport/host"
import { NUMBER_MAX } from "@x/wire"
import { expect, test, vi } from "vitest"
import { heartbeat, message, open } from "../evil-peer.ts"
import { dropsOf, makeScene } from "../scene.ts"
import { makePair, namedEventsOf, pattern } from "../world.ts"
import { Ledger, quiesce, quiesceEndpoints } from "./ledger.ts"

/** A conversation with losses; returns its trace. */
async function converse(everyMs: (nowMs: number) => void): Promise<string> {
  const { network, a, b, toB } = await makePair(67, { delayMs: 5, lossRate: 0.05 })
  const ledger = new Ledger(network, a, b)
  const events: string[] = []
  for (const endpoint of [a, b])
    for (const name of ["unreachable", "left"] as const) endpoint.on(name, () => events.push(name))
  const streams = [ledger.open(toB), ledger.open(b.peers[0]!)]
  for (let i = 0; i < 200; i++) {
    everyMs(network.now)
    for (const stream of streams) stream.trySend(600)
    await ledger.advance(50, 50)
  }
  expect(events).toEqual([])
  network.links({ delayMs: 5 })
  await quiesce(ledger)
  return network.traceHash
}

test("F67 a wall clock that jumps by hours and years, either way, changes nothing, not a byte", async () => {
  const HOUR_MS = 3_600_000
  vi.useFakeTimers({ toFake: ["Date"] })
  try {
    const still = await converse(() => {})
    for (const jumpMs of [HOUR_MS, -HOUR_MS, 87_660 * HOUR_MS, -87_660 * HOUR_MS]) {
      let jumps = 0
      expect(await converse((nowMs) => vi.setSystemTime(1_700_000_000_000 + nowMs + (jumps++ % 2) * jumpMs))).toBe(
        still,
      )
    }
  } finally {
    vi.useRealTimers()
  }
})

test("F67 a process that slept for an hour hears what waits, learns that it was given up, and joins anew", async () => {
  const { network, a, b, hostA, toB } = await makePair(68)
  const ledger = new Ledger(network, a, b)
  const events = namedEventsOf({ a, b }, ["unreachable", "left", "joined", "rejoined", "restarted"])
  const streams = [ledger.open(toB), ledger.open(b.peers[0]!)]
  for (const stream of streams) stream.trySend(100)
  await network.advance(1_000)
  hostA.stall(3_600_000)
  for (const stream of streams) stream.trySend(100)
  await network.advance(3_600_000)
  expect(events).toEqual(["b unreachable", "b left"])
  for (const stream of streams) stream.isCut = true
  // Nobody answers its heartbeats: it joins to learn which incarnation is there, and is one that b knew.
  await network.advance(20_000)
  expect(events.slice(2).toSorted()).toEqual(["a left", "a rejoined", "b joined"])
  expect([a.peers, b.peers].map((peers) => peers.map(({ unique }) => unique))).toEqual([[b.unique], [a.unique]])
  const again = ledger.open(a.peers[0]!)
  again.trySend(100)
  await quiesce(ledger)
})

const CODES: readonly (SocketErrorCode | "full")[] = [
  ...([
    "ENOBUFS",
    "EAGAIN",
    "EPERM",
    "EACCES",
    "ENETUNREACH",
    "EHOSTUNREACH",
    "ENETDOWN",
    "EINVAL",
    "ECONNREFUSED",
  ] as const),
  "full",
]

test.each(CODES)(
  "F69 a system that answers each send with %s for two seconds costs datagrams, and then all goes on",
  async (code) => {
    const { network, a, b, hostA, toB } = await makePair(69, { delayMs: 5 }, { parkedMessagesMax: 50 })
    const ledger = new Ledger(network, a, b)
    const streams = (["reliable", "best-effort", "fire-and-forget"] as const).map((delivery: Delivery) =>
      ledger.open(toB, { delivery }),
    )
    for (const stream of streams) stream.trySend(100)
    await network.advance(100)
    hostA.failSends(code)
    const before = a.stats().transport
    for (let i = 0; i < 100; i++) {
      for (const stream of streams) stream.trySend(800)
      await ledger.advance(20)
    }
    const failed = a.stats().transport
    if (code === "full") expect(failed.datagramsSent).toBe(before.datagramsSent)
    else {
      expect(failed.errors[code] - before.errors[code]).toBeGreaterThan(20)
      // No busy loop: failed datagrams are repeated no more often than lost ones.
      expect(failed.datagramsSent - before.datagramsSent).toBeLessThan(1_000)
    }
    expect(toB.state).toBe("joined")
    hostA.failSends(undefined)
    await quiesce(ledger)
  },
)

test("F69 a socket that takes nothing any more does not keep an endpoint from closing", async () => {
  const { network, a, b, hostA, toB } = await makePair(70)
  const stream = toB.open()
  hostA.failSends("full")
  for (let i = 0; i < 500; i++) stream.trySend(1, pattern(5_000))
  const sending = stream.send(1, pattern(10)).then(
    () => "sent",
    (error: { code: string }) => error.code,
  )
  const startMs = network.now
  await network.until(a.close(), 20_000)
  expect(network.now - startMs).toBeLessThanOrEqual(7_100)
  expect(["closed", "not-joined", "stream-closed"]).toContain(await network.until(sending))
  expect(a.sizes).toMatchObject({ peers: 0, slots: 0, sendPool: 0 })
  network.partition("a", "b")
  await network.advance(80_000)
  await quiesceEndpoints(network, [b])
})

test("F70 handlers that throw, send, join and close again within their own call, or reject, harm no later message", async () => {
  const { network, a, b, toB } = await makePair(71)
  const errors: string[] = []
  b.on("error", (error) => errors.push(String((error.cause as Error).message)))
  const received: number[] = []
  const answers: number[] = []
  a.handle(2, ({ view, offset }) => answers.push(view.getUint8(offset)))
  const back = b.peers[0]!.open()
  b.handle(1, (it) => {
    const number = it.view.getUint8(it.offset)
    received.push(number)
    back.trySend(2, Uint8Array.of(number))
    if (number % 10 === 3) throw new Error(`thrown ${number}`)
    if (number % 10 === 5) return Promise.reject(new Error(`rejected ${number}`))
    if (number % 10 === 7) back.write(2, 1, () => back.trySend(2, Uint8Array.of(0)))
    if (number === 50) void b.close()
    return undefined
  })
  const stream = toB.open()
  for (let i = 0; i < 49; i++) stream.trySend(1, Uint8Array.of(i))
  await network.until(stream.flush())
  await network.advance(100)
  expect(received).toEqual(Array.from({ length: 49 }, (_, i) => i))
  expect(answers).toEqual(received)
  // Each once: five threw, five rejected, and five wrote within a write.
  expect([
    errors.filter((it) => it.startsWith("thrown")).length,
    errors.filter((it) => it.startsWith("rejected")).length,
  ]).toEqual([5, 5])
  expect(errors.length).toBe(15)
  stream.trySend(1, Uint8Array.of(50))
  await network.advance(10_000)
  expect([received.at(-1), b.isClosed, toB.state]).toEqual([50, true, "left"])
  await quiesceEndpoints(network, [a])
})

test.each([8, 16, 31, 32, 47])("F70 packet numbers and counters that pass 2^%i behave as others do", async (bits) => {
  const scene = await makeScene()
  const { evil, network, delivered, endpoint } = scene
  await evil.join()
  const first = 2 ** bits - 8
  evil.counter = Math.max(evil.counter, first)
  const { length } = delivered
  const order = [0, 1, 2, 5, 3, 4, 9, 8, 7, 6, 10, 11, 12, 15, 14, 13]
  const drops = await dropsOf(scene, () => {
    evil.send(open(1, { first }), heartbeat)
    for (const at of order) evil.send(message(1, first + at))
    // All of it once more.
    for (const at of order) evil.send(message(1, first + at))
    evil.send(message(1, first + 16 + 16_384))
  })
  expect(drops).toEqual({ "duplicate-packet": 16, "beyond-spread": 1 })
  expect(delivered.slice(length)).toEqual(order.map((_, i) => (first + i) & 255))
  const counter = evil.counter - 1
  expect(await dropsOf(scene, () => evil.raw({ slot: evil.slot, counter }, heartbeat))).toEqual({ duplicate: 1 })
  const acknowledged = evil.packets("status").at(-1)!["cumulative"]
  expect(acknowledged).toBe(first + 16)
  expect(endpoint.sizes.pool).toBe(0)
  await quiesceEndpoints(network, [endpoint])
})

test("F70 the last number there is ends no stream by accident, and none comes after it", async () => {
  const scene = await makeScene()
  const { evil, network, delivered, endpoint } = scene
  await evil.join()
  evil.send(open(1, { first: NUMBER_MAX - 3 }), heartbeat)
  for (let at = 3; at >= 1; at--) evil.send(message(1, NUMBER_MAX - at))
  await network.advance(20)
  expect(delivered).toEqual([3, 2, 1].map((at) => (NUMBER_MAX - at) & 255))
  // The edge after it would no longer be a valid number.
  expect(await dropsOf(scene, () => evil.send(message(1, NUMBER_MAX)))).toEqual({ "beyond-spread": 1 })
  expect(await dropsOf(scene, () => evil.send(message(1, NUMBER_MAX + 1)))).toEqual({ number: 1 })
  expect(await dropsOf(scene, () => evil.raw({ slot: evil.slot, counter: NUMBER_MAX + 1 }, heartbeat))).toEqual({
    number: 1,
  })
  evil.send(open(2), heartbeat)
  evil.send(message(2, 0))
  await network.advance(10)
  expect([delivered.length, endpoint.peers.length]).toEqual([4, 1])
  await quiesceEndpoints(network, [endpoint])
})
