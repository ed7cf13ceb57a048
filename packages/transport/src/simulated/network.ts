/**
 * A network in virtual time: machines, links between them, and a queue of what happens next. One seed, one run.
 *
 * @module
 */

import type { Address, ResolvedAddress, SocketErrorCode } from "../host.ts"
import { settle as systemSettle } from "../settle.ts"
import { EventQueue, type TimedEvent } from "./event-queue.ts"
import { SimulatedHost, type SimulatedTransport } from "./host.ts"
import { checkLink, type Fate, Link, type LinkOptions } from "./link.ts"
import { Random } from "./random.ts"
import { Trace } from "./trace.ts"

export interface NetworkOptions {
  /** An integer of 32 bits, from which follows everything drawn by chance: faults, entropy of hosts, jitter. */
  readonly seed: number
  /** Every link until set otherwise; default: perfect and without delay. */
  readonly link?: LinkOptions
  /** Lets ready promises run; default: a turn of the event loop. */
  readonly settle?: () => Promise<void>
}

/** A machine: its addresses stay when its process restarts. */
export interface Machine {
  readonly name: string
  readonly index: number
  readonly addresses: readonly ResolvedAddress[]
  /** What its monotonic clock showed when the network began; differs between machines, so that nobody compares clocks. */
  readonly originMs: number
}

/** A datagram on its way, as a filter sees it. */
export interface DatagramInTransit {
  readonly from: string
  readonly to: string
  /** Number of the datagram on this link, from 0. */
  readonly index: number
  /** The datagram itself. A filter that writes into it forges. */
  readonly bytes: Uint8Array
  readonly nowMs: number
}

/** @internal */
export interface NetworkEvent extends TimedEvent {
  readonly run: () => void
  /** An arrival only makes datagrams wait in a socket buffer. Processes read these before they wake up. */
  readonly kind: "arrival" | "wake-up"
}

const FATES: readonly Fate[] = ["delivered", "lost", "burst", "queue", "mtu", "partition", "filtered"]
const PORT_FIRST = 49_152
/** An instant in which hosts defer to each other without end would never pass. */
const ROUNDS_PER_INSTANT_MAX = 10_000

export class Network {
  readonly seed: number
  readonly #settle: () => Promise<void>
  readonly #random: Random
  readonly #events = new EventQueue<NetworkEvent>()
  readonly #trace = new Trace()
  readonly #machines = new Map<string, Machine>()
  readonly #processes = new Map<string, number>()
  readonly #sockets = new Map<string, SimulatedTransport>()
  readonly #owners = new Map<string, Machine>()
  readonly #links = new Map<string, Link>()
  readonly #ready = new Set<SimulatedTransport>()
  readonly #deferring = new Set<SimulatedHost>()
  /** Wake-ups of this instant that are still to run. */
  readonly #wakeUps = new Set<NetworkEvent>()
  #thrown: unknown[] = []
  #defaults: LinkOptions
  #now = 0
  #isRunning = false
  #nextPort = PORT_FIRST
  #filter: (datagram: DatagramInTransit) => boolean = () => true

  constructor({ seed, link = {}, settle = systemSettle }: NetworkOptions) {
    checkLink(link)
    this.seed = seed
    this.#defaults = link
    this.#settle = settle
    this.#random = new Random(seed, "network")
  }

  /** Virtual milliseconds since the network was made. */
  get now(): number {
    return this.#now
  }

  /** The whole run so far: times, links, fates and bytes of all datagrams. */
  get traceHash(): string {
    return this.#trace.hash
  }

  /** A new process on the machine of this name, made with v4 and v6 addresses unless told otherwise; names resolve on all hosts. */
  host(name: string, { v4 = true, v6 = true }: { readonly v4?: boolean; readonly v6?: boolean } = {}): SimulatedHost {
    let machine = this.#machines.get(name)
    if (machine === undefined) {
      const index = this.#machines.size + 1
      const addresses: ResolvedAddress[] = []
      if (v4) addresses.push({ family: 4, host: `10.${index >>> 16}.${(index >>> 8) & 255}.${index & 255}` })
      if (v6) addresses.push({ family: 6, host: `fd00::${index.toString(16)}` })
      machine = { name, index, addresses, originMs: 1_000 * new Random(this.seed, `clock of ${name}`).below(1_000_000) }
      this.#machines.set(name, machine)
      for (const address of addresses) this.#owners.set(address.host, machine)
    }
    const process = this.#processes.get(name) ?? 0
    this.#processes.set(name, process + 1)
    return new SimulatedHost(this, machine, process)
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
    const key = `${from}>${to}`
    let link = this.#links.get(key)
    if (link === undefined) this.#links.set(key, (link = new Link(this.#defaults)))
    return link
  }

  /** Cuts the way from one machine to another, and with `both` (default) the way back. */
  partition(from: string, to: string, { both = true }: { readonly both?: boolean } = {}): void {
    this.linkOf(from, to).blocked = true
    if (both) this.linkOf(to, from).blocked = true
  }

  /** Mends what `partition` cut, everywhere or between two. */
  heal(a?: string, b?: string): void {
    for (const [key, link] of this.#links) if (a === undefined || key === `${a}>${b}` || key === `${b}>${a}`) link.blocked = false
  }

  /** Decides about each datagram before the link does: `false` loses it. */
  filter(keep: (datagram: DatagramInTransit) => boolean): void {
    this.#filter = keep
  }

  /** Lets this much virtual time pass. */
  async advance(ms: number): Promise<void> {
    await this.#run(this.#now + ms, () => false)
  }

  /** Lets time pass until a promise settles, and settles like it; rejects when it hasn't within `withinMs` (default 60,000) of virtual time. */
  async until<T>(promise: Promise<T>, withinMs = 60_000): Promise<T> {
    let isSettled = false
    const done = (): void => void (isSettled = true)
    promise.then(done, done)
    await this.#run(this.#now + withinMs, () => isSettled)
    if (!isSettled)
      throw new Error(
        `not settled within ${withinMs} virtual ms (seed ${this.seed}, now ${this.#now} ms, ${this.#events.size} events to come)`,
      )
    return promise
  }

  /** Lets time pass until a condition holds; checked after every instant. Rejects like {@link Network.until}. */
  async when(condition: () => boolean, withinMs = 60_000): Promise<void> {
    await this.#run(this.#now + withinMs, condition)
    if (!condition()) throw new Error(`the condition did not hold within ${withinMs} virtual ms (seed ${this.seed}, now ${this.#now} ms)`)
  }

  /** @internal */
  schedule(atMs: number, kind: NetworkEvent["kind"], run: () => void): NetworkEvent {
    const event: NetworkEvent = { atMs, order: 0, place: -1, kind, run }
    this.#events.push(event)
    return event
  }

  /** @internal */
  cancel(event: NetworkEvent): void {
    this.#events.remove(event)
    this.#wakeUps.delete(event)
  }

  /** @internal Runs code of a process. What it throws doesn't stop the others: it surfaces once, from the call that lets time pass. */
  guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#thrown.push(error)
    }
  }

  /** @internal */
  deferHost(host: SimulatedHost): void {
    this.#deferring.add(host)
  }

  /** @internal */
  deliverSoon(transport: SimulatedTransport): void {
    this.#ready.add(transport)
  }

  /** @internal */
  machineNamed(name: string): Machine | undefined {
    return this.#machines.get(name)
  }

  /** @internal */
  freePort(machine: Machine): number {
    for (;;) {
      const port = this.#nextPort
      this.#nextPort = port === 65_535 ? PORT_FIRST : port + 1
      if (machine.addresses.every(({ host }) => !this.#sockets.has(`${host}|${port}`))) return port
    }
  }

  /** @internal */
  socketAt({ host, port }: Address): SimulatedTransport | undefined {
    return this.#sockets.get(`${host}|${port}`)
  }

  /** @internal */
  addSocket({ host, port }: Address, transport: SimulatedTransport): void {
    this.#sockets.set(`${host}|${port}`, transport)
  }

  /** @internal */
  removeSocket({ host, port }: Address): void {
    this.#sockets.delete(`${host}|${port}`)
  }

  /** @internal Carries a datagram, whose bytes are the network's from now on. Answers the error its sender sees, if any. */
  transmit(machine: Machine, from: Address, to: Address, bytes: Uint8Array): SocketErrorCode | undefined {
    const target = this.#owners.get(to.host)
    if (target === undefined) {
      this.#trace.add(this.#now, machine.index, 0, FATES.length, bytes)
      return undefined
    }
    const link = this.linkOf(machine.name, target.name)
    const index = link.sent++
    const keep = this.#filter({ from: machine.name, to: target.name, index, bytes, nowMs: this.#now })
    const fate = keep ? link.admit(bytes.length, this.#now, this.#random) : "filtered"
    link.counts[fate]++
    this.#trace.add(this.#now, machine.index, target.index, FATES.indexOf(fate), bytes)
    if (fate === "mtu" && link.options.mtuSilent !== true) return "EMSGSIZE"
    if (fate !== "delivered") return undefined
    const { corruptRate = 0, duplicateRate = 0 } = link.options
    const arrivesMs = link.arrivalMs(this.#now, this.#random)
    if (this.#random.chance(duplicateRate)) this.#arrive(link.lateMs(arrivesMs, this.#random), from, to, bytes.slice())
    if (this.#random.chance(corruptRate)) this.#corrupt(bytes)
    this.#arrive(arrivesMs, from, to, bytes)
    return undefined
  }

  #arrive(atMs: number, from: Address, to: Address, bytes: Uint8Array): void {
    this.schedule(atMs, "arrival", () => this.socketAt(to)?.arrive(bytes, from))
  }

  /** Flips one to three bits, each once. */
  #corrupt(bytes: Uint8Array): void {
    const flipped = new Set<number>()
    for (let flips = Math.min(1 + this.#random.below(3), 8 * bytes.length); flips > 0; flips--) {
      let bit = this.#random.below(8 * bytes.length)
      while (flipped.has(bit)) bit = this.#random.below(8 * bytes.length)
      flipped.add(bit)
      bytes[bit >>> 3]! ^= 1 << (bit & 7)
    }
  }

  async #run(endMs: number, isDone: () => boolean): Promise<void> {
    if (this.#isRunning) throw new Error("the network is running already: await one call before the next")
    this.#isRunning = true
    try {
      // What the test itself did since the last call belongs to this instant.
      await this.#settle()
      await this.#runInstant()
      while (!isDone() && this.#events.nextMs <= endMs) {
        this.#now = this.#events.nextMs
        await this.#runInstant()
      }
      if (!isDone() && endMs !== Infinity) this.#now = endMs
    } finally {
      this.#isRunning = false
    }
  }

  /** Everything of one instant, in rounds until nothing is left; promises settle after each. */
  async #runInstant(): Promise<void> {
    for (let round = 0; this.#runRound(); round++) {
      await this.#settle()
      this.#surface()
      if (round === ROUNDS_PER_INSTANT_MAX)
        throw new Error(`hosts keep each other busy without time passing (seed ${this.seed}, now ${this.#now} ms)`)
    }
  }

  /** Datagrams first, then wake-ups that come of it, then what was deferred. Answers whether code of a process ran. */
  #runRound(): boolean {
    while (this.#events.nextMs <= this.#now) {
      const event = this.#events.pop()!
      if (event.kind === "arrival") event.run()
      else this.#wakeUps.add(event)
    }
    const isBusy = this.#ready.size + this.#wakeUps.size + this.#deferring.size > 0
    for (const transport of drained(this.#ready)) transport.deliverWaiting()
    // Not all at once: one that runs may cancel others.
    for (const event of this.#wakeUps) {
      this.#wakeUps.delete(event)
      this.guard(event.run)
    }
    for (const host of drained(this.#deferring)) host.runDeferred()
    return isBusy || this.#deferring.size > 0
  }

  /** Throws what processes threw. */
  #surface(): void {
    const [first, ...others] = this.#thrown
    if (this.#thrown.length === 0) return
    this.#thrown = []
    throw others.length === 0 ? first : new AggregateError([first, ...others], "several processes threw in one instant")
  }
}

function drained<T>(set: Set<T>): T[] {
  const list = [...set]
  set.clear()
  return list
}

/** A network of machines that aren't there. */
export function createNetwork(options: NetworkOptions): Network {
  return new Network(options)
}
