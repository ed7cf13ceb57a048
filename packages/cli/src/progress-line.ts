/** A line of progress, as a pure function of the state and the number of columns. */
import { formatBytes, formatRate, formatTime } from "./measure.ts"
import { type Standing, STALL_MS } from "./pace.ts"
import { printable, shorten, widthOf } from "./text.ts"

export interface ProgressState extends Standing {
  readonly label: string
  /** `undefined`: unknown, as for a pipe. */
  readonly total: number | undefined
  /** The peer doesn't answer. */
  readonly isUnreachable: boolean
  readonly isFinished: boolean
}

/** Columns of the parts, fixed so that none moves when a number gets another digit. */
const PERCENT = 5
const RATE = 10
const TIME = 7
/** The columns that a label keeps before other parts get room, and the fewest with which it is shown at all. */
const LABEL_MIN = 8
const LABEL_LEAST = 4
const BAR = { min: 8, max: 40 }

/**
 * `label ████░░░░ 42 % 12.3 MB/s ETA 4m20s`, in fewer than `columns` columns. Parts without room are left out: first
 * the bar, then the rate, then the ETA, but never how much is done or that it stalls. With `isPlain` there is no bar.
 */
export function formatProgress(state: ProgressState, columns: number, isPlain = false): string {
  // The last column stays empty: some terminals begin a new line there.
  const room = Math.max(columns - 1, 0)
  const facts = chooseFacts(state, room)
  const label = printable(state.label)
  const left = room - widthOf(facts) - 1
  // Two letters with an ellipsis between them are useless.
  if (left < Math.min(widthOf(label), LABEL_LEAST)) return shorten(facts, room)
  const bar =
    isPlain || state.total === undefined
      ? ""
      : formatBar(shareOf(state), left - Math.min(widthOf(label), Math.max(LABEL_MIN, left >> 1)) - 1)
  const name = shorten(label, left - (bar === "" ? 0 : widthOf(bar) + 1))
  return [name, bar, facts].filter((part) => part !== "").join(" ")
}

/** The most facts that leave room for a label. A problem is worth more than the label. */
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

/** Why there is no progress. */
function troubleOf({ idleMs, isUnreachable, isFinished }: ProgressState): string | undefined {
  if (isFinished) return undefined
  if (isUnreachable) return "unreachable"
  return idleMs >= STALL_MS ? "stalled" : undefined
}

/** The estimated time to the end. */
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
