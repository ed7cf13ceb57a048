/**
 * What sockets and processes need of the simulated network. `transmit` takes the columns of a batch, more than five: it
 * is called for each datagram.
 *
 * @module
 */

import type { Address } from "../addresses.ts"
import type { SyncCrypto } from "../sync-crypto.ts"
import type { SocketErrorCode } from "../transport.ts"
import type { Datagram } from "./datagram.ts"
import type { Machine } from "./machine.ts"
import type { VirtualTime } from "./virtual-time.ts"

/** What a socket needs of the network: its time, and to carry datagrams. */
export interface Medium {
  readonly time: VirtualTime
  /** Carries a copy of `slab[offset, offset + length)` with this mark. Returns the error that the sender sees, if any. */
  transmit(
    machine: Machine,
    from: Address,
    to: Address,
    slab: Uint8Array,
    offset: number,
    length: number,
    ecn: number,
  ): SocketErrorCode | undefined
  /** Takes back a datagram that has been read: its buffer may carry another one. */
  recycle(datagram: Datagram): void
}

/** What a process needs of the network: what its sockets need, names, and the seed of all its random numbers. */
export interface Surroundings extends Medium {
  readonly seed: number
  readonly crypto: SyncCrypto
  machineNamed(name: string): Machine | undefined
  /** Sets the function that tells which call waits while time stands still. Returns a function that ends this. */
  watchWaits(waitingCall: () => string | undefined): () => void
}
