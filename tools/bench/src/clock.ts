/**
 * One clock for all processes, the system's monotonic clock: `performance.now` counts it from the start of each process.
 */

const originMs = findOriginMs()

export const nowMs = (): number => originMs + performance.now()

/** Of many readings, the one that took the least time: a single reading may be off by as much as the measured times. */
function findOriginMs(): number {
  let [originNs, leastNs] = [0n, 1n << 62n]
  for (let i = 0; i < 1_000; i++) {
    const beforeNs = process.hrtime.bigint()
    const readMs = performance.now()
    const tookNs = process.hrtime.bigint() - beforeNs
    if (tookNs >= leastNs) continue
    leastNs = tookNs
    originNs = beforeNs + tookNs / 2n - BigInt(Math.round(readMs * 1e6))
  }
  return Number(originNs) / 1e6
}
