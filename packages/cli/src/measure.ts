/** How `x` writes bytes, rates and times: always in decimal units and with one digit after the point. */

/** Stands for an unknown value. */
export const UNKNOWN = "–"

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"]

/** `"1.5 MB"`. */
export function formatBytes(bytes: number): string {
  let unit = 0
  // 999,950 B are 1.0 MB: no number shown has more than three digits before its point.
  while (bytes >= (unit === 0 ? 999.5 : 999.95) && unit < UNITS.length - 1) {
    bytes /= 1_000
    unit++
  }
  return `${unit === 0 ? Math.round(bytes) : bytes.toFixed(1)} ${UNITS[unit]}`
}

/** `"12.3 MB/s"`, from bytes per second. */
export function formatRate(bytesPerSecond: number | undefined): string {
  return bytesPerSecond === undefined ? UNKNOWN : `${formatBytes(bytesPerSecond)}/s`
}

/** Bytes per second; `undefined`: it took no time. */
export function rateOf(bytes: number, ms: number): number | undefined {
  return ms > 0 ? (bytes * 1_000) / ms : undefined
}

/** How long something took: `"0.22 s"`, `"12.3 s"`, `"4m20s"`. */
export function formatTook(ms: number): string {
  if (ms < 9_995) return `${(ms / 1_000).toFixed(2)} s`
  return ms < 59_950 ? `${(ms / 1_000).toFixed(1)} s` : formatTime(ms)
}

/** To the second: `"12 s"`, `"4m20s"`, `"3h05m"`, `"2d04h"`; never wider than seven columns. */
export function formatTime(ms: number | undefined): string {
  if (ms === undefined || !(ms < TIME_MAX)) return UNKNOWN
  const seconds = Math.round(ms / 1_000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 1_440) return `${Math.floor(minutes / 60)}h${two(minutes % 60)}m`
  const hours = Math.floor(minutes / 60)
  return `${Math.floor(hours / 24)}d${two(hours % 24)}h`
}

/** 999 days: no user waits for anything longer. */
const TIME_MAX = 86_400_000 * 999

function two(value: number): string {
  return String(value).padStart(2, "0")
}

/** A round trip: `"1.607 ms"`. */
export function formatMs(ms: number): string {
  return `${ms.toFixed(3)} ms`
}
