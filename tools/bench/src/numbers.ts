/** Numbers for people to read. */

import { cpus } from "node:os"

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export function round(value: number, digits: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits })
}

export function spread(values: readonly number[], digits: number): string {
  return `${round(Math.min(...values), digits)} to ${round(Math.max(...values), digits)}`
}

export function machine(): string {
  return `${cpus().length} x ${cpus()[0]?.model ?? "CPU"}, Node ${process.versions.node}`
}
