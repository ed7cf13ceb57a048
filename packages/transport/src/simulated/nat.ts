/**
 * A NAT between a machine and all others: they see its outer addresses and the ports that it gives out.
 *
 * @module
 */

import type { Address, ResolvedAddress } from "../addresses.ts"
import { type Kinds, oneOf, orInfinity } from "../check.ts"
import { DURATION } from "./check.ts"
import type { Random } from "./random.ts"

/**
 * On what of the other side something depends, in the terms of RFC 4787: on nothing, on its address, or on its address
 * and port.
 */
export type NatDependence = "endpoint-independent" | "address-dependent" | "address-and-port-dependent"

/** What a NAT does. By default as most routers at home: one mapping for all, but only those written to may answer. */
export interface NatOptions {
  /**
   * For whom a socket gets a mapping (an outer port) of its own: `"endpoint-independent"` (default), one for all; else
   * one for each address, or for each address and port: a symmetric NAT.
   */
  readonly mapping?: NatDependence
  /**
   * Whose datagrams come in through a mapping: `"endpoint-independent"`, everybody's; else of those that were written to
   * through it, by address, or by address and port (default).
   */
  readonly filtering?: NatDependence
  /**
   * How long a mapping stays without a datagram in either direction, milliseconds. Default 120,000: the least that RFC
   * 4787 allows, and what Linux has for streams of datagrams. `Infinity`: for good.
   */
  readonly timeoutMs?: number
}

const DEPENDENCE = oneOf<NatDependence>("endpoint-independent", "address-dependent", "address-and-port-dependent")

export const NAT_OPTIONS: Kinds<NatOptions> = {
  mapping: DEPENDENCE,
  filtering: DEPENDENCE,
  timeoutMs: orInfinity(DURATION, "for good"),
}

const TIMEOUT_MS = 120_000
/** Ports that it gives out are above the well-known ones. */
const PORT_FIRST = 1_024
const PORTS = 65_536 - PORT_FIRST
/** Mappings are looked through for those that have timed out whenever this many more have been made. */
const SWEEP_MAPPINGS = 256

interface Mapping {
  readonly key: string
  readonly inner: Address
  readonly outer: Address
  /** Those who were written to, as far as filtering depends on them. */
  readonly allowed: Set<string>
  usedMs: number
}

/** The NAT of one machine. Made by `network.nat`. */
export class Nat {
  /** Datagrams from outside to a port without a mapping: none was made, it timed out, or the NAT was rebound. */
  unmapped = 0
  /** Datagrams from outside that the filtering refused. */
  refused = 0
  readonly #options: Required<NatOptions>
  #outer: readonly ResolvedAddress[]
  readonly #byKey = new Map<string, Mapping>()
  readonly #byOuter = new Map<string, Mapping>()
  /** Ports given out, from a drawn first one on: none comes again before all the others. */
  #nextPort: number
  #sweepAt = SWEEP_MAPPINGS

  /** @internal */
  constructor(options: NatOptions, outer: readonly ResolvedAddress[], random: Random) {
    const {
      mapping = "endpoint-independent",
      filtering = "address-and-port-dependent",
      timeoutMs = TIMEOUT_MS,
    } = options
    this.#options = { mapping, filtering, timeoutMs }
    this.#outer = outer
    this.#nextPort = random.below(PORTS)
  }

  /** Its addresses as others see them, one for each family of the machine. */
  get outerAddresses(): readonly ResolvedAddress[] {
    return this.#outer
  }

  /** How many mappings it keeps; those that have timed out are forgotten sooner or later. */
  get mappings(): number {
    return this.#byOuter.size
  }

  /** @internal Forgets all mappings and, with `outer`, has other addresses. */
  rebind(outer: readonly ResolvedAddress[] = this.#outer): void {
    this.#byKey.clear()
    this.#byOuter.clear()
    this.#outer = outer
  }

  /** @internal The source that `to` sees of a datagram from `inner`. */
  outward(inner: Address, to: Address, nowMs: number): Address {
    const { mapping: dependence, filtering } = this.#options
    const key = `${inner.family} ${inner.port} ${keyOf(dependence, to)}`
    let mapping = this.#byKey.get(key)
    if (mapping === undefined || this.#isOver(mapping, nowMs)) mapping = this.#make(key, inner, nowMs)
    mapping.usedMs = nowMs
    mapping.allowed.add(keyOf(filtering, to))
    return mapping.outer
  }

  /** @internal Where a datagram from `from` to an outer address goes on to. */
  inward(from: Address, to: Address, nowMs: number): Address | "unmapped" | "refused" {
    const mapping = this.#byOuter.get(outerKeyOf(to))
    if (mapping === undefined || this.#isOver(mapping, nowMs)) {
      this.unmapped++
      return "unmapped"
    }
    if (!mapping.allowed.has(keyOf(this.#options.filtering, from))) {
      this.refused++
      return "refused"
    }
    mapping.usedMs = nowMs
    return mapping.inner
  }

  #make(key: string, inner: Address, nowMs: number): Mapping {
    const before = this.#byKey.get(key)
    if (before !== undefined) this.#forget(before)
    if (this.#byKey.size >= this.#sweepAt) {
      for (const each of this.#byKey.values()) if (this.#isOver(each, nowMs)) this.#forget(each)
      this.#sweepAt = this.#byKey.size + SWEEP_MAPPINGS
    }
    const { host } = this.#outer.find(({ family }) => family === inner.family)!
    const port = PORT_FIRST + (this.#nextPort++ % PORTS)
    const mapping = {
      key,
      inner,
      outer: { family: inner.family, host, port },
      allowed: new Set<string>(),
      usedMs: nowMs,
    }
    this.#byKey.set(key, mapping)
    this.#byOuter.set(outerKeyOf(mapping.outer), mapping)
    return mapping
  }

  #forget({ key, outer }: Mapping): void {
    this.#byKey.delete(key)
    this.#byOuter.delete(outerKeyOf(outer))
  }

  #isOver({ usedMs }: Mapping, nowMs: number): boolean {
    return nowMs - usedMs > this.#options.timeoutMs
  }
}

function keyOf(dependence: NatDependence, { host, port }: Address): string {
  if (dependence === "endpoint-independent") return ""
  return dependence === "address-dependent" ? host : `${host} ${port}`
}

function outerKeyOf({ host, port }: Address): string {
  return `${host} ${port}`
}
