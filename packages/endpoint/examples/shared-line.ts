// Two uploads share the line of a home: how much of it each gets, and how long datagrams wait in its queue, with a deep
// queue and with CoDel. A telephone call would wait as long. They fill the queue as TCP does: the default controller keeps
// it short by itself. Everything is virtual, and a seed replays it:
// `node shared-line.js 42`.
import assert from "node:assert/strict"
import { Endpoint, lossBased } from "@x/endpoint"
import { type BottleneckOptions, createNetwork } from "@x/transport/simulated"

const UPLOAD = 1
const SECONDS = 10
const RATE = 20_000_000

async function upload(seed: number, queue: BottleneckOptions): Promise<{ shares: number[]; meanMs: number }> {
  const network = createNetwork({ seed, link: { delayMs: 20 } })
  const line = network.bottleneck("line", { rateBitsPerSecond: RATE, ...queue })
  const server = await network.until(Endpoint.bind({ host: network.host("server"), port: 4_000 }))
  const endpoints = [server]
  const bytes = new Map<unknown, number>()
  server.handle(UPLOAD, (message) => {
    bytes.set(message.peer, (bytes.get(message.peer) ?? 0) + message.bytes.length)
  })
  for (const name of ["a", "b"]) {
    const client = await network.until(Endpoint.bind({ host: network.host(name), congestion: lossBased() }))
    endpoints.push(client)
    network.link(name, "server", { through: "line", delayMs: 20 })
    const stream = (await network.until(client.join("server:4000"))).open()
    const send = async (): Promise<void> => {
      while (network.now < 1_000 * SECONDS) await stream.send(UPLOAD, new Uint8Array(20_000))
    }
    void send()
  }
  await network.advance(1_000 * SECONDS - network.now)
  const shares = [...bytes.values()].map((each) => (8 * each) / (RATE * SECONDS))
  const { meanMs } = line.waits
  await network.until(Promise.all(endpoints.map((endpoint) => endpoint.close())))
  return { shares, meanMs }
}

const seed = Number(process.argv[2] ?? 42)
const deep = await upload(seed, { queueBytes: 1_000_000 })
const codel = await upload(seed, { queueBytes: 1_000_000, aqm: { kind: "codel" } })
for (const [name, { shares, meanMs }] of Object.entries({ "a deep queue": deep, CoDel: codel })) {
  const percent = shares.map((share) => `${(100 * share).toFixed(0)} %`)
  console.log(`${name}: ${percent.join(" and ")} of the line, datagrams wait ${meanMs.toFixed(0)} ms`)
}
assert(codel.meanMs < deep.meanMs / 2, `seed ${seed}`)
