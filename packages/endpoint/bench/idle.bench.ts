/**
 * What idle peers cost: 10,000 of them with four streams each, two either way, all acknowledged; the remote sides are
 * rows of numbers. Memory of the process beyond that of the endpoint alone, and processor time at the default
 * intervals, in virtual time, without a kernel.
 */
import { Endpoint } from "@x/endpoint"
import { systemHost } from "@x/transport"
import type {
  Address,
  Capabilities,
  Host,
  ReceiveBatch,
  Sealer,
  SendBatch,
  Transport,
  TransportCounters,
  WakeUp,
} from "@x/transport/host"
import { randomFillSync } from "node:crypto"
import { setImmediate as turn } from "node:timers/promises"
import { FakePeers } from "./fake-peers.ts"

const PEERS = 10_000
const BYTES_MAX = 200_000_000
const CORE_SHARE_MAX = 0.03
const IDLE_MS = 60_000
const ROWS = 64
const SLOT_BYTES = 1_208

/** Datagrams of the peers wait here until the endpoint gets them. */
const waiting: { peer: number; bytes: Uint8Array }[] = []
let answerMs = 0
const peers = new FakePeers(
  PEERS,
  2,
  (peer, bytes, length) => void waiting.push({ peer, bytes: bytes.slice(0, length) }),
)

class PeersTransport implements Transport {
  readonly capabilities: Capabilities = {
    ...{
      families: [4],
      dontFragment: true,
      gso: false,
      gro: false,
      batch: true,
      ecn: false,
      timerMs: 1,
      datagramBytesMax: SLOT_BYTES,
    },
    ...{ receiveBufferBytes: 8_388_608, sendBufferBytes: 8_388_608, notes: [] },
  }
  readonly counters = { errors: {} } as TransportCounters
  readonly localAddresses: readonly Address[] = [{ family: 4, host: "10.0.0.1", port: 1 }]
  readonly #slabs: (Uint8Array | undefined)[] = [undefined]
  readonly #views: (DataView | undefined)[] = [undefined]
  readonly #sealers: (Sealer | undefined)[] = [undefined]
  readonly #batch: ReceiveBatch & { count: number } = {
    count: 0,
    slabs: [new Uint8Array(ROWS * SLOT_BYTES)],
    slab: new Int32Array(ROWS),
    offset: Int32Array.from({ length: ROWS }, (_, row) => row * SLOT_BYTES),
    length: new Int32Array(ROWS),
    address: new Int32Array(ROWS),
    opener: new Int32Array(ROWS),
    verdict: new Uint8Array(ROWS),
    ecn: new Uint8Array(ROWS),
  }
  #receive: (batch: ReceiveBatch) => void = () => {}

  registerSlab(bytes: Uint8Array): number {
    this.#views.push(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    return this.#slabs.push(bytes) - 1
  }
  releaseSlab(slab: number): void {
    this.#slabs[slab] = this.#views[slab] = undefined
  }
  internAddress(): number {
    return 1
  }
  retainAddress(): void {}
  releaseAddress(): void {}
  addressOf(id: number): Address {
    return { family: 4, host: `10.${(id >> 16) & 255}.${(id >> 8) & 255}.${id & 255}`, port: 1 }
  }
  registerSealer(sealer: Sealer): number {
    return this.#sealers.push(sealer) - 1
  }
  releaseSealer(sealer: number): void {
    this.#sealers[sealer] = undefined
  }
  send(batch: SendBatch): number {
    for (let row = 0; row < batch.count; row++) {
      const sealer = this.#sealers[batch.sealer[row]!]
      const [offset, length] = [batch.offset[row]!, batch.length[row]!]
      const slab = this.#slabs[batch.slab[row]!]!
      sealer?.seal(slab, offset, length, slab, offset)
      const startMs = performance.now()
      peers.receive(batch.address[row]! - 1, this.#views[batch.slab[row]!]!, offset, length + (sealer?.tagBytes ?? 0))
      answerMs += performance.now() - startMs
    }
    return batch.count
  }
  open(batch: ReceiveBatch): void {
    for (let row = 0; row < batch.count; row++) {
      const sealer = this.#sealers[batch.opener[row]!]
      if (sealer !== undefined)
        batch.verdict[row] = sealer.open(batch.slabs[0]!, batch.offset[row]!, batch.length[row]!) ? 1 : 0
    }
  }
  deliver(): boolean {
    if (waiting.length === 0) return false
    for (const chunk of chunks(waiting.splice(0), ROWS)) {
      for (const [row, { peer, bytes }] of chunk.entries()) {
        this.#batch.slabs[0]!.set(bytes, this.#batch.offset[row])
        this.#batch.length[row] = bytes.length
        this.#batch.address[row] = peer + 1
        this.#batch.opener[row] = 0
      }
      this.#batch.count = chunk.length
      this.#receive(this.#batch)
    }
    return true
  }
  onReceive(receive: (batch: ReceiveBatch) => void): void {
    this.#receive = receive
  }
  onWritable(): void {}
  onError(): void {}
  async close(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

function* chunks<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size)
}

let nowMs = 0
const deferred: (() => void)[] = []
const wakeUps: { deadlineMs: number; wake: () => void }[] = []
const transport = new PeersTransport()
const host: Host = {
  now: () => nowMs,
  wakeUp: (wake): WakeUp => {
    const entry = { deadlineMs: Infinity, wake }
    wakeUps.push(entry)
    return { at: (deadlineMs) => void (entry.deadlineMs = deadlineMs) }
  },
  defer: (run) => void deferred.push(run),
  random: () => Math.floor(Math.random() * 2 ** 32),
  entropy: (out) => void randomFillSync(out),
  resolve: async (name) => [{ family: 4, host: name }],
  crypto: systemHost().crypto,
  bind: async () => transport,
}

/** Advances to `untilMs`; datagrams arrive within the millisecond. */
function run(untilMs: number): void {
  while (nowMs < untilMs) {
    for (let isBusy = true; isBusy;) {
      for (const work of deferred.splice(0)) work()
      isBusy = transport.deliver() || deferred.length > 0
    }
    const next = Math.min(...wakeUps.map(({ deadlineMs }) => deadlineMs))
    nowMs = Math.min(untilMs, Math.max(nowMs + 1, Math.ceil(next)))
    for (const entry of wakeUps) {
      if (entry.deadlineMs > nowMs) continue
      entry.deadlineMs = Infinity
      entry.wake()
    }
  }
}

async function memory(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    await turn()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const endpoint = await Endpoint.bind({ host, v6: false, port: 1 })
endpoint.handle(1, () => {})
endpoint.on("joined", (peer) => {
  for (let i = 0; i < 2; i++) peer.open().trySend(1, new Uint8Array(10))
})
run(10)
const before = await memory()
for (let peer = 0; peer < PEERS; peer++) {
  peers.join(peer)
  // Spread over ten seconds, as heartbeats are in a process that has been up for a while.
  if (peer % 10 === 9) run(nowMs + 10)
}
run(nowMs + 30_000)
const { peers: joined, streams, sendPoolPackets } = endpoint.stats()
if (joined !== PEERS || streams !== 4 * PEERS || sendPoolPackets !== 0)
  throw new Error(`${joined} peers with ${streams} streams and ${sendPoolPackets} packets under way: they are not idle`)
const bytes = (await memory()) - before
const { heapUsed } = process.memoryUsage()

peers.heartbeats = 0
answerMs = 0
const cpu = process.cpuUsage()
run(nowMs + IDLE_MS)
const used = process.cpuUsage(cpu)
const cpuMs = (used.user + used.system) / 1_000 - answerMs
const share = cpuMs / IDLE_MS
console.log(
  `${PEERS} idle peers with 4 streams each: ${(bytes / 1e6).toFixed(0)} MB of heap and external memory, ${(bytes / PEERS / 1_000).toFixed(1)} kB a peer (heap in all ${(heapUsed / 1e6).toFixed(0)} MB)`,
)
console.log(
  `${(peers.heartbeats / (IDLE_MS / 1_000)).toFixed(0)} heartbeats/s, ${(100 * share).toFixed(2)} % of a core, ${((1_000 * cpuMs) / peers.heartbeats).toFixed(1)} µs a heartbeat with its answer`,
)
process.exit(bytes <= BYTES_MAX && share <= CORE_SHARE_MAX ? 0 : 1)
