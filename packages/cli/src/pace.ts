import { rateOf } from "./measure.ts"

/** Without progress for this long a transfer has stalled. Also the time over which a rate is measured; milliseconds. */
export const STALL_MS = 2_000
/** Milliseconds between two kept samples. */
const SAMPLE_MS = 100
/** The shortest time that gives a rate; milliseconds. */
const SETTLE_MS = 200

interface Sample {
  readonly ms: number
  readonly done: number
  readonly bytes: number
}

export interface Standing {
  readonly done: number
  /** Bytes per second over the last two seconds; `undefined`: it is too early to tell. */
  readonly rate: number | undefined
  /** Milliseconds to the total, at the pace of the last two seconds; `undefined`: unknown. */
  readonly leftMs: number | undefined
  /** Milliseconds since the last progress. */
  readonly idleMs: number
}

/** The speed of a transfer: now, and overall. The caller gives the time. */
export class Pace {
  readonly #startMs: number
  readonly #samples: Sample[]
  #last: Sample
  #from = 0

  /** `startMs`: when the whole began, preparations included. */
  constructor(startMs: number) {
    this.#startMs = startMs
    this.#last = { ms: startMs, done: 0, bytes: 0 }
    this.#samples = [this.#last]
  }

  /** This much was done before: it doesn't count for the rate. */
  startFrom(nowMs: number, done: number): void {
    this.#from = done
    this.#last = { ms: nowMs, done, bytes: done }
    this.#samples.splice(0, Infinity, this.#last)
  }

  update(nowMs: number, done: number, bytes: number): void {
    if (done === this.#last.done && bytes === this.#last.bytes) return
    this.#last = { ms: nowMs, done, bytes }
    if (nowMs - this.#samples.at(-1)!.ms >= SAMPLE_MS) this.#samples.push(this.#last)
  }

  at(nowMs: number, total: number | undefined): Standing {
    const samples = this.#samples
    const { done, bytes } = this.#last
    const idleMs = nowMs - this.#last.ms
    // Keeps the last sample before the two seconds: it is their start.
    while (samples.length > 1 && samples[1]!.ms <= nowMs - STALL_MS) samples.shift()
    const first = samples[0]!
    const ms = nowMs - first.ms
    if (idleMs >= STALL_MS) return { done, rate: 0, leftMs: undefined, idleMs }
    if (ms < SETTLE_MS) return { done, rate: undefined, leftMs: undefined, idleMs }
    const perMs = (done - first.done) / ms
    const leftMs = total !== undefined && perMs > 0 ? (total - done) / perMs : undefined
    return { done, rate: rateOf(bytes - first.bytes, ms), leftMs, idleMs }
  }

  /** The whole so far: how long it took, or `ms` if that is given, and its rate. */
  whole(nowMs: number, ms: number = nowMs - this.#startMs): { readonly ms: number; readonly rate: number | undefined } {
    return { ms, rate: rateOf(this.#last.bytes - this.#from, ms) }
  }
}
