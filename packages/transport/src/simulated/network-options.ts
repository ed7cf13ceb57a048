/**
 * What the calls of a network take, and how it is checked.
 *
 * @module
 */

import {
  FLAG,
  functionThat,
  group,
  type Kind,
  type Kinds,
  type NumberKind,
  objectWith,
  oneOf,
  orInfinity,
  required,
  whole,
} from "../check.ts"
import { CRYPTO, type SyncCrypto } from "../sync-crypto.ts"
import { DURATION, SEED } from "./check.ts"
import { CPU_OPTIONS, type CpuOptions } from "./cpu.ts"
import { LINK_OPTIONS, type LinkOptions } from "./link-options.ts"

/** The options of `createNetwork`. */
export interface NetworkOptions {
  /** All random numbers follow from it: faults, entropy of hosts, jitter. A whole number of 32 bits. */
  readonly seed: number
  /** The options of every link until set otherwise; default: perfect and without delay. */
  readonly link?: LinkOptions
  /**
   * The cryptography of its hosts. Default: in JavaScript, which runs anywhere. `systemHost().crypto` gives the same
   * results, and so the same run, some four times as fast.
   */
  readonly crypto?: SyncCrypto
  /** Lets ready promises run; default: a turn of the event loop. */
  readonly settle?: () => Promise<void>
  /** How many of the last events `network.record` keeps as text; default 0. */
  readonly recordLines?: number
}

/** The addresses of a new machine, and what a process on it can do. */
export interface HostOptions {
  /** Whether the machine has a v4 address; default `true`. */
  readonly v4?: boolean
  /** Whether it has a v6 address; default `true`. */
  readonly v6?: boolean
  /**
   * Whether sockets of this process send and tell marks (the capability `ecn`), as with the native helper; default
   * `true`. `node:dgram` does neither.
   */
  readonly ecn?: boolean
  /** How long the process takes for what it does; default: no time at all. */
  readonly cpu?: CpuOptions
}

/** The options of `network.partition`. */
export interface PartitionOptions {
  /** Cuts the way back too; default `true`. */
  readonly both?: boolean
}

/** The options of `network.rebind`. */
export interface RebindOptions {
  /** The NAT has another address too, not only other ports; default `false`. */
  readonly address?: boolean
}

/** The options of `network.move`. */
export interface MoveOptions {
  /**
   * What the sockets of the machine do: `"follow"` (default), as those that are bound to all addresses; or `"stay"` at
   * the addresses that are gone.
   */
  readonly sockets?: "follow" | "stay"
}

export const NETWORK_OPTIONS: Kinds<NetworkOptions> = {
  seed: required(SEED),
  link: group(LINK_OPTIONS),
  crypto: CRYPTO,
  settle: functionThat("lets promises run"),
  recordLines: whole(0),
}
export const HOST_OPTIONS: Kinds<HostOptions> = { v4: FLAG, v6: FLAG, ecn: FLAG, cpu: group(CPU_OPTIONS) }
export const PARTITION_OPTIONS: Kinds<PartitionOptions> = { both: FLAG }
export const REBIND_OPTIONS: Kinds<RebindOptions> = { address: FLAG }
export const MOVE_OPTIONS: Kinds<MoveOptions> = { sockets: oneOf<"follow" | "stay">("follow", "stay") }
export const KEEP: Kind<(datagram: DatagramInTransit) => boolean> = functionThat(
  "tells of each datagram whether it goes on",
)
export const CONDITION: Kind<() => boolean> = functionThat("tells whether to stop")
export const PROMISE: Kind<Promise<unknown>> = objectWith("a promise", "then")
export const WITHIN: NumberKind = orInfinity(DURATION, "however long it takes")

/** A datagram handed to a link, as a filter sees it. */
export interface DatagramInTransit {
  /** The name of the machine that sent it. */
  readonly from: string
  /** The name of the machine it goes to. */
  readonly to: string
  /** Number of the datagram on this link, from 0. */
  readonly index: number
  /** The filter's own copy of the bytes. A filter that writes into it forges the datagram. */
  readonly bytes: Uint8Array
  /** The mark that it was sent with, one of `ECN`. */
  readonly ecn: number
  /** Virtual milliseconds since the network was made. */
  readonly nowMs: number
}
