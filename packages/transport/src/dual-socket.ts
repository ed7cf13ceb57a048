/**
 * A v4 and a v6 socket on one port, presented as one transport.
 *
 * @module
 */

import { type Address, parseHost } from "./addresses.ts"
import type { BoundSocket } from "./bound-socket.ts"
import { DATAGRAM_BYTES_MAX, DatagramTransport } from "./datagram-transport.ts"
import type { Capabilities } from "./transport.ts"
import { checkScope } from "./scope.ts"
import { surface } from "./surface.ts"
import { TIMER_MS } from "./timer.ts"
import type { TurnEnd } from "./turn-end.ts"

export class DualSocket extends DatagramTransport {
  readonly capabilities: Capabilities
  readonly localAddresses: readonly Address[]
  readonly #sockets: readonly BoundSocket[]
  readonly #v4: BoundSocket | undefined
  readonly #v6: BoundSocket | undefined
  readonly #turnEnd: TurnEnd
  readonly #reader = (): boolean => this.deliver()

  /** `sockets`: one, or one of each family. */
  constructor(sockets: readonly BoundSocket[], notes: readonly string[], turnEnd: TurnEnd) {
    super()
    this.#sockets = sockets
    this.#v4 = sockets.find(({ address }) => address.family === 4)
    this.#v6 = sockets.find(({ address }) => address.family === 6)
    this.#turnEnd = turnEnd
    this.localAddresses = sockets.map(({ address }) => address)
    this.capabilities = {
      families: sockets.map(({ address }) => address.family),
      dontFragment: sockets.every(({ facts }) => facts.dontFragment),
      gso: false,
      gro: false,
      batch: false,
      timerMs: TIMER_MS,
      datagramBytesMax: DATAGRAM_BYTES_MAX,
      receiveBufferBytes: Math.min(...sockets.map(({ facts }) => facts.receiveBufferBytes)),
      sendBufferBytes: Math.min(...sockets.map(({ facts }) => facts.sendBufferBytes)),
      notes,
    }
    turnEnd.addReader(this.#reader)
    for (const socket of sockets) {
      socket.attach({
        received: (bytes, host, port) => {
          this.received(bytes, host, port)
          turnEnd.schedule()
        },
        writable: () => this.writable(),
        failed: (cause, operation, address, bytes) => this.failed(cause, operation, address, bytes),
      })
    }
  }

  override internAddress(address: Address): number {
    checkScope(parseHost(address.host)?.scope ?? "", (message) => new RangeError(message))
    return super.internAddress(address)
  }

  protected override readiness({ family }: Address): "ready" | "full" | "unsendable" {
    const socket = this.#socketFor(family)
    if (socket === undefined) return "unsendable"
    return socket.isFull ? "full" : "ready"
  }

  protected override sendOne(slab: Uint8Array, offset: number, length: number, to: Address, address: number): void {
    this.#socketFor(to.family)!.send(slab, offset, length, to, address)
  }

  override ref(): void {
    for (const socket of this.#sockets) socket.ref()
  }

  override unref(): void {
    for (const socket of this.#sockets) socket.unref()
  }

  protected override async closeSockets(): Promise<void> {
    this.#turnEnd.removeReader(this.#reader)
    await Promise.all(this.#sockets.map((socket) => socket.close()))
  }

  protected override surface(error: unknown): void {
    surface(error)
  }

  #socketFor(family: 4 | 6): BoundSocket | undefined {
    return family === 4 ? this.#v4 : this.#v6
  }
}
