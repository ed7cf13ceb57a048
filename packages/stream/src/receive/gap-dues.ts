/**
 * One range of missing packets, and when the first of many such ranges has to be asked for.
 *
 * @module
 */

import { ZERO } from "@x/wire"
import { Least } from "./least.ts"

/** A gap is listed once more, with the next status within this part of a round trip. */
export const YOUNG_SRTT: number = 1 / 2

/** A range of missing packets that were noticed, and asked for, at one time. */
export interface Gap {
  from: number
  to: number
  /** When a later packet showed that these are missing. */
  noticedMs: number
  /** Packets that had arrived by then. */
  readonly arrivalsBefore: number
  /** When they were last asked for. −Infinity: not yet. Infinity: they must not be asked for until there is room. */
  askedMs: number
  /** When they were first asked for; Infinity: not yet. */
  firstAskedMs: number
  /** Whether it was listed once more, with another status: the one that asked may be lost. */
  isRepeated: boolean
  /** The message whose piece was refused, while the gap must not be asked for; meaningless otherwise. */
  message: number
}

/** Gaps that weren't asked for. `noticedMs` −Infinity: nothing is waited for. All gaps are made here, of one shape. */
export function newGap(from: number, to: number, noticedMs: number, arrivalsBefore: number): Gap {
  return {
    from,
    to: ZERO + to,
    noticedMs,
    arrivalsBefore,
    askedMs: -Infinity,
    firstAskedMs: Infinity,
    isRepeated: false,
    message: -1,
  }
}

/** A part of a gap, with all that is known of the gap. */
export function partOf(gap: Gap, from: number, to: number): Gap {
  const part = newGap(from, to, gap.noticedMs, gap.arrivalsBefore)
  part.askedMs = gap.askedMs
  part.firstAskedMs = gap.firstAskedMs
  part.isRepeated = gap.isRepeated
  part.message = gap.message
  return part
}

/**
 * Whether a gap was asked for a moment ago, and only once: long before what is sent again can come. Its sender, if it
 * has heard the first time, knows that it hears the same again.
 */
export function isYoung({ askedMs, isRepeated }: Gap, nowMs: number, srttMs: number): boolean {
  return !isRepeated && nowMs > askedMs && nowMs <= askedMs + YOUNG_SRTT * srttMs
}

/** What decides when a gap is asked for, besides its own times. */
export interface Patience {
  /** Packets that have arrived so far, and after how many later ones a gap counts as loss. */
  readonly arrivals: number
  readonly reorderPackets: number
  /** How long to wait for a gap to close by itself, and before it is asked for again. */
  readonly graceMs: number
  readonly repeatMs: number
}

/** When a gap is to be asked for; −Infinity: now. */
export function dueOf(gap: Gap, { arrivals, reorderPackets, graceMs, repeatMs }: Patience): number {
  // Deadlines are compared as sums. A difference would round the other way: the gap would be due without being lost.
  if (gap.askedMs !== -Infinity) return gap.askedMs + repeatMs
  return arrivals - gap.arrivalsBefore >= reorderPackets ? -Infinity : gap.noticedMs + graceMs
}

/** The least times of all gaps of a list, kept up to date as gaps come, change and go. */
export class GapDues {
  readonly #asked = new Least()
  readonly #noticed = new Least()
  readonly #arrivalsBefore = new Least()

  /** Whether they are known: otherwise all gaps have to be added anew, after `clear`. */
  get isKnown(): boolean {
    return this.#asked.isKnown && this.#noticed.isKnown && this.#arrivalsBefore.isKnown
  }

  clear(): void {
    this.#asked.clear()
    this.#noticed.clear()
    this.#arrivalsBefore.clear()
  }

  /** These are all, whatever was known before. */
  rebuild(gaps: readonly Gap[]): void {
    this.clear()
    // Most of a long list were asked for, many of them together: a look is all that each costs.
    let leastMs = Infinity
    let count = 0
    let noticedMs = Infinity
    for (const gap of gaps) {
      const { askedMs } = gap
      if (askedMs > leastMs) continue
      if (askedMs === -Infinity) {
        // What was noticed later had no fewer packets before it.
        if (gap.noticedMs > noticedMs) continue
        this.add(gap)
        ;({ noticedMs } = gap)
      } else if (askedMs === leastMs) count++
      else {
        leastMs = askedMs
        count = 1
      }
    }
    this.#asked.set(leastMs, count)
  }

  /** A gap is there, with these times. */
  add({ askedMs, noticedMs, arrivalsBefore }: Gap): void {
    if (askedMs !== -Infinity) return this.#asked.add(askedMs)
    this.#noticed.add(noticedMs)
    this.#arrivalsBefore.add(arrivalsBefore)
  }

  /** A gap that was added is gone, or is about to have other times. */
  remove({ askedMs, noticedMs, arrivalsBefore }: Gap): void {
    if (askedMs !== -Infinity) return this.#asked.remove(askedMs)
    this.#noticed.remove(noticedMs)
    this.#arrivalsBefore.remove(arrivalsBefore)
  }

  /** When the first gap is to be asked for, as `dueOf` tells of each. */
  dueMs({ arrivals, reorderPackets, graceMs, repeatMs }: Patience): number {
    if (arrivals - this.#arrivalsBefore.value >= reorderPackets) return -Infinity
    return Math.min(this.#asked.value + repeatMs, this.#noticed.value + graceMs)
  }
}
