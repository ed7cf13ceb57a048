import { formatProgress } from "./progress-line.ts"
import { Pace } from "./pace.ts"

/**
 * Where results and progress go. Results are on standard output: lines for people, or one JSON object a line. Notes,
 * errors and progress are on standard error, progress only where somebody watches or asked for it. One line of progress
 * at a time; all others are written above it.
 */
export interface Output {
  /** `event` says what kind of object it is. */
  result(text: string, json: { readonly event: string; readonly [field: string]: unknown }): void
  note(text: string): void
  failure(message: string, exitCode: number): void
  /** `total` is `undefined` where nobody knows it. */
  progress(label: string, total?: number): Progress
  /** Progress says so while the peer doesn't answer. */
  setReachable(isReachable: boolean): void
  /** Takes the line of progress away, if there is one: the process is about to end. */
  close(): void
}

export interface Progress {
  /** So much was there before: it counts for no rate. */
  startFrom(done: number): void
  /** So much of the total, and the bytes that the rate is of where they are something else. */
  update(done: number, bytes?: number): void
  /**
   * All is done. Answers how long the whole took, or `ms` if that is given, and its rate in bytes a second: what is
   * shown is what is told.
   */
  finish(ms?: number): { readonly ms: number; readonly rate: number | undefined }
  /** Leaves the line as it stands. Also after it was finished. */
  stop(): void
}

/** What `Output` needs of a terminal: `process.stdout` and `process.stderr` are such. */
export interface Screen {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
  on(event: "resize", listener: () => void): unknown
  off(event: "resize", listener: () => void): unknown
}

export interface OutputOptions {
  readonly isJson?: boolean
  /** Show progress also where no terminal is attached: as a line now and then. */
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

/** Between two looks of a terminal, and between lines where there is none; milliseconds. */
const DRAW_MS = 100
const LINE_MS = 1_000
/** Where nobody says how wide a line may be. */
const COLUMNS = 80

interface Look {
  readonly isShown: boolean
  /** Lines, without bars or escape codes. */
  readonly isPlain: boolean
  readonly isUnreachable: () => boolean
}

/**
 * The cursor stays at the start of the line, so that what is below it is the line alone, however a terminal folds it
 * when it gets narrower. Nothing of the terminal's state is changed: there is nothing to restore, whatever ends the
 * process.
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

/** From the start of the cursor's line, which a key that was pressed may have left, to the end of the screen. */
const ERASE = "\r\u{1b}[J"
