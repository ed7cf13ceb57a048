// The state of a game to sixteen players, 60 times a second, each over a network of its own that loses one datagram in
// ten: a "latest" topic. Each player has the newest state, whoever else is behind.
import assert from "node:assert/strict"
import { defineMessage, Endpoint, json } from "@x/endpoint"
import { Topics } from "@x/topics"
import { createNetwork } from "@x/transport/simulated"

const STATE = defineMessage(1, json<{ tick: number; x: number }>())
const PLAYERS = 16
const TICKS = 300
const network = createNetwork({ seed: 7, link: { delayMs: 25, lossRate: 0.1, reorderRate: 0.1, reorderDelayMs: 60 } })
const server = await network.until(Endpoint.bind({ host: network.host("server"), port: 4_000 }))
const state = new Topics(server).topic("state", { delivery: "latest", keep: { messages: 1 } })
const left: string[] = []
state.on("subscriber", (news) => void (news.state === "left" && left.push(news.why)))

const shown: number[] = []
const counts = { shown: 0, gone: 0 }
for (let player = 0; player < PLAYERS; player++) {
  const endpoint = await network.until(Endpoint.bind({ host: network.host(`player ${player}`) }))
  const peer = await network.until(endpoint.join("server:4000"))
  const feed = await network.until(new Topics(endpoint).subscribe(peer, "state", { from: "last" }))
  feed.on("gap", (messages) => void (counts.gone += messages))
  void (async () => {
    for await (const { value } of feed.messages(STATE)) {
      assert(value.tick > (shown[player] ?? -1))
      shown[player] = value.tick
      counts.shown++
    }
  })()
}

let oldest = 0
for (let tick = 0; tick < TICKS; tick++) {
  assert.equal(state.publish(STATE, { tick, x: Math.cos(tick / 60) }), "sent")
  await network.advance(1_000 / 60)
  if (tick > 10) oldest = Math.max(oldest, tick - Math.min(...shown))
}
await network.advance(500)
console.log(
  `${TICKS} states to ${PLAYERS} players: ${counts.shown} shown, ${counts.gone} lost or late; never more than ${oldest} ticks behind`,
)
assert.equal(shown.length, PLAYERS)
for (const tick of shown) assert(tick > TICKS - 10)
assert(counts.gone > 0)
await network.until(state.close())
await network.until(server.close())
assert.deepEqual(
  left,
  Array.from({ length: PLAYERS }, () => "topic-closed"),
)
