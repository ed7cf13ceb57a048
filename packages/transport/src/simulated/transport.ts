import { DATAGRAM_BYTES_MAX, DatagramTransport } from "../datagram-transport.ts"
import type { Address, Capabilities } from "../host.ts"
import type { Datagram } from "./datagram.ts"
import type { SimulatedHost } from "./host.ts"
import type { Network } from "./network.ts"

/** What a waiting datagram takes of a socket buffer beside its bytes: about what Linux charges, so that empty ones fill it too. */
const WAITING_BYTES = 768

/** Sockets of a simulated process. */
export class SimulatedTransport extends DatagramTransport {
  /** What a simulated socket can do: no batches, and buffers of the sizes asked for. */
  readonly capabilities: Capabilities
  /** Where the sockets are bound, one for each family of the machine that was asked for. */
  readonly localAddresses: readonly Address[]
  readonly #network: Network
  readonly #host: SimulatedHost
  readonly #v4: Address | undefined
  readonly #v6: Address | undefined
  readonly #deliver = (): void => void this.deliver()
  /** The socket buffer: datagrams that wait to be read, from `#firstWaiting` on. */
  readonly #waiting: Datagram[] = []
  #firstWaiting = 0
  #waitingBytes = 0

  /** Made by `SimulatedHost.bind`. */
  constructor(
    network: Network,
    host: SimulatedHost,
    addresses: readonly Address[],
    buffers: { readonly receiveBufferBytes: number; readonly sendBufferBytes: number },
    notes: readonly string[],
  ) {
    super()
    this.#network = network
    this.#host = host
    this.#v4 = addresses.find(({ family }) => family === 4)
    this.#v6 = addresses.find(({ family }) => family === 6)
    this.localAddresses = addresses
    this.capabilities = {
      families: addresses.map(({ family }) => family),
      dontFragment: true,
      gso: false,
      gro: false,
      batch: false,
      timerMs: 0,
      datagramBytesMax: DATAGRAM_BYTES_MAX,
      receiveBufferBytes: buffers.receiveBufferBytes,
      sendBufferBytes: buffers.sendBufferBytes,
      notes,
    }
    for (const address of addresses) host.machine.addSocket(address, this)
  }

  /** @internal A datagram has come to the machine; `false`: its buffer is full. */
  arrive(datagram: Datagram): boolean {
    const bytes = datagram.bytes.length + WAITING_BYTES
    if (this.#waitingBytes + bytes > this.capabilities.receiveBufferBytes) {
      this.dropped()
      return false
    }
    this.#waiting.push(datagram)
    this.#waitingBytes += bytes
    this.#network.time.readSoon(this)
    return true
  }

  /** @internal */
  get isReadable(): boolean {
    return this.#firstWaiting < this.#waiting.length
  }

  /** @internal A function of the user may keep the process busy half-way: what wasn't read yet waits on. */
  read(): void {
    if (!this.#host.isRunning) return
    while (this.isReadable && this.#host.isRunning) {
      const datagram = this.#waiting[this.#firstWaiting++]!
      this.#waitingBytes -= datagram.bytes.length + WAITING_BYTES
      this.received(datagram.bytes, datagram.from.host, datagram.from.port)
      this.#network.recycle(datagram)
    }
    if (!this.isReadable) this.#waiting.length = this.#firstWaiting = 0
    this.#network.time.call(this.#deliver)
  }

  /** @internal There is room again after {@link SimulatedHost.failSends}. */
  becomeWritable(): void {
    this.writable()
  }

  protected override readiness({ family }: Address): "ready" | "full" | "unsendable" {
    if (this.#localOf(family) === undefined) return "unsendable"
    return this.#host.sendFault === "full" ? "full" : "ready"
  }

  protected override sendOne(slab: Uint8Array, offset: number, length: number, to: Address, address: number): void {
    const machine = this.#host.machine
    const code = this.#host.sendFault ?? this.#network.transmit(machine, this.#localOf(to.family)!, to, slab, offset, length)
    if (code !== undefined)
      this.failed(Object.assign(new Error(`send ${code} ${to.host} port ${to.port}`), { code }), "send", address, length)
  }

  protected override async closeSockets(): Promise<void> {
    for (const address of this.localAddresses) this.#host.machine.removeSocket(address)
    this.#waiting.length = this.#firstWaiting = this.#waitingBytes = 0
    this.#host.forget(this)
  }

  protected override surface(error: unknown): void {
    this.#network.time.fail(error)
  }

  #localOf(family: 4 | 6): Address | undefined {
    return family === 4 ? this.#v4 : this.#v6
  }
}
