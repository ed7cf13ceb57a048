import { expect, test } from "vitest"
import { settingsOf } from "../../src/api/options.ts"
import type { OutgoingState } from "../../src/streams/outgoing-state.ts"
import type { PeerState } from "../../src/peer/peer-state.ts"
import { SharedMemory } from "../../src/protocol/shared-memory.ts"
import { JOIN_BYTES, PEER_BYTES, STREAM_BYTES } from "../../src/schedule/ledger.ts"
import { ROW_BYTES } from "../../src/schedule/quota.ts"

const STALLED_MS = 1_000

function made(peers = 0, joinTries = 0, sendPoolPacketsMax = 64): { memory: SharedMemory; released: number[] } {
  const released: number[] = []
  let slabs = 0
  const transport = { registerSlab: () => ++slabs, releaseSlab: (slab: number) => void released.push(slab) }
  const settings = settingsOf({ protection: "none", sendPoolPacketsMax, stalledMs: STALLED_MS })
  const counts = { peers: () => peers, joinTries: () => joinTries }
  return { memory: new SharedMemory(settings, 1_472, transport, counts), released }
}

test("the ledger says in bytes what the shares of a peer take, of each kind", () => {
  const { memory } = made()
  const account = memory.accounts.open("somebody")
  account.sent.take(1)
  account.early.take(2)
  account.assembly.take(3)
  account.rows.take(4)
  account.tables.take(5)
  account.streams.take(6)
  account.labels.take(7)
  const charged = {
    sentPackets: memory.sendPool.unitBytes,
    earlyPackets: 2 * memory.pool.unitBytes,
    messages: 3,
    lists: 4 * ROW_BYTES,
    ...{ tables: 5, streams: 6 * STREAM_BYTES, labels: 7 },
  }
  expect(memory.ledger.of(account, true)).toEqual({ ...charged, peers: PEER_BYTES })
  // What it still holds once it has left.
  expect(memory.ledger.of(account, false)).toEqual({ ...charged, peers: 0 })
  memory.assertInvariants()
})

test("peers and tries of joins are charged what each takes", () => {
  const { memory } = made(3, 2)
  expect([memory.ledger.all.peers.bytes, memory.ledger.joins.bytes]).toEqual([3 * PEER_BYTES, 2 * JOIN_BYTES])
  expect(memory.ledger.joins.bytesMax).toBe(3 * 1_024 * JOIN_BYTES)
})

test("memory of packets that was unused for ten seconds goes back, and the transport forgets it", () => {
  const { memory, released } = made(0, 0, 2_048)
  const slots: number[] = []
  for (let slot = memory.sendPool.acquire(60_000); slot >= 0; slot = memory.sendPool.acquire(60_000)) slots.push(slot)
  for (const slot of slots) memory.slabs.of(slot)
  for (const slot of slots) memory.sendPool.release(slot)
  const chunks = memory.sendPool.unusedChunks
  expect(chunks).toBeGreaterThan(8)
  memory.trim(0)
  expect(memory.nextTimeoutMs).toBe(10_000)
  memory.trim(9_999)
  expect([memory.sendPool.unusedChunks, released]).toEqual([chunks, []])
  memory.trim(10_000)
  expect([memory.sendPool.unusedChunks, released.length, memory.nextTimeoutMs]).toEqual([8, chunks - 8, Infinity])
})

test("streams that found no memory go on once there is some, in their order", () => {
  const { memory } = made()
  const told: unknown[] = []
  const streams = { progress: (state: OutgoingState) => void told.push(state) }
  const [first, second] = [1, 2].map(
    () => ({ stream: { isStarved: false, unackedPackets: 0 } }) as unknown as OutgoingState,
  )
  expect(memory.hasStarved).toBe(false)
  memory.starved.add(first!, streams)
  memory.starved.add(second!, streams)
  expect(memory.hasStarved).toBe(true)
  memory.feed(0)
  expect([told, memory.hasStarved]).toEqual([[first, second], false])
})

test("nobody waits for memory that isn't there yet", () => {
  const { memory } = made()
  while (memory.sendPool.available > 0) memory.sendPool.acquire(100)
  memory.starved.add({ stream: { isStarved: true, unackedPackets: 0 } } as unknown as OutgoingState, {
    progress: () => {},
  })
  expect(memory.hasStarved).toBe(false)
})

test("who holds memory and gives none back has to give way once others found none for long enough", () => {
  const { memory } = made()
  const holder = { outgoing: { memory: { held: 60, given: 0, lacked: 0 } } } as unknown as PeerState
  const waiting = { held: 0, given: 0, lacked: 0 }
  const waiter = { outgoing: { memory: waiting } } as unknown as PeerState
  const left: PeerState[] = []
  expect(memory.nextTimeoutMs).toBe(Infinity)
  for (let nowMs = 0; nowMs <= 2 * STALLED_MS; nowMs += 50) {
    waiting.lacked++
    memory.quota.sendPoolLoans++
    left.push(...memory.takeStalled([holder, waiter], nowMs))
  }
  expect(new Set(left)).toEqual(new Set([holder]))
  expect([memory.nextTimeoutMs < Infinity, memory.full.stalled > 0]).toEqual([true, true])
})

test("the streams of an endpoint that is closed take nobody's place, and the transport forgets its memory", () => {
  const { memory, released } = made()
  memory.quota.takeStream(memory.accounts.open("somebody").streams)
  const slab = memory.slabs.of(memory.sendPool.acquire(100))
  expect(memory.sizes).toMatchObject({ streams: 1, sendPool: 1 })
  memory.release()
  expect([memory.sizes.streams, released]).toEqual([0, [slab]])
})
