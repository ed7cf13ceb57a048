import { DATAGRAM_BYTES_MAX, DatagramTransport } from "../datagram-transport.ts"
import type { Address, ResolvedAddress } from "../addresses.ts"
import { type BindOptions, completeBindOptions } from "../bind-options.ts"
import type { Capabilities, SocketErrorCode } from "../transport.ts"
import type { Cpu } from "./cpu.ts"
import type { Datagram } from "./datagram.ts"
import type { Machine } from "./machine.ts"
import type { Medium } from "./medium.ts"

/**
 * What a waiting datagram takes of a socket buffer in addition to its bytes: about what Linux charges, so that empty
 * datagrams fill it too.
 */
const WAITING_BYTES = 768

/** What sockets need of their process. */
interface Process {
  readonly machine: Machine
  /** Alive and not busy. */
  readonly isRunning: boolean
  /** The error that sending fails with; `"full"`: no datagram is taken. */
  readonly sendFault: SocketErrorCode | "full" | undefined
  /** Whether its sockets send and tell marks. */
  readonly hasEcn: boolean
  /** Absent: nothing that it does takes time. */
  readonly cpu: Cpu | undefined
  /** Forgets a closed transport. */
  forget(transport: SimulatedTransport): void
  /** Where sockets by these options would be bound, of which the machine has none; what is missing goes to `notes`. */
  placesFor(options: Required<BindOptions>, notes: string[]): readonly Address[]
}

/** Sockets of a simulated process. */
export class SimulatedTransport extends DatagramTransport {
  #capabilities!: Capabilities
  #asked: Required<BindOptions>
  readonly #medium: Medium
  readonly #process: Process
  #localAddresses: readonly Address[] = []
  #v4: Address | undefined
  #v6: Address | undefined
  readonly #deliver = (): void => void this.deliver()
  /** The socket buffer: datagrams that wait to be read, from `#firstWaiting` on. */
  readonly #waiting: Datagram[] = []
  #firstWaiting = 0
  #waitingBytes = 0

  /** @internal Made by `SimulatedHost.bind`. */
  constructor(medium: Medium, process: Process, asked: Required<BindOptions>) {
    super()
    this.#medium = medium
    this.#process = process
    this.#asked = asked
    const notes: string[] = []
    this.#use(process.placesFor(asked, notes), notes)
  }

  /** What a simulated socket can do: no batches, and buffers of the sizes asked for. */
  get capabilities(): Capabilities {
    return this.#capabilities
  }

  #use(addresses: readonly Address[], notes: readonly string[]): void {
    this.#settle(addresses)
    this.#capabilities = {
      families: addresses.map(({ family }) => family),
      dontFragment: true,
      gso: false,
      gro: false,
      batch: false,
      ecn: this.#process.hasEcn,
      timerMs: 0,
      datagramBytesMax: DATAGRAM_BYTES_MAX,
      receiveBufferBytes: this.#asked.receiveBufferBytes,
      sendBufferBytes: this.#asked.sendBufferBytes,
      notes,
    }
    for (const address of addresses) this.#process.machine.addSocket(address, this)
  }

  /** As `Transport.rebind`; always on the machine's present addresses. */
  async rebind(options: BindOptions = {}): Promise<void> {
    const asked = completeBindOptions({ ...this.#asked, ...options })
    const notes: string[] = []
    const before = this.#localAddresses
    if (asked.port !== 0) this.#removeSockets()
    let places: readonly Address[]
    try {
      places = this.#placesFor(asked, notes)
    } catch (error) {
      for (const address of before) this.#process.machine.addSocket(address, this)
      throw error
    }
    if (asked.port === 0) this.#removeSockets()
    this.#asked = asked
    this.#waiting.length = this.#firstWaiting = this.#waitingBytes = 0
    this.#use(places, notes)
    this.writable()
  }

  /** The port may have been taken meanwhile: then any free one will do. */
  #placesFor(asked: Required<BindOptions>, notes: string[]): readonly Address[] {
    try {
      return this.#process.placesFor(asked, notes)
    } catch (error) {
      if ((error as { code?: unknown }).code !== "address-in-use") throw error
      notes.length = 0
      return this.#process.placesFor({ ...asked, port: 0 }, notes)
    }
  }

  #removeSockets(): void {
    for (const address of this.#localAddresses) this.#process.machine.removeSocket(address)
  }

  /**
   * Where the sockets are bound, one for each requested family that the machine has. Others after `network.move`, as of
   * a socket that is bound to all addresses.
   */
  get localAddresses(): readonly Address[] {
    return this.#localAddresses
  }

  /** @internal The machine has other addresses; datagrams on their way keep those that they have. */
  move(addresses: readonly ResolvedAddress[]): void {
    this.#settle(
      this.#localAddresses.map((address) => ({
        ...address,
        host: addresses.find(({ family }) => family === address.family)!.host,
      })),
    )
  }

  #settle(addresses: readonly Address[]): void {
    this.#localAddresses = addresses
    this.#v4 = addresses.find(({ family }) => family === 4)
    this.#v6 = addresses.find(({ family }) => family === 6)
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
    this.#medium.time.readSoon(this)
    return true
  }

  /** @internal */
  get isReadable(): boolean {
    return this.#firstWaiting < this.#waiting.length
  }

  /**
   * @internal Reads what waits. A function of the user may make the process busy in between: what wasn't read yet goes
   * on waiting.
   */
  read(): void {
    if (!this.#mayRead()) return
    while (this.isReadable && this.#mayRead()) {
      const datagram = this.#waiting[this.#firstWaiting++]!
      this.#process.cpu?.read(datagram.bytes)
      this.#waitingBytes -= datagram.bytes.length + WAITING_BYTES
      const ecn = this.#process.hasEcn ? datagram.ecn : 0
      this.received(datagram.bytes, datagram.from.host, datagram.from.port, ecn)
      this.#medium.recycle(datagram)
    }
    if (!this.isReadable) this.#waiting.length = this.#firstWaiting = 0
    this.#medium.time.call(this.#deliver)
  }

  #mayRead(): boolean {
    const { isRunning, cpu } = this.#process
    return isRunning && cpu?.mayRead !== false
  }

  /** @internal There is room again after `SimulatedHost.failSends`. */
  becomeWritable(): void {
    this.writable()
  }

  protected override readiness({ family }: Address): "ready" | "full" | "unsendable" {
    if (this.#localOf(family) === undefined) return "unsendable"
    return this.#process.sendFault === "full" ? "full" : "ready"
  }

  protected override sendOne(slab: Uint8Array, offset: number, length: number, to: Address, address: number): void {
    const { machine, sendFault, hasEcn, cpu } = this.#process
    const from = this.#localOf(to.family)!
    const refusal = sendFault ?? (machine.has(from.host) ? undefined : "EADDRNOTAVAIL")
    const ecn = hasEcn ? this.ecn & 3 : 0
    if (refusal !== undefined) this.#refused(refusal, to, address, length)
    else if (cpu === undefined)
      this.#refused(this.#medium.transmit(machine, from, to, slab, offset, length, ecn), to, address, length)
    else {
      const bytes = slab.slice(offset, offset + length)
      this.retainAddress(address)
      cpu.send(() => {
        this.#refused(this.#medium.transmit(machine, from, to, bytes, 0, length, ecn), to, address, length)
        this.releaseAddress(address)
      })
    }
  }

  #refused(code: SocketErrorCode | "full" | undefined, to: Address, address: number, bytes: number): void {
    if (code === undefined) return
    this.failed(Object.assign(new Error(`send ${code} ${to.host} port ${to.port}`), { code }), "send", address, bytes)
  }

  protected override async closeSockets(): Promise<void> {
    this.#removeSockets()
    this.#waiting.length = this.#firstWaiting = this.#waitingBytes = 0
    this.#process.forget(this)
  }

  protected override surface(error: unknown): void {
    this.#medium.time.fail(error)
  }

  #localOf(family: 4 | 6): Address | undefined {
    return family === 4 ? this.#v4 : this.#v6
  }
}
