/** `factor`: from the unit of the values to microseconds. */
export function percentiles(
  values: readonly number[],
  factor = 1_000,
): { readonly p50Us?: number; readonly p99Us?: number; readonly p999Us?: number } {
  if (values.length === 0) return {}
  const sorted = Float64Array.from(values).sort()
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]! * factor
  return { p50Us: at(0.5), p99Us: at(0.99), p999Us: at(0.999) }
}
