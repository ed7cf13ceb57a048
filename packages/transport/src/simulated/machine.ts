import type { Address, ResolvedAddress } from "../addresses.ts"
import type { Datagram } from "./datagram.ts"
import type { Link } from "./link.ts"
import type { Nat } from "./nat.ts"

/** The first port that a system gives to a socket that asks for any (IANA's dynamic range). */
const PORT_FIRST = 49_152
const PORT_LAST = 65_535

/** A socket as its machine sees it. */
export interface Socket {
  /** A datagram has come; `false`: the socket has no room for it. */
  arrive(datagram: Datagram): boolean
  /** Its machine has other addresses. */
  move(addresses: readonly ResolvedAddress[]): void
}

/** A machine: its addresses stay when its process restarts. */
export class Machine {
  /** Its name, which resolves on all machines of the network. */
  readonly name: string
  /** From 1, in the order in which machines were made. */
  readonly index: number
  /**
   * What its monotonic clock showed when the network began, whole milliseconds. It differs between machines, so that
   * code that compares clocks is found out.
   */
  readonly originMs: number
  /** @internal Links to other machines, by their index. */
  readonly links: (Link | undefined)[] = []
  /** @internal How many processes it has had. */
  processes = 0
  /** The NAT that it is behind, after `network.nat`. */
  nat: Nat | undefined
  #addresses: readonly ResolvedAddress[]
  readonly #sockets = new Map<number, Socket>()
  #nextPort = PORT_FIRST

  constructor(name: string, index: number, families: { readonly v4: boolean; readonly v6: boolean }, originMs: number) {
    this.name = name
    this.index = index
    this.originMs = originMs
    const addresses: ResolvedAddress[] = []
    if (families.v4) addresses.push({ family: 4, host: `10.${index >>> 16}.${(index >>> 8) & 255}.${index & 255}` })
    if (families.v6) addresses.push({ family: 6, host: `fd00::${index.toString(16)}` })
    this.#addresses = addresses
  }

  /**
   * Its addresses, one for each family it has, v4 first: `10.0.0.n` and `fd00::n` with its index, until `network.move`
   * gives it others.
   */
  get addresses(): readonly ResolvedAddress[] {
    return this.#addresses
  }

  /** @internal It has these addresses. Its sockets go on there, unless they stay where they are. */
  move(addresses: readonly ResolvedAddress[], doSocketsStay: boolean): void {
    this.#addresses = addresses
    if (doSocketsStay) return
    for (const socket of new Set(this.#sockets.values())) socket.move(addresses)
  }

  /** @internal Whether this is one of its own addresses, rather than one of its NAT. */
  has(host: string): boolean {
    return this.#addresses.some((address) => address.host === host)
  }

  /** @internal Whether a NAT keeps datagrams of that machine from this address. */
  hides(from: Machine, host: string): boolean {
    return this.nat !== undefined && from !== this && this.has(host)
  }

  /** @internal */
  socketAt(family: 4 | 6, port: number): Socket | undefined {
    return this.#sockets.get(socketKey(family, port))
  }

  /** @internal */
  addSocket({ family, port }: Address, socket: Socket): void {
    this.#sockets.set(socketKey(family, port), socket)
  }

  /** @internal */
  removeSocket({ family, port }: Address): void {
    this.#sockets.delete(socketKey(family, port))
  }

  /** @internal A port free in both families. */
  freePort(): number {
    for (;;) {
      const port = this.#nextPort
      this.#nextPort = port === PORT_LAST ? PORT_FIRST : port + 1
      if (this.socketAt(4, port) === undefined && this.socketAt(6, port) === undefined) return port
    }
  }
}

function socketKey(family: 4 | 6, port: number): number {
  return family === 4 ? port : -port
}
