/**
 * A network in virtual time: machines, links between them, and what happens next. One seed, one run.
 *
 * @module
 */

import type { Address, SocketErrorCode, SyncCrypto } from "../host.ts"
import { settle as systemSettle } from "../settle.ts"
import { simulatedCrypto } from "./crypto.ts"
import { Datagram } from "./datagram.ts"
import { SimulatedHost } from "./host.ts"
import { checkLink, Link, type LinkOptions } from "./link.ts"
import { Machine } from "./machine.ts"
import { Random } from "./random.ts"
import { Trace } from "./trace.ts"
import { VirtualTime } from "./virtual-time.ts"

export interface NetworkOptions {
  /** Everything drawn by chance follows from it: faults, entropy of hosts, jitter. A whole number of 32 bits. */
  readonly seed: number
  /** Every link until set otherwise; default: perfect and without delay. */
  readonly link?: LinkOptions
  /**
   * What its hosts seal with and exchange keys by. Default: cryptography in TypeScript, which runs anywhere, slowly. `systemHost().crypto` has the same results, some
   * fifteen times as fast, so the run is the same.
   */
  readonly crypto?: SyncCrypto
  /** Lets ready promises run; default: a turn of the event loop. */
  readonly settle?: () => Promise<void>
  /** How many of the last events `network.record` keeps as text; default 0. */
  readonly recordLines?: number
}

/** A datagram handed to a link, as a filter sees it. */
export interface DatagramInTransit {
  readonly from: string
  readonly to: string
  /** Number of the datagram on this link, from 0. */
  readonly index: number
  /** A copy of its own. A filter that writes into it forges. */
  readonly bytes: Uint8Array
  readonly nowMs: number
}

/** Buffers of datagrams that have arrived, kept for others. */
const SPARE_DATAGRAMS_MAX = 4_096

export class Network {
  readonly seed: number
  /** @internal */
  readonly crypto: SyncCrypto
  /** @internal */
  readonly time: VirtualTime
  readonly #trace: Trace
  readonly #machines = new Map<string, Machine>()
  readonly #owners = new Map<string, Machine>()
  readonly #links = new Map<string, Link>()
  readonly #spare: Datagram[] = []
  #defaults: LinkOptions
  #filter: ((datagram: DatagramInTransit) => boolean) | undefined

  constructor({ seed, link = {}, crypto = simulatedCrypto, settle = systemSettle, recordLines = 0 }: NetworkOptions) {
    checkLink(link)
    this.seed = seed
    this.crypto = crypto
    this.time = new VirtualTime(settle)
    this.#defaults = link
    this.#trace = new Trace(recordLines)
  }

  /** Virtual milliseconds since the network was made. */
  get now(): number {
    return this.time.nowMs
  }

  /** The whole run so far: times, links, fates and bytes of all datagrams. */
  get traceHash(): string {
    return this.#trace.hash
  }

  /** The last events as text, oldest first, as many as `recordLines` says. */
  get record(): readonly string[] {
    return this.#trace.record
  }

  /** A new process on the machine of this name, which is made, with v4 and v6 addresses unless told otherwise, when it is first asked for. Its name resolves on all hosts. */
  host(name: string, { v4 = true, v6 = true }: { readonly v4?: boolean; readonly v6?: boolean } = {}): SimulatedHost {
    let machine = this.#machines.get(name)
    if (machine === undefined) {
      const originMs = 1_000 * new Random(this.seed, `clock of ${name}`).below(1_000_000)
      machine = new Machine(name, this.#machines.size + 1, { v4, v6 }, originMs)
      this.#machines.set(name, machine)
      for (const address of machine.addresses) this.#owners.set(address.host, machine)
    }
    return new SimulatedHost(this, machine, machine.processes++)
  }

  /** Replaces the options of one direction. */
  link(from: string, to: string, options: LinkOptions): void {
    checkLink(options)
    this.linkOf(from, to).options = options
  }

  /** Replaces the options of all links, present and future. */
  links(options: LinkOptions): void {
    checkLink(options)
    this.#defaults = options
    for (const link of this.#links.values()) link.options = options
  }

  /** The direction itself, for its counts. */
  linkOf(from: string, to: string): Link {
    const key = linkKey(from, to)
    let link = this.#links.get(key)
    if (link === undefined) {
      link = new Link(this.#defaults, new Random(this.seed, key))
      this.#links.set(key, link)
    }
    return link
  }

  /** Cuts the way from one machine to another, and with `both` (default) the way back. */
  partition(from: string, to: string, { both = true }: { readonly both?: boolean } = {}): void {
    this.linkOf(from, to).blocked = true
    if (both) this.linkOf(to, from).blocked = true
  }

  /** Mends what `partition` cut: everywhere, or between two. */
  heal(a?: string, b?: string): void {
    for (const [key, link] of this.#links) {
      if (a === undefined || b === undefined || key === linkKey(a, b) || key === linkKey(b, a)) link.blocked = false
    }
  }

  /** Holds up what goes from one machine to another for so long; then all of it arrives at once, in order. */
  clog(from: string, to: string, ms: number): void {
    this.linkOf(from, to).clog(this.now + ms)
  }

  /** Decides about each datagram before the link does: `false` loses it. */
  filter(keep: (datagram: DatagramInTransit) => boolean): void {
    this.#filter = keep
  }

  /** Puts a datagram before a socket as if it had come from anywhere: a forged one, or an old one once more. */
  inject(from: Address, to: Address, bytes: Uint8Array, delayMs = 0): void {
    this.#dispatch(from, to, bytes, this.now + delayMs)
  }

  /** Lets this much virtual time pass. Rejects with what the code of a host threw. */
  async advance(ms: number): Promise<void> {
    await this.time.runUntil(this.now + ms, () => false)
  }

  /** Lets time pass until a promise settles, and settles like it; rejects when it hasn't within `withinMs` (default 60,000) of virtual time. */
  async until<T>(promise: Promise<T>, withinMs = 60_000): Promise<T> {
    let isSettled = false
    const settled = (): void => void (isSettled = true)
    promise.then(settled, settled)
    await this.#runUntil(() => isSettled, withinMs, "not settled")
    return promise
  }

  /** Lets time pass until a condition holds, looked at after each instant. Rejects like {@link Network.until}. */
  async when(condition: () => boolean, withinMs = 60_000): Promise<void> {
    await this.#runUntil(condition, withinMs, "the condition did not hold")
  }

  async #runUntil(isDone: () => boolean, withinMs: number, failure: string): Promise<void> {
    await this.time.runUntil(this.now + withinMs, isDone)
    if (isDone()) return
    throw new Error(
      `${failure} within ${withinMs} virtual ms (seed ${this.seed}, now ${this.now} ms, ${this.time.eventCount} events to come)`,
    )
  }

  /** @internal */
  machineNamed(name: string): Machine | undefined {
    return this.#machines.get(name)
  }

  /** @internal Carries a copy of `slab[offset, offset + length)`. Answers the error its sender sees, if any. */
  transmit(machine: Machine, from: Address, to: Address, slab: Uint8Array, offset: number, length: number): SocketErrorCode | undefined {
    const target = this.#owners.get(to.host)
    let bytes = slab.subarray(offset, offset + length)
    if (target === undefined) {
      this.#trace.add(this.now, machine.name, to.host, "nowhere", bytes)
      return undefined
    }
    const link = (machine.links[target.index] ??= this.linkOf(machine.name, target.name))
    const index = link.sent++
    let isKept = true
    if (this.#filter !== undefined) {
      bytes = bytes.slice()
      isKept = this.#filter({ from: machine.name, to: target.name, index, bytes, nowMs: this.now })
    }
    const fate = isKept ? link.admit(index, length, this.now) : "filtered"
    link.counts[fate]++
    this.#trace.add(this.now, machine.name, target.name, fate, bytes)
    if (fate === "mtu" && link.options.mtuSilent !== true) return "EMSGSIZE"
    if (fate !== "delivered") return undefined
    const arrivesMs = link.arrivalMs(this.now)
    if (link.duplicates()) this.#dispatch(from, to, bytes, link.lateMs(arrivesMs))
    const replayMs = link.replayMs(arrivesMs)
    if (replayMs !== undefined) this.#dispatch(from, to, bytes, replayMs)
    link.corrupt(this.#dispatch(from, to, bytes, arrivesMs))
    return undefined
  }

  /** @internal Has been read. */
  recycle(datagram: Datagram): void {
    if (this.#spare.length < SPARE_DATAGRAMS_MAX) this.#spare.push(datagram)
  }

  /** Answers the bytes on their way. */
  #dispatch(from: Address, to: Address, bytes: Uint8Array, atMs: number): Uint8Array {
    const datagram = this.#spare.pop() ?? new Datagram(from, to, this.#arrive)
    datagram.fill(from, to, bytes)
    this.time.set(datagram, atMs)
    return datagram.bytes
  }

  readonly #arrive = (datagram: Datagram): void => {
    const { from, to, bytes } = datagram
    const socket = this.#owners.get(to.host)?.socketAt(to.family, to.port)
    const fate = socket === undefined ? "closed" : socket.arrive(datagram) ? "arrived" : "overflow"
    this.#trace.add(this.now, from.host, to.host, fate, bytes)
    if (fate !== "arrived") this.recycle(datagram)
  }
}

/** A network of machines that aren't there. */
export function createNetwork(options: NetworkOptions): Network {
  return new Network(options)
}

function linkKey(from: string, to: string): string {
  return `${from}>${to}`
}
