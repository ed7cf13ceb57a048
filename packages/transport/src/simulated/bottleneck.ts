/**
 * The place of a path where datagrams wait for their turn: a rate, a queue, and who is dropped from it. A datagram's
 * turn is computed when it comes, so most datagrams cost no event here; when the rate changes, those that wait are
 * moved. Only CoDel has to see a datagram at its turn.
 *
 * @module
 */

import { ECN } from "../transport.ts"
import { group, type Kinds, orInfinity, positive, real, whole } from "../check.ts"
import { AQM_OPTIONS, type AqmOptions, Codel, Policer, POLICER_OPTIONS, type PolicerOptions, stepMs } from "./aqm.ts"
import { DURATION } from "./check.ts"
import { Fifo } from "./fifo.ts"
import { Passage, type Way } from "./passage.ts"
import { Random } from "./random.ts"
import { type Rate, RATE_SCHEDULE, type RateDraw, rateOf, type RateStep } from "./rate.ts"
import { Red } from "./red.ts"
import type { Arrival } from "./virtual-time.ts"

/** A rate and its queue. By default there is no limit. */
export interface BottleneckOptions {
  /**
   * Bits per second that it carries, headers of UDP, IPv4 and Ethernet included: above 0; default: `Infinity`, no
   * limit. After a change, what waits is sent at the new rate.
   */
  readonly rateBitsPerSecond?: number
  /**
   * A rate that changes by itself: at given times, or drawn anew from time to time. Before the first step it is
   * `rateBitsPerSecond`; if that isn't given, the rate of the first step.
   */
  readonly rateSchedule?: readonly RateStep[] | RateDraw
  /**
   * The most bytes that wait to be sent, headers and what is left of the one being sent included; what has no room is
   * lost (drop-tail). Default 256 KiB, `Infinity`: no limit; matters only with a rate.
   */
  readonly queueBytes?: number
  /**
   * The most datagrams in the queue, the one that is being sent included: 1 or more. Default `Infinity`: no limit;
   * matters only with a rate.
   */
  readonly queuePackets?: number
  /**
   * What has been sent leaves together, at multiples of this time: as with Wi-Fi, which sends one long frame instead of
   * many short ones. Milliseconds, default 0: each datagram leaves by itself.
   */
  readonly aggregationMs?: number
  /** Marks or drops before the queue is full; matters only with a rate. Default: none. */
  readonly aqm?: AqmOptions
  /** Drops what exceeds a rate, without a queue. Default: none. */
  readonly policer?: PolicerOptions
}

const NO_LIMIT = "no limit"

export const BOTTLENECK_OPTIONS: Kinds<BottleneckOptions> = {
  rateBitsPerSecond: orInfinity(positive(), NO_LIMIT),
  rateSchedule: RATE_SCHEDULE,
  queueBytes: orInfinity(real(0), NO_LIMIT),
  queuePackets: orInfinity(whole(1), NO_LIMIT),
  aggregationMs: DURATION,
  aqm: group(AQM_OPTIONS),
  policer: group(POLICER_OPTIONS),
}

/** Whether these options limit anything, so that a bottleneck is needed. */
export function limits({ rateBitsPerSecond, rateSchedule, aggregationMs, policer }: BottleneckOptions): boolean {
  if (rateSchedule !== undefined || policer !== undefined) return true
  return (rateBitsPerSecond ?? Infinity) !== Infinity || (aggregationMs ?? 0) > 0
}

/** Headers of UDP, IPv4 and Ethernet, which a datagram costs too. */
const OVERHEAD_BYTES = 46
const QUEUE_BYTES = 262_144

/** Why a bottleneck doesn't take a datagram. */
export type Refusal = "queue" | "policed" | "aqm"

/** What a bottleneck needs of virtual time. */
export interface Clock {
  readonly nowMs: number
  set(event: Arrival, atMs: number): void
}

/** How long datagrams waited before their first bit was sent. */
export interface Waits {
  /** Datagrams that have left. */
  readonly count: number
  /** The mean of their waits, milliseconds; 0 if none has left. */
  readonly meanMs: number
  /** The longest of their waits, milliseconds. */
  readonly maxMs: number
}

/** A rate and its queue, of one link or shared by several. Made by `network.bottleneck`, or by a link with a rate. */
export class Bottleneck {
  /** Datagrams that its AQM marked instead of dropping them. */
  marked = 0
  readonly #time: Clock
  readonly #seed: number
  readonly #label: string
  #options: BottleneckOptions = {}
  #rate: Rate | undefined
  #codel: Codel | undefined
  #red: Red | undefined
  #policer: Policer | undefined
  /** Those whose times are known, up to when they leave. */
  readonly #known = new Fifo<Passage>()
  /** Those whose turn CoDel has yet to judge. */
  readonly #unjudged = new Fifo<Passage>()
  #unjudgedBytes = 0
  /** With headers, of all that came. */
  #longestBytes = 0
  /** When the last bit of all that is known has been sent. */
  #freeMs = 0
  readonly #spare: Passage[] = []
  readonly #turn: Turn
  #leftBytes = 0
  #left = 0
  #waitedMs = 0
  #longestWaitMs = 0

  /** @internal `label`: what its random numbers follow from, besides the seed. */
  constructor(options: BottleneckOptions, time: Clock, seed: number, label: string) {
    this.#time = time
    this.#seed = seed
    this.#label = label
    this.#turn = new Turn(() => this.#serve())
    this.options = options
  }

  /** Its options. */
  get options(): BottleneckOptions {
    return this.#options
  }

  /** @internal Another object replaces them from now on. */
  set options(options: BottleneckOptions) {
    const before = this.#options
    this.#options = options
    const nowMs = this.#time.nowMs
    this.#trim()
    if (!isSame(before.policer, options.policer))
      this.#policer = options.policer === undefined ? undefined : new Policer(options.policer, nowMs)
    if (
      before.rateBitsPerSecond !== options.rateBitsPerSecond ||
      before.rateSchedule !== options.rateSchedule ||
      before.aggregationMs !== options.aggregationMs
    ) {
      const rate = this.#rate
      this.#rate = rateOf(options, this.#seed, this.#label)
      if (rate !== undefined) this.#resend(rate)
    }
    if (!isSame(before.aqm, options.aqm)) this.#manage(options.aqm)
    this.#serve()
  }

  #manage(aqm: AqmOptions | undefined): void {
    this.#codel = aqm?.kind === "codel" ? new Codel(aqm) : undefined
    this.#red = aqm?.kind === "red" ? new Red(aqm, new Random(this.#seed, `red of ${this.#label}`)) : undefined
  }

  /** Bytes that wait to be sent now, headers included, and what is left of the datagram that is being sent. */
  get waitingBytes(): number {
    const sending = this.#rate?.bytesBetween(this.#time.nowMs, Math.max(this.#freeMs, this.#time.nowMs)) ?? 0
    return sending + this.#unjudgedBytes
  }

  /** Datagrams in the queue now, the one that is being sent included. */
  get waitingPackets(): number {
    this.#trim()
    return this.#known.length + this.#unjudged.length
  }

  /** How long a datagram that came now would wait before its first bit is sent, milliseconds. */
  get waitMs(): number {
    const nowMs = this.#time.nowMs
    const freeMs = Math.max(this.#freeMs, nowMs)
    return (this.#unjudgedBytes > 0 ? this.#sentMs(freeMs, this.#unjudgedBytes) : freeMs) - nowMs
  }

  /** How long the datagrams that have left waited, since the last `resetWaits`. */
  get waits(): Waits {
    this.#trim()
    return { count: this.#left, meanMs: this.#left === 0 ? 0 : this.#waitedMs / this.#left, maxMs: this.#longestWaitMs }
  }

  /** Bytes that have left, headers included. */
  get leftBytes(): number {
    this.#trim()
    return this.#leftBytes
  }

  /** Begins `waits` anew, with the datagrams that leave from now on. */
  resetWaits(): void {
    this.#trim()
    this.#left = this.#waitedMs = this.#longestWaitMs = 0
  }

  /**
   * @internal Takes a datagram of this many bytes, without headers, with this mark, or says why not. `settle` has to
   * follow.
   */
  enter(way: Way, bytes: number, ecn: number): Passage | Refusal {
    const nowMs = this.#time.nowMs
    const wireBytes = bytes + OVERHEAD_BYTES
    this.#trim()
    if (this.#policer?.takes(wireBytes, nowMs) === false) return "policed"
    const { queueBytes = QUEUE_BYTES, queuePackets = Infinity, aqm } = this.#options
    let mark = ecn
    if (this.#rate !== undefined) {
      const isEarly =
        this.#red?.drops(this.#known.length + this.#unjudged.length, this.#idlePackets(this.#rate)) === true
      if (this.waitingBytes + bytes > queueBytes) return "queue"
      if (this.#known.length + this.#unjudged.length >= queuePackets) return "queue"
      if (isEarly || (aqm?.kind === "step" && this.#freeMs - nowMs > stepMs(aqm))) {
        if (!this.#mayMark(ecn)) return "aqm"
        mark = ECN.ce
        this.marked++
      }
    }
    const passage = (this.#spare.pop() ?? new Passage()).begin(way, wireBytes, mark, nowMs)
    this.#longestBytes = Math.max(this.#longestBytes, wireBytes)
    if (this.#codel !== undefined && this.#rate !== undefined) {
      passage.leavesMs = Infinity
      this.#unjudged.push(passage)
      this.#unjudgedBytes += wireBytes
    } else {
      this.#start(passage)
    }
    return passage
  }

  /** How many of the longest datagrams could have been sent since the last one was. */
  #idlePackets(rate: Rate): number {
    const nowMs = this.#time.nowMs
    return this.#longestBytes === 0 ? 0 : rate.bytesBetween(Math.min(this.#freeMs, nowMs), nowMs) / this.#longestBytes
  }

  /** @internal Sets when a passage that has begun goes on. */
  settle(passage: Passage): void {
    if (passage.leavesMs === Infinity) this.#serve()
    else passage.way!.goOn(passage)
  }

  /** Gives a passage its turn, behind all that are known. */
  #start(passage: Passage): void {
    passage.startsMs = Math.max(this.#freeMs, passage.enteredMs)
    this.#freeMs = passage.endsMs = this.#sentMs(passage.startsMs, passage.wireBytes)
    passage.leavesMs = this.#leavesMs(passage.endsMs)
    this.#known.push(passage)
  }

  /** Lets those go on whose turn has come, as far as CoDel doesn't drop them. */
  #serve(): void {
    const nowMs = this.#time.nowMs
    while (this.#unjudged.length > 0 && (this.#freeMs <= nowMs || this.#codel === undefined)) {
      const passage = this.#unjudged.shift()
      this.#unjudgedBytes -= passage.wireBytes
      if (this.#isDropped(passage, nowMs)) {
        passage.way!.drop(passage)
        this.#spare.push(passage)
        continue
      }
      this.#start(passage)
      passage.way!.goOn(passage)
    }
    if (this.#unjudged.length > 0) this.#time.set(this.#turn, this.#freeMs)
  }

  /** Whether a datagram with this mark is marked rather than dropped. */
  #mayMark(ecn: number): boolean {
    return ecn !== ECN.notEct && this.#options.aqm?.marks !== false
  }

  #isDropped(passage: Passage, nowMs: number): boolean {
    const isLong = this.#unjudgedBytes > this.#longestBytes
    if (this.#codel?.drops(nowMs - passage.enteredMs, isLong, nowMs) !== true) return false
    if (!this.#mayMark(passage.ecn)) return true
    passage.ecn = ECN.ce
    this.marked++
    return false
  }

  /** Sends what waits at the rate that it has now instead of the one before. */
  #resend(before: Rate): void {
    const nowMs = this.#time.nowMs
    const rewound = new Set<Way>()
    for (const passage of this.#known) {
      const way = passage.way!
      if (!rewound.has(way)) way.rewind(passage)
      rewound.add(way)
      if (passage.endsMs > nowMs) {
        const isBegun = passage.startsMs <= nowMs
        const leftBytes = isBegun ? before.bytesBetween(nowMs, passage.endsMs) : passage.wireBytes
        if (!isBegun) passage.startsMs = this.#freeMs
        this.#freeMs = passage.endsMs = this.#sentMs(isBegun ? nowMs : this.#freeMs, leftBytes)
      }
      passage.leavesMs = this.#leavesMs(passage.endsMs)
      way.goOn(passage)
    }
  }

  /** When the last of these bytes has been sent. */
  #sentMs(fromMs: number, bytes: number): number {
    return this.#rate === undefined ? fromMs : this.#rate.sentMs(fromMs, bytes)
  }

  #leavesMs(endsMs: number): number {
    const { aggregationMs = 0 } = this.#options
    return aggregationMs > 0 ? Math.ceil(endsMs / aggregationMs) * aggregationMs : endsMs
  }

  /** Forgets those that have left. */
  #trim(): void {
    const nowMs = this.#time.nowMs
    for (;;) {
      const passage = this.#known.first
      if (passage === undefined || passage.leavesMs > nowMs) return
      this.#known.shift()
      const waitMs = passage.startsMs - passage.enteredMs
      this.#left++
      this.#leftBytes += passage.wireBytes
      this.#waitedMs += waitMs
      this.#longestWaitMs = Math.max(this.#longestWaitMs, waitMs)
      this.#spare.push(passage)
    }
  }
}

function isSame<T extends object>(a: T | undefined, b: T | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  const names = Object.keys({ ...a, ...b }) as (keyof T)[]
  return names.every((name) => a[name] === b[name])
}

/** The turn of the next datagram that CoDel judges. */
class Turn implements Arrival {
  readonly kind = "arrival"
  atMs = 0
  order = 0
  index = -1
  readonly #serve: () => void

  constructor(serve: () => void) {
    this.#serve = serve
  }

  arrive(): void {
    this.#serve()
  }
}
