/**
 * A network in virtual time: machines, links between them, and the events to come. One seed, one run.
 * `transmit` takes the columns of a batch, more than five: it is called for each datagram.
 *
 * @module
 */

import type { Address } from "../addresses.ts"
import type { SyncCrypto } from "../sync-crypto.ts"
import type { SocketErrorCode } from "../transport.ts"
import { settle as systemSettle } from "../settle.ts"
import { standstill } from "../standstill.ts"
import { type Bottleneck, BOTTLENECK_OPTIONS, type BottleneckOptions } from "./bottleneck.ts"
import { checks, DURATION } from "./check.ts"
import { simulatedCrypto } from "./crypto.ts"
import { Datagram } from "./datagram.ts"
import { SimulatedHost } from "./host.ts"
import type { Link } from "./link.ts"
import { BOTTLENECK_NAME, LINK_OPTIONS, type LinkOptions } from "./link-options.ts"
import type { Machine, Socket } from "./machine.ts"
import { type Nat, NAT_OPTIONS, type NatOptions } from "./nat.ts"
import {
  CONDITION,
  type DatagramInTransit,
  HOST_OPTIONS,
  type HostOptions,
  KEEP,
  MOVE_OPTIONS,
  type MoveOptions,
  NETWORK_OPTIONS,
  type NetworkOptions,
  PARTITION_OPTIONS,
  type PartitionOptions,
  PROMISE,
  REBIND_OPTIONS,
  type RebindOptions,
  WITHIN,
} from "./network-options.ts"
import type { Passage } from "./passage.ts"
import { NAME, Topology } from "./topology.ts"
import { Trace } from "./trace.ts"
import { VirtualTime } from "./virtual-time.ts"

/** The most buffers of arrived datagrams that are kept for others. */
const SPARE_DATAGRAMS_MAX = 4_096

/**
 * Machines, links and their time, which passes only in `advance`, `until` and `when`. Made by {@link createNetwork}.
 */
export class Network {
  /** The seed of the run: the same seed repeats it. */
  readonly seed: number
  /** @internal */
  readonly crypto: SyncCrypto
  /** @internal */
  readonly time: VirtualTime
  readonly #trace: Trace
  readonly #topology: Topology
  readonly #spare: Datagram[] = []
  /** Functions that each tell which call of a host's user waits. */
  readonly #waits = new Set<() => string | undefined>()
  #filter: ((datagram: DatagramInTransit) => boolean) | undefined

  constructor(options: NetworkOptions) {
    const {
      seed,
      link = {},
      crypto = simulatedCrypto,
      settle = systemSettle,
      recordLines = 0,
    } = checks.options("createNetwork", options, NETWORK_OPTIONS)
    // The usual cause is a preset with a wrong name.
    if (Object.hasOwn(options, "link")) checks.value("link", options.link, NETWORK_OPTIONS.link)
    this.seed = seed
    this.crypto = crypto
    this.time = new VirtualTime(settle)
    if (link.through !== undefined)
      throw new RangeError(
        "a new network has no bottlenecks yet: make one with network.bottleneck(name, options), then call network.links({ through: name })",
      )
    this.#topology = new Topology(seed, link, {
      time: this.time,
      dropped: (link, passage) => this.#dropped(link, passage),
    })
    this.#trace = new Trace(recordLines)
  }

  /** Virtual milliseconds since the network was made. */
  get now(): number {
    return this.time.nowMs
  }

  /** A hash of the whole run so far: times, links, fates and bytes of all datagrams. */
  get traceHash(): string {
    return this.#trace.hash
  }

  /** The last events as text, oldest first, as many as `recordLines` says. */
  get record(): readonly string[] {
    return this.#trace.record
  }

  /**
   * Starts a new process on the machine of this name. The first call with a name makes the machine, by default with v4
   * and v6 addresses. Its name resolves on all hosts.
   */
  host(name: string, options: HostOptions = {}): SimulatedHost {
    checks.value("name", name, NAME)
    const checked = checks.options("host", options, HOST_OPTIONS)
    const machine = this.#topology.machine(name, checked)
    return new SimulatedHost(this, machine, machine.processes++, checked)
  }

  /** Replaces the options of one direction. */
  link(from: string, to: string, options: LinkOptions): void {
    const checked = this.#checkedLink("link", options)
    this.linkOf(from, to).options = checked
  }

  /** Replaces the options of all links, present and future. */
  links(options: LinkOptions): void {
    const checked = this.#checkedLink("links", options)
    this.#topology.setOptions(checked)
  }

  #checkedLink(call: string, options: LinkOptions): LinkOptions {
    const checked = checks.options(call, options, LINK_OPTIONS)
    if (checked.through !== undefined) this.#topology.bottleneckNamed(checked.through)
    return checked
  }

  /**
   * A rate and a queue that several links share: those with its name in `through`. The first call with a name makes it,
   * a later one replaces its options; what waits is sent at the new rate. One direction: a line with a queue at each end
   * is two of them.
   */
  bottleneck(name: string, options: BottleneckOptions): Bottleneck {
    checks.value("name", name, BOTTLENECK_NAME)
    return this.#topology.bottleneck(name, checks.options("bottleneck", options, BOTTLENECK_OPTIONS))
  }

  /** One direction between two machines, for its counts. */
  linkOf(from: string, to: string): Link {
    return this.#topology.linkOf(from, to)
  }

  /** Cuts the path from one machine to another and, with `both` (default), the path back. */
  partition(from: string, to: string, options: PartitionOptions = {}): void {
    const { both = true } = checks.options("partition", options, PARTITION_OPTIONS)
    this.linkOf(from, to).blocked = true
    if (both) this.linkOf(to, from).blocked = true
  }

  /** Restores the paths that `partition` cut: all, or those between two machines. */
  heal(a?: string, b?: string): void {
    if ((a === undefined) !== (b === undefined))
      throw new RangeError("heal takes two machines, or none: then it mends everything")
    this.#topology.heal(a, b)
  }

  /** Holds up datagrams from one machine to another for this many milliseconds; then all arrive at once, in order. */
  clog(from: string, to: string, ms: number): void {
    checks.value("ms", ms, DURATION)
    this.linkOf(from, to).clog(this.now + ms)
  }

  /**
   * Puts a machine behind a NAT of its own, in both families: others see the NAT's addresses and ports, and can't reach
   * the machine's own. The ports that they see change when a mapping times out, and by `rebind`.
   */
  nat(name: string, options: NatOptions = {}): Nat {
    checks.value("name", name, NAME)
    return this.#topology.nat(name, checks.options("nat", options, NAT_OPTIONS))
  }

  /**
   * Lets the NAT of a machine forget its mappings, as when it restarts: from the next datagram on, others see other
   * ports and, with `address`, another address. Datagrams to the old ones are lost.
   */
  rebind(name: string, options: RebindOptions = {}): void {
    checks.value("name", name, NAME)
    const { address = false } = checks.options("rebind", options, REBIND_OPTIONS)
    this.#topology.rebind(name, address)
  }

  /**
   * Gives a machine other addresses, as when it changes from one Wi-Fi to another: its sockets go on there, and
   * datagrams to the old addresses are lost. If it is behind a NAT, that changes too. No socket is told.
   * With `sockets: "stay"` they are bound to addresses that are gone, and sending fails with EADDRNOTAVAIL.
   */
  move(name: string, options: MoveOptions = {}): void {
    checks.value("name", name, NAME)
    const { sockets = "follow" } = checks.options("move", options, MOVE_OPTIONS)
    this.#topology.move(name, sockets === "stay")
  }

  /** Sets a filter that decides about each datagram before the link does: `false` loses it. */
  filter(keep: (datagram: DatagramInTransit) => boolean): void {
    checks.value("keep", keep, KEEP)
    this.#filter = keep
  }

  /** Delivers a datagram to a socket as if it came from `from`: a forged one, or an old one once more. */
  inject(from: Address, to: Address, bytes: Uint8Array, delayMs = 0): void {
    checks.value("delayMs", delayMs, DURATION)
    this.time.set(this.#datagram(from, to, bytes), this.now + delayMs)
  }

  /** Lets this much virtual time pass. Rejects with an error that a host's code threw. */
  async advance(ms: number): Promise<void> {
    checks.value("ms", ms, DURATION)
    this.#checkNames()
    await this.#run(this.now + ms, () => false)
  }

  /**
   * Lets time pass until a promise settles, and settles like it. Rejects if that takes more than `withinMs` of virtual
   * time (default 60,000; `Infinity`: however long it takes).
   */
  async until<T>(promise: Promise<T>, withinMs = 60_000): Promise<T> {
    checks.value("withinMs", withinMs, WITHIN)
    void checks.value("promise", promise, PROMISE)
    let isSettled = false
    const settled = (): void => void (isSettled = true)
    void promise.then(settled, settled)
    await this.#runUntil(() => isSettled, withinMs, "not settled")
    return promise
  }

  /** Lets time pass until a condition holds, which is tested after each instant. Rejects like {@link Network.until}. */
  async when(condition: () => boolean, withinMs = 60_000): Promise<void> {
    checks.value("withinMs", withinMs, WITHIN)
    checks.value("condition", condition, CONDITION)
    await this.#runUntil(condition, withinMs, "the condition did not hold")
  }

  async #runUntil(isDone: () => boolean, withinMs: number, failure: string): Promise<void> {
    this.#checkNames()
    await this.#run(this.now + withinMs, isDone)
    if (isDone()) return
    throw new Error(
      `${failure} within ${withinMs} virtual ms (seed ${this.seed}, now ${this.now} ms, ${this.time.eventCount} events to come)`,
    )
  }

  async #run(endMs: number, isDone: () => boolean): Promise<void> {
    this.#use()
    await this.time.runUntil(endMs, isDone)
    this.#use()
  }

  #use(): void {
    if (this.#waits.size > 0) standstill.use(this)
  }

  /**
   * @internal Adds a function that tells which call waits while time stands still. Returns a function that removes it.
   */
  watchWaits(waitingCall: () => string | undefined): () => void {
    this.#waits.add(waitingCall)
    this.#use()
    return () => {
      this.#waits.delete(waitingCall)
      if (this.#waits.size === 0) standstill.leave(this)
    }
  }

  /** @internal */
  get isRunning(): boolean {
    return this.time.isRunning
  }

  /** @internal */
  get waitingCall(): string | undefined {
    for (const wait of this.#waits) {
      const call = wait()
      if (call !== undefined) return call
    }
    return undefined
  }

  #checkNames(): void {
    if (this.now > 0) this.#topology.checkNames()
  }

  /** @internal */
  machineNamed(name: string): Machine | undefined {
    return this.#topology.machineNamed(name)
  }

  /**
   * @internal Carries a copy of `slab[offset, offset + length)` with this mark. Returns the error its sender sees, if
   * any.
   */
  transmit(
    machine: Machine,
    from: Address,
    to: Address,
    slab: Uint8Array,
    offset: number,
    length: number,
    ecn: number,
  ): SocketErrorCode | undefined {
    const target = this.#topology.ownerOf(to.host)
    let bytes = slab.subarray(offset, offset + length)
    if (target === undefined || target.hides(machine, to.host)) {
      this.#trace.add(this.now, machine.name, to.host, "nowhere", bytes, ecn)
      return undefined
    }
    const link = (machine.links[target.index] ??= this.linkOf(machine.name, target.name))
    const index = link.sent++
    let isKept = true
    if (this.#filter !== undefined) {
      bytes = bytes.slice()
      isKept = this.#filter({ from: machine.name, to: target.name, index, bytes, ecn, nowMs: this.now })
    }
    const taken = isKept ? link.admit(index, length, ecn) : "filtered"
    const fate = typeof taken === "string" ? taken : taken.fate
    link.counts[fate]++
    this.#trace.add(this.now, machine.name, target.name, fate, bytes, ecn)
    if (fate === "mtu" && link.options.mtuSilent !== true) return "EMSGSIZE"
    const source = machine.nat === undefined || target === machine ? from : machine.nat.outward(from, to, this.now)
    if (typeof taken === "string") return undefined
    if (fate === "delivered") this.#load(link, taken, source, to, bytes)
    link.settle(taken)
    return undefined
  }

  /** Gives a passage the datagram and its copies. */
  #load(link: Link, passage: Passage, from: Address, to: Address, bytes: Uint8Array): void {
    link.draw(passage)
    if (link.duplicates()) {
      passage.duplicateLagMs = link.lagMs()
      passage.duplicate = this.#datagram(from, to, bytes)
    }
    const replayLagMs = link.replayLagMs()
    if (replayLagMs !== undefined) {
      passage.replayLagMs = replayLagMs
      passage.replay = this.#datagram(from, to, bytes)
    }
    passage.datagram = this.#datagram(from, to, bytes)
    link.corrupt(passage.datagram.bytes)
  }

  #dropped({ from, to }: Link, { datagram, duplicate, replay }: Passage): void {
    if (datagram === undefined) return
    this.#trace.add(this.now, from, to, "aqm", datagram.bytes, datagram.ecn)
    for (const copy of [datagram, duplicate, replay]) if (copy !== undefined) this.recycle(copy)
  }

  /** @internal Takes back a datagram that has been read. */
  recycle(datagram: Datagram): void {
    if (this.#spare.length < SPARE_DATAGRAMS_MAX) this.#spare.push(datagram)
  }

  /** A datagram with a copy of these bytes. */
  #datagram(from: Address, to: Address, bytes: Uint8Array): Datagram {
    const datagram = this.#spare.pop() ?? new Datagram(from, to, this.#arrive)
    datagram.fill(from, to, bytes)
    return datagram
  }

  readonly #arrive = (datagram: Datagram): void => {
    const { from, to, bytes, ecn } = datagram
    const machine = this.#topology.ownerOf(to.host)
    const nat = machine?.nat
    const inner = nat === undefined || machine!.has(to.host) ? to : nat.inward(from, to, this.now)
    const fate = typeof inner === "string" ? inner : this.#hand(datagram, machine?.socketAt(inner.family, inner.port))
    this.#trace.add(this.now, from.host, to.host, fate, bytes, ecn)
    if (fate !== "arrived") this.recycle(datagram)
  }

  #hand(datagram: Datagram, socket: Socket | undefined): "closed" | "arrived" | "overflow" {
    if (socket === undefined) return "closed"
    return socket.arrive(datagram) ? "arrived" : "overflow"
  }
}

/** Makes a simulated network. Throws a `RangeError` that says what is wrong with an option. */
export function createNetwork(options: NetworkOptions): Network {
  return new Network(options)
}
