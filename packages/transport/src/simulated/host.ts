/**
 * A simulated process on a simulated machine: a `Host` whose clock, sockets and chance are the network's.
 *
 * @module
 */

import { formatHost, parseHost } from "../addresses.ts"
import { BaseTransport, DATAGRAM_BYTES_MAX } from "../base-transport.ts"
import type { Address, BindOptions, Capabilities, Host, ResolvedAddress, SyncCrypto, Transport, WakeUp } from "../host.ts"
import { checkPort } from "../options.ts"
import { TransportError } from "../transport-error.ts"
import type { Machine, Network, NetworkEvent } from "./network.ts"
import { Random } from "./random.ts"
import { hmacSha256 } from "./sha256.ts"

const CRYPTO: SyncCrypto = { hmacSha256 }
const RECEIVE_BUFFER_BYTES = 4_194_304
/** What a waiting datagram costs in a socket buffer besides its bytes: about what Linux charges, and empty ones can't come without end. */
const WAITING_OVERHEAD_BYTES = 768

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
    this.#network.schedule(this.#stalledUntilMs, "arrival", () => this.#resume())
  }

  now(): number {
    return this.machine.originMs + this.#network.now
  }

  wakeUp(wake: () => void): WakeUp {
    const network = this.#network
    let event: NetworkEvent | undefined
    const run = (): void => {
      if (!this.#isAlive) return
      if (this.isRunning) wake()
      else event = network.schedule(this.#stalledUntilMs, "wake-up", run)
    }
    return {
      at: (deadlineMs) => {
        if (event !== undefined) network.cancel(event)
        if (deadlineMs === Infinity) event = undefined
        else event = network.schedule(Math.max(network.now, deadlineMs - this.machine.originMs), "wake-up", run)
      },
    }
  }

  defer(run: () => void): void {
    if (!this.#isAlive) return
    this.#deferred.push(run)
    this.#network.deferHost(this)
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
    checkPort(options.port ?? 0)
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

  /** @internal Runs what was deferred until now; what that defers comes next, and what a stall holds up when that is over. */
  runDeferred(): void {
    const list = this.#deferred
    this.#deferred = []
    for (const [i, run] of list.entries()) {
      if (!this.isRunning) {
        if (this.#isAlive) this.#deferred.unshift(...list.slice(i))
        return
      }
      this.#network.guard(run)
    }
  }

  /** Like all else that goes on in an instant: first the datagrams that wait, then wake-ups, then what was deferred. */
  #resume(): void {
    for (const transport of this.#transports) this.#network.deliverSoon(transport)
    if (this.#deferred.length > 0) this.#network.deferHost(this)
  }
}

export class SimulatedTransport extends BaseTransport {
  override readonly capabilities: Capabilities
  override readonly localAddresses: readonly Address[]
  readonly #network: Network
  readonly #host: SimulatedHost
  readonly #onClosed: () => void
  /** What waits in the socket buffer. */
  readonly #waiting: { readonly bytes: Uint8Array; readonly from: Address }[] = []
  #waitingBytes = 0

  constructor(network: Network, host: SimulatedHost, addresses: readonly Address[], receiveBufferBytes: number, onClosed: () => void) {
    super()
    this.#network = network
    this.#host = host
    this.localAddresses = addresses
    this.#onClosed = onClosed
    this.capabilities = {
      families: addresses.map(({ family }) => family),
      dontFragment: true,
      gso: false,
      gro: false,
      batch: false,
      timerMs: 0,
      datagramBytesMax: DATAGRAM_BYTES_MAX,
      receiveBufferBytes,
      sendBufferBytes: Infinity,
      notes: [],
    }
    for (const address of addresses) network.addSocket(address, this)
  }

  /** @internal A datagram has arrived at the machine. */
  arrive(bytes: Uint8Array, from: Address): void {
    if (this.#waitingBytes + costOf(bytes) > this.capabilities.receiveBufferBytes) return this.drop()
    this.#waiting.push({ bytes, from })
    this.#waitingBytes += costOf(bytes)
    this.#network.deliverSoon(this)
  }

  /** @internal Hands over what waits, unless the process is busy, or becomes so. */
  deliverWaiting(): void {
    while (this.#host.isRunning && this.#waiting.length > 0) {
      let taken = 0
      for (const { bytes, from } of this.#waiting) {
        if (!this.hasRoom(bytes.length)) break
        this.collect(bytes, from.host, from.port)
        this.#waitingBytes -= costOf(bytes)
        taken++
      }
      this.#waiting.splice(0, taken)
      this.#network.guard(() => this.deliver())
    }
  }

  /** A simulated socket is never full: what a link can't carry waits or is lost there. */
  protected override stateOf(family: 4 | 6): "ready" | "missing" {
    return this.capabilities.families.includes(family) ? "ready" : "missing"
  }

  protected override sendOne(slab: Uint8Array, offset: number, length: number, to: Address, id: number): void {
    const from = this.localAddresses.find(({ family }) => family === to.family)!
    const failure = this.#network.transmit(this.#host.machine, from, to, slab.slice(offset, offset + length))
    if (failure !== undefined) this.fail({ code: failure }, "send", id, length)
  }

  protected override async closeSockets(): Promise<void> {
    this.#waiting.length = 0
    for (const address of this.localAddresses) this.#network.removeSocket(address)
    this.#onClosed()
  }
}

function costOf(bytes: Uint8Array): number {
  return bytes.length + WAITING_OVERHEAD_BYTES
}
