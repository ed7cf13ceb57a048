/**
 * A simulated process on a simulated machine: a `Host` whose clock, sockets and random numbers come from the network.
 *
 * @module
 */

import { type Address, formatHost, parseHost, type ResolvedAddress } from "../addresses.ts"
import { type BindOptions, completeBindOptions } from "../bind-options.ts"
import { oneOf } from "../check.ts"
import type { Host, WakeUp } from "../host.ts"
import type { SyncCrypto } from "../sync-crypto.ts"
import { SOCKET_ERRORS, type SocketErrorCode, type Transport } from "../transport.ts"
import { TransportError } from "../transport-error.ts"
import { checks, DURATION } from "./check.ts"
import { Cpu } from "./cpu.ts"
import type { Machine } from "./machine.ts"
import type { Surroundings } from "./medium.ts"
import type { HostOptions } from "./network-options.ts"
import { Random } from "./random.ts"
import { SimulatedTransport } from "./transport.ts"
import type { Alarm } from "./virtual-time.ts"

const FAULT = oneOf<SocketErrorCode | "full">(...SOCKET_ERRORS, "full")

/** A process on a machine of a simulated network: an endpoint's `host`. */
export class SimulatedHost implements Host {
  /** The machine that it runs on, which outlives it. */
  readonly machine: Machine
  readonly crypto: SyncCrypto
  readonly #network: Surroundings
  readonly #random: Random
  readonly #transports = new Set<SimulatedTransport>()
  #deferred: (() => void)[] = []
  #isAlive = true
  #busyUntilMs = -Infinity
  /** How far its clock is ahead of the network's. */
  #originMs: number
  /** The clock stands at `clockMs` while the process is suspended. */
  #suspended = { untilMs: -Infinity, clockMs: 0 }
  readonly #wakeUps: ProcessAlarm[] = []
  #sendFault: SocketErrorCode | "full" | undefined
  readonly #endsOfWatches = new Set<() => void>()

  /** @internal Whether its sockets send and tell marks. */
  readonly hasEcn: boolean
  /** @internal Absent: nothing that it does takes time. */
  readonly cpu: Cpu | undefined

  /** @internal Made by `network.host(name)`. `process`: how many processes the machine had before. */
  constructor(network: Surroundings, machine: Machine, process: number, options: Pick<HostOptions, "ecn" | "cpu">) {
    const { ecn = true, cpu } = options
    this.machine = machine
    this.hasEcn = ecn
    this.cpu = cpu === undefined ? undefined : new Cpu(network.time, cpu)
    this.#originMs = machine.originMs
    this.crypto = this.cpu?.charged(network.crypto) ?? network.crypto
    this.#network = network
    this.#random = new Random(network.seed, `${machine.name}/${process}`)
  }

  /** Ends the process as a power cut would: it says goodbye to no peer, and none of its code runs any more. */
  crash(): void {
    this.#isAlive = false
    this.#deferred = []
    for (const transport of this.#transports) void transport.close()
    for (const end of this.#endsOfWatches) end()
  }

  /**
   * Blocks the process for a while, as a long computation does: datagrams wait in the socket buffer, wake-ups are late.
   * It can't hold up promises that are under way.
   */
  stall(ms: number): void {
    checks.value("ms", ms, DURATION)
    this.#busyUntilMs = Math.max(this.#busyUntilMs, this.#network.time.nowMs + ms)
    // Sockets are read and deferred work is done at an event; this is that event.
    this.#network.time.set(new ProcessAlarm(() => {}), this.#busyUntilMs)
  }

  /**
   * As `stall`, and the process's clock stands still meanwhile: a sleeping laptop (Linux's monotonic clock doesn't
   * count that time).
   */
  suspend(ms: number): void {
    checks.value("ms", ms, DURATION)
    const untilMs = this.#network.time.nowMs + ms
    const extraMs = untilMs - Math.max(this.#network.time.nowMs, this.#suspended.untilMs)
    if (!(extraMs > 0)) return
    this.#suspended = { untilMs, clockMs: this.now() }
    this.stall(ms)
    this.cpu?.suspend(extraMs)
    this.#shiftClock(-extraMs)
  }

  /**
   * Makes its clock jump forward, with nothing happening in between: a virtual machine that was moved. A monotonic
   * clock never jumps back.
   */
  jumpClock(ms: number): void {
    checks.value("ms", ms, DURATION)
    this.#suspended.clockMs += ms
    this.#shiftClock(ms)
  }

  /**
   * Makes the system refuse to send: each datagram fails with this error, or with `"full"` none is taken. `undefined`
   * ends that.
   */
  failSends(fault: SocketErrorCode | "full" | undefined): void {
    if (fault !== undefined) checks.value("fault", fault, FAULT)
    const wasFull = this.#sendFault === "full"
    this.#sendFault = fault
    if (!wasFull || fault === "full") return
    this.#network.time.set(
      this.#alarm(() => this.#becomeWritable()),
      this.#network.time.nowMs,
    )
  }

  now(): number {
    const { untilMs, clockMs } = this.#suspended
    const { nowMs } = this.#network.time
    return nowMs < untilMs ? clockMs : this.#originMs + Math.max(nowMs, this.cpu?.untilMs ?? nowMs)
  }

  wakeUp(wake: () => void): WakeUp {
    const alarm = this.#alarm(wake)
    this.#wakeUps.push(alarm)
    return {
      at: (deadlineMs) => {
        // NaN compares false with any time: such a deadline would be neither due nor still to come.
        if (Number.isNaN(deadlineMs)) throw new RangeError("a deadline is a number of milliseconds, not NaN")
        alarm.deadlineMs = deadlineMs
        this.#arm(alarm)
      },
    }
  }

  defer(run: () => void): void {
    if (!this.#isAlive) return
    this.#deferred.push(run)
    this.#network.time.runSoon(this)
  }

  random(): number {
    return this.#random.uint32()
  }

  discard({ buffer }: Uint8Array): void {
    structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
  }

  entropy(out: Uint8Array): void {
    this.#random.fill(out)
  }

  async resolve(name: string, signal?: AbortSignal): Promise<ResolvedAddress[]> {
    signal?.throwIfAborted()
    const literal = parseHost(name)
    if (literal !== undefined) return [{ family: literal.family, host: formatHost(literal.bytes, literal.scope) }]
    const machine = this.#network.machineNamed(name)
    if (machine === undefined)
      throw new TransportError(
        "name-not-found",
        `no simulated host is named "${name}"; make it with network.host("${name}")`,
      )
    return [...machine.addresses]
  }

  /** A machine has one address of each family. That one is bound, whichever address is requested (all, loopback). */
  async bind(options: BindOptions): Promise<Transport> {
    const asked = completeBindOptions(options)
    const { name } = this.machine
    if (!this.#isAlive)
      throw new TransportError(
        "bind-failed",
        `the process on "${name}" has crashed; take a new one from network.host("${name}")`,
      )
    const transport = new SimulatedTransport(this.#network, this, asked)
    this.#transports.add(transport)
    return transport
  }

  /** @internal */
  placesFor(asked: Required<BindOptions>, notes: string[]): readonly Address[] {
    const { name } = this.machine
    const port = asked.port === 0 ? this.machine.freePort() : asked.port
    const addresses: Address[] = []
    for (const family of [4, 6] as const) {
      if ((family === 4 ? asked.v4 : asked.v6) === false) continue
      const own = this.machine.addresses.find((address) => address.family === family)
      if (own === undefined) notes.push(`there is no v${family} socket: "${name}" has no v${family} address`)
      else if (this.machine.socketAt(family, port) === undefined) addresses.push({ ...own, port })
      else
        throw new TransportError(
          "address-in-use",
          `UDP port ${port} of "${name}" is taken; choose another, 0 for any free one, or end the program that has it`,
        )
    }
    if (addresses.length === 0)
      throw new TransportError("no-family", `no socket can be bound: ${notes.join("; ")}; ask for the family it has`)
    return addresses
  }

  watchWaits(waitingCall: () => string | undefined): () => void {
    const endWatch = this.#network.watchWaits(waitingCall)
    const end = (): void => {
      endWatch()
      this.#endsOfWatches.delete(end)
    }
    this.#endsOfWatches.add(end)
    return end
  }

  /** @internal Alive and not busy. */
  get isRunning(): boolean {
    return this.#isAlive && this.#busyUntilMs <= this.#network.time.nowMs && this.cpu?.isFree !== false
  }

  /** @internal */
  get sendFault(): SocketErrorCode | "full" | undefined {
    return this.#sendFault
  }

  /** @internal Runs the functions deferred so far; what these defer runs the next time. */
  runDeferred(): void {
    const deferred = this.#deferred
    this.#deferred = []
    for (const run of deferred) this.#run(run)
  }

  /** @internal Forgets a closed transport. */
  forget(transport: SimulatedTransport): void {
    this.#transports.delete(transport)
  }

  /** An alarm that rings when the process is alive and no longer busy. */
  #alarm(ring: () => void): ProcessAlarm {
    const { time } = this.#network
    const alarm = new ProcessAlarm(() => {
      if (!this.#isAlive) return
      if (!this.isRunning) return time.set(alarm, Math.max(this.#busyUntilMs, this.cpu?.untilMs ?? -Infinity))
      alarm.deadlineMs = Infinity
      time.call(ring)
    })
    return alarm
  }

  #arm(alarm: ProcessAlarm): void {
    const { time } = this.#network
    // Virtual time has an end.
    if (alarm.deadlineMs > Number.MAX_SAFE_INTEGER) time.cancel(alarm)
    else time.set(alarm, alarm.deadlineMs - this.#originMs)
  }

  /** Shifts the clock. Deadlines are times of this clock, so they now come sooner or later. */
  #shiftClock(byMs: number): void {
    this.#originMs += byMs
    for (const alarm of this.#wakeUps) if (alarm.deadlineMs !== Infinity) this.#arm(alarm)
  }

  /** Runs a function unless an earlier one has ended the process. */
  #run(run: () => void): void {
    if (this.#isAlive) this.#network.time.call(run)
  }

  #becomeWritable(): void {
    for (const transport of this.#transports) transport.becomeWritable()
  }
}

class ProcessAlarm implements Alarm {
  readonly kind = "alarm"
  atMs = 0
  order = 0
  index = -1
  isDue = false
  /** The requested deadline, by the clock of its process; `Infinity`: not set. */
  deadlineMs = Infinity
  readonly ring: () => void

  constructor(ring: () => void) {
    this.ring = ring
  }
}
