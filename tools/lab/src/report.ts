/** The results, for people to read. */

import Table from "cli-table3"
import { median, round, spread } from "@x/bench/numbers"
import type { Case, FigureName, PathCase, Scenario } from "./cases.ts"
import { type Figures, judge } from "./judge.ts"
import type { Change } from "./place.ts"
import type { Direction } from "./settings.ts"

/** By library, in the order of the rounds. */
export type Rounds = Readonly<Record<string, readonly Figures[]>>

const HEADS: Readonly<Record<FigureName, readonly string[]>> = {
  mbit: ["Mbit/s", "least to most", "% of possible"],
  perSecond: ["messages/s", "least to most"],
  p99Ms: ["p50 ms", "p99 ms", "p99.9 ms", "p99 least to most"],
  share: ["share %", "least to most", "Mbit/s"],
  gapMs: ["silence ms", "least to most", "done", "Mbit/s before each change and the end"],
}

export function describe(it: Case): string {
  if (it.kind === "bench") return `veth pair, ${it.lossPercent} % lost each way by nftables, datagrams of 1,400 B`
  const { there, back } = it.path
  const isAlike = JSON.stringify(there) === JSON.stringify(back)
  const nat = it.hasNat ? "; NAT in front of the sender" : ""
  const changes = it.changes.map(({ atMs, change }) => `; at ${atMs / 1_000} s ${inWords(change)}`).join("")
  const how = isAlike ? `each way ${words(there)}` : `there ${words(there)}, back ${words(back)}`
  return `${how}${nat}; warm-up ${it.warmMs / 1_000} s, measured ${it.runMs / 1_000} s${changes}`
}

function inWords(change: Change): string {
  switch (change.what) {
    case "path":
      return `there ${words(change.direction)}`
    case "rebind":
      return "other ports"
    case "rebind-every":
      return change.everyMs > 0 ? `other ports each ${change.everyMs} ms` : "no more other ports"
    case "move":
      return "another address of the sender"
  }
}

const words = (direction: Direction): string =>
  Object.entries(direction)
    .map(([key, value]) => `${key} ${typeof value === "number" ? value.toLocaleString("en") : JSON.stringify(value)}`)
    .join(", ")

export function show(
  { name, title, note }: Scenario,
  it: Case,
  rounds: Rounds,
  settings: ReadonlyMap<string, string>,
): void {
  console.log(`\n${name}: ${title}. ${it.name}\n  ${describe(it)}`)
  const isRelayed = it.kind === "path"
  const isCompared = it.figure !== "share" && it.figure !== "gapMs"
  const head = [
    "",
    ...HEADS[it.figure],
    ...(isCompared ? ["x to peers"] : []),
    ...(isRelayed ? ["relay late, p50 / p99 µs"] : []),
  ]
  const table = new Table({ head, style: { head: [], border: [] } })
  for (const [library, figures] of Object.entries(rounds)) {
    const toPeer = isCompared ? [library === "x" ? "" : ratio(it.figure, rounds["x"], figures)] : []
    table.push([library, ...cellsOf(it, figures), ...toPeer, ...(isRelayed ? [lateOf(figures)] : [])])
  }
  console.log(table.toString())
  for (const [library, text] of settings) console.log(`  ${library}: ${text}`)
  for (const [library, list] of Object.entries(rounds))
    for (const failure of new Set(list.flatMap((figures) => figures.failure ?? [])))
      console.log(`  ${library} failed: ${failure}`)
  const { x = [], ...peers } = rounds
  const verdict = x.length === 0 ? undefined : judge(it.figure, x, peers)
  if (verdict !== undefined) console.log(`  ${verdict.isMet ? "met   " : "missed"} ${verdict.text}`)
  console.log(`  ${note}`)
}

function cellsOf(it: Case, list: readonly Figures[]): string[] {
  const of = (key: "mbit" | "perSecond" | "p50Ms" | "p99Ms" | "p999Ms" | "share" | "gapMs"): number[] =>
    list.map((figures) => figures[key] ?? Number.NaN)
  switch (it.figure) {
    case "mbit": {
      const possible = (it as PathCase).possibleMbit
      const mbit = median(of("mbit"))
      return [round(mbit, 1), spread(of("mbit"), 1), possible > 0 ? round((100 * mbit) / possible, 1) : "–"]
    }
    case "perSecond":
      return [round(median(of("perSecond")), 0), spread(of("perSecond"), 0)]
    case "p99Ms":
      return [
        round(median(of("p50Ms")), 2),
        round(median(of("p99Ms")), 2),
        round(median(of("p999Ms")), 2),
        spread(of("p99Ms"), 2),
      ]
    case "share": {
      const percents = of("share").map((share) => 100 * share)
      return [round(median(percents), 0), spread(percents, 0), round(median(of("mbit")), 1)]
    }
    case "gapMs": {
      const done = list.filter((figures) => figures.isDone === true).length
      const phases = list[0]?.phasesMbit?.map((_, phase) => median(list.map((it) => it.phasesMbit?.[phase] ?? 0))) ?? []
      return [
        round(median(of("gapMs")), 0),
        spread(of("gapMs"), 0),
        done === list.length ? "yes" : done === 0 ? "no" : `${done} of ${list.length}`,
        phases.map((mbit) => round(mbit, 1)).join(", "),
      ]
    }
  }
}

/** How late the relay was, in the median trial, and 99 % of the packets in the worst. */
function lateOf(list: readonly Figures[]): string {
  const late = list.flatMap((figures) => figures.late ?? [])
  if (late.length === 0) return "–"
  const p99s = late.map(({ p99Us }) => p99Us)
  return `< ${round(median(late.map(({ p50Us }) => p50Us)), 0)} / ${round(median(p99s), 0)}, worst ${round(Math.max(...p99s), 0)}`
}

/** Ours to the peer's, by the medians. */
function ratio(figure: FigureName, ours: readonly Figures[] | undefined, theirs: readonly Figures[]): string {
  if (ours === undefined) return ""
  const of = (list: readonly Figures[]): number => median(list.map((it) => it[figure] ?? Number.NaN))
  const value = of(ours) / of(theirs)
  return Number.isFinite(value) ? value.toPrecision(3) : "–"
}
