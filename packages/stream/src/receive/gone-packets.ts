/**
 * Packets that the sender says it will not send, or not send again: ranges above the edge, and how many messages were
 * begun up to the end of each.
 *
 * @module
 */

import type { Sync } from "@x/wire"
import type { GapTracker } from "../gap-tracker.ts"
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

/** The gone packets of one stream: ascending ranges that don't touch. */
export class GonePackets {
  readonly #edges: ReceiveEdges
  readonly #gaps: GapTracker
  readonly #kept: KeptPackets
  readonly #stretches: Stretch[] = []

  constructor(edges: ReceiveEdges, gaps: GapTracker, kept: KeptPackets) {
    this.#edges = edges
    this.#gaps = gaps
    this.#kept = kept
  }

  /** Ranges that the edge has not passed. */
  get count(): number {
    return this.#stretches.length
  }

  /** These packets will never come. Repeated reports change nothing. */
  note({ low, begun, gone }: Sync): void {
    const { next } = this.#edges
    this.#add(next, low, begun)
    for (let i = 0; i < gone.count; i++)
      this.#add(Math.max(gone.edges[2 * i]!, next), gone.edges[2 * i + 1]!, gone.begun[i]!)
  }

  #add(from: number, to: number, begun: number): void {
    if (from >= to) return
    this.#gaps.remove(from, to)
    const known = this.#stretches
    let i = 0
    while (i < known.length && known[i]!.to < from) i++
    // Ranges grow as more is given up. Ranges that touch become one, which ends where the last of them does.
    let end = i
    let [start, stop, count] = [from, to, begun]
    for (; end < known.length && known[end]!.from <= stop; end++) {
      start = Math.min(start, known[end]!.from)
      if (known[end]!.to > stop) [stop, count] = [known[end]!.to, known[end]!.begun]
    }
    known.splice(i, end - i, { from: start, to: stop, begun: count })
  }

  /**
   * How far the edge may pass gone packets, if it stands before them: up to the next kept packet, or to the end of the
   * range. −1: it stands before none. They count as passed. `out`: how many messages were begun up to there, if known.
   */
  pass(out: SkippedPackets): number {
    const stretch = this.#stretches[0]
    const { next } = this.#edges
    if (stretch === undefined || stretch.from > next) return -1
    let edge = next
    while (edge < stretch.to && !this.#kept.has(edge)) edge++
    const isOver = edge === stretch.to
    if (edge === next && !isOver) return -1
    out.begun = isOver ? stretch.begun : -1
    if (isOver) this.#stretches.shift()
    else stretch.from = edge
    return edge
  }

  /** Forgets all ranges. */
  clear(): void {
    this.#stretches.length = 0
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
