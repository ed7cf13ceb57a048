/**
 * A simulated process on a simulated machine: a `Host` whose clock, sockets and chance are the network's.
 *
 * @module
 */

import { AddressTable, formatHost, parseHost } from "../addresses.ts"
import { ReceiveQueue, SealerTable, SlabTable } from "../batches.ts"
import { createCounters, type MutableCounters } from "../counters.ts"
import type {
  Address,
  BindOptions,
  Capabilities,
  Host,
  ReceiveBatch,
  ResolvedAddress,
  Sealer,
  SendBatch,
  SocketError,
  SocketErrorCode,
  SyncCrypto,
  Transport,
  TransportCounters,
  WakeUp,
} from "../host.ts"
import { TransportError } from "../transport-error.ts"
import type { Machine, Network } from "./network.ts"
import { Random } from "./random.ts"
import { hmacSha256 } from "./sha256.ts"

const CRYPTO: SyncCrypto = { hmacSha256 }
const RECEIVE_BUFFER_BYTES = 4_194_304

export class SimulatedHost implements Host {
  readonly machine: Machine
  readonly crypto: SyncCrypto = CRYPTO
  readonly #network: Network
  readonly #random: Random
  readonly #transports = new Set<SimulatedTransport>()
  #deferred: (() => void)[] = []
  #isAlive = true
  #stalledUntilMs = -Infinity

  /** Made by `network.host(name)`. `process`: how many processes the machine had before. */
  constructor(network: Network, machine: Machine, process: number) {
    this.machine = machine
    this.#network = network
    this.#random = new Random(network.seed, `${machine.name}/${process}`)
  }

  /** Ends the process as a power cut would: nothing is said to anybody, and nothing of it runs any more. */
  crash(): void {
    this.#isAlive = false
    this.#deferred = []
    for (const transport of this.#transports) void transport.close()
  }

  /** Blocks the process for a while, as a long computation does: datagrams wait in the socket buffer, wake-ups are late. */
  stall(ms: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.#network.now + ms)
    this.#network.schedule(this.#stalledUntilMs, () => this.#resume())
  }

  now(): number {
    return this.machine.originMs + this.#network.now
  }

  wakeUp(wake: () => void): WakeUp {
    let generation = 0
    return {
      at: (deadlineMs) => {
        const mine = ++generation
        if (deadlineMs === Infinity) return
        const run = (): void => {
          if (mine !== generation || !this.#isAlive) return
          if (this.#stalledUntilMs > this.#network.now) this.#network.schedule(this.#stalledUntilMs, run)
          else wake()
        }
        this.#network.schedule(Math.max(this.#network.now, deadlineMs - this.machine.originMs), run)
      },
    }
  }

  defer(run: () => void): void {
    if (!this.#isAlive) return
    if (this.#deferred.length === 0) this.#network.deferHost(this)
    this.#deferred.push(run)
  }

  random(): number {
    return this.#random.uint32()
  }

  entropy(out: Uint8Array): void {
    this.#random.fill(out)
  }

  async resolve(name: string, signal?: AbortSignal): Promise<ResolvedAddress[]> {
    signal?.throwIfAborted()
    const literal = parseHost(name)
    if (literal !== undefined) return [{ family: literal.family, host: formatHost(literal.bytes, literal.scope) }]
    const machine = this.#network.machineNamed(name)
    if (machine === undefined)
      throw new TransportError("name-not-found", `no simulated host is named "${name}"; make it with network.host("${name}")`)
    return machine.addresses.map(({ family, host }) => ({ family, host }))
  }

  async bind(options: BindOptions): Promise<Transport> {
    if (!this.#isAlive)
      throw new TransportError(
        "no-family",
        `the process on "${this.machine.name}" has crashed; take a new one from network.host("${this.machine.name}")`,
      )
    const wanted = this.machine.addresses.filter(({ family }) => (family === 4 ? options.v4 : options.v6) !== false)
    if (wanted.length === 0) throw new TransportError("no-family", `"${this.machine.name}" has no address of a family that was asked for`)
    const port = options.port || this.#network.freePort(this.machine)
    const addresses = wanted.map(({ family, host }): Address => ({ family, host, port }))
    const taken = addresses.find((address) => this.#network.socketAt(address) !== undefined)
    if (taken !== undefined)
      throw new TransportError(
        "address-in-use",
        `port ${port} of "${this.machine.name}" is taken; choose another or close the endpoint that has it`,
      )
    const transport = new SimulatedTransport(this.#network, this, addresses, options.receiveBufferBytes ?? RECEIVE_BUFFER_BYTES, () =>
      this.#transports.delete(transport),
    )
    this.#transports.add(transport)
    return transport
  }

  /** @internal Whether datagrams are read now. */
  get isRunning(): boolean {
    return this.#isAlive && this.#stalledUntilMs <= this.#network.now
  }

  /** @internal Runs what was deferred until now; what that defers comes next. */
  runDeferred(): void {
    const list = this.#deferred
    this.#deferred = []
    for (const run of list) if (this.#isAlive) run()
  }

  #resume(): void {
    if (!this.isRunning) return
    for (const transport of this.#transports) transport.deliver()
  }
}

export class SimulatedTransport implements Transport {
  readonly capabilities: Capabilities
  readonly localAddresses: readonly Address[]
  readonly #network: Network
  readonly #host: SimulatedHost
  readonly #addresses = new AddressTable()
  readonly #sealers = new SealerTable()
  readonly #slabs = new SlabTable()
  readonly #queue = new ReceiveQueue()
  readonly #counters: MutableCounters = createCounters()
  readonly #receiveBufferBytes: number
  readonly #onClosed: () => void
  /** What waits in the socket buffer. */
  #waiting: { bytes: Uint8Array; from: Address }[] = []
  #waitingBytes = 0
  #isOpen = true
  #receive: (batch: ReceiveBatch) => void = () => {}
  #error: (error: SocketError) => void = () => {}

  constructor(network: Network, host: SimulatedHost, addresses: readonly Address[], receiveBufferBytes: number, onClosed: () => void) {
    this.#network = network
    this.#host = host
    this.localAddresses = addresses
    this.#receiveBufferBytes = receiveBufferBytes
    this.#onClosed = onClosed
    this.capabilities = {
      families: addresses.map(({ family }) => family),
      dontFragment: true,
      gso: false,
      gro: false,
      batch: false,
      timerMs: 0,
      datagramBytesMax: 65_507,
      receiveBufferBytes,
      sendBufferBytes: Infinity,
      notes: [],
    }
    for (const address of addresses) network.addSocket(address, this)
  }

  get counters(): TransportCounters {
    return this.#counters
  }

  /** Addresses it holds, for tests of leaks. */
  get addressCount(): number {
    return this.#addresses.size
  }

  registerSlab(bytes: Uint8Array): number {
    return this.#slabs.register(bytes)
  }

  releaseSlab(slab: number): void {
    this.#slabs.release(slab)
  }

  internAddress({ host, port }: Address): number {
    return this.#addresses.intern(host, port)
  }

  retainAddress(address: number): void {
    this.#addresses.retain(address)
  }

  releaseAddress(address: number): void {
    this.#addresses.release(address)
  }

  addressOf(address: number): Address {
    return this.#addresses.address(address)
  }

  registerSealer(sealer: Sealer): number {
    return this.#sealers.register(sealer)
  }

  releaseSealer(sealer: number): void {
    this.#sealers.release(sealer)
  }

  send(batch: SendBatch): number {
    for (let row = 0; row < batch.count; row++) {
      const slab = this.#slabs.get(batch.slab[row]!)
      const offset = batch.offset[row]!
      let length = batch.length[row]!
      if (batch.sealer[row]! !== 0) {
        const sealer = this.#sealers.get(batch.sealer[row]!)
        sealer.seal(slab, offset, length)
        length += sealer.tagBytes
      }
      this.#sendOne(slab.slice(offset, offset + length), batch.address[row]!)
    }
    return batch.count
  }

  open(batch: ReceiveBatch): void {
    this.#sealers.open(batch)
  }

  onReceive(receive: (batch: ReceiveBatch) => void): void {
    this.#receive = receive
  }

  onWritable(): void {
    // A simulated socket is always writable: what a link can't carry waits or is lost there.
  }

  onError(error: (error: SocketError) => void): void {
    this.#error = error
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#waiting = []
    for (const address of this.localAddresses) this.#network.removeSocket(address)
    this.#onClosed()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @internal A datagram has arrived at the machine. */
  arrive(bytes: Uint8Array, from: Address): void {
    if (this.#waitingBytes + bytes.length > this.#receiveBufferBytes) return
    this.#waiting.push({ bytes, from })
    this.#waitingBytes += bytes.length
    if (this.#waiting.length === 1) this.#network.deliverSoon(this)
  }

  /** @internal Hands over what waits, unless the process is busy. */
  deliver(): void {
    if (!this.#host.isRunning || this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    for (const { bytes, from } of waiting) {
      if (!this.#isOpen) return
      this.#counters.datagramsReceived++
      this.#counters.bytesReceived += bytes.length
      const address = this.#addresses.seen(from.host, from.port)
      if (this.#queue.push(bytes, address)) continue
      this.#queue.deliver(this.#receive)
      this.#queue.push(bytes, address)
    }
    this.#queue.deliver(this.#receive)
  }

  #sendOne(bytes: Uint8Array, to: number): void {
    const address = this.#addresses.address(to)
    const from = this.localAddresses.find(({ family }) => family === address.family)
    if (!this.#isOpen || from === undefined) {
      this.#counters.datagramsUnsendable++
      return
    }
    this.#counters.datagramsSent++
    this.#counters.bytesSent += bytes.length
    const failure: SocketErrorCode | undefined = this.#network.transmit(this.#host.machine, from, address, bytes)
    if (failure === undefined) return
    this.#counters.errors[failure]++
    this.#error({ code: failure, operation: "send", address: to, bytes: bytes.length, cause: undefined })
  }
}
