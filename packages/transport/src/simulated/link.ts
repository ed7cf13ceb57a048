/**
 * One direction between two machines: what it does to a datagram.
 *
 * @module
 */

import { FLAG, group, type Kinds, orInfinity, positive, real, required, whole } from "../check.ts"
import { DURATION, PROBABILITY } from "./check.ts"
import type { Random } from "./random.ts"

const INDEX = whole(0)

/**
 * Loss in bursts (Gilbert–Elliott): a link is in a good state, and now and then in a bad one. All three options are
 * required.
 */
export interface BurstOptions {
  /** Probability, with each datagram, that the bad state begins: 0 to 1. */
  readonly enterRate: number
  /** Probability, with each datagram, that the bad state ends: 0 to 1. */
  readonly leaveRate: number
  /** Share of the datagrams lost in the bad state: 0 to 1. */
  readonly lossRate: number
}

/** Everything is off by default: a perfect link. Rates are probabilities from 0 to 1. */
export interface LinkOptions {
  /** One-way delay, milliseconds, default 0. */
  readonly delayMs?: number
  /** Up to this many milliseconds more, uniformly drawn; order is kept. Default 0. */
  readonly jitterMs?: number
  /** Share of the datagrams lost, each by itself. */
  readonly lossRate?: number
  /**
   * Loss in bursts: in the bad state `lossRate` of the datagrams are lost. The state begins and ends with these
   * probabilities, drawn for each datagram.
   */
  readonly burst?: BurstOptions
  /** Exactly these datagrams are lost: numbers on this link, from 0. */
  readonly dropList?: readonly number[]
  /** Share of the datagrams that arrive a second time, as late as a reordered one. */
  readonly duplicateRate?: number
  /** Share of the datagrams held back by up to `reorderDelayMs`, so that later ones overtake them. */
  readonly reorderRate?: number
  /** The longest that a datagram is held back, milliseconds, default 10. */
  readonly reorderDelayMs?: number
  /** Share of the datagrams in which one to three bits are flipped. */
  readonly corruptRate?: number
  /** Share of the datagrams of which an old copy arrives again, up to `replayDelayMs` later. */
  readonly replayRate?: number
  /**
   * The greatest age of such a copy, milliseconds. Default 120,000: twice the lifetime of a datagram in the Internet
   * according to RFC 8085, section 3.3.
   */
  readonly replayDelayMs?: number
  /**
   * The longest UDP payload that fits. Longer ones fail at the sender with EMSGSIZE, or with `mtuSilent` are lost on
   * the way. Default: `Infinity`, no limit.
   */
  readonly mtuBytes?: number
  /** Datagrams longer than `mtuBytes` are lost on the way, without an error at the sender. Default `false`. */
  readonly mtuSilent?: boolean
  /**
   * Bits per second that it carries, headers of UDP, IPv4 and Ethernet included: above 0; default: `Infinity`, no
   * limit.
   */
  readonly rateBitsPerSecond?: number
  /**
   * The most bytes that wait to be sent; more are lost (drop-tail). Default 256 KiB, `Infinity`: no limit; matters only
   * with a rate.
   */
  readonly queueBytes?: number
}

const NO_LIMIT = "no limit"

export const LINK_OPTIONS: Kinds<LinkOptions> = {
  delayMs: DURATION,
  jitterMs: DURATION,
  lossRate: PROBABILITY,
  burst: group<BurstOptions>({
    enterRate: required(PROBABILITY),
    leaveRate: required(PROBABILITY),
    lossRate: required(PROBABILITY),
  }),
  dropList: {
    takes: "a list of whole numbers from 0",
    has: (value): value is readonly number[] => Array.isArray(value) && value.every((index) => INDEX.has(index)),
  },
  duplicateRate: PROBABILITY,
  reorderRate: PROBABILITY,
  reorderDelayMs: DURATION,
  corruptRate: PROBABILITY,
  replayRate: PROBABILITY,
  replayDelayMs: DURATION,
  mtuBytes: orInfinity(whole(0), NO_LIMIT),
  mtuSilent: FLAG,
  rateBitsPerSecond: orInfinity(positive(), NO_LIMIT),
  queueBytes: orInfinity(real(0), NO_LIMIT),
}

/** Headers of UDP, IPv4 and Ethernet, which a datagram costs too on a link with a rate. */
const OVERHEAD_BYTES = 46
const REORDER_DELAY_MS = 10
const REPLAY_DELAY_MS = 120_000

/** The fate of a datagram that was handed to a link. */
export type Fate = "delivered" | "lost" | "burst" | "listed" | "queue" | "mtu" | "partition" | "filtered"

/** One direction between two machines, with its counts. */
export class Link {
  /** Its options; another object replaces them from now on. */
  options: LinkOptions
  /** Datagrams handed to this direction so far. */
  sent = 0
  /** Datagrams so far, by their fate. */
  readonly counts: Record<Fate, number> = {
    delivered: 0,
    lost: 0,
    burst: 0,
    listed: 0,
    queue: 0,
    mtu: 0,
    partition: 0,
    filtered: 0,
  }
  /** Nothing gets through, as after `network.partition`. */
  blocked = false
  /** A generator of its own, so that one more datagram on a link changes nothing on another. */
  readonly #random: Random
  #isBad = false
  #freeAtMs = 0
  #lastArrivalMs = 0
  #cloggedUntilMs = 0

  /** Made by `network.linkOf(from, to)`. */
  constructor(options: LinkOptions, random: Random) {
    this.options = options
    this.#random = random
  }

  /** @internal Whether the datagram with this number gets through the losses and the queue. */
  admit(index: number, bytes: number, nowMs: number): Fate {
    const {
      lossRate = 0,
      burst,
      dropList,
      mtuBytes = Infinity,
      rateBitsPerSecond = Infinity,
      queueBytes = 262_144,
    } = this.options
    const random = this.#random
    if (this.blocked) return "partition"
    if (bytes > mtuBytes) return "mtu"
    if (dropList?.includes(index) === true) return "listed"
    if (burst !== undefined) {
      this.#isBad = this.#isBad ? !random.chance(burst.leaveRate) : random.chance(burst.enterRate)
      if (this.#isBad && random.chance(burst.lossRate)) return "burst"
    }
    if (random.chance(lossRate)) return "lost"
    if (rateBitsPerSecond !== Infinity) {
      const waitingBytes = (Math.max(0, this.#freeAtMs - nowMs) * rateBitsPerSecond) / 8_000
      if (waitingBytes + bytes > queueBytes) return "queue"
      this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + ((bytes + OVERHEAD_BYTES) * 8_000) / rateBitsPerSecond
    }
    return "delivered"
  }

  /** @internal When a datagram admitted now arrives. */
  arrivalMs(nowMs: number): number {
    const { delayMs = 0, jitterMs = 0, reorderRate = 0, rateBitsPerSecond = Infinity } = this.options
    const leavesMs = rateBitsPerSecond === Infinity ? nowMs : this.#freeAtMs
    const jitter = jitterMs > 0 ? this.#random.fraction() * jitterMs : 0
    const arrivesMs = Math.max(this.#lastArrivalMs, this.#cloggedUntilMs, leavesMs + delayMs + jitter)
    if (this.#random.chance(reorderRate)) return this.lateMs(arrivesMs)
    this.#lastArrivalMs = arrivesMs
    return arrivesMs
  }

  /** @internal Nothing admitted from now on arrives before `untilMs`. */
  clog(untilMs: number): void {
    this.#cloggedUntilMs = Math.max(this.#cloggedUntilMs, untilMs)
  }

  /** @internal When an old copy arrives; `undefined`: there is none. */
  replayMs(arrivesMs: number): number | undefined {
    const { replayRate = 0, replayDelayMs = REPLAY_DELAY_MS } = this.options
    return this.#random.chance(replayRate) ? arrivesMs + this.#random.fraction() * replayDelayMs : undefined
  }

  /** @internal When a datagram that is held back arrives. */
  lateMs(arrivesMs: number): number {
    return arrivesMs + this.#random.fraction() * (this.options.reorderDelayMs ?? REORDER_DELAY_MS)
  }

  /** @internal */
  duplicates(): boolean {
    return this.#random.chance(this.options.duplicateRate ?? 0)
  }

  /** @internal Flips one to three different bits of a datagram, if it is one to be corrupted. */
  corrupt(bytes: Uint8Array): void {
    if (bytes.length === 0 || !this.#random.chance(this.options.corruptRate ?? 0)) return
    const bits = new Set<number>()
    for (let flips = 1 + this.#random.below(3); flips > 0; flips--) bits.add(this.#random.below(8 * bytes.length))
    for (const bit of bits) bytes[bit >>> 3]! ^= 1 << (bit & 7)
  }
}
