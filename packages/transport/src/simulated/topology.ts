/**
 * The machines of a network, and the links between them.
 *
 * @module
 */

import { parseHost, type ResolvedAddress } from "../addresses.ts"
import { type Kind, nearest, show } from "../check.ts"
import { Bottleneck, type BottleneckOptions } from "./bottleneck.ts"
import { checks } from "./check.ts"
import { Link, type LinkSurroundings } from "./link.ts"
import type { LinkOptions } from "./link-options.ts"
import { Machine } from "./machine.ts"
import { Nat, type NatOptions } from "./nat.ts"
import { Random } from "./random.ts"

/** A valid name of a machine. Links use the excluded signs between two names, and a host resolves addresses itself. */
export const NAME: Kind<string> = {
  takes: 'the name of a machine: not empty, without ":" and ">", and no address',
  has: (value): value is string =>
    typeof value === "string" && /^[^:>]+$/.test(value) && parseHost(value) === undefined,
}

export class Topology {
  readonly #seed: number
  readonly #machines = new Map<string, Machine>()
  /** The machines by address. */
  readonly #owners = new Map<string, Machine>()
  readonly #links = new Map<string, Link>()
  /** Machines that were named before any was made. */
  readonly #namedAhead = new Set<string>()
  /** How many addresses were given out besides those that machines begin with. */
  #moves = 0
  readonly #bottlenecks = new Map<string, Bottleneck>()
  readonly #surroundings: LinkSurroundings
  /** The options of future links. */
  #options: LinkOptions

  constructor(seed: number, options: LinkOptions, medium: Pick<LinkSurroundings, "time" | "dropped">) {
    this.#seed = seed
    this.#options = options
    this.#surroundings = {
      seed,
      time: medium.time,
      dropped: (link, passage) => medium.dropped(link, passage),
      bottleneckNamed: (name) => this.bottleneckNamed(name),
    }
  }

  machineNamed(name: string): Machine | undefined {
    return this.#machines.get(name)
  }

  /** The machine that has this address. */
  ownerOf(host: string): Machine | undefined {
    return this.#owners.get(host)
  }

  /**
   * The machine of this name, made at the first call; by default with an address of each family. Refuses to change the
   * families of an existing machine.
   */
  machine(name: string, { v4, v6 }: { readonly v4?: boolean; readonly v6?: boolean }): Machine {
    const machine = this.#machines.get(name) ?? this.#make(name, v4 ?? true, v6 ?? true)
    for (const [family, asked] of [
      [4, v4],
      [6, v6],
    ] as const) {
      const has = machine.addresses.some((address) => address.family === family)
      if (asked !== undefined && asked !== has)
        throw new RangeError(
          `"${name}" was made ${has ? "with" : "without"} a v${family} address; a machine keeps those that it has`,
        )
    }
    return machine
  }

  #make(name: string, v4: boolean, v6: boolean): Machine {
    const originMs = 1_000 * new Random(this.#seed, `clock of ${name}`).below(1_000_000)
    const machine = new Machine(name, this.#machines.size + 1, { v4, v6 }, originMs)
    this.#machines.set(name, machine)
    this.#namedAhead.delete(name)
    this.#own(machine.addresses, machine)
    return machine
  }

  /** Puts the machine of this name behind a NAT, which others see instead. */
  nat(name: string, options: NatOptions): Nat {
    const machine = this.#existing(name)
    if (machine.nat !== undefined) throw new RangeError(`"${name}" is behind a NAT already; network.rebind changes it`)
    machine.nat = new Nat(options, this.#others(machine), new Random(this.#seed, `nat of ${name}`))
    this.#own(machine.nat.outerAddresses, machine)
    return machine.nat
  }

  /** Lets the NAT forget its mappings; with `isMoved` it has another address as well. */
  rebind(name: string, isMoved: boolean): void {
    const machine = this.#existing(name)
    if (machine.nat === undefined) throw new RangeError(`"${name}" is behind no NAT; network.nat(name) puts it there`)
    this.#rebind(machine, machine.nat, isMoved)
  }

  /** Gives a machine other addresses, and its NAT too, if it has one. */
  move(name: string, doSocketsStay: boolean): void {
    const machine = this.#existing(name)
    if (machine.nat !== undefined) this.#rebind(machine, machine.nat, true)
    this.#disown(machine.addresses)
    machine.move(this.#others(machine), doSocketsStay)
    this.#own(machine.addresses, machine)
  }

  #rebind(machine: Machine, nat: Nat, isMoved: boolean): void {
    if (!isMoved) return nat.rebind()
    this.#disown(nat.outerAddresses)
    nat.rebind(this.#others(machine))
    this.#own(nat.outerAddresses, machine)
  }

  #own(addresses: readonly ResolvedAddress[], machine: Machine): void {
    for (const { host } of addresses) this.#owners.set(host, machine)
  }

  #disown(addresses: readonly ResolvedAddress[]): void {
    for (const { host } of addresses) this.#owners.delete(host)
  }

  /** Addresses that nothing had so far, of the families of this machine. */
  #others(machine: Machine): ResolvedAddress[] {
    const n = ++this.#moves
    const [high, low] = [n >>> 16, n & 0xffff]
    const hosts = {
      4: `10.${128 + high}.${low >>> 8}.${low & 255}`,
      6: `fd00::${(high + 1).toString(16)}:${low.toString(16)}`,
    }
    return machine.addresses.map(({ family }) => ({ family, host: hosts[family] }))
  }

  #existing(name: string): Machine {
    const machine = this.#machines.get(name)
    if (machine === undefined) throw this.#noMachine(name)
    return machine
  }

  /** Replaces the options of all links, present and future. */
  setOptions(options: LinkOptions): void {
    this.#options = options
    for (const link of this.#links.values()) link.options = options
  }

  /** One direction between two machines, made at the first call. */
  linkOf(from: string, to: string): Link {
    this.#expect(from, to)
    const key = linkKey(from, to)
    let link = this.#links.get(key)
    if (link === undefined) {
      link = new Link(from, to, this.#options, new Random(this.#seed, key), this.#surroundings)
      this.#links.set(key, link)
    }
    return link
  }

  /** The bottleneck of this name, made at the first call; it gets these options. */
  bottleneck(name: string, options: BottleneckOptions): Bottleneck {
    let bottleneck = this.#bottlenecks.get(name)
    if (bottleneck === undefined) {
      bottleneck = new Bottleneck(options, this.#surroundings.time, this.#seed, `rate of ${name}`)
      this.#bottlenecks.set(name, bottleneck)
    } else {
      bottleneck.options = options
    }
    return bottleneck
  }

  /** The bottleneck of this name. Refuses one that isn't there. */
  bottleneckNamed(name: string): Bottleneck {
    const bottleneck = this.#bottlenecks.get(name)
    if (bottleneck !== undefined) return bottleneck
    const near = nearest(name, [...this.#bottlenecks.keys()])
    throw new RangeError(
      `there is no bottleneck ${show(name)} to go through${near === undefined ? "" : `; did you mean "${near}"?`}; network.bottleneck(name, options) makes one`,
    )
  }

  /** Opens the links that are blocked: all, or those between two machines. */
  heal(a: string | undefined, b: string | undefined): void {
    if (a !== undefined && b !== undefined) this.#expect(a, b)
    for (const [key, link] of this.#links) {
      if (a === undefined || b === undefined || key === linkKey(a, b) || key === linkKey(b, a)) link.blocked = false
    }
  }

  /** Refuses names that came before any machine was made, and that no machine has got since. */
  checkNames(): void {
    for (const name of this.#namedAhead) throw this.#noMachine(name)
  }

  /**
   * Refuses a misspelt name, which would make a link that is never used. Names may come before any machine is made;
   * they are checked once time has passed.
   */
  #expect(...names: readonly string[]): void {
    for (const name of names) {
      if (this.#machines.has(name)) continue
      if (this.#machines.size > 0) throw this.#noMachine(name)
      checks.value("name", name, NAME)
      this.#namedAhead.add(name)
    }
  }

  #noMachine(name: string): RangeError {
    const near = typeof name === "string" ? nearest(name, [...this.#machines.keys()]) : undefined
    return new RangeError(
      `there is no machine ${show(name)}${near === undefined ? "" : `; did you mean "${near}"?`}; network.host(name) makes one`,
    )
  }
}

function linkKey(from: string, to: string): string {
  return `${from}>${to}`
}
