/** Two hosts joined by memory: a transport that only copies, so that a measurement sees only the protocol. */
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

const ROWS = 64
const SLOT_BYTES = 2_048

class DirectTransport implements Transport {
  readonly capabilities: Capabilities = {
    families: [4],
    dontFragment: true,
    gso: false,
    gro: false,
    batch: true,
    ecn: true,
    timerMs: 0,
    datagramBytesMax: SLOT_BYTES,
    receiveBufferBytes: 8_388_608,
    sendBufferBytes: 8_388_608,
    notes: [],
  }
  readonly counters = { errors: {} } as TransportCounters
  readonly localAddresses: readonly Address[]
  other!: DirectTransport
  receive: (batch: ReceiveBatch) => void = () => {}
  readonly #slabs: (Uint8Array | undefined)[] = [undefined]
  readonly #sealers: (Sealer | undefined)[] = [undefined]
  /** Two batches in turn: one is delivered while the other fills. */
  readonly #batches = [this.#makeBatch(), this.#makeBatch()]
  #filling = 0

  constructor(host: string) {
    this.localAddresses = [{ family: 4, host, port: 1 }]
  }

  #makeBatch(): ReceiveBatch & { count: number } {
    const column = (): Int32Array => new Int32Array(ROWS)
    const offset = Int32Array.from({ length: ROWS }, (_, row) => row * SLOT_BYTES)
    return {
      count: 0,
      slabs: [new Uint8Array(ROWS * SLOT_BYTES)],
      slab: column(),
      offset,
      length: column(),
      address: column().fill(1),
      opener: column(),
      verdict: new Uint8Array(ROWS),
      ecn: new Uint8Array(ROWS),
    }
  }

  registerSlab(bytes: Uint8Array): number {
    return this.#slabs.push(bytes) - 1
  }
  releaseSlab(slab: number): void {
    this.#slabs[slab] = undefined
  }
  internAddress(): number {
    return 1
  }
  retainAddress(): void {}
  releaseAddress(): void {}
  addressOf(): Address {
    return this.other.localAddresses[0]!
  }
  registerSealer(sealer: Sealer): number {
    return this.#sealers.push(sealer) - 1
  }
  releaseSealer(sealer: number): void {
    this.#sealers[sealer] = undefined
  }

  send(batch: SendBatch): number {
    const to = this.other.#batches[this.other.#filling]!
    let row = 0
    for (; row < batch.count && to.count < ROWS; row++) {
      const slab = this.#slabs[batch.slab[row]!]!
      const offset = batch.offset[row]!
      let length = batch.length[row]!
      const sealer = this.#sealers[batch.sealer[row]!]
      if (sealer !== undefined) {
        sealer.seal(slab, offset, length, slab, offset)
        length += sealer.tagBytes
      }
      const at = to.offset[to.count]!
      const into = to.slabs[0]!
      // A loop instead of subarray and set: the measured window must contain no object of ours.
      for (let i = 0; i < length; i++) into[at + i] = slab[offset + i]!
      to.length[to.count] = length
      to.ecn[to.count] = batch.ecn[row]!
      to.opener[to.count++] = 0
    }
    return row
  }

  open(batch: ReceiveBatch): void {
    for (let row = 0; row < batch.count; row++) {
      const sealer = this.#sealers[batch.opener[row]!]
      if (sealer !== undefined)
        batch.verdict[row] = sealer.open(batch.slabs[0]!, batch.offset[row]!, batch.length[row]!) ? 1 : 0
    }
  }

  /** Hands over received datagrams; returns whether there were any. */
  deliver(): boolean {
    const batch = this.#batches[this.#filling]!
    if (batch.count === 0) return false
    this.#filling = 1 - this.#filling
    this.receive(batch)
    batch.count = 0
    return true
  }

  onReceive(receive: (batch: ReceiveBatch) => void): void {
    this.receive = receive
  }
  onWritable(writable: () => void): void {
    this.writable = writable
  }
  writable: () => void = () => {}
  onError(): void {}
  async close(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

export interface DirectPair {
  readonly a: Endpoint
  readonly b: Endpoint
  /** Runs deferred functions and delivers datagrams, until nothing is left. */
  pump(): void
}

/** Two endpoints that are not joined yet. The clock moves a millisecond with each `pump`. */
export async function makeDirectPair(): Promise<DirectPair> {
  let nowMs = 0
  const transports = [new DirectTransport("10.0.0.1"), new DirectTransport("10.0.0.2")] as const
  transports[0].other = transports[1]
  transports[1].other = transports[0]
  const deferred: (() => void)[] = []
  const wakeUps: { deadlineMs: number; wake: () => void }[] = []
  const hostOf = (transport: DirectTransport): Host => ({
    now: () => nowMs,
    wakeUp: (wake): WakeUp => {
      const entry = { deadlineMs: Infinity, wake }
      wakeUps.push(entry)
      return { at: (deadlineMs) => void (entry.deadlineMs = deadlineMs) }
    },
    defer: (run) => void deferred.push(run),
    random: () => 1,
    entropy: (out) => void randomFillSync(out),
    resolve: async (name) => [{ family: 4, host: name }],
    crypto: systemHost().crypto,
    bind: async () => transport,
  })
  const pump = (): void => {
    nowMs++
    for (let isBusy = true; isBusy;) {
      isBusy = false
      for (let i = 0; i < deferred.length; i++) deferred[i]!()
      isBusy = deferred.length > 0
      deferred.length = 0
      for (const entry of wakeUps) {
        if (entry.deadlineMs > nowMs) continue
        entry.deadlineMs = Infinity
        entry.wake()
      }
      for (const transport of transports) {
        if (!transport.deliver()) continue
        isBusy = true
        transport.other.writable()
      }
    }
  }
  const options = { v6: false } as const
  const [a, b] = await Promise.all(
    transports.map((transport) => Endpoint.bind({ ...options, host: hostOf(transport) })),
  )
  return { a: a!, b: b!, pump }
}
