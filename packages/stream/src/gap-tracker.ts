/**
 * Which packets are missing between the cumulative edge and the newest, since when, and when they were asked for. A
 * list of ranges, ascending; its length is bounded by the spread, whatever arrives.
 *
 * `ask` has six arguments: three times and what bounds the answer, told with each status, without an object for each.
 *
 * @module
 */

import type { RangeList } from "@x/wire"
import { REORDER_PACKETS_MAX } from "./options.ts"

interface Gap {
  from: number
  to: number
  /** When a later packet showed that it is missing. */
  noticedMs: number
  /** Packets that had come by then. */
  readonly arrivalsBefore: number
  /** When it was last asked for; −Infinity: not yet; Infinity: it is not to be asked for before there is room. */
  askedMs: number
  /** When it was asked for the first time; Infinity: not yet. */
  firstAskedMs: number
  /** The message whose piece was refused, while it is not to be asked for; else it says nothing. */
  readonly message: number
}

/**
 * The missing packets of one stream: `[from, to)` ranges above the cumulative edge. Times are milliseconds of one
 * clock, whichever.
 */
export class GapTracker {
  readonly #gaps: Gap[] = []
  #arrivals = 0
  #reorderPackets: number
  /** Longest that a packet was late without being lost. */
  #reorderMs = 0
  /** How far the last list told what is there, if it was too short for all. */
  #toldTo = 0

  constructor(reorderPackets: number) {
    this.#reorderPackets = reorderPackets
  }

  /** Ranges of missing packets; neighbours that were noticed at different times are two. */
  get count(): number {
    return this.#gaps.length
  }

  /** Later packets to wait for before a gap counts as loss. */
  get reorderPackets(): number {
    return this.#reorderPackets
  }

  /** A packet came that was not asked for again. */
  arrived(): void {
    this.#arrivals++
  }

  /**
   * `[from, to)`, above all gaps so far, is missing. `isCertain`: the sender says it was sent long ago, so there is
   * nothing to wait for.
   */
  add(from: number, to: number, nowMs: number, isCertain: boolean): void {
    if (from >= to) return
    this.#gaps.push({
      from,
      to,
      noticedMs: isCertain ? -Infinity : nowMs,
      arrivalsBefore: this.#arrivals,
      askedMs: -Infinity,
      firstAskedMs: Infinity,
      message: -1,
    })
  }

  /** The packet at the cumulative edge, below all gaps, is missing again. */
  addFront(number: number): void {
    const first = this.#gaps[0]
    if (first?.from === number + 1) first.from = number
    else if (first?.from !== number)
      this.#gaps.unshift({
        from: number,
        to: number + 1,
        noticedMs: -Infinity,
        arrivalsBefore: this.#arrivals,
        askedMs: -Infinity,
        firstAskedMs: Infinity,
        message: -1,
      })
  }

  /** The lowest missing number; `Infinity`: nothing is missing. */
  get first(): number {
    return this.#gaps[0]?.from ?? Infinity
  }

  /** Whether the lowest is not to be asked for before there is room. */
  get isFirstHeld(): boolean {
    return this.#gaps[0]?.askedMs === Infinity
  }

  /** Where the lowest stretch of missing packets ends; `Infinity`: nothing is missing. */
  get firstEnd(): number {
    return this.#gaps[0]?.to ?? Infinity
  }

  /** Whether a packet is missing. */
  has(number: number): boolean {
    return this.#find(number) >= 0
  }

  /** Nothing of `[from, to)` will come any more. */
  remove(from: number, to: number): void {
    const gaps = this.#gaps
    let i = 0
    while (i < gaps.length && gaps[i]!.to <= from) i++
    while (i < gaps.length && gaps[i]!.from < to) {
      const gap = gaps[i]!
      if (gap.from < from && gap.to > to) {
        gaps.splice(i + 1, 0, { ...gap, from: to })
        gap.to = from
        return
      }
      if (gap.from < from) {
        gap.to = from
        i++
      } else if (gap.to > to) {
        gap.from = to
        return
      } else {
        gaps.splice(i, 1)
      }
    }
  }

  /** A missing packet came and there was no room for it, or its message: it is not asked for until `release`. */
  hold(number: number, message: number = -1): void {
    const i = this.#find(number)
    if (i < 0) return
    const gap = this.#gaps[i]!
    const parts: Gap[] = []
    if (gap.from < number) parts.push({ ...gap, to: number })
    parts.push({ ...gap, from: number, to: number + 1, askedMs: Infinity, message })
    if (number + 1 < gap.to) parts.push({ ...gap, from: number + 1 })
    this.#gaps.splice(i, 1, ...parts)
  }

  /** There is room again: what was held is asked for at once; or one of it, to see whether there is. */
  release(isTrial: boolean): void {
    for (const gap of this.#gaps) {
      if (gap.askedMs !== Infinity) continue
      gap.askedMs = -Infinity
      gap.noticedMs = -Infinity
      if (isTrial) return
    }
  }

  /** There is room for the rest of a message: what was held of it is asked for at once. */
  releaseOf(message: number): boolean {
    let isAny = false
    for (const gap of this.#gaps) {
      if (gap.askedMs !== Infinity || gap.message !== message) continue
      gap.askedMs = gap.noticedMs = -Infinity
      isAny = true
    }
    return isAny
  }

  /** A missing packet came after all. `rttMinMs`: what was asked for less long ago can't have been sent again. */
  fill(number: number, nowMs: number, rttMinMs: number): void {
    const i = this.#find(number)
    if (i < 0) return
    const gap = this.#gaps[i]!
    const isHeld = gap.askedMs === Infinity
    if (!isHeld && gap.noticedMs !== -Infinity && nowMs < gap.firstAskedMs + rttMinMs)
      this.#learn(this.#arrivals - gap.arrivalsBefore, nowMs - gap.noticedMs)
    if (gap.from === number) {
      gap.from++
      if (gap.from === gap.to) this.#gaps.splice(i, 1)
    } else if (gap.to === number + 1) {
      gap.to--
    } else {
      this.#gaps.splice(i + 1, 0, { ...gap, from: number + 1 })
      gap.to = number
    }
  }

  /** It came late and by itself: reordering. Waits for as much of it from now on. */
  #learn(packets: number, ms: number): void {
    this.#reorderPackets = Math.max(this.#reorderPackets, Math.min(packets + 1, REORDER_PACKETS_MAX))
    this.#reorderMs = Math.max(this.#reorderMs, ms)
  }

  /** How long to wait for a gap's packets by themselves. */
  graceMs(srttMs: number): number {
    // Reordering by more than an RTT is told from loss only by waiting as long as a repair would take.
    return Math.max(srttMs / 4, Math.min(this.#reorderMs * 1.25, srttMs))
  }

  // Deadlines are compared as `dueMs` sums them up: the difference would round the other way, and be due without being
  // lost.
  #isLost(gap: Gap, nowMs: number, graceMs: number): boolean {
    return this.#arrivals - gap.arrivalsBefore >= this.#reorderPackets || nowMs >= gap.noticedMs + graceMs
  }

  /** When there will be something to ask for of what lies below `end`, if nothing else comes; −Infinity: now. */
  dueMs(srttMs: number, repeatMs: number, end: number = Infinity): number {
    const graceMs = this.graceMs(srttMs)
    let due = Infinity
    for (const gap of this.#gaps) {
      if (gap.from >= end) break
      if (gap.askedMs !== -Infinity) due = Math.min(due, gap.askedMs + repeatMs)
      else if (this.#arrivals - gap.arrivalsBefore >= this.#reorderPackets) return -Infinity
      else due = Math.min(due, gap.noticedMs + graceMs)
    }
    return due
  }

  /**
   * Fills in what to ask for now of what lies below `end`, at most so many ranges, oldest first, and counts it as
   * asked.
   */
  ask(
    nowMs: number,
    srttMs: number,
    repeatMs: number,
    missing: RangeList,
    rangesMax: number,
    end: number = Infinity,
  ): void {
    const graceMs = this.graceMs(srttMs)
    missing.count = 0
    this.#splitAt(end)
    for (const gap of this.#gaps) {
      if (missing.count >= rangesMax || gap.from >= end) return
      if (gap.askedMs === -Infinity ? !this.#isLost(gap, nowMs, graceMs) : nowMs < gap.askedMs + repeatMs) continue
      gap.askedMs = nowMs
      gap.firstAskedMs = Math.min(gap.firstAskedMs, nowMs)
      append(missing, gap.from, gap.to)
    }
  }

  /** A gap that goes past this becomes two, so that its parts can be asked for at different times. */
  #splitAt(number: number): void {
    if (number === Infinity) return
    const i = this.#find(number)
    if (i < 0 || this.#gaps[i]!.from === number) return
    const gap = this.#gaps[i]!
    this.#gaps.splice(i + 1, 0, { ...gap, from: number })
    gap.to = number
  }

  /** Behind so many missing packets; those from `high` on were not sent yet, and count as missing too. */
  behind(packets: number, high: number): number {
    let left = packets
    for (const { from, to } of this.#gaps) {
      if (to - from > left) return from + left
      left -= to - from
    }
    return high + left
  }

  /**
   * Fills in what is there between the edge and `high`, at most so many ranges, oldest first. `goesOn`: where the list
   * before was too short for all, those that it had no place for.
   */
  received(edge: number, high: number, received: RangeList, rangesMax: number, goesOn: boolean = false): void {
    received.count = 0
    const told = goesOn ? this.#toldTo : 0
    this.#toldTo = 0
    let from = edge
    for (const gap of this.#gaps) {
      if (received.count >= rangesMax) break
      if (gap.from > from && from >= told) append(received, from, gap.from)
      from = gap.to
    }
    if (received.count >= rangesMax) this.#toldTo = lastEdge(received)
    else if (high > from) append(received, from, high)
  }

  /** The index of the gap that holds a number, or −1. */
  #find(number: number): number {
    let low = 0
    let high = this.#gaps.length - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const gap = this.#gaps[middle]!
      if (number < gap.from) high = middle - 1
      else if (number >= gap.to) low = middle + 1
      else return middle
    }
    return -1
  }

  /** For tests: throws an `Error` where the list isn't ascending, or leaves `[edge, high)`. */
  assertInvariants(edge: number, high: number): void {
    // Gaps noticed at different times may touch.
    let before = edge
    for (const { from, to } of this.#gaps) {
      if (!(from >= before && to > from && to <= high))
        throw new Error(`gap [${from}, ${to}) does not fit behind ${before} and below ${high}`)
      before = to
    }
  }
}

/** Gaps that were split by what came between them can touch; a list's ranges are maximal. */
export function append(list: RangeList, from: number, to: number): void {
  const { edges, count } = list
  if (count > 0 && edges[2 * count - 1] === from) {
    edges[2 * count - 1] = to
    return
  }
  edges[2 * count] = from
  edges[2 * count + 1] = to
  list.count++
}

/** Where the last range ends; 0: there is none. */
export function lastEdge({ count, edges }: RangeList): number {
  return count === 0 ? 0 : edges[2 * count - 1]!
}
