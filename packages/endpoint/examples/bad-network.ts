// An application tested on bad networks. Everything is virtual: time, sockets, faults. A seed replays a run exactly:
// `node bad-network.js 42`.
import assert from "node:assert/strict"
import { Endpoint } from "@x/endpoint"
import { createNetwork, type Network, PRESETS } from "@x/transport/simulated"

/** The application: a counter that others raise. It doesn't know where it runs. */
const RAISE = 1
function count(endpoint: Endpoint): { value: number } {
  const counter = { value: 0 }
  endpoint.handle(RAISE, ({ view, offset }) => void (counter.value += view.getUint32(offset)))
  return counter
}

/** Raises a counter by 1, 2 … 300, ten milliseconds apart; for one second of that time the network is cut in two. */
async function play(network: Network): Promise<number> {
  const server = await network.until(Endpoint.bind({ host: network.host("server"), port: 4_000 }))
  const client = await network.until(Endpoint.bind({ host: network.host("client") }))
  const counter = count(server)
  const stream = (await network.until(client.join("server:4000"))).open()
  for (let i = 1; i <= 300; i++) {
    if (i === 100) network.partition("client", "server")
    if (i === 200) network.heal()
    await network.until(stream.send(RAISE, Uint8Array.of(0, 0, i >>> 8, i)))
    await network.advance(10)
  }
  await network.until(stream.end())
  await network.until(Promise.all([client.close(), server.close()]))
  return counter.value
}

const seed = Number(process.argv[2] ?? 42)
for (const [name, link] of Object.entries(PRESETS)) {
  const network = createNetwork({ seed, link })
  const value = await play(network)
  const { sent, counts } = network.linkOf("client", "server")
  console.log(
    `${name}: ${value} after ${(network.now / 1_000).toFixed(1)} s of virtual time; ${sent - counts.delivered} of ${sent} datagrams lost`,
  )
  assert.equal(value, 45_150, `seed ${seed}`)
  const again = createNetwork({ seed, link })
  await play(again)
  assert.equal(again.traceHash, network.traceHash)
}
