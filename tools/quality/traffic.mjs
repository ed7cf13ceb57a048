// Traffic of all kinds over a simulated network that loses, reorders, delays and marks: what the hot paths of all packages
// see in their first minutes.
import { bbr, Endpoint, lossBased } from "@x/endpoint"
import { createNetwork } from "@x/transport/simulated"

const DELIVERIES = ["reliable", "reliable-unordered", "best-effort", "latest", "fire-and-forget"]
const link = {
  delayMs: 10.3,
  jitterMs: 3.7,
  lossRate: 0.02,
  duplicateRate: 0.01,
  reorderRate: 0.02,
  reorderDelayMs: 2,
  rateBitsPerSecond: 16e6,
  queueBytes: 60_000,
  aqm: { kind: "codel" },
}

async function talk(congestion) {
  const network = createNetwork({ link, seed: 1 })
  const [a, b] = ["a", "b"].map((name) => Endpoint.bind({ port: 4000, host: network.host(name), congestion }))
  const to = await network.until(b)
  const from = await network.until(a)
  for (const endpoint of [to, from])
    endpoint.handle(1, (message) => void (message.length < 200 && endpoint === to && message.reply(1, message.bytes)))
  const peer = await network.until(from.join("b:4000"))
  const streams = DELIVERIES.map((delivery) => peer.open({ delivery }))
  for (let i = 0; i < 300; i++) {
    for (const stream of streams) stream.trySend(1, new Uint8Array(i % 20 === 0 ? 20_000 : 100 + i))
    if (i === 100) network.partition("a", "b")
    if (i === 110) network.heal()
    await network.advance(17.3)
  }
  await network.until(Promise.all(streams.slice(0, 3).map((stream) => stream.end())))
  await network.until(peer.ping())
  await network.until(from.close())
  await network.until(to.close())
}

await talk(bbr())
await talk(lossBased())
