/** From what was received to figures, and from figures to a verdict. */

import { median } from "@x/bench/numbers"
import { BIN_MS } from "./arrivals.ts"
import type { FigureName, PathCase } from "./cases.ts"
import type { Late } from "./late.ts"
import type { Direction } from "./settings.ts"
import type { TrialResult } from "./trial.ts"

const PACKET_BYTES = 1_500
const HEADER_BYTES = 28
/** What tells one message from the next. */
const FRAME_BYTES = 4
const LAST_MS = 1_000
/** A share within these is taken for fair. */
export const FAIR: { readonly least: number; readonly most: number } = { least: 1 / 3, most: 2 / 3 }
/** A user notices a longer silence. */
export const GAP_MS_MAX = 1_000

/**
 * Mbit/s of messages of a size that a sender at the link's rate gets through, in packets of 1,500 B without a header but
 * IP's and UDP's, each of which is lost or arrives once. Where the loss is in front of the queue, a sender that is faster
 * than the link by what is lost could get a little more.
 */
export function possibleMbit({ rate = 0, lossBefore = 0, lossBehind = 0, mtu = 0 }: Direction, bytes: number): number {
  const packet = mtu > 0 ? Math.min(mtu, PACKET_BYTES) : PACKET_BYTES
  const payload = ((packet - HEADER_BYTES) / packet) * (bytes / (bytes + FRAME_BYTES))
  return ((rate * payload) / 1e6) * (1 - lossBehind) * (1 - lossBefore)
}

/** The figures of one round. */
export interface Figures {
  readonly mbit?: number
  readonly perSecond?: number
  readonly p50Ms?: number
  readonly p99Ms?: number
  readonly p999Ms?: number
  readonly share?: number
  readonly gapMs?: number
  /** Whether messages arrived to the end. */
  readonly isDone?: boolean
  /** Mbit/s in the last second before each change, and before the end. */
  readonly phasesMbit?: readonly number[]
  /** Why the connection failed, if it did. */
  readonly failure?: string
  /** How late the relay was. */
  readonly late?: Late
}

const mbitOf = (count: number, ms: number, bytes: number): number => (count * bytes * 8) / ms / 1_000
const msOf = (us: number | undefined): number => (us ?? Number.NaN) / 1_000

/** Flow 0 is the library's; a flow beside it comes last. */
export function figuresOf(it: PathCase, { flows, relay }: TrialResult): Figures {
  // With another beside it, the library's flow begins later, and is the second.
  const own = flows.at(-1)!
  const mbit = mbitOf(own.count, own.ms, it.bytes)
  const common = {
    mbit,
    late: relay.late,
    ...(own.failure === undefined ? {} : { failure: own.failure }),
  }
  switch (it.figure) {
    case "p99Ms":
      return { ...common, p50Ms: msOf(own.p50Us), p99Ms: msOf(own.p99Us), p999Ms: msOf(own.p999Us) }
    case "share": {
      const all = flows.reduce((sum, flow) => sum + mbitOf(flow.count, flow.ms, it.bytes), 0)
      return { ...common, share: all === 0 ? 0 : mbit / all }
    }
    case "gapMs": {
      const fromMs = it.changes[0]?.atMs ?? 0
      const after = own.gaps.filter(([begin, ms]) => begin + ms > fromMs)
      const ends = [...it.changes.map(({ atMs }) => atMs), own.ms]
      return {
        ...common,
        gapMs: Math.max(0, ...after.map(([begin, ms]) => Math.min(ms, begin + ms - fromMs))),
        isDone: countBefore(own.bins, own.ms) > 0,
        phasesMbit: ends.map((endMs) => mbitOf(countBefore(own.bins, endMs), LAST_MS, it.bytes)),
      }
    }
    case "mbit":
    case "perSecond":
      return { ...common, perSecond: (own.count / own.ms) * 1_000 }
  }
}

/** Messages in the last second before a time. */
function countBefore(bins: readonly number[], endMs: number): number {
  const end = Math.floor(endMs / BIN_MS)
  return bins.slice(Math.max(0, end - LAST_MS / BIN_MS), end).reduce((sum, count) => sum + count, 0)
}

/** The median over rounds of a figure, `NaN` where none has it. */
export function medianOf(rounds: readonly Figures[], figure: FigureName): number {
  const values = rounds.map((it) => it[figure]).filter((value): value is number => value !== undefined)
  return values.length === 0 ? Number.NaN : median(values)
}

export interface Verdict {
  readonly isMet: boolean
  readonly text: string
}

/** How our rounds stand, by themselves or beside the best peer. `undefined`: there is nothing to compare with. */
export function judge(
  figure: FigureName,
  ours: readonly Figures[],
  peers: Readonly<Record<string, readonly Figures[]>>,
): Verdict | undefined {
  const own = medianOf(ours, figure)
  if (figure === "share") {
    const isMet = own >= FAIR.least && own <= FAIR.most
    return { isMet, text: `share ${(100 * own).toFixed(0)} % (fair: 33 to 67 %)` }
  }
  if (figure === "gapMs") {
    const isDone = ours.every((it) => it.isDone === true)
    return {
      isMet: isDone && own <= GAP_MS_MAX,
      text: isDone ? `goes on after ${own.toFixed(0)} ms (at most ${GAP_MS_MAX} ms)` : "stands still",
    }
  }
  const isLessBetter = figure === "p99Ms"
  const all = Object.entries(peers)
    .map(([name, rounds]) => ({ name, value: medianOf(rounds, figure) }))
    .filter(({ value }) => value > 0)
    .toSorted((a, b) => (isLessBetter ? a.value - b.value : b.value - a.value))
  const best = all[0]
  if (best === undefined) return undefined
  const ratio = own / best.value
  const isMet = isLessBetter ? ratio <= 1 : ratio >= 1
  const goal = isLessBetter ? "at most 1" : "at least 1"
  return { isMet, text: `${ratio.toPrecision(3)} x ${best.name}, the best peer (goal: ${goal})` }
}
