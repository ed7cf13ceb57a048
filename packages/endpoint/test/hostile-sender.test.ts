// What a peer can make us do and keep by the packets of its streams: answers, memory, and work while it is silent.

import type { DropReason } from "@x/wire"
import * as wire from "@x/wire"
import { expect, test } from "vitest"
import { message, open, type Packet, status } from "./evil-peer.ts"
import { makeScene, type Scene } from "./scene.ts"
import { makePair, makeWorld, pattern, PORT } from "./world.ts"

const UNORDERED = wire.MODE["reliable-unordered"]
const MIB = 1_048_576

/** Sends packets in datagrams of fifty. */
async function pour({ evil, network }: Scene, packets: readonly Packet[]): Promise<void> {
  for (let i = 0; i < packets.length; i += 50) {
    evil.send(...packets.slice(i, i + 50))
    if (i % 1_000 === 0) await network.advance(1)
  }
}

function statuses(scene: Scene): number {
  return scene.evil.packets("status").length
}

/** Every second number of a stream from 1 on. */
function comb(stream: number, packets: number): Packet[] {
  return Array.from({ length: packets }, (_, i) => message(stream, 2 * i + 1, UNORDERED))
}

test("a packet on a stream with as many gaps as there may be is answered by one status", async () => {
  const scene = await makeScene()
  const { evil, network } = scene
  await evil.join()
  evil.send(open(1, { mode: UNORDERED }))
  await pour(scene, comb(1, 8_000))
  await network.advance(300)
  for (let i = 0; i < 20; i++) {
    evil.received.length = 0
    evil.send(message(1, 2 * i, UNORDERED))
    await network.when(() => statuses(scene) > 0)
    expect(statuses(scene)).toBe(1)
    await network.advance(100)
  }
})

test("a peer that falls silent is asked for what is missing for some seconds, then no more, and looked at no more", async () => {
  const scene = await makeScene()
  const { evil, network, endpoint } = scene
  await evil.join()
  const streams = Array.from({ length: 32 }, (_, i) => i + 1)
  evil.send(...streams.map((id) => open(id, { mode: UNORDERED })))
  await network.advance(20)
  for (const id of streams) await pour(scene, comb(id, 2_000))
  // The peer itself lives.
  for (let ms = 0; ms < 9_000; ms += 500) {
    evil.send((writer) => void writer.begin(wire.KIND.heartbeat))
    await network.advance(500)
  }
  evil.received.length = 0
  const before = endpoint.stats().transport.datagramsSent
  for (let ms = 0; ms < 20_000; ms += 500) {
    evil.send((writer) => void writer.begin(wire.KIND.heartbeat))
    await network.advance(500)
  }
  expect(statuses(scene)).toBe(0)
  // The answers to its 40 heartbeats, and our own.
  expect(endpoint.stats().transport.datagramsSent - before).toBeLessThanOrEqual(44)
})

test("of several statuses of a stream in one datagram the first counts, and the others are told as unexpected", async () => {
  const scene = await makeScene()
  const { evil, network, endpoint } = scene
  await evil.join()
  const stream = endpoint.peers[0]!.open()
  const other = endpoint.peers[0]!.open()
  for (let i = 0; i < 3; i++) for (const it of [stream, other]) it.trySend(1, pattern(1_000))
  await network.advance(50)
  const dropped = (): number => endpoint.stats().drops["unexpected" satisfies DropReason]
  const said = (id: number, cumulative: number): Packet => status(id, { cumulative })
  evil.send(said(stream.id, 1), said(other.id, 1), ...Array.from({ length: 40 }, () => said(stream.id, 2)))
  await network.advance(10)
  expect([dropped(), stream.account.acknowledged, other.account.acknowledged]).toEqual([40, 1, 1])
  evil.send(said(stream.id, 2))
  await network.advance(10)
  expect([dropped(), stream.account.acknowledged]).toEqual([40, 2])
})

test("first pieces of the largest messages, of peers that then send nothing, keep no others from theirs", async () => {
  const world = makeWorld(1, { delayMs: 5 })
  const { network, bind } = world
  const { endpoint } = await bind("receiver")
  let handled = 0
  endpoint.handle(1, () => void handled++)
  // 16 messages of 16 MiB are all that there is memory for.
  const hoarders = []
  for (let i = 0; i < 12; i++) {
    const { endpoint: hoarder } = await bind(`hoarder ${i}`)
    hoarders.push(await network.until(hoarder.join(`receiver:${PORT}`)))
  }
  const isStarted = new Set<string>()
  network.filter(({ from, to }) => {
    if (to !== "receiver" || !from.startsWith("hoarder")) return true
    return isStarted.has(from) ? false : true
  })
  for (const [i, peer] of hoarders.entries()) {
    const stream = peer.open()
    stream.trySend(1, pattern(16))
    await network.advance(30)
    for (let k = 0; k < 2; k++)
      void peer
        .open()
        .send(1, new Uint8Array(16 * MIB))
        .catch(() => {})
    await network.advance(8)
    isStarted.add(`hoarder ${i}`)
  }
  handled = 0
  const { endpoint: honest } = await bind("honest")
  const peer = await network.until(honest.join(`receiver:${PORT}`))
  const streams = Array.from({ length: 3 }, () => peer.open())
  await network.advance(2_500)
  await network.until(
    Promise.all(streams.map((stream) => stream.send(1, new Uint8Array(16 * MIB), { receipt: true }))),
    30_000,
  )
  expect(handled).toBe(3)
}, 120_000)

test.each(["end", "reset"] as const)(
  "copies that wait for a slow consumer are charged until it is done with them, though their streams are over (%s)",
  async (how) => {
    const totalBytes = 4 * MIB
    const options = { queuedBytesTotalMax: totalBytes, queuedBytesMax: MIB }
    const { network, b, toB } = await makePair(1, { delayMs: 2 }, options)
    const waiting: (() => void)[] = []
    let taken = 0
    b.handleAsync(1, () => new Promise<void>((done) => waiting.push(done)))
    let held = 0
    for (let i = 0; i < 30; i++) {
      const stream = toB.open()
      for (let k = 0; k < 16; k++) stream.trySend(1, pattern(65_536))
      await network.advance(50)
      if (how === "end") void stream.end().catch(() => {})
      else stream.reset(40_000)
      await network.advance(20)
      held = Math.max(held, b.stats().queuedBytes)
      // What handlers have, and what waits for them, is charged: more than one message over the bound never is.
      expect(b.stats().queuedBytes).toBeLessThanOrEqual(totalBytes + 65_536)
    }
    expect(held).toBeGreaterThan(totalBytes / 4)
    for (let i = 0; i < 2_000 && waiting.length > 0; i++) {
      for (const done of waiting.splice(0)) {
        taken++
        done()
      }
      await network.advance(5)
    }
    expect(taken).toBeGreaterThan(16)
    expect(b.stats().queuedBytes).toBe(0)
  },
)
