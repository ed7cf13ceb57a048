// An application's own tests on the simulated network: minutes of a bad network in a moment, and a seed that replays
// them.
import assert from "node:assert/strict"
import { test } from "node:test"
import { Endpoint } from "@x/endpoint"
import { createNetwork, PRESETS } from "@x/transport/simulated"
import { connect, serve } from "./store.mjs"

async function start(seed, link) {
  const network = createNetwork({ seed, link })
  const server = await network.until(Endpoint.bind({ host: network.host("server"), port: 4_000 }))
  const client = await network.until(Endpoint.bind({ host: network.host("client") }))
  const store = serve(server)
  const connection = await network.until(connect(client, "server:4000"))
  // The joining side knows of the join half a round trip earlier.
  await network.when(() => server.peers.length === 1)
  return { network, server, client, store, connection }
}

for (const [name, link] of Object.entries(PRESETS)) {
  test(`everything is stored over ${name}, and the same seed is the same run`, async () => {
    const run = async (seed) => {
      const { network, store, connection, client, server } = await start(seed, link)
      for (let key = 0; key < 50; key++) assert.equal(await network.until(connection.put(key, { key })), key + 1)
      assert.deepEqual([...store.keys()], [...Array(50).keys()])
      await network.until(Promise.all([client.close(), server.close()]))
      return network.traceHash
    }
    const first = await run(1)
    assert.equal(await run(1), first)
    assert.notEqual(await run(2), first)
  })
}

test("a partition delays a write and loses none", async () => {
  const { network, client, store, connection } = await start(3, { delayMs: 10 })
  const events = []
  client.on("unreachable", () => events.push("unreachable"))
  client.on("reachable", () => events.push("reachable"))
  network.partition("client", "server")
  const write = connection.put("a", 1)
  await network.advance(20_000)
  assert.equal(store.size, 0)
  assert.deepEqual(events, ["unreachable"])
  network.heal()
  assert.equal(await network.until(write), 1)
  assert.deepEqual(events, ["unreachable", "reachable"])
})

test("a server that closes tells its clients", async () => {
  const { network, client, server, connection } = await start(4, { delayMs: 10 })
  let why
  client.on("left", (_peer, { reason }) => (why = reason))
  await network.until(server.close())
  await network.when(() => why !== undefined)
  await assert.rejects(network.until(connection.put("a", 1)), { name: "EndpointError", code: "not-joined" })
})
