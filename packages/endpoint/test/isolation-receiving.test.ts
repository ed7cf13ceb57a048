// What becomes of one peer costs no other, at the receiver: memory for large messages, for packets that came early, and
// for messages that wait for their consumer.

import type { OutgoingStream, Peer } from "@x/endpoint"
import { describeDatagram, PROFILE } from "@x/wire"
import { describe, expect, test } from "vitest"
import { makeWorld, pattern, PORT } from "./world.ts"

const HONEST = 4
const STEP_MS = 10
const SMALL = pattern(1_000)
const SMALL_A_STEP = 10
/** Its pieces need memory for a whole message. */
const LARGE = pattern(50_000)
const LARGE_EACH_MS = 50
const BULK = pattern(1_048_576)

/** What the others fill, and then don't give back. */
type Pool = "large messages" | "early packets" | "queues"

interface Seen {
  readonly messages: number
  readonly p99Ms: number
  /** Bytes of the pool that were held before the four began. */
  readonly heldBytes: number
}

/** Four honest senders over paths that lose 1 %, beside others that fill a pool of the receiver. */
async function besideOthers(others: number, pool: Pool): Promise<Seen> {
  const { network, bind } = makeWorld(7, { delayMs: 10, lossRate: 0.01 })
  const { endpoint: hub } = await bind("hub", { peersMax: HONEST + others })
  const delaysMs: number[] = []
  hub.handle(1, ({ view, offset, stream: { label } }) => {
    if (label === "honest") delaysMs.push(network.now - view.getFloat64(offset))
  })
  hub.on("stream", (stream) => void (stream.label === "queues" && stream.pause()))
  const join = async (name: string): Promise<Peer> => {
    const { endpoint } = await bind(name)
    return network.until(endpoint.join(`hub:${PORT}`))
  }
  const open = async (name: string): Promise<OutgoingStream[]> => {
    const peer = await join(name)
    return [peer.open({ label: "honest" }), peer.open({ label: "honest" })]
  }
  const honest: OutgoingStream[][] = []
  for (let i = 0; i < HONEST; i++) honest.push(await open(`honest ${i}`))
  const streams: OutgoingStream[] = []
  for (let i = 0; i < others; i++) {
    const peer = await join(`other ${i}`)
    for (let k = 0; k < 4; k++) streams.push(peer.open({ label: pool }))
  }
  if (pool === "early packets")
    network.filter(({ from, bytes: { buffer, byteOffset, length } }) => {
      if (!from.startsWith("other")) return true
      const { packets } = describeDatagram(new DataView(buffer, byteOffset, length), 0, length, PROFILE.checksum)
      return packets.every(({ kind, number }) => kind !== "sequenced" || number !== 0)
    })
  for (const stream of streams) {
    if (pool === "large messages") for (let i = 0; i < 3; i++) stream.send(1, BULK).catch(() => {})
    else for (let i = 0; i < 250; i++) stream.trySend(1, SMALL)
  }
  // In the middle of their messages.
  await network.advance(40)
  if (pool === "large messages") for (let i = 0; i < others; i++) network.partition(`other ${i}`, "hub")
  await network.advance(160)
  const { messages: large, earlyPackets, queues } = hub.stats().memory
  const heldBytes = { "large messages": large, "early packets": earlyPackets, queues }[pool].bytes
  for (let at = 0; at < 800; at += STEP_MS) {
    for (const [small, large] of honest) {
      new DataView(SMALL.buffer).setFloat64(0, network.now)
      new DataView(LARGE.buffer).setFloat64(0, network.now)
      for (let i = 0; i < SMALL_A_STEP; i++) small!.trySend(1, SMALL)
      if (at % LARGE_EACH_MS === 0) large!.trySend(1, LARGE)
    }
    await network.advance(STEP_MS)
  }
  hub.assertInvariants()
  const p99Ms = delaysMs.toSorted((a, b) => a - b)[Math.floor(0.99 * delaysMs.length)]!
  return { messages: delaysMs.length, p99Ms, heldBytes }
}

describe.each(["large messages", "early packets", "queues"] as const)("where others fill the memory for %s", (pool) => {
  test.each([1, 10, 80])(
    "four that send keep their rate and their delay beside %d of them",
    async (others) => {
      const alone = await besideOthers(0, pool)
      const beside = await besideOthers(others, pool)
      expect(beside.messages).toBeGreaterThanOrEqual(0.8 * alone.messages)
      expect(beside.p99Ms).toBeLessThanOrEqual(2 * alone.p99Ms + 5)
      // They do hold something.
      expect(beside.heldBytes).toBeGreaterThan(others * 100_000)
    },
    240_000,
  )
})
