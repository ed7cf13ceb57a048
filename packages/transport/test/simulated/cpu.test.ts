// What a simulated process does takes time: what waits behind what, in which order, and what is lost meanwhile.

import { systemHost } from "@x/transport"
import { type CpuOptions, createNetwork, type Network, type SimulatedHost } from "@x/transport/simulated"
import { expect, test } from "vitest"
import { pattern, Station } from "../station.ts"

const USUAL = pattern(10)

interface Pair {
  readonly network: Network
  readonly a: Station
  readonly b: Station
  readonly hostB: SimulatedHost
  /** Sends this many datagrams to b, which come at once. */
  send(count: number, bytes?: Uint8Array): void
}

/** b takes time for what it does. */
async function pair(cpu: CpuOptions, receiveBufferBytes = 4_194_304): Promise<Pair> {
  const network = createNetwork({ seed: 1, link: { delayMs: 1 }, crypto: systemHost().crypto })
  const a = await network.until(Station.bind(network.host("a")))
  const hostB = network.host("b", { cpu })
  const b = await network.until(Station.bind(hostB, { receiveBufferBytes }))
  return {
    ...{ network, a, b, hostB },
    send(count, bytes = USUAL) {
      for (let left = count; left > 0; left -= 100)
        a.send(
          b.addressOf(4),
          Array.from({ length: Math.min(left, 100) }, () => bytes),
        )
    },
  }
}

test("datagrams are read at the rate that the process has time for, in turns of 64 at most", async () => {
  const { network, b, send } = await pair({ receiveMs: 0.5 })
  const batches: [number, number][] = []
  b.transport.onReceive(({ count }) => batches.push([network.now, count]))
  send(150)
  await network.advance(1_000)
  expect(batches).toEqual([
    [1, 64],
    [33, 64],
    [65, 22],
  ])
})

test("what is sent leaves when the work before it is done, and each datagram takes its own time", async () => {
  const { network, a, b, send } = await pair({ receiveMs: 2, sendMs: 3 })
  const came: number[] = []
  a.transport.onReceive(({ count }) => came.push(...Array<number>(count).fill(network.now)))
  b.transport.onReceive(({ count }) => void b.send(a.addressOf(4), Array<Uint8Array>(count).fill(USUAL)))
  send(2)
  await network.advance(100)
  // Both come at 1, and are read by 5; each is a millisecond on its way back.
  expect(came).toEqual([1 + 4 + 3 + 1, 1 + 4 + 6 + 1])
})

test("the clock goes on with the work, and never back", async () => {
  const { network, b, hostB, send } = await pair({ receiveMs: 5 })
  const startMs = hostB.now() - network.now
  const seen: number[] = []
  b.transport.onReceive(() => seen.push(hostB.now() - startMs))
  send(2)
  await network.advance(3)
  seen.push(hostB.now() - startMs)
  await network.advance(10)
  seen.push(hostB.now() - startMs)
  expect(seen).toEqual([11, 11, 13])
})

test("wake-ups and deferred work have their turn between two turns of reading, however much waits", async () => {
  const { network, hostB, send } = await pair({ receiveMs: 0.1 })
  const done: [string, number][] = []
  send(2_000)
  hostB
    .wakeUp(() => {
      done.push(["wake-up", network.now])
      hostB.defer(() => done.push(["deferred", network.now]))
    })
    .at(hostB.now() + 2)
  await network.advance(300)
  // 64 datagrams a turn, the first of them at 1.
  expect(done.map(([what, atMs]) => [what, Math.round(atMs * 1e3) / 1e3])).toEqual([
    ["wake-up", 7.4],
    ["deferred", 7.4],
  ])
})

test("what has no room in the receive buffer meanwhile is lost, and counted", async () => {
  const { network, b, send } = await pair({ receiveMs: 1 }, 20_000)
  send(100)
  await network.advance(1_000)
  // 10 B each, and 768 B to keep each.
  expect([b.received.length, b.transport.counters.datagramsDropped]).toEqual([25, 75])
  send(1)
  await network.advance(1_000)
  expect(b.received).toHaveLength(26)
})

test("a datagram may cost what its bytes say", async () => {
  const { network, b, send } = await pair({ receiveMs: (bytes) => (bytes.length === 1 ? 50 : 0) })
  const came: number[] = []
  b.transport.onReceive(({ count }) => came.push(...Array<number>(count).fill(network.now)))
  send(1, pattern(2))
  send(1, pattern(1))
  await network.advance(10)
  send(1, pattern(2))
  await network.advance(100)
  expect(came).toEqual([1, 1, 51])
  await expect(
    (async () => {
      const { network, send } = await pair({ receiveMs: () => -1 })
      send(1)
      await network.advance(10)
    })(),
  ).rejects.toThrow("what receiveMs returns must be milliseconds")
})

test("each call of the cryptography takes its own time, and gives the same", async () => {
  const { network, hostB } = await pair({ cryptoMs: { x25519: 7, x25519PublicKey: 3, aesGcmOpen: 2, sha256: 0 } })
  const startMs = hostB.now()
  const { crypto } = hostB
  const key = pattern(32)
  const open = crypto.x25519PublicKey(key)
  expect(hostB.now() - startMs).toBe(3)
  expect(crypto.x25519(key, open)).toEqual(systemHost().crypto.x25519(key, open))
  expect(hostB.now() - startMs).toBe(10)
  crypto.aesGcmOpen(key, pattern(12), key, crypto.aesGcmSeal(key, pattern(12), key, key))
  crypto.hmacSha256(key, crypto.sha256(key))
  expect(hostB.now() - startMs).toBe(12)
  let isRun = false
  hostB.defer(() => (isRun = true))
  await network.advance(12)
  expect(isRun).toBe(true)
})

test("a process that is suspended amid its work does the rest of it later, and its clock doesn't go back", async () => {
  const { network, b, hostB, send } = await pair({ receiveMs: 1 })
  send(100)
  await network.advance(11)
  const beforeMs = hostB.now()
  hostB.suspend(1_000)
  await network.advance(500)
  expect([b.received.length, hostB.now()]).toEqual([64, beforeMs])
  await network.advance(500 + 53)
  expect(b.received.length).toBe(64)
  await network.advance(2)
  expect(b.received.length).toBe(100)
  expect(hostB.now()).toBeGreaterThan(beforeMs)
})

test("a datagram that turns out too long is reported once it would have left", async () => {
  const { network, a, b } = await pair({ sendMs: 4 })
  network.links({ mtuBytes: 100 })
  b.send(a.addressOf(4), [pattern(500)])
  await network.advance(3)
  expect(b.errors).toEqual([])
  await network.advance(1)
  expect(b.errors.map(({ code, bytes }) => [code, bytes])).toEqual([["EMSGSIZE", 500]])
})
