/**
 * What idle peers cost on real sockets: the endpoint here, its peers in another process, each with a socket of its own;
 * four streams with each, all acknowledged, default intervals. The kernel's share is reported too; the number of peers
 * is limited by open files (10,000 at most).
 */
import { Endpoint } from "@x/endpoint"
import { fork } from "node:child_process"
import { createSocket, type Socket } from "node:dgram"
import { once } from "node:events"
import { setTimeout as wait } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { FakePeers } from "./fake-peers.ts"

const MEASURE_MS = 20_000
/** The time until heartbeats come at the interval of idle peers. */
const SETTLE_MS = 15_000

if (process.argv[2] === undefined) await measure()
else await bePeers(Number(process.argv[2]), Number(process.argv[3]))

async function measure(): Promise<void> {
  const report = process.report.getReport() as unknown as { userLimits: { open_files: { soft: string | number } } }
  const files = Number(report.userLimits.open_files.soft)
  const count = Math.min(10_000, Number.isFinite(files) ? Math.max(100, files - 200) : 10_000)
  await using endpoint = await Endpoint.bind({ v4: "127.0.0.1", v6: false })
  endpoint.handle(1, () => {})
  endpoint.on("joined", (peer) => {
    for (let i = 0; i < 2; i++) peer.open().trySend(1, new Uint8Array(10))
  })
  const child = fork(fileURLToPath(import.meta.url), [String(count), String(endpoint.port)])
  try {
    await once(child, "message")
    await wait(SETTLE_MS)
    const { peers, streams } = endpoint.stats()
    globalThis.gc?.()
    const { heapUsed, external } = process.memoryUsage()
    const before = endpoint.stats().transport.datagramsReceived
    const cpu = process.cpuUsage()
    const startMs = performance.now()
    await wait(MEASURE_MS)
    const { user, system } = process.cpuUsage(cpu)
    const elapsedUs = (performance.now() - startMs) * 1_000
    const datagrams = endpoint.stats().transport.datagramsReceived - before
    console.log(
      `${peers} idle peers with ${streams} streams on real sockets: ${((100 * (user + system)) / elapsedUs).toFixed(1)} % of a core, of it ${((100 * system) / elapsedUs).toFixed(1)} % in the kernel; ${((1e6 * datagrams) / elapsedUs).toFixed(0)} datagrams/s in; heap and external ${((heapUsed + external) / 1e6).toFixed(0)} MB`,
    )
    if (peers !== count || streams !== 4 * count) throw new Error(`${count} peers with four streams each were to join`)
  } finally {
    child.kill()
  }
}

async function bePeers(count: number, port: number): Promise<void> {
  const sockets: Socket[] = []
  const peers = new FakePeers(count, 2, (peer, bytes, length) =>
    sockets[peer]!.send(bytes.slice(0, length), port, "127.0.0.1"),
  )
  for (let peer = 0; peer < count; peer++) {
    const socket = createSocket("udp4", (bytes) =>
      peers.receive(peer, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length),
    )
    sockets.push(socket)
    socket.bind(0, "127.0.0.1")
  }
  for (let peer = 0; peer < count; peer++) {
    peers.join(peer)
    if (peer % 10 === 9) await wait(10)
  }
  // Peers that lost a datagram on the way repeat it.
  for (let tries = 0; tries < 20 && peers.joined < count; tries++) {
    await wait(200)
    for (let peer = 0; peer < count; peer++) if (!peers.hasJoined(peer)) peers.join(peer)
  }
  process.send!("joined")
}
