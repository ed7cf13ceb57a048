/** A process with one endpoint, which tells what it takes: forked by `measure.ts`. */
import { getHeapSpaceStatistics } from "node:v8"
import { Endpoint, type EndpointOptions, type Peer } from "@x/endpoint"
import type { Asked, VictimKind, VictimState } from "./talk.ts"

const [kind, optionsText] = process.argv.slice(2) as [VictimKind, string]
const BURST = 20
const BURST_MS = 10
const SLOW_MS = 250

const options = JSON.parse(optionsText) as EndpointOptions
const endpoint = await Endpoint.bind({ v4: "127.0.0.1", v6: false, ...options })
endpoint.on("error", () => {})
// Of what comes before all else.
endpoint.handle(2, () => {})
if (kind === "slow") endpoint.handleAsync(1, async () => new Promise((done) => void setTimeout(done, SLOW_MS)))
else endpoint.handle(1, () => {})
const sending = kind === "broadcast" ? broadcast() : undefined
process.on("message", ({ id, isCollecting, isQuiet }: Asked) => {
  if (isQuiet) clearInterval(sending)
  if (isCollecting) globalThis.gc?.()
  const state: VictimState = {
    ...{ id, rssBytes: process.memoryUsage.rss(), cpuUs: cpuUs(), atMs: performance.now(), port: endpoint.port },
    ...{ peers: endpoint.peers.length, memory: endpoint.stats().memory, streams: endpoint.stats().streams },
    joins: endpoint.stats().halfOpen,
    datagrams: {
      sent: endpoint.stats().transport.datagramsSent,
      received: endpoint.stats().transport.datagramsReceived,
    },
    heapBytes: process.memoryUsage().heapUsed,
    arrayBytes: process.memoryUsage().arrayBuffers,
    spaces: Object.fromEntries(getHeapSpaceStatistics().map((it) => [it.space_name, it.physical_space_size])),
  }
  process.send!(state)
})
process.on("disconnect", () => process.exit())

/** Everybody is sent as much as goes; what waits would be the application's own. */
function broadcast(): NodeJS.Timeout {
  const streams = new Map<Peer, ReturnType<Peer["open"]>>()
  endpoint.on("joined", (peer) => void streams.set(peer, peer.open()))
  endpoint.on("left", (peer) => void streams.delete(peer))
  const message = new Uint8Array(1_000)
  return setInterval(() => {
    for (const stream of streams.values())
      for (let i = 0; i < BURST && stream.parked.messages === 0 && stream.trySend(1, message) === "sent"; i++);
  }, BURST_MS)
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
