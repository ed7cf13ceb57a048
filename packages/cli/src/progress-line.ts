/** A line of progress, as a pure function of what is known and of the columns there are. */
import { formatBytes, formatRate, formatTime } from "./measure.ts"
import { type Standing, STALL_MS } from "./pace.ts"
import { printable, shorten, widthOf } from "./text.ts"

export interface ProgressState extends Standing {
  readonly label: string
  /** `undefined`: nobody knows, as of a pipe. */
  readonly total: number | undefined
  /** The peer doesn't answer. */
  readonly isUnreachable: boolean
  readonly isFinished: boolean
}

/** Columns of the parts, so that none moves when a number gets a digit more. */
const PERCENT = 5
const RATE = 10
const TIME = 7
/** What a label has where there is room for more than the label, and below which there is none. */
const LABEL_MIN = 8
const LABEL_LEAST = 4
const BAR = { min: 8, max: 40 }

/**
 * `label ████░░░░  42 %  12.3 MB/s ETA 4m20s`, in fewer than `columns` columns: what there is no room for is left out,
 * the bar first, then the rate, then when it ends, and never how much is done or that it stalls. Without a bar where
 * `isPlain`.
 */
export function formatProgress(state: ProgressState, columns: number, isPlain = false): string {
  // The last column stays empty: in it some terminals begin a new line.
  const room = Math.max(columns - 1, 0)
  const facts = chooseFacts(state, room)
  const label = printable(state.label)
  const left = room - widthOf(facts) - 1
  // Two letters and what is left out between them say nothing.
  if (left < Math.min(widthOf(label), LABEL_LEAST)) return shorten(facts, room)
  const bar =
    isPlain || state.total === undefined
      ? ""
      : formatBar(shareOf(state), left - Math.min(widthOf(label), Math.max(LABEL_MIN, left >> 1)) - 1)
  const name = shorten(label, left - (bar === "" ? 0 : widthOf(bar) + 1))
  return [name, bar, facts].filter((part) => part !== "").join(" ")
}

/** The most facts that leave room for a label. What is wrong is worth more than the label. */
function chooseFacts(state: ProgressState, room: number): string {
  const done =
    state.total === undefined
      ? formatBytes(state.done).padStart(RATE - 2)
      : `${Math.floor(shareOf(state) * 100)} %`.padStart(PERCENT)
  const rate = formatRate(state.rate).padStart(RATE)
  const trouble = troubleOf(state)
  const end = trouble === undefined ? formatEnd(state) : `${trouble} ${formatTime(state.idleMs)}`
  const label = Math.min(widthOf(state.label), LABEL_MIN) + 1
  const choices: [parts: string[], left: number][] = [
    [[done, rate, end], label],
    [[done, end], label],
    ...(trouble === undefined
      ? []
      : ([
          [[done, end], 0],
          [[done, trouble], 0],
        ] satisfies [string[], number][])),
    [[done], 0],
  ]
  const facts = choices.map(([parts, left]) => ({ text: parts.filter((part) => part !== "").join(" "), left }))
  const { text, left } =
    facts.find(({ text, left }) => widthOf(left === 0 ? text.trimStart() : text) + left <= room) ?? facts.at(-1)!
  return left === 0 ? text.trimStart() : text
}

/** Why it doesn't get on. */
function troubleOf({ idleMs, isUnreachable, isFinished }: ProgressState): string | undefined {
  if (isFinished) return undefined
  if (isUnreachable) return "unreachable"
  return idleMs >= STALL_MS ? "stalled" : undefined
}

/** When it ends. */
function formatEnd({ total, leftMs, isFinished }: ProgressState): string {
  return isFinished || total === undefined ? "" : `ETA ${formatTime(leftMs).padEnd(TIME)}`
}

function shareOf({ done, total, isFinished }: ProgressState): number {
  if (isFinished || total === undefined) return 1
  return total === 0 ? 0 : Math.min(done / total, 1)
}

function formatBar(share: number, columns: number): string {
  if (columns < BAR.min) return ""
  const width = Math.min(columns, BAR.max)
  const full = Math.floor(width * share)
  return "█".repeat(full) + "░".repeat(width - full)
}
