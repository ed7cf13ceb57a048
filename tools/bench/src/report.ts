/** The results, for people to read. */

import Table from "cli-table3"
import { median, round, spread } from "./numbers.ts"
import type { Outcome } from "./run.ts"
import { GOALS, type Workload } from "./workloads.ts"

/** Outcomes by row: one for each round. */
export type Outcomes = Record<string, Outcome[]>

export function show({ name, title, rows }: Workload, outcomes: Outcomes): void {
  const { kind } = rows[0]!.job
  const isRate = kind !== "echo" && kind !== "latency"
  const head = isRate
    ? [
        "messages/s",
        "Gbit/s",
        "least to most",
        "CPU µs/message",
        `of it ${kind === "crowd" ? "hub" : "receiver"}`,
        "MiB",
      ]
    : ["p50 µs", "p99 µs", "p99.9 µs", "p99 least to most", "MiB"]
  const table = new Table({ head: [`${name} ${title}`, ...head], style: { head: [], border: [] } })
  for (const [row, list] of Object.entries(outcomes)) {
    const of = (key: keyof Outcome): number[] => list.map((outcome) => Number(outcome[key] ?? Number.NaN))
    const cells = isRate
      ? [
          round(median(of("perSecond")), 0),
          round(median(of("gbitPerSecond")), 2),
          spread(of("perSecond"), 0),
          round(median(of("cpuUs")), 3),
          round(median(of("firstCpuUs")), 3),
        ]
      : [
          round(median(of("p50Us")), 1),
          round(median(of("p99Us")), 1),
          round(median(of("p999Us")), 1),
          spread(of("p99Us"), 1),
        ]
    table.push([row, ...cells, round(median(of("rssMiB")), 0)])
  }
  console.log(table.toString())
  const settings = new Map<string, string[]>()
  for (const [row, [first]] of Object.entries(outcomes))
    settings.set(first!.settings, [...(settings.get(first!.settings) ?? []), row])
  for (const [text, of] of settings) console.log(`  ${of.join(", ")}: ${text}`)
}

export function showGoals(all: Readonly<Record<string, Outcomes>>): void {
  for (const { workload, of = "x", against, measure: key, ratio } of GOALS) {
    const outcomes = all[workload]
    const ours = outcomes?.[of]
    const theirs = outcomes?.[against]
    if (ours === undefined || theirs === undefined) continue
    const is = median(ours.map((it) => it[key] ?? Number.NaN)) / median(theirs.map((it) => it[key] ?? Number.NaN))
    const isMet = key === "perSecond" ? is >= ratio : is <= ratio
    console.log(
      `${isMet ? "met   " : "missed"} ${workload.padEnd(11)} ${key.padEnd(11)} ${is.toPrecision(3)} x ${against}${of === "x" ? "" : ` for ${of}`} (goal: ${key === "perSecond" ? "at least" : "at most"} ${ratio})`,
    )
  }
}

/** The limit for any library above the helper. */
export function showCeiling(all: Readonly<Record<string, Outcomes>>): void {
  for (const [name, list] of Object.entries(all["ceiling"] ?? {})) {
    const of = (key: "perSecond" | "gbitPerSecond"): number => median(list.map((outcome) => outcome[key]))
    console.log(
      `ceiling ${name}: ${round(of("perSecond"), 0)} datagrams/s, ${round(of("gbitPerSecond"), 2)} Gbit/s received by the bare helper`,
    )
  }
}
