/**
 * How fast a bottleneck sends, and how that changes with time. A rate is fixed, or follows a schedule that is known
 * ahead: so a datagram's turn is computed when it comes, without an event for each step.
 *
 * @module
 */

import { type Kind, milliseconds, positive, real } from "../check.ts"
import { Random } from "./random.ts"

/** A step of a rate. */
export interface RateStep {
  /** From when on, virtual milliseconds since the network was made, as `network.now` tells them: 0 or more. */
  readonly atMs: number
  /** Bits per second from then on: above 0. */
  readonly bitsPerSecond: number
}

/** A rate that is drawn anew from time to time, uniformly, by the network's seed. All three options are required. */
export interface RateDraw {
  /** How long each drawn rate holds, milliseconds: 1 or more. */
  readonly everyMs: number
  /** The lowest rate, bits per second: above 0. */
  readonly minBitsPerSecond: number
  /** The highest rate, bits per second: `minBitsPerSecond` or more. */
  readonly maxBitsPerSecond: number
}

const STEP_MS = real(0)
const EVERY_MS = milliseconds(1)
const RATE = positive()

/** The steps of a schedule in the order of time, or how its rates are drawn. */
export const RATE_SCHEDULE: Kind<readonly RateStep[] | RateDraw> = {
  takes:
    "a list of steps { atMs, bitsPerSecond } in the order of time, or { everyMs, minBitsPerSecond, maxBitsPerSecond } " +
    "with everyMs from 1 and rates above 0",
  has: (value): value is readonly RateStep[] | RateDraw => (Array.isArray(value) ? areSteps(value) : isDraw(value)),
}

function areSteps(steps: readonly unknown[]): boolean {
  let lastMs = -1
  for (const step of steps) {
    if (!hasOnly(step, "atMs", "bitsPerSecond")) return false
    const { atMs, bitsPerSecond } = step
    if (!STEP_MS.has(atMs) || atMs <= lastMs || !RATE.has(bitsPerSecond)) return false
    lastMs = atMs
  }
  return steps.length > 0
}

function isDraw(value: unknown): boolean {
  if (!hasOnly(value, "everyMs", "minBitsPerSecond", "maxBitsPerSecond")) return false
  const { everyMs, minBitsPerSecond, maxBitsPerSecond } = value
  if (!EVERY_MS.has(everyMs) || !RATE.has(minBitsPerSecond) || !RATE.has(maxBitsPerSecond)) return false
  return minBitsPerSecond <= maxBitsPerSecond
}

function hasOnly(value: unknown, ...names: readonly string[]): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && Object.keys(value).every((name) => names.includes(name))
}

/** Bytes in a millisecond at one bit per second: 1 / 8,000. */
const BITS_PER_BYTE_SECOND = 8_000

/** A rate over time. It holds from `nextMs` of one time up to `nextMs` of the next. */
abstract class Rate {
  /** Bits per second at a time. */
  protected abstract at(ms: number): number
  /** When the rate of this time ends: later than `ms`; `Infinity`: never. */
  protected abstract endMs(ms: number): number

  /** Bytes that are sent from one time to another. */
  bytesBetween(fromMs: number, toMs: number): number {
    let bytes = 0
    let startMs = fromMs
    for (;;) {
      const endMs = this.endMs(startMs)
      if (endMs >= toMs) return bytes + ((toMs - startMs) * this.at(startMs)) / BITS_PER_BYTE_SECOND
      bytes += ((endMs - startMs) * this.at(startMs)) / BITS_PER_BYTE_SECOND
      startMs = endMs
    }
  }

  /** When the last of these bytes has been sent, if the first is sent at `fromMs`. */
  sentMs(fromMs: number, bytes: number): number {
    let left = bytes
    let startMs = fromMs
    for (;;) {
      const endMs = this.endMs(startMs)
      const rate = this.at(startMs)
      const sentMs = startMs + (left * BITS_PER_BYTE_SECOND) / rate
      if (sentMs <= endMs) return sentMs
      left -= ((endMs - startMs) * rate) / BITS_PER_BYTE_SECOND
      startMs = endMs
    }
  }
}

export type { Rate }

class FixedRate extends Rate {
  readonly #bitsPerSecond: number

  constructor(bitsPerSecond: number) {
    super()
    this.#bitsPerSecond = bitsPerSecond
  }

  protected override at(): number {
    return this.#bitsPerSecond
  }

  protected override endMs(): number {
    return Infinity
  }
}

class SteppedRate extends Rate {
  readonly #steps: readonly RateStep[]
  readonly #beforeBitsPerSecond: number
  /** How many steps had been taken at the time last asked for. */
  #taken = 0

  constructor(steps: readonly RateStep[], beforeBitsPerSecond: number) {
    super()
    this.#steps = steps.map(({ atMs, bitsPerSecond }) => ({ atMs, bitsPerSecond }))
    this.#beforeBitsPerSecond = beforeBitsPerSecond
  }

  protected override at(ms: number): number {
    this.#find(ms)
    return this.#taken === 0 ? this.#beforeBitsPerSecond : this.#steps[this.#taken - 1]!.bitsPerSecond
  }

  protected override endMs(ms: number): number {
    this.#find(ms)
    return this.#steps[this.#taken]?.atMs ?? Infinity
  }

  /** Times that are asked for lie near each other. */
  #find(ms: number): void {
    while (this.#taken < this.#steps.length && this.#steps[this.#taken]!.atMs <= ms) this.#taken++
    while (this.#taken > 0 && this.#steps[this.#taken - 1]!.atMs > ms) this.#taken--
  }
}

/** The most drawn rates that are kept. */
const DRAWN_MAX = 4_096

class DrawnRate extends Rate {
  readonly #draw: RateDraw
  readonly #seed: number
  readonly #label: string
  /** The rates of periods from `#firstDrawn` on. */
  #drawn: number[] = []
  #firstDrawn = 0

  constructor(draw: RateDraw, seed: number, label: string) {
    super()
    this.#draw = { ...draw }
    this.#seed = seed
    this.#label = label
  }

  protected override at(ms: number): number {
    const period = this.#periodOf(ms)
    const index = period - this.#firstDrawn
    if (index >= 0 && index < this.#drawn.length) return this.#drawn[index]!
    const bitsPerSecond = this.#drawnFor(period)
    if (index !== this.#drawn.length || index >= DRAWN_MAX) {
      this.#drawn = []
      this.#firstDrawn = period
    }
    this.#drawn.push(bitsPerSecond)
    return bitsPerSecond
  }

  protected override endMs(ms: number): number {
    return (this.#periodOf(ms) + 1) * this.#draw.everyMs
  }

  #periodOf(ms: number): number {
    const { everyMs } = this.#draw
    const period = Math.floor(ms / everyMs)
    // The end of a period is rounded, and so may be the quotient: a period must end after its times.
    return (period + 1) * everyMs > ms ? period : period + 1
  }

  /** By the number of the period, so that it doesn't matter at which times anything was sent. */
  #drawnFor(period: number): number {
    const { minBitsPerSecond, maxBitsPerSecond } = this.#draw
    const fraction = new Random(this.#seed, `${this.#label} ${period}`).fraction()
    return minBitsPerSecond + fraction * (maxBitsPerSecond - minBitsPerSecond)
  }
}

/** The options that a rate follows from. */
export interface RateOptions {
  readonly rateBitsPerSecond?: number
  readonly rateSchedule?: readonly RateStep[] | RateDraw
}

/** The rate that options ask for; `undefined`: no limit. A drawn one follows from the seed and the label. */
export function rateOf(options: RateOptions, seed: number, label: string): Rate | undefined {
  const { rateBitsPerSecond = Infinity, rateSchedule } = options
  if (rateSchedule === undefined) return rateBitsPerSecond === Infinity ? undefined : new FixedRate(rateBitsPerSecond)
  if (isDrawn(rateSchedule)) return new DrawnRate(rateSchedule, seed, label)
  const before = rateBitsPerSecond === Infinity ? rateSchedule[0]!.bitsPerSecond : rateBitsPerSecond
  return new SteppedRate(rateSchedule, before)
}

function isDrawn(schedule: readonly RateStep[] | RateDraw): schedule is RateDraw {
  return !Array.isArray(schedule)
}
