export interface Late {
  readonly p50Us: number
  readonly p99Us: number
}

/** How late packets were: a bound for a half and for 99 % of them. `counts[i]`: packets late by less than 2^i µs. */
export function lateOf(counts: readonly number[]): Late {
  const all = counts.reduce((sum, count) => sum + count, 0)
  const at = (share: number): number => {
    let sum = 0
    for (const [power, count] of counts.entries()) {
      sum += count
      if (all > 0 && sum >= share * all) return 2 ** power
    }
    return 0
  }
  return { p50Us: at(0.5), p99Us: at(0.99) }
}
