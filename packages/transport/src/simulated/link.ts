/**
 * One direction between two machines: what it does to a datagram.
 *
 * @module
 */

import type { Random } from "./random.ts"

/** Everything is off by default: a perfect link. Rates are probabilities from 0 to 1. */
export interface LinkOptions {
  /** One-way delay, default 0. */
  readonly delayMs?: number
  /** Up to this much more, evenly drawn; order is kept. Default 0. */
  readonly jitterMs?: number
  /** Independent loss. */
  readonly lossRate?: number
  /** Loss in bursts (Gilbert–Elliott): in the bad state `lossRate` of the datagrams are lost; entered and left with these probabilities per datagram. */
  readonly burst?: { readonly enterRate: number; readonly leaveRate: number; readonly lossRate: number }
  /** A second copy arrives, as late as a reordered one. */
  readonly duplicateRate?: number
  /** Held back by up to `reorderDelayMs`, so that later ones overtake. */
  readonly reorderRate?: number
  /** Default 10. */
  readonly reorderDelayMs?: number
  /** One to three bits are flipped. */
  readonly corruptRate?: number
  /** The longest UDP payload that fits; longer ones fail at the sender with EMSGSIZE, or are lost on the way if `mtuSilent`. Default: no limit. */
  readonly mtuBytes?: number
  readonly mtuSilent?: boolean
  /** Default: no limit. */
  readonly rateBitsPerSecond?: number
  /** What waits for its turn to be sent; more is lost (drop-tail). Default 256 KiB; matters only with a rate. */
  readonly queueBytes?: number
}

/** Throws `RangeError` for a rate that is none (5 for 5 %, say) or a negative quantity: it would silently lose everything, or nothing. */
export function checkLink({ burst, ...options }: LinkOptions): void {
  for (const [name, value] of Object.entries({ ...options, ...rename(burst) })) {
    if (typeof value !== "number") continue
    const max = name.endsWith("Rate") ? 1 : Infinity
    if (!(value >= 0 && value <= max)) throw new RangeError(`${name} must be from 0 to ${max}, not ${value}`)
  }
}

function rename(burst: LinkOptions["burst"]): Record<string, number> {
  return Object.fromEntries(Object.entries(burst ?? {}).map(([name, value]) => [`burst.${name}`, value]))
}

/** Headers of UDP and IPv4 and an Ethernet frame: what a datagram costs on a link with a rate. */
const OVERHEAD_BYTES = 46

/** What became of a datagram. */
export type Fate = "delivered" | "lost" | "burst" | "queue" | "mtu" | "partition" | "filtered"

export class Link {
  options: LinkOptions
  /** Datagrams handed to this direction so far. */
  sent = 0
  readonly counts: Record<Fate, number> = { delivered: 0, lost: 0, burst: 0, queue: 0, mtu: 0, partition: 0, filtered: 0 }
  blocked = false
  #isBad = false
  #freeAtMs = 0
  #lastArrivalMs = 0

  constructor(options: LinkOptions) {
    this.options = options
  }

  /** Whether a datagram gets through the lossy parts and the queue. */
  admit(bytes: number, nowMs: number, random: Random): Fate {
    const { lossRate = 0, burst, mtuBytes = Infinity, rateBitsPerSecond, queueBytes = 262_144 } = this.options
    if (this.blocked) return "partition"
    if (bytes > mtuBytes) return "mtu"
    if (burst !== undefined) {
      this.#isBad = this.#isBad ? !random.chance(burst.leaveRate) : random.chance(burst.enterRate)
      if (this.#isBad && random.chance(burst.lossRate)) return "burst"
    }
    if (random.chance(lossRate)) return "lost"
    if (rateBitsPerSecond !== undefined) {
      const waiting = (Math.max(0, this.#freeAtMs - nowMs) * rateBitsPerSecond) / 8_000
      if (waiting + bytes > queueBytes) return "queue"
      this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + ((bytes + OVERHEAD_BYTES) * 8_000) / rateBitsPerSecond
    }
    return "delivered"
  }

  /** When an admitted datagram arrives. */
  arrivalMs(nowMs: number, random: Random): number {
    const { delayMs = 0, jitterMs = 0, reorderRate = 0 } = this.options
    const leaves = this.options.rateBitsPerSecond === undefined ? nowMs : Math.max(nowMs, this.#freeAtMs)
    const arrives = Math.max(this.#lastArrivalMs, leaves + delayMs + (jitterMs > 0 ? random.fraction() * jitterMs : 0))
    if (random.chance(reorderRate)) return this.lateMs(arrives, random)
    this.#lastArrivalMs = arrives
    return arrives
  }

  lateMs(arrivesMs: number, random: Random): number {
    return arrivesMs + random.fraction() * (this.options.reorderDelayMs ?? 10)
  }
}
