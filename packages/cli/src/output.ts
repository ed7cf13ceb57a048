import { formatProgress } from "./progress-line.ts"
import { Pace } from "./pace.ts"

/**
 * Where results and progress go. Results are on standard output: lines for people, or one JSON object a line. Notes,
 * errors and progress are on standard error; progress only on a terminal or on request. There is one line of progress
 * at a time; all other lines are written above it.
 */
export interface Output {
  /** `event` is the kind of the object. */
  result(text: string, json: { readonly event: string; readonly [field: string]: unknown }): void
  note(text: string): void
  failure(message: string, exitCode: number): void
  /** `total` is `undefined` if it isn't known. */
  progress(label: string, total?: number): Progress
  /** While the peer doesn't answer, the progress line says so. */
  setReachable(isReachable: boolean): void
  /** Ends the line of progress, if there is one: the process is about to end. */
  close(): void
}

export interface Progress {
  /** This much was done before: it doesn't count for the rate. */
  startFrom(done: number): void
  /** Reports this much of the total as done. `bytes`: the bytes behind the rate, if the total counts something else. */
  update(done: number, bytes?: number): void
  /**
   * All is done. Returns how long the whole took, or `ms` if that is given, and its rate in bytes per second: the same
   * values that the line shows.
   */
  finish(ms?: number): { readonly ms: number; readonly rate: number | undefined }
  /** Leaves the line as it is. May also be called after `finish`. */
  stop(): void
}

/** What `Output` needs of a terminal, such as `process.stdout` and `process.stderr`. */
export interface Screen {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
  on(event: "resize", listener: () => void): unknown
  off(event: "resize", listener: () => void): unknown
}

export interface OutputOptions {
  readonly isJson?: boolean
  /** Show progress even without a terminal: as a line now and then. */
  readonly isProgressWanted?: boolean
  readonly out?: Pick<Screen, "write">
  readonly screen?: Screen
  readonly env?: NodeJS.ProcessEnv
}

export function createOutput({
  isJson = false,
  isProgressWanted = false,
  out = process.stdout,
  screen = process.stderr,
  env = process.env,
}: OutputOptions = {}): Output {
  const isTerminal = screen.isTTY === true
  const isShown = isProgressWanted || (isTerminal && !isJson)
  const isPlain = !isTerminal || env["TERM"] === "dumb" || (env["NO_COLOR"] ?? "") !== ""
  let current: ProgressLine | undefined
  let isUnreachable = false
  const above = (to: Pick<Screen, "write">, text: string): void => {
    current?.clear()
    to.write(`${text}\n`)
    current?.draw()
  }
  const print = (json: Record<string, unknown>): void => above(out, JSON.stringify(json))
  return {
    result: (text, json) => (isJson ? print(json) : above(out, text)),
    note: (text) => above(screen, `note: ${text}`),
    failure: (message, exitCode) => {
      above(screen, `error: ${message}`)
      if (isJson) print({ event: "error", message, exitCode })
    },
    progress: (label, total) => {
      current?.stop()
      return (current = new ProgressLine(label, total, screen, {
        isShown,
        isPlain,
        isUnreachable: () => isUnreachable,
      }))
    },
    setReachable: (isReachable) => {
      isUnreachable = !isReachable
      current?.draw()
    },
    close: () => current?.stop(),
  }
}

/** Between two updates of a terminal, and between lines without one; milliseconds. */
const DRAW_MS = 100
const LINE_MS = 1_000
/** The width of a line if the terminal doesn't tell. */
const COLUMNS = 80

interface Look {
  readonly isShown: boolean
  /** Writes lines, without bars or escape codes. */
  readonly isPlain: boolean
  readonly isUnreachable: () => boolean
}

/**
 * The cursor stays at the start of the line, so that only the line is below it, however a narrowed terminal wraps it.
 * The terminal's state isn't changed, so there is nothing to restore, whatever ends the process.
 */
class ProgressLine implements Progress {
  readonly #label: string
  readonly #screen: Screen
  readonly #look: Look
  readonly #pace = new Pace(performance.now())
  readonly #timer: NodeJS.Timeout | undefined
  readonly #redraw = (): void => this.draw()
  readonly #total: number | undefined
  #isFinished = false
  #isStopped = false

  constructor(label: string, total: number | undefined, screen: Screen, look: Look) {
    this.#label = label
    this.#total = total
    this.#screen = screen
    this.#look = look
    if (!look.isShown) return
    this.#timer = setInterval(() => (look.isPlain ? this.#print() : this.draw()), look.isPlain ? LINE_MS : DRAW_MS)
    if (!look.isPlain) screen.on("resize", this.#redraw)
    this.draw()
  }

  startFrom(done: number): void {
    this.#pace.startFrom(performance.now(), done)
  }

  update(done: number, bytes = done): void {
    this.#pace.update(performance.now(), done, bytes)
  }

  finish(ms?: number): { readonly ms: number; readonly rate: number | undefined } {
    this.#isFinished = true
    const whole = this.#pace.whole(performance.now(), ms)
    this.#end(this.#line(whole.rate))
    return whole
  }

  stop(): void {
    this.#end(this.#line())
  }

  clear(): void {
    if (this.#isDrawn) this.#screen.write(ERASE)
  }

  draw(): void {
    if (this.#isDrawn) this.#screen.write(`${ERASE}${this.#line()}\r`)
  }

  #print(): void {
    this.#screen.write(`${this.#line()}\n`)
  }

  #end(line: string): void {
    if (this.#isStopped || !this.#look.isShown) return
    this.clear()
    this.#isStopped = true
    clearInterval(this.#timer)
    this.#screen.off("resize", this.#redraw)
    this.#screen.write(`${line}\n`)
  }

  get #isDrawn(): boolean {
    return this.#look.isShown && !this.#look.isPlain && !this.#isStopped
  }

  #line(rate?: number): string {
    const standing = this.#pace.at(performance.now(), this.#total)
    const state = {
      ...standing,
      ...(this.#isFinished ? { rate } : {}),
      label: this.#label,
      total: this.#total,
      isUnreachable: this.#look.isUnreachable(),
      isFinished: this.#isFinished,
    }
    return formatProgress(state, this.#screen.columns || COLUMNS, this.#look.isPlain)
  }
}

/**
 * Erases from the start of the cursor's line to the end of the screen. (A pressed key may have moved the cursor along
 * the line.)
 */
const ERASE = "\r\u{1b}[J"
