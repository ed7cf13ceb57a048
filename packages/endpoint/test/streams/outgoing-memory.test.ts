import { PacketPool } from "@x/stream"
import { expect, test } from "vitest"
import { settingsOf } from "../../src/api/options.ts"
import { PathSize } from "../../src/path/path-size.ts"
import { Quota } from "../../src/schedule/quota.ts"
import { OutgoingMemory } from "../../src/streams/outgoing-memory.ts"
import { LIMITS } from "../peer/limits.ts"

const LARGE = 65_507

/** The memory of a few peers, and the size of packets on the path to each. */
function peersWith(slotsMax: number, peers: number) {
  const settings = settingsOf({ sendPoolPacketsMax: slotsMax, sendPoolPacketsPerPeer: slotsMax, peersMax: peers })
  const quota = new Quota(settings)
  const pool = new PacketPool({ slotBytes: LARGE + 24, usualBytes: 1_476, slotsMax })
  return Array.from({ length: peers }, () => {
    const size = new PathSize(settings, { ...LIMITS, datagramBytes: LARGE })
    size.set(LARGE)
    return { memory: new OutgoingMemory(quota, pool, quota.sent.share()), size, slots: [] as number[] }
  })
}

test("a peer without memory for one large packet goes on with usual ones, and with large ones once there is room", () => {
  const [poor, ...rich] = peersWith(200, 8)
  const held = rich.map(({ memory, size }) => {
    const theirs = memory.slots(1_000)
    const slots: number[] = []
    for (const bytes of [LARGE, 1])
      for (let slot = theirs.acquire(bytes); slot >= 0; slot = theirs.acquire(bytes)) slots.push(slot)
    // A peer that waits for its own packets isn't deprived.
    if (theirs.used >= 45) expect([memory.handleLack(size), size.isThrifty]).toEqual([false, false])
    return { theirs, slots }
  })
  expect(held.some(({ theirs }) => theirs.used >= 45)).toBe(true)
  const ours = poor!.memory.slots(1_000)
  let large = 0
  while (ours.acquire(LARGE) >= 0) large++
  expect(large).toBe(0)
  expect([poor!.memory.handleLack(poor!.size), poor!.size.payloadBytesMax < 1_452]).toEqual([true, true])
  const slot = ours.acquire(1_400)
  expect(slot).toBeGreaterThanOrEqual(0)
  expect(poor!.memory.handleRoom(poor!.size)).toBe(false)
  for (const { theirs, slots } of held) for (const its of slots) theirs.release(its)
  ours.release(slot)
  expect([poor!.memory.handleRoom(poor!.size), poor!.size.payloadBytesMax > 65_000]).toEqual([true, true])
  expect(ours.acquire(LARGE)).toBeGreaterThanOrEqual(0)
})

test("however many peers there are, each has memory for a packet", () => {
  for (const peers of [2, 8, 30]) {
    const all = peersWith(640, peers)
    for (const { memory, size, slots } of all) {
      const own = memory.slots(1_000)
      for (const bytes of [LARGE, 8_952, 1_400])
        for (let slot = own.acquire(bytes); slot >= 0; slot = own.acquire(bytes)) slots.push(slot)
      memory.handleLack(size)
      expect(slots.length).toBeGreaterThan(0)
    }
  }
})
