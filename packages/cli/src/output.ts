import { SingleBar } from "cli-progress"

/**
 * Where results and progress go. Results are on standard output: lines for people, or one JSON object a line. Notes, errors and progress are on
 * standard error, progress only where somebody watches or asked for it.
 */
export interface Output {
  /** `event` says what kind of object it is. */
  result(text: string, json: { readonly event: string; readonly [field: string]: unknown }): void
  note(text: string): void
  failure(message: string, exitCode: number): void
  progress(label: string, total: number): Progress
}

export interface Progress {
  /** So much of the total, and the bytes that the rate is of where they are something else. */
  update(value: number, bytes?: number): void
  /** Also after it was stopped. */
  stop(): void
}

export interface OutputOptions {
  readonly isJson?: boolean
  /** Show progress also where no terminal is attached: as a line now and then. */
  readonly isProgressWanted?: boolean
}

export function createOutput({ isJson = false, isProgressWanted = false }: OutputOptions = {}): Output {
  const isShown = isProgressWanted || (process.stderr.isTTY && !isJson)
  const print = (json: Record<string, unknown>): void => void process.stdout.write(`${JSON.stringify(json)}\n`)
  return {
    result: (text, json) => (isJson ? print(json) : void process.stdout.write(`${text}\n`)),
    note: (text) => void process.stderr.write(`note: ${text}\n`),
    failure: (message, exitCode) => {
      process.stderr.write(`error: ${message}\n`)
      if (isJson) print({ event: "error", message, exitCode })
    },
    progress: (label, total) => (isShown ? bar(label, total) : { update: () => {}, stop: () => {} }),
  }
}

/** Between lines of progress where no terminal is attached, milliseconds. */
const LINE_MS = 1_000

function bar(label: string, total: number): Progress {
  const startMs = performance.now()
  const rate = (value: number): string => formatRate(value, performance.now() - startMs)
  const single = new SingleBar({
    stream: process.stderr,
    format: `${label} {bar} {percentage} % {rate} ETA {eta_formatted}`,
    hideCursor: true,
    etaBuffer: 50,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    noTTYOutput: true,
    notTTYSchedule: LINE_MS,
    // Ctrl-C is handled where the signal is, and ends in `stop` as everything does.
    gracefulExit: false,
  })
  single.start(total, 0, { rate: rate(0) })
  return {
    update: (value, bytes = value) => single.update(value, { rate: rate(bytes) }),
    stop: () => single.isActive && single.stop(),
  }
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

const SHOWN_MAX = 500

/** Words of a peer, fit for a terminal: nothing in them moves the cursor, or goes on for pages. */
export function printable(text: string): string {
  const shown = text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Surrogate}]/gu, "\u{fffd}")
  return shown.length > SHOWN_MAX ? `${shown.slice(0, SHOWN_MAX)}…` : shown
}
