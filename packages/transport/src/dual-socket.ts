/**
 * A v4 and a v6 socket on one port, presented as one transport.
 *
 * @module
 */

import { type Address, parseHost } from "./addresses.ts"
import type { Reopen, Sockets } from "./reopen.ts"
import type { BindOptions } from "./bind-options.ts"
import type { BoundSocket, SocketOwner } from "./bound-socket.ts"
import { DATAGRAM_BYTES_MAX, DatagramTransport } from "./datagram-transport.ts"
import type { Capabilities } from "./transport.ts"
import { checkScope } from "./scope.ts"
import { checkOften } from "./socket-ends.ts"
import { surface } from "./surface.ts"
import { TIMER_MS } from "./timer.ts"
import type { TurnEnd } from "./turn-end.ts"

/** Hears what still happens to a socket that was closed. */
const NOBODY: SocketOwner = { received: () => {}, writable: () => {}, failed: () => {} }

export class DualSocket extends DatagramTransport {
  #capabilities!: Capabilities
  #localAddresses: readonly Address[] = []
  #sockets: readonly BoundSocket[] = []
  #v4: BoundSocket | undefined
  #v6: BoundSocket | undefined
  readonly #reopen: Reopen<BoundSocket>
  readonly #turnEnd: TurnEnd
  #isReferenced = true
  readonly #endChecks: () => void
  readonly #reader = (): boolean => this.deliver()

  /** Takes over the sockets: one, or one of each family. */
  constructor(opened: Sockets<BoundSocket>, reopen: Reopen<BoundSocket>, turnEnd: TurnEnd) {
    super()
    this.#reopen = reopen
    this.#turnEnd = turnEnd
    this.#use(opened)
    turnEnd.addReader(this.#reader)
    this.#endChecks = checkOften(() => this.#check())
  }

  get capabilities(): Capabilities {
    return this.#capabilities
  }

  get localAddresses(): readonly Address[] {
    return this.#localAddresses
  }

  #use({ sockets, notes }: Sockets<BoundSocket>): void {
    this.#sockets = sockets
    this.#v4 = sockets.find(({ address }) => address.family === 4)
    this.#v6 = sockets.find(({ address }) => address.family === 6)
    this.#localAddresses = sockets.map(({ address }) => address)
    this.#capabilities = {
      families: sockets.map(({ address }) => address.family),
      dontFragment: sockets.every(({ facts }) => facts.dontFragment),
      gso: false,
      gro: false,
      batch: false,
      ecn: false,
      timerMs: TIMER_MS,
      datagramBytesMax: DATAGRAM_BYTES_MAX,
      receiveBufferBytes: Math.min(...sockets.map(({ facts }) => facts.receiveBufferBytes)),
      sendBufferBytes: Math.min(...sockets.map(({ facts }) => facts.sendBufferBytes)),
      notes,
    }
    for (const socket of sockets) {
      if (!this.#isReferenced) socket.unref()
      socket.attach({
        received: (bytes, host, port) => {
          this.received(bytes, host, port)
          this.#turnEnd.schedule()
        },
        writable: () => this.writable(),
        failed: (cause, operation, address, bytes) => {
          if (operation === "socket") this.#end(socket)
          this.failed(cause, operation, address, bytes)
        },
      })
    }
  }

  #check(): void {
    for (const socket of this.#sockets) socket.check()
  }

  /** A socket moves nothing any more. */
  #end(socket: BoundSocket): void {
    this.#sockets = this.#sockets.filter((other) => other !== socket)
    if (socket === this.#v4) this.#v4 = undefined
    else this.#v6 = undefined
    socket.attach(NOBODY)
    void socket.close()
  }

  async rebind(options: BindOptions = {}): Promise<void> {
    // A new socket may get the number of one that is no more.
    this.#check()
    const opened = await this.#reopen(options, () => this.#closeAll())
    if (this.isClosed) return void (await Promise.all(opened.sockets.map((socket) => socket.close())))
    void this.#closeAll()
    this.#use(opened)
    this.writable()
  }

  /** Closes the sockets; until there are others the transport is full. */
  async #closeAll(): Promise<void> {
    const sockets = this.#sockets
    this.#sockets = []
    this.#v4 = this.#v6 = undefined
    for (const socket of sockets) socket.attach(NOBODY)
    await Promise.all(sockets.map((socket) => socket.close()))
  }

  override internAddress(address: Address): number {
    checkScope(parseHost(address.host)?.scope ?? "", (message) => new RangeError(message))
    return super.internAddress(address)
  }

  protected override readiness({ family }: Address): "ready" | "full" | "unsendable" {
    const socket = this.#socketFor(family)
    if (socket === undefined) return this.#sockets.length === 0 ? "full" : "unsendable"
    return socket.isFull ? "full" : "ready"
  }

  protected override sendOne(slab: Uint8Array, offset: number, length: number, to: Address, address: number): void {
    this.#socketFor(to.family)!.send(slab, offset, length, to, address)
  }

  override ref(): void {
    this.#isReferenced = true
    for (const socket of this.#sockets) socket.ref()
  }

  override unref(): void {
    this.#isReferenced = false
    for (const socket of this.#sockets) socket.unref()
  }

  protected override async closeSockets(): Promise<void> {
    this.#turnEnd.removeReader(this.#reader)
    this.#endChecks()
    await Promise.all(this.#sockets.map((socket) => socket.close()))
  }

  protected override surface(error: unknown): void {
    surface(error)
  }

  #socketFor(family: 4 | 6): BoundSocket | undefined {
    return family === 4 ? this.#v4 : this.#v6
  }
}
