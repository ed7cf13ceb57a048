/**
 * Packets that the sender says it will not send, or not send again: ranges above the edge, and how many messages were
 * begun up to the end of each.
 *
 * @module
 */

import type { Sync } from "@x/wire"
import type { GapTracker } from "../gap-tracker.ts"
import { ChargedRows } from "./charged-rows.ts"
import type { KeptPackets } from "./kept-packets.ts"
import type { ReceiveEdges } from "./receive-edges.ts"

/** A range of packets that the edge skips, because the sender says they are gone. */
export interface SkippedPackets {
  /** Messages begun on the stream up to here; −1: unknown here, known further on. */
  begun: number
}

interface Stretch {
  from: number
  readonly to: number
  /** Messages begun on the stream below `to`. */
  readonly begun: number
}

/**
 * The gone packets of one stream: ascending ranges that don't touch, charged and bounded like gaps. Of a range that has
 * no room nothing is noted: its sender repeats it until the edge has passed it.
 */
export class GonePackets {
  readonly #edges: ReceiveEdges
  readonly #gaps: GapTracker
  readonly #kept: KeptPackets
  readonly #stretches: Stretch[] = []
  readonly #rows: ChargedRows
  #steps = 0

  constructor(edges: ReceiveEdges, gaps: GapTracker, kept: KeptPackets, rows: ChargedRows = new ChargedRows()) {
    this.#edges = edges
    this.#rows = rows
    this.#gaps = gaps
    this.#kept = kept
  }

  /** Ranges that the edge has not passed. */
  get count(): number {
    return this.#stretches.length
  }

  /** Ranges that were looked at, so far. */
  get steps(): number {
    return this.#steps
  }

  /** These packets will never come. Repeated reports change nothing. */
  note({ low, begun, gone }: Sync): void {
    const { next } = this.#edges
    this.#add(next, low, begun)
    for (let i = 0; i < gone.count; i++)
      this.#add(Math.max(gone.edges[2 * i]!, next), gone.edges[2 * i + 1]!, gone.begun[i]!)
  }

  /** The same of what lies below the low mark alone: it leaves no more ranges than there were, but one. */
  noteFront({ low, begun }: Sync): void {
    this.#add(this.#edges.next, low, begun)
  }

  #add(from: number, to: number, begun: number): void {
    if (from >= to) return
    const known = this.#stretches
    const i = this.#firstReaching(from)
    // Ranges grow as more is given up. Ranges that touch become one, which ends where the last of them does.
    let end = i
    let [start, stop, count] = [from, to, begun]
    for (; end < known.length && known[end]!.from <= stop; end++) {
      start = Math.min(start, known[end]!.from)
      if (known[end]!.to > stop) [stop, count] = [known[end]!.to, known[end]!.begun]
    }
    this.#steps += end - i
    // The last place is for one at the front: the edge can go on from there.
    if (end === i && !this.#rows.fits(known.length + (i === 0 ? 1 : 2))) return
    if (!this.#gaps.remove(from, to)) return
    const stretch = { from: start, to: stop, begun: count }
    if (end === i + 1) known[i] = stretch
    else known.splice(i, end - i, stretch)
  }

  /** The index of the first range that ends at a number, or after it. */
  #firstReaching(number: number): number {
    let low = 0
    let high = this.#stretches.length
    while (low < high) {
      this.#steps++
      const middle = (low + high) >> 1
      if (this.#stretches[middle]!.to < number) low = middle + 1
      else high = middle
    }
    return low
  }

  /**
   * How far the edge may pass gone packets, if it stands before them: up to the next kept packet, or to the end of the
   * range. −1: it stands before none. They count as passed. `out`: how many messages were begun up to there, if known.
   */
  pass(out: SkippedPackets): number {
    const stretch = this.#stretches[0]
    const { next } = this.#edges
    if (stretch === undefined || stretch.from > next) return -1
    const edge = this.#kept.firstFrom(next, stretch.to)
    const isOver = edge === stretch.to
    if (edge === next && !isOver) return -1
    out.begun = isOver ? stretch.begun : -1
    if (isOver) {
      this.#stretches.shift()
      this.#rows.keep(this.#stretches.length)
    } else stretch.from = edge
    return edge
  }

  /** Forgets all ranges. */
  clear(): void {
    this.#stretches.length = 0
    this.#rows.keep(0)
  }

  /** For tests: throws an `Error` if ranges touch, overlap or are out of order. */
  assertInvariants(): void {
    let before = -1
    for (const { from, to } of this.#stretches) {
      if (!(from > before && to > from)) throw new Error(`gone from ${from} to ${to}, behind ${before}`)
      before = to
    }
  }
}
