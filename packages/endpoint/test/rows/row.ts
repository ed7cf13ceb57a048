/**
 * A row: what is reached on a path, over several seeds, of which the worst counts. CI runs few seeds, and few rows. All
 * of them, with the worst and the spread of each figure; `-t WORDS` only those whose name holds these words:
 *
 *     X_SEEDS=20 npm test -- packages/endpoint/test/rows
 */

import { expect, test } from "vitest"

/** A bound of one figure. `goal`: what it should be, where less is reached so far. */
export interface Bound {
  readonly is: "at least" | "at most"
  readonly bound: number
  readonly goal?: number
}

export const atLeast = (bound: number, goal?: number): Bound => ({ is: "at least", bound, ...(goal && { goal }) })
export const atMost = (bound: number, goal?: number): Bound => ({ is: "at most", bound, ...(goal && { goal }) })

const SEEDS = Number(process.env["X_SEEDS"] ?? 0)
const SEED_MS_MAX = 300_000

/**
 * Declares a row. `seeds`: how many of them CI runs; 0: another test runs the same there, or it takes too long.
 * `figuresOf` returns each figure by its name in `bounds`.
 */
export function row<T extends string>(
  name: string,
  seeds: number,
  bounds: Readonly<Record<T, Bound>>,
  figuresOf: (seed: number) => Readonly<Record<T, number>> | Promise<Readonly<Record<T, number>>>,
): void {
  const count = SEEDS || seeds
  if (count === 0) return
  test(name, { timeout: count * SEED_MS_MAX }, async () => {
    const all: Record<T, number>[] = []
    for (let seed = 1; seed <= count; seed++) all.push(await figuresOf(seed))
    for (const [figure, { is, bound, goal = bound }] of Object.entries<Bound>(bounds)) {
      const sorted = all.map((figures) => figures[figure as T]).sort((a, b) => (is === "at least" ? a - b : b - a))
      const [worst, median, best] = [0, Math.floor(count / 2), count - 1].map((at) => shown(sorted[at]!))
      const missed = sorted.filter((value) => (is === "at least" ? !(value >= goal) : !(value <= goal))).length
      console.log(
        `${name}: ${figure}: worst ${worst} of ${count} seeds, median ${median}, best ${best}; goal ${is} ${goal}, missed by ${missed}`,
      )
      if (is === "at least") expect.soft(sorted[0], figure).toBeGreaterThanOrEqual(bound)
      else expect.soft(sorted[0], figure).toBeLessThanOrEqual(bound)
    }
  })
}

function shown(value: number): string {
  return Math.abs(value) < 10 ? value.toFixed(3) : value.toFixed(1)
}
