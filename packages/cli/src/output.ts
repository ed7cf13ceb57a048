import { SingleBar } from "cli-progress"

/** Where results and progress go: lines for people, or one JSON object a line. Progress is on standard error, and only where somebody watches. */
export interface Output {
  readonly isJson: boolean
  result(text: string, json: Record<string, unknown>): void
  progress(label: string, total: number): { update(value: number): void; stop(): void }
}

export function createOutput(isJson: boolean, isWatched: boolean = process.stderr.isTTY): Output {
  return {
    isJson,
    result: (text, json) => void process.stdout.write(isJson ? `${JSON.stringify(json)}\n` : `${text}\n`),
    progress: (label, total) => (isJson || !isWatched ? { update: () => {}, stop: () => {} } : bar(label, total)),
  }
}

function bar(label: string, total: number): { update(value: number): void; stop(): void } {
  const startMs = performance.now()
  const rate = (value: number): string => formatRate(value, performance.now() - startMs)
  const single = new SingleBar({
    stream: process.stderr,
    format: `${label} {bar} {percentage}% {rate} ETA {eta_formatted}`,
    hideCursor: true,
    etaBuffer: 50,
    barCompleteChar: "█",
    barIncompleteChar: "░",
  })
  single.start(total, 0, { rate: rate(0) })
  return { update: (value) => single.update(value, { rate: rate(value) }), stop: () => single.stop() }
}

/** `"12.3 MB/s"`. */
export function formatRate(bytes: number, ms: number): string {
  return `${(bytes / 1_000 / Math.max(ms, 1)).toFixed(1)} MB/s`
}

/** `"1.5 MB"`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"]
  let unit = 0
  while (bytes >= 1_000 && unit < units.length - 1) {
    bytes /= 1_000
    unit++
  }
  return `${unit === 0 ? bytes : bytes.toFixed(1)} ${units[unit]}`
}
