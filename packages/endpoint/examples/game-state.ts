// Positions at 60 Hz over a network that loses one datagram in five: nobody waits for a lost position, since the next
// one is newer anyway. Datagrams also overtake each other: a "latest" stream drops positions that come late, and never
// sends one that is no longer the newest.
import assert from "node:assert/strict"
import { Endpoint } from "@x/endpoint"
import { createNetwork } from "@x/transport/simulated"

const POSITION = 1
const POSITION_BYTES = 12
const TICKS = 600
const network = createNetwork({ seed: 7, link: { delayMs: 25, lossRate: 0.2, reorderRate: 0.1, reorderDelayMs: 60 } })
const server = await network.until(Endpoint.bind({ host: network.host("server"), port: 4_000 }))
const player = await network.until(Endpoint.bind({ host: network.host("player") }))

const shown = { tick: -1, x: 0, y: 0 }
const counts = { applied: 0, oldest: 0 }
player.handle(POSITION, ({ view, offset }) => {
  const tick = view.getUint32(offset)
  assert(tick > shown.tick)
  shown.tick = tick
  shown.x = view.getFloat32(offset + 4)
  shown.y = view.getFloat32(offset + 8)
  counts.applied++
})

await network.until(player.join("server:4000"))
await network.when(() => server.peers.length === 1)
const positions = server.peers[0]!.open({ delivery: "latest", label: "positions" })
const view = new DataView(new ArrayBuffer(POSITION_BYTES))
for (let tick = 0; tick < TICKS; tick++) {
  view.setUint32(0, tick)
  view.setFloat32(4, Math.cos(tick / 60))
  view.setFloat32(8, Math.sin(tick / 60))
  positions.trySend(POSITION, new Uint8Array(view.buffer))
  await network.advance(1_000 / 60)
  counts.oldest = Math.max(counts.oldest, tick - shown.tick)
}
await network.advance(100)

const { late } = player.stats().drops
const lost = TICKS - counts.applied - late
console.log(
  `${TICKS} sent: ${counts.applied} shown, ${late} came late, ${lost} lost; never more than ${counts.oldest} ticks behind`,
)
assert(lost > TICKS * 0.15 && lost < TICKS * 0.25)
assert(late > 0)
assert(shown.tick > TICKS - 10)
await network.until(Promise.all([player.close(), server.close()]))
