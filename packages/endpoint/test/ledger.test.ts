// What is charged to peers: every kind of memory, to whom it belongs, and nothing once they are gone.

import type { OutgoingStream, Peer } from "@x/endpoint"
import fc from "fast-check"
import { expect, test } from "vitest"
import { deliveriesDrawn } from "../../../tools/testkit/src/deliveries.ts"
import { runs } from "../../../tools/testkit/src/runs.ts"
import { PEER_BYTES, STREAM_BYTES } from "../src/schedule/ledger.ts"
import { makeWorld, pattern, PORT } from "./world.ts"

const MIB = 1_048_576
const KINDS = [
  ...(["sentPackets", "earlyPackets", "messages", "lists", "tables", "streams", "labels"] as const),
  ...(["peers", "queues"] as const),
] as const

function totalOf(memory: object): number {
  return Object.values(memory).reduce((total: number, bytes: number) => total + bytes, 0)
}

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
  const waiting = toHub.open({ label: "for whom it waits" })
  for (let i = 0; i < 200; i++) waiting.trySend(1, pattern(1_000))
  void toHub
    .open()
    .send(2, pattern(12 * MIB))
    .catch(() => {})
  const back = fromBulk.open()
  for (let i = 0; i < 200; i++) back.trySend(3, pattern(1_000))
  const seen: Record<string, number> = Object.fromEntries(KINDS.map((kind) => [kind, 0]))
  for (let i = 0; i < 100; i++) {
    await network.advance(10)
    const { memory } = hub.stats()
    const [ofBulk, ofIdle] = [fromBulk.stats().memory, fromIdle.stats().memory]
    for (const kind of KINDS) {
      seen[kind] = Math.max(seen[kind]!, ofBulk[kind])
      expect(ofBulk[kind] + ofIdle[kind]).toBe(memory[kind].bytes)
      expect(memory[kind].bytes).toBeLessThanOrEqual(memory[kind].bytesMax)
    }
    expect(ofIdle).toEqual({ ...Object.fromEntries(KINDS.map((kind) => [kind, 0])), peers: PEER_BYTES })
    expect(memory.total.bytes).toBe(totalOf(ofBulk) + totalOf(ofIdle))
  }
  // Few losses fit the rows that come with each stream.
  for (const kind of KINDS) if (kind !== "lists") expect([kind, seen[kind]! > 0]).toEqual([kind, true])
  expect(hub.stats().memory.queues.bytesMax).toBe(8 * MIB)
  expect(hub.stats().memory.messages.bytesMax).toBe(64 * MIB)
  network.partition("bulk", "hub")
  await network.when(() => hub.peers.length === 1, 20_000)
  const { sentPackets, earlyPackets, messages, lists, tables, peers, streams, queues, labels, total } =
    hub.stats().memory
  for (const { bytes } of [sentPackets, earlyPackets, messages, lists, tables]) expect(bytes).toBe(0)
  // Only what its handlers still work on, its stream, and the other peer.
  expect([peers.bytes, streams.bytes, labels.bytes]).toEqual([PEER_BYTES, STREAM_BYTES, 17])
  expect(total.bytes).toBe(queues.bytes + PEER_BYTES + STREAM_BYTES + 17)
})

const DELIVERIES = deliveriesDrawn()
const DOINGS = ["open", "send", "send much", "end", "reset", "stop", "rest", "blink"] as const
const LEAVINGS = ["close", "crash", "partition"] as const

test("whatever peers do, nothing is charged to anybody once all have left, however they leave", async () => {
  const doing = fc.record({ what: fc.constantFrom(...DOINGS), who: fc.nat(2), which: fc.nat(9), size: fc.nat(60_000) })
  await fc.assert(
    fc.asyncProperty(
      fc.nat(1_000_000),
      fc.array(doing, { minLength: 10, maxLength: 60 }),
      fc.array(fc.constantFrom(...LEAVINGS), { minLength: 3, maxLength: 3 }),
      async (seed, doings, leavings) => {
        const { network, bind } = makeWorld(seed, { delayMs: 5, lossRate: 0.05, rateBitsPerSecond: 20e6 })
        const { endpoint: hub } = await bind("hub", { leaveMs: 1_000, unreachableMs: 2_000 })
        hub.handle(1, () => {})
        hub.on("stream", (stream) => void (stream.label === "stopped" && stream.stop()))
        const names = ["a", "b", "c"]
        const members: Awaited<ReturnType<typeof bind>>[] = []
        for (const name of names) members.push(await bind(name, { leaveMs: 1_000 }))
        const toHub: Peer[] = []
        for (const { endpoint } of members) toHub.push(await network.until(endpoint.join(`hub:${PORT}`)))
        await network.when(() => hub.peers.length === 3)
        const streams: OutgoingStream[] = []
        for (const { what, who, which, size } of doings) {
          const stream = streams[which % Math.max(1, streams.length)]
          const peer = which % 3 === 0 ? hub.peers[who % Math.max(1, hub.peers.length)]! : toHub[who]!
          const delivery = DELIVERIES[which % DELIVERIES.length]!
          if (what === "open") streams.push(peer.open({ delivery, label: "a".repeat(size % 500) }))
          else if (what === "stop") streams.push(peer.open({ delivery, label: "stopped" }))
          else if (what === "send") stream?.trySend(1, pattern(size % 2_000))
          else if (what === "send much") for (let i = 0; i < 40; i++) stream?.trySend(1, pattern(size))
          else if (what === "end") void stream?.end().catch(() => {})
          else if (what === "reset") stream?.reset(9)
          else if (what === "rest") await network.advance(size / 100)
          else network.partition(names[who]!, "hub")
          if (what === "blink") await network.advance(300)
          if (what === "blink") network.heal(names[who]!, "hub")
        }
        for (const [i, leaving] of leavings.entries()) {
          if (leaving === "close") void members[i]!.endpoint.close()
          else if (leaving === "crash") members[i]!.host.crash()
          else network.partition(names[i]!, "hub")
        }
        await network.when(() => hub.peers.length === 0, 30_000)
        await network.advance(3_000)
        const charged = Object.entries(hub.stats().memory).map(([kind, { bytes }]) => [kind, bytes])
        expect(charged.filter(([, bytes]) => bytes !== 0)).toEqual([])
        await network.until(hub.close())
      },
    ),
    { numRuns: runs(20) },
  )
}, 120_000)
