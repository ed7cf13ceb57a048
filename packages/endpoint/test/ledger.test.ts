// What is charged to peers: every kind of memory, to whom it belongs, and nothing once they are gone.

import type { Peer } from "@x/endpoint"
import { expect, test } from "vitest"
import { makeWorld, pattern, PORT } from "./world.ts"

const MIB = 1_048_576

test("what a peer holds is charged to it and to all together, up to the bounds that the options name, and goes back", async () => {
  const { network, bind } = makeWorld(5, { delayMs: 10, rateBitsPerSecond: 50e6, lossRate: 0.02 })
  const options = { queuedBytesTotalMax: 8 * MIB, assemblyBytesMax: 64 * MIB, leaveMs: 1_000, unreachableMs: 2_000 }
  const { endpoint: hub } = await bind("hub", options)
  const { endpoint: bulk } = await bind("bulk")
  const { endpoint: idle } = await bind("idle")
  // Takes nothing for a while.
  hub.handleAsync(1, () => new Promise(() => {}))
  hub.handle(2, () => {})
  const toHub = await network.until(bulk.join(`hub:${PORT}`))
  await network.until(idle.join(`hub:${PORT}`))
  await network.when(() => hub.peers.length === 2)
  const [fromBulk, fromIdle] = hub.peers as [Peer, Peer]
  const waiting = toHub.open()
  for (let i = 0; i < 200; i++) waiting.trySend(1, pattern(1_000))
  void toHub
    .open()
    .send(2, pattern(12 * MIB))
    .catch(() => {})
  const back = fromBulk.open()
  for (let i = 0; i < 200; i++) back.trySend(3, pattern(1_000))
  const seen = { sentPackets: 0, earlyPackets: 0, messages: 0, lists: 0, queues: 0 }
  for (let i = 0; i < 100; i++) {
    await network.advance(10)
    const { memory } = hub.stats()
    const [ofBulk, ofIdle] = [fromBulk.stats().memory, fromIdle.stats().memory]
    for (const kind of ["sentPackets", "earlyPackets", "messages", "lists", "queues"] as const) {
      seen[kind] = Math.max(seen[kind], ofBulk[kind])
      expect(ofBulk[kind] + ofIdle[kind]).toBe(memory[kind].bytes)
      expect(memory[kind].bytes).toBeLessThanOrEqual(memory[kind].bytesMax)
    }
    expect(ofIdle).toEqual({ sentPackets: 0, earlyPackets: 0, messages: 0, lists: 0, queues: 0 })
    expect(memory.total.bytes).toBe(Object.values(ofBulk).reduce((total, bytes) => total + bytes, 0))
  }
  // Few losses fit the rows that come with each stream.
  const { lists: _lists, ...others } = seen
  for (const bytes of Object.values(others)) expect(bytes).toBeGreaterThan(0)
  expect(hub.stats().memory.queues.bytesMax).toBe(8 * MIB)
  expect(hub.stats().memory.messages.bytesMax).toBe(64 * MIB)
  network.partition("bulk", "hub")
  await network.when(() => hub.peers.length === 1, 20_000)
  const { sentPackets, earlyPackets, messages } = hub.stats().memory
  expect([sentPackets.bytes, earlyPackets.bytes, messages.bytes]).toEqual([0, 0, 0])
  // Only what its handlers still work on.
  expect(hub.stats().memory.total.bytes).toBe(hub.stats().memory.queues.bytes)
})
