import { PacketPool } from "@x/stream"
import { expect, test } from "vitest"
import { SendSlabs } from "../../src/datagram/send-slabs.ts"

test("memory is told to the transport when the first packet goes out from there, once, and taken back in the end", () => {
  const pool = new PacketPool({ slotBytes: 65_536 })
  const slots = Array.from({ length: 5 }, () => pool.acquire())
  const registered: Uint8Array[] = []
  const released: number[] = []
  const slabs = new SendSlabs(pool, {
    registerSlab: (bytes) => registered.push(bytes) - 1,
    releaseSlab: (slab) => released.push(slab),
  })
  const [first, , , , last] = slots
  expect([slabs.of(last!), slabs.of(first!), slabs.of(last!)]).toEqual([0, 1, 0])
  expect(registered).toEqual([pool.bytes(last!), pool.bytes(first!)])
  slabs.release()
  expect(released.toSorted((a, b) => a - b)).toEqual([0, 1])
})
