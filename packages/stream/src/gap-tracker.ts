/**
 * Tracks which packets are missing between the cumulative edge and the newest packet, since when, and when they were
 * asked for. It is an ascending list of ranges. Its length is charged and bounded: what would make it longer is refused
 * before, by `hasRoom` and `mayFill`, and may come again. The file is long, but one thing: all of it searches this one
 * list and changes it, several columns at a time, and nothing else has to know how it is kept.
 *
 * `ask` has six arguments: three times, and the bounds of the result. They change with each status, and an object for
 * each would cost more.
 *
 * @module
 */

import type { RangeList } from "@x/wire"
import { REORDER_PACKETS_MAX } from "./options.ts"
import { ChargedRows, ROWS_MAX } from "./receive/charged-rows.ts"

/**
 * Until reordering is seen, a gap may close within this part of a round trip. A packet that comes later is asked for in
 * vain once, and teaches how long to wait.
 */
const GRACE_SRTT = 1 / 16

/** A gap is listed once more, with the next status within this part of a round trip. */
const YOUNG_SRTT = 1 / 2

interface Gap {
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
  readonly message: number
}

/**
 * The missing packets of one stream: `[from, to)` ranges above the cumulative edge. Times are milliseconds of any one
 * clock.
 */
export class GapTracker {
  readonly #gaps: Gap[] = []
  #arrivals = 0
  #reorderPackets: number
  /** The longest that a packet was late without being lost. */
  #reorderMs = 0
  /** Where the last list of received packets stopped, if it was too short for all of them. */
  #toldTo = 0
  readonly #rows: ChargedRows
  #steps = 0

  constructor(reorderPackets: number, rows: ChargedRows = new ChargedRows()) {
    this.#reorderPackets = reorderPackets
    this.#rows = rows
  }

  /** Ranges that were looked at, so far: what all of this has cost. */
  get steps(): number {
    return this.#steps
  }

  /** Whether there may be so many ranges more, and one that the receiver itself makes at the front. */
  hasRoom(more: number): boolean {
    return this.#rows.fits(this.#gaps.length + more + 1)
  }

  /** Whether a missing packet may come: it may leave one range more than there was, two if it is held. */
  mayFill(number: number): boolean {
    const gap = this.#gaps[this.#find(number)]
    return gap === undefined || gap.from === number || gap.to === number + 1 || this.hasRoom(2)
  }

  /** Ranges of missing packets. Neighbours that were noticed at different times count as two. */
  get count(): number {
    return this.#gaps.length
  }

  /** Later packets to wait for before a gap counts as loss. */
  get reorderPackets(): number {
    return this.#reorderPackets
  }

  /** A packet arrived that was not asked for again. */
  arrived(): void {
    this.#arrivals++
  }

  /**
   * `[from, to)`, above all gaps so far, is missing. `isCertain`: the sender says that it sent them long ago, so there
   * is no reason to wait.
   */
  add(from: number, to: number, nowMs: number, isCertain: boolean): void {
    if (from >= to) return
    const last = this.#gaps.at(-1)
    // What was never waited for, and not asked for yet, is asked for together.
    if (isCertain && last?.to === from && last.noticedMs === -Infinity && last.askedMs === -Infinity) {
      last.to = to
      return
    }
    this.#gaps.push({
      from,
      to,
      noticedMs: isCertain ? -Infinity : nowMs,
      arrivalsBefore: this.#arrivals,
      askedMs: -Infinity,
      firstAskedMs: Infinity,
      isRepeated: false,
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
        isRepeated: false,
        message: -1,
      })
  }

  /** The lowest missing number; `Infinity`: nothing is missing. */
  get first(): number {
    return this.#gaps[0]?.from ?? Infinity
  }

  /** Whether the lowest missing packet must not be asked for until there is room. */
  get isFirstHeld(): boolean {
    return this.#gaps[0]?.askedMs === Infinity
  }

  /** Where the lowest range of missing packets ends; `Infinity`: nothing is missing. */
  get firstEnd(): number {
    return this.#gaps[0]?.to ?? Infinity
  }

  /** Whether a packet is missing. */
  has(number: number): boolean {
    return this.#find(number) >= 0
  }

  /**
   * None of `[from, to)` will come any more. Returns whether that could be noted: within one range, it makes two of it.
   */
  remove(from: number, to: number): boolean {
    const gaps = this.#gaps
    let i = this.#firstEndingAfter(from)
    const first = gaps[i]
    if (first !== undefined && first.from < from) {
      if (first.to > to) {
        if (!this.hasRoom(1)) return false
        gaps.splice(i + 1, 0, { ...first, from: to })
      }
      first.to = from
      i++
    }
    let end = i
    while (end < gaps.length && gaps[end]!.to <= to) end++
    this.#steps += end - i
    gaps.splice(i, end - i)
    const last = gaps[i]
    if (last !== undefined && last.from < to) last.from = to
    this.#rows.keep(gaps.length)
    return true
  }

  /** Forgets all. */
  clear(): void {
    this.#gaps.length = 0
    this.#rows.keep(0)
  }

  /** A missing packet came, but there was no room for it or for its message: it is not asked for until `release`. */
  hold(number: number, message: number = -1): void {
    const i = this.#find(number)
    if (i < 0) return
    const gap = this.#gaps[i]!
    const parts: Gap[] = []
    if (gap.from < number) parts.push({ ...gap, to: number })
    parts.push({ ...gap, from: number, to: number + 1, askedMs: Infinity, message })
    if (number + 1 < gap.to) parts.push({ ...gap, from: number + 1 })
    // Without room for its own range it stays among those that are asked for now and then.
    if (parts.length > 1 && !this.hasRoom(parts.length - 1)) return
    this.#gaps.splice(i, 1, ...parts)
  }

  /**
   * There is room again: all held packets are asked for at once; with `isTrial` only one, to see whether there is room.
   */
  release(isTrial: boolean): void {
    this.#steps += this.#gaps.length
    for (const gap of this.#gaps) {
      if (gap.askedMs !== Infinity) continue
      gap.askedMs = -Infinity
      gap.noticedMs = -Infinity
      if (isTrial) return
    }
  }

  /** There is room for the rest of a message: its held packets are asked for at once. */
  releaseOf(message: number): boolean {
    let isAny = false
    this.#steps += this.#gaps.length
    for (const gap of this.#gaps) {
      if (gap.askedMs !== Infinity || gap.message !== message) continue
      gap.askedMs = gap.noticedMs = -Infinity
      isAny = true
    }
    return isAny
  }

  /**
   * A missing packet came after all. `rttMinMs`: packets asked for more recently than this can't have been sent again
   * yet.
   */
  fill(number: number, nowMs: number, rttMinMs: number): void {
    const i = this.#find(number)
    if (i < 0) return
    const gap = this.#gaps[i]!
    const isHeld = gap.askedMs === Infinity
    if (!isHeld && gap.noticedMs !== -Infinity && nowMs < gap.firstAskedMs + rttMinMs)
      this.#learn(this.#arrivals - gap.arrivalsBefore, nowMs - gap.noticedMs)
    if (gap.from === number) {
      gap.from++
      if (gap.from === gap.to) {
        this.#gaps.splice(i, 1)
        this.#rows.keep(this.#gaps.length)
      }
    } else if (gap.to === number + 1) {
      gap.to--
    } else {
      this.#gaps.splice(i + 1, 0, { ...gap, from: number + 1 })
      gap.to = number
    }
  }

  /** A packet came late, without having been asked for: reordering. From now on wait for as much reordering. */
  #learn(packets: number, ms: number): void {
    this.#reorderPackets = Math.max(this.#reorderPackets, Math.min(packets + 1, REORDER_PACKETS_MAX))
    this.#reorderMs = Math.max(this.#reorderMs, ms)
  }

  /** How long to wait for the packets of a gap to come by themselves: as long as any were late, and a little more. */
  graceMs(srttMs: number): number {
    // Reordering by more than an RTT can be told from loss only by waiting as long as a repair would take.
    return Math.max(GRACE_SRTT * srttMs, Math.min(this.#reorderMs * 1.25, srttMs))
  }

  // Deadlines are compared in the form in which `dueMs` computes them. A difference would round the other way: the gap
  // would be due without being lost.
  #isLost(gap: Gap, nowMs: number, graceMs: number): boolean {
    return this.#arrivals - gap.arrivalsBefore >= this.#reorderPackets || nowMs >= gap.noticedMs + graceMs
  }

  /** When something below `end` will have to be asked for, if nothing else comes; −Infinity: now. */
  dueMs(srttMs: number, repeatMs: number, end: number = Infinity): number {
    const graceMs = this.graceMs(srttMs)
    let due = Infinity
    for (const gap of this.#gaps) {
      this.#steps++
      if (gap.from >= end) break
      if (gap.askedMs !== -Infinity) due = Math.min(due, gap.askedMs + repeatMs)
      else if (this.#arrivals - gap.arrivalsBefore >= this.#reorderPackets) return -Infinity
      else due = Math.min(due, gap.noticedMs + graceMs)
    }
    return due
  }

  /**
   * Fills in which ranges below `end` to ask for now, oldest first, at most `rangesMax`, and counts them as asked for;
   * and those asked for a moment ago, once more. Returns whether there are any of the first kind.
   */
  ask(
    nowMs: number,
    srttMs: number,
    repeatMs: number,
    missing: RangeList,
    rangesMax: number,
    end: number = Infinity,
  ): boolean {
    const graceMs = this.graceMs(srttMs)
    missing.count = 0
    let isAsking = false
    this.#splitAt(end)
    for (const gap of this.#gaps) {
      this.#steps++
      if (missing.count >= rangesMax || gap.from >= end) break
      if (gap.askedMs === -Infinity ? this.#isLost(gap, nowMs, graceMs) : nowMs >= gap.askedMs + repeatMs) {
        gap.askedMs = nowMs
        gap.firstAskedMs = Math.min(gap.firstAskedMs, nowMs)
        gap.isRepeated = false
        isAsking = true
      } else if (isYoung(gap, nowMs, srttMs)) {
        gap.isRepeated = true
      } else continue
      append(missing, gap.from, Math.min(gap.to, end))
    }
    return isAsking
  }

  /** A gap that extends past this number becomes two, so that its parts can be asked for at different times. */
  #splitAt(number: number): void {
    if (number === Infinity) return
    const i = this.#find(number)
    if (i < 0 || this.#gaps[i]!.from === number || !this.hasRoom(1)) return
    const gap = this.#gaps[i]!
    this.#gaps.splice(i + 1, 0, { ...gap, from: number })
    gap.to = number
  }

  /**
   * The number that lies after this many missing packets. Those from `high` on were not sent yet, and count as missing
   * too.
   */
  behind(packets: number, high: number): number {
    let left = packets
    for (const { from, to } of this.#gaps) {
      this.#steps++
      if (to - from > left) return from + left
      left -= to - from
    }
    return high + left
  }

  /**
   * Fills in the received ranges between the edge and `high`, lowest first, at most `rangesMax`. `goesOn`: if the last
   * list was too short for all, begin with the ranges that it had no room for.
   */
  received(edge: number, high: number, received: RangeList, rangesMax: number, goesOn: boolean = false): void {
    received.count = 0
    const told = goesOn ? this.#toldTo : 0
    this.#toldTo = 0
    let from = edge
    for (const gap of this.#gaps) {
      this.#steps++
      if (received.count >= rangesMax) break
      if (gap.from > from && from >= told) append(received, from, gap.from)
      from = gap.to
    }
    if (received.count >= rangesMax) this.#toldTo = lastEdge(received)
    else if (high > from) append(received, from, high)
  }

  /** The index of the gap that holds a number, or −1. */
  #find(number: number): number {
    const i = this.#firstEndingAfter(number)
    return i < this.#gaps.length && this.#gaps[i]!.from <= number ? i : -1
  }

  /** The index of the first gap that ends after a number. */
  #firstEndingAfter(number: number): number {
    let low = 0
    let high = this.#gaps.length
    while (low < high) {
      this.#steps++
      const middle = (low + high) >> 1
      if (this.#gaps[middle]!.to <= number) low = middle + 1
      else high = middle
    }
    return low
  }

  /** For tests: throws an `Error` if the list isn't ascending, or leaves `[edge, high)`. */
  assertInvariants(edge: number, high: number): void {
    // Gaps noticed at different times may touch.
    let before = edge
    if (this.#gaps.length > ROWS_MAX) throw new Error(`${this.#gaps.length} gaps are more than the most`)
    for (const { from, to } of this.#gaps) {
      if (!(from >= before && to > from && to <= high))
        throw new Error(`gap [${from}, ${to}) does not fit behind ${before} and below ${high}`)
      before = to
    }
  }
}

/**
 * Whether a gap was asked for a moment ago, and only once: long before what is sent again can come. Its sender, if it
 * has heard the first time, knows that it hears the same again.
 */
function isYoung({ askedMs, isRepeated }: Gap, nowMs: number, srttMs: number): boolean {
  return !isRepeated && nowMs > askedMs && nowMs <= askedMs + YOUNG_SRTT * srttMs
}

/** Gaps that were split by a packet between them can touch; the ranges of a list are maximal. */
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

/** Where the last range ends; 0: there are none. */
export function lastEdge({ count, edges }: RangeList): number {
  return count === 0 ? 0 : edges[2 * count - 1]!
}
