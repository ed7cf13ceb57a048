/** The totals of many seeds. Only sums, so that runs can be added. */

import type { SimulationResult } from "./simulation.ts"

/** Speed is judged over worlds of at most this many nodes. */
const JUDGED_NODES_MAX = 5

export interface Summary {
  seeds: number
  failures: number
  virtualMs: number
  wallMs: number
  datagrams: number
  messages: number
  delivered: number
  checks: number
  disasters: number
  pathFaults: number
  doings: number
  mixFaults: number
  /** Seeds that converged in 10 RTT + 1 s + twice the time that the pending bytes take at the rate of the link. */
  strict: number
  /** The sums of worlds of 2 to 5 nodes. */
  small: { virtualMs: number; wallMs: number; datagrams: number }
}

export function createSummary(): Summary {
  return {
    ...{
      seeds: 0,
      failures: 0,
      virtualMs: 0,
      wallMs: 0,
      datagrams: 0,
      messages: 0,
      delivered: 0,
      checks: 0,
      disasters: 0,
      pathFaults: 0,
      doings: 0,
      mixFaults: 0,
      strict: 0,
    },
    small: { virtualMs: 0, wallMs: 0, datagrams: 0 },
  }
}

export function addResult(summary: Summary, result: SimulationResult, wallMs: number): void {
  summary.seeds++
  if (result.failure !== undefined) summary.failures++
  if (result.isStrict) summary.strict++
  for (const key of ["virtualMs", "datagrams", "messages", "delivered", "checks"] as const) summary[key] += result[key]
  for (const count of Object.values(result.disasters)) summary.disasters += count
  for (const count of Object.values(result.pathFaults)) summary.pathFaults += count
  for (const count of Object.values(result.doings)) summary.doings += count
  for (const count of Object.values(result.mixFaults)) summary.mixFaults += count
  if (wallMs === Infinity) return
  summary.wallMs += wallMs
  if (result.nodes > JUDGED_NODES_MAX) return
  summary.small.virtualMs += result.virtualMs
  summary.small.wallMs += wallMs
  summary.small.datagrams += result.datagrams
}

export function addSummary(to: Summary, { small, ...sums }: Summary): void {
  for (const [key, value] of Object.entries(sums) as [keyof typeof sums, number][]) to[key] += value
  for (const key of ["virtualMs", "wallMs", "datagrams"] as const) to.small[key] += small[key]
}

export function describeSummary(it: Summary): string[] {
  const hours = it.virtualMs / 3_600_000
  const perSecond = (it.small.datagrams * 1_000) / it.small.virtualMs
  return [
    `${it.seeds} seeds, ${hours.toFixed(2)} simulated hours: ${it.failures} failures`,
    `${it.datagrams} datagrams, ${it.messages} messages accepted, ${it.delivered} delivered, ${it.disasters} disasters, ${it.pathFaults} faults of paths, ${it.doings} doings, ${it.mixFaults} faults of topics and requests, ${it.checks} checks`,
    `converged within the strict bound: ${it.strict} of ${it.seeds}`,
    `2 to 5 nodes: ${Math.round(it.small.virtualMs / it.small.wallMs)} x real time on a core, ${perSecond.toFixed(0)} datagrams a virtual second`,
  ]
}
