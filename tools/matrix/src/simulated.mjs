// Endpoints on a simulated network, from a seed: loss, a cut, all deliveries, encrypted. Prints the hash of all
// datagrams, once with the simulation's own cryptography and once with that of the runtime.
import { Endpoint } from "@x/endpoint"
import { systemHost } from "@x/transport"
import { createNetwork, PRESETS } from "@x/transport/simulated"

const DELIVERIES = ["reliable", "reliable-unordered", "best-effort", "latest", "fire-and-forget"]

console.log(JSON.stringify({ own: await run(), runtimes: await run(systemHost().crypto) }))

async function run(crypto) {
  const network = createNetwork({ seed: 18, link: PRESETS.hostile, ...(crypto === undefined ? {} : { crypto }) })
  const members = new Map()
  const bind = async (name, salt) => {
    const identity = { privateKey: new Uint8Array(32).fill(salt), trust: () => true }
    const secrets = ["a secret that both of them know"]
    const endpoint = await network.until(
      Endpoint.bind({ host: network.host(name), port: 4000, protection: "aead", secrets, identity }),
    )
    members.set(name, endpoint)
    return endpoint
  }
  const server = await bind("server", 1)
  const client = await bind("client", 2)
  server.handle(1, (message) => void message.peer.open().trySend(2, message.copy()))
  let answers = 0
  client.handle(2, () => answers++)
  const peer = await network.until(client.join("server:4000", { publicKey: server.publicKey }), 600_000)
  const streams = DELIVERIES.map((delivery) => peer.open({ delivery, label: delivery }))
  for (let i = 0; i < 60; i++) {
    for (const stream of streams) stream.trySend(1, new Uint8Array((i * 397) % 3_000).fill(i))
    if (i === 20) network.partition("client", "server")
    if (i === 40) network.heal()
    await network.advance(100)
  }
  await network.until(streams[0].send(1, new Uint8Array(200_000), { receipt: true }), 600_000)
  if (answers === 0) throw new Error("nothing came back")
  await network.until(Promise.all([...members.values()].map((endpoint) => endpoint.close())), 600_000)
  return network.traceHash
}
