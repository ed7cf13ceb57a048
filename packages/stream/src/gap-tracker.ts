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

import { ZERO, type RangeList } from "@x/wire"
import { REORDER_PACKETS_MAX } from "./options.ts"
import { append, lastEdge } from "./receive/append.ts"
import { ChargedRows, ROWS_MAX } from "./receive/charged-rows.ts"
import { dueOf, type Gap, GapDues, isYoung, newGap, partOf, type Patience, YOUNG_SRTT } from "./receive/gap-dues.ts"

/**
 * Until reordering is seen, a gap may close within this part of a round trip. A packet that comes later is asked for in
 * vain once, and teaches how long to wait.
 */
const GRACE_SRTT = 1 / 16
/** What is asked for in vain is asked for again after this part of the time since the first time, at the latest after a second. */
const VAIN_REPEAT = 1 / 8
const VAIN_REPEAT_MS_MAX = 1_000

/**
 * The missing packets of one stream: `[from, to)` ranges above the cumulative edge. Times are milliseconds of any one
 * clock.
 */
export class GapTracker {
  readonly #gaps: Gap[] = []
  /** Their times; absent until there is one. */
  #dues: GapDues | undefined
  /** When anything was last asked for. */
  #askedMs = -Infinity
  #arrivals = ZERO
  #reorderPackets: number
  /** The longest that a packet was late without being lost. */
  #reorderMs = ZERO
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
    const gap = newGap(from, to, isCertain ? -Infinity : nowMs, this.#arrivals)
    this.#gaps.push(gap)
    this.#track(gap)
  }

  /** The packet at the cumulative edge, below all gaps, is missing again. */
  addFront(number: number): void {
    const first = this.#gaps[0]
    if (first?.from === number) return
    if (first?.from === number + 1) return void (first.from = number)
    const gap = newGap(number, number + 1, -Infinity, this.#arrivals)
    this.#gaps.unshift(gap)
    this.#track(gap)
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
        this.#insert(i + 1, partOf(first, to, first.to))
      }
      first.to = from
      i++
    }
    let end = i
    for (; end < gaps.length && gaps[end]!.to <= to; end++) this.#dues?.remove(gaps[end]!)
    this.#steps += end - i
    if (end > i) gaps.splice(i, end - i)
    const last = gaps[i]
    if (last !== undefined && last.from < to) last.from = to
    this.#rows.keep(gaps.length)
    return true
  }

  #track(gap: Gap): void {
    this.#dues ??= new GapDues()
    this.#dues.add(gap)
  }

  #insert(at: number, gap: Gap): void {
    this.#gaps.splice(at, 0, gap)
    this.#track(gap)
  }

  /** Forgets all. */
  clear(): void {
    this.#gaps.length = 0
    this.#dues?.clear()
    this.#rows.keep(0)
  }

  /** A missing packet came, but there was no room for it or for its message: it is not asked for until `release`. */
  hold(number: number, message: number = -1): void {
    const i = this.#find(number)
    if (i < 0) return
    const gap = this.#gaps[i]!
    const parts: Gap[] = []
    if (gap.from < number) parts.push(partOf(gap, gap.from, number))
    const held = partOf(gap, number, number + 1)
    held.askedMs = Infinity
    held.message = message
    parts.push(held)
    if (number + 1 < gap.to) parts.push(partOf(gap, number + 1, gap.to))
    // Without room for its own range it stays among those that are asked for now and then.
    if (parts.length > 1 && !this.hasRoom(parts.length - 1)) return
    this.#dues?.remove(gap)
    this.#gaps.splice(i, 1, ...parts)
    for (const part of parts) this.#track(part)
  }

  /**
   * There is room again: all held packets are asked for at once; with `isTrial` only one, to see whether there is room.
   */
  release(isTrial: boolean): void {
    this.#steps += this.#gaps.length
    for (const gap of this.#gaps) {
      if (gap.askedMs !== Infinity) continue
      this.#release(gap)
      if (isTrial) return
    }
  }

  /** There is room for the rest of a message: its held packets are asked for at once. */
  releaseOf(message: number): boolean {
    let isAny = false
    this.#steps += this.#gaps.length
    for (const gap of this.#gaps) {
      if (gap.askedMs !== Infinity || gap.message !== message) continue
      this.#release(gap)
      isAny = true
    }
    return isAny
  }

  /** What was asked for at this time or later may have gone astray: it is asked for at once, as if for the first time. */
  askAgain(strayMs: number): void {
    this.#steps += this.#gaps.length
    for (const gap of this.#gaps) {
      if (gap.askedMs < strayMs || gap.askedMs === Infinity) continue
      this.#dues?.remove(gap)
      this.#release(gap)
    }
  }

  #release(gap: Gap): void {
    gap.askedMs = gap.noticedMs = -Infinity
    gap.firstAskedMs = Infinity
    this.#track(gap)
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
        this.#dues?.remove(gap)
        this.#gaps.splice(i, 1)
        this.#rows.keep(this.#gaps.length)
      }
    } else if (gap.to === number + 1) {
      gap.to--
    } else {
      this.#insert(i + 1, partOf(gap, number + 1, gap.to))
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

  #patience(srttMs: number, repeatMs: number): Patience {
    const graceMs = this.graceMs(srttMs)
    return {
      arrivals: this.#arrivals,
      reorderPackets: this.#reorderPackets,
      graceMs: ZERO + graceMs,
      repeatMs: ZERO + repeatMs,
    }
  }

  /** When something below `end` will have to be asked for, if nothing else comes; −Infinity: now. */
  dueMs(srttMs: number, repeatMs: number, end: number = Infinity): number {
    const patience = this.#patience(srttMs, repeatMs)
    if (end === Infinity) return this.#knownDues()?.dueMs(patience) ?? Infinity
    let due = Infinity
    for (const gap of this.#gaps) {
      this.#steps++
      if (gap.from >= end) break
      due = Math.min(due, dueOf(gap, patience))
    }
    return due
  }

  /** The times of all gaps: looks at all of them if the least one of some kind has gone. */
  #knownDues(): GapDues | undefined {
    const dues = this.#dues
    if (dues === undefined || dues.isKnown) return dues
    dues.rebuild(this.#gaps)
    this.#steps += this.#gaps.length
    return dues
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
    const patience = this.#patience(srttMs, repeatMs)
    missing.count = 0
    const youngMs = YOUNG_SRTT * srttMs
    // Mostly nothing is due: then there is nothing to look for.
    const dues = this.#dues
    if (nowMs > this.#askedMs + youngMs && dues?.isKnown === true && dues.dueMs(patience) > nowMs) return false
    let isAsking = false
    this.#splitAt(end)
    const last = this.#indexBelow(end)
    let i = 0
    for (; i <= last && missing.count < rangesMax; i++) {
      const gap = this.#gaps[i]!
      // So it is with most of a long list.
      const { askedMs } = gap
      if (askedMs + repeatMs > nowMs && (gap.isRepeated || nowMs > askedMs + youngMs || nowMs <= askedMs)) continue
      if (dueOf(gap, patience) <= nowMs) {
        this.#note(gap, nowMs, repeatMs)
        isAsking = true
      } else if (isYoung(gap, nowMs, srttMs)) {
        gap.isRepeated = true
      } else continue
      append(missing, gap.from, Math.min(gap.to, end))
    }
    this.#steps += i
    return isAsking
  }

  /** The index of the last gap that begins below a number; −1: none does. */
  #indexBelow(number: number): number {
    const i = this.#firstEndingAfter(number)
    return i < this.#gaps.length && this.#gaps[i]!.from < number ? i : i - 1
  }

  /** It is asked for. What doesn't come is asked for again later than others, as if it had been asked for later. */
  #note(gap: Gap, nowMs: number, repeatMs: number): void {
    this.#dues?.remove(gap)
    const vainMs = Math.min(VAIN_REPEAT_MS_MAX, (nowMs - gap.firstAskedMs) * VAIN_REPEAT)
    this.#askedMs = nowMs
    gap.askedMs = nowMs + Math.max(0, vainMs - repeatMs)
    gap.firstAskedMs = Math.min(gap.firstAskedMs, nowMs)
    gap.isRepeated = false
    this.#track(gap)
  }

  /** A gap that extends past this number becomes two, so that its parts can be asked for at different times. */
  #splitAt(number: number): void {
    if (number === Infinity) return
    const i = this.#find(number)
    if (i < 0 || this.#gaps[i]!.from === number || !this.hasRoom(1)) return
    const gap = this.#gaps[i]!
    this.#insert(i + 1, partOf(gap, ZERO + number, gap.to))
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
