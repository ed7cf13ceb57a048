import { expect, test, vi } from "vitest"
import { createOutput, type Output, type OutputOptions, type Screen } from "../src/output.ts"

interface Seen {
  readonly output: Output
  /** All that was written, results and everything else, in order. */
  text(): string
  readonly screen: Screen & { columns: number }
  resize(columns: number): void
}

function see(options: OutputOptions & { isTTY?: boolean } = {}): Seen {
  let text = ""
  const listeners = new Set<() => void>()
  const write = (more: string): void => void (text += more)
  const screen = {
    isTTY: options.isTTY ?? true,
    columns: 40,
    write,
    on: (_: string, listener: () => void) => listeners.add(listener),
    off: (_: string, listener: () => void) => listeners.delete(listener),
  }
  const output = createOutput({ screen, out: { write }, env: {}, ...options })
  const resize = (columns: number): void => {
    screen.columns = columns
    for (const listener of listeners) listener()
  }
  return { output, text: () => text, screen, resize }
}

const ESCAPE = "\u{1b}"

/**
 * What a terminal shows in the end. It knows what is written here: lines, the cursor back to a line's start, and
 * erasing all below it.
 */
function shown(text: string): string[] {
  const lines = text.split("\n")
  return lines.map((line) => line.split(`${ESCAPE}[J`).at(-1)!.replaceAll("\r", ""))
}

test("notes, errors and results are above the line of progress, which is drawn again", () => {
  const { output, text } = see()
  const progress = output.progress("x", 100)
  progress.update(50)
  output.note("a note")
  output.result("a result", { event: "sent" })
  output.failure("an error", 1)
  expect(shown(text())).toEqual([
    "note: a note",
    "a result",
    "error: an error",
    expect.stringMatching(/^x .* {2}50 % /),
  ])
  progress.stop()
  output.note("the end")
  expect(shown(text()).slice(3)).toEqual([expect.stringMatching(/^x .* {2}50 % /), "note: the end", ""])
})

test("a stall, and a peer that doesn't answer, are told without another update", () => {
  vi.useFakeTimers()
  try {
    const { output, text, screen } = see()
    screen.columns = 60
    const progress = output.progress("x", 100)
    progress.update(50)
    vi.advanceTimersByTime(12_000)
    expect(shown(text()).at(-1)).toMatch(/ {2}50 % {6}0 B\/s stalled 12 s$/)
    output.setReachable(false)
    expect(shown(text()).at(-1)).toMatch(/unreachable 12 s$/)
    output.setReachable(true)
    progress.update(60)
    expect(shown(text()).at(-1)).not.toContain("unreachable")
    progress.stop()
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

test("a terminal that changes its size gets a line that fits, and nothing of the old one stays", () => {
  const { output, text, resize } = see()
  const progress = output.progress("x".repeat(100), 100)
  resize(20)
  const [line] = shown(text())
  expect(line!.length).toBeLessThan(20)
  // The cursor is before the line: if a terminal wraps the line, the rest is below it, and is erased with it.
  expect(text().endsWith("\r")).toBe(true)
  progress.stop()
})

test.each<[string, OutputOptions & { isTTY?: boolean }]>([
  ["TERM is dumb", { env: { TERM: "dumb" } }],
  ["NO_COLOR is set", { env: { NO_COLOR: "1" } }],
  ["there is no terminal", { isTTY: false, isProgressWanted: true }],
])("where %s there are plain lines, and no escape codes", (_, options) => {
  vi.useFakeTimers()
  const { output, text } = see(options)
  const progress = output.progress("photo.jpg", 100)
  progress.update(50)
  vi.advanceTimersByTime(1_000)
  output.note("a note")
  progress.update(100)
  progress.finish()
  vi.useRealTimers()
  for (const letter of [ESCAPE, "\r", "█", "░"]) expect(text()).not.toContain(letter)
  expect(text().split("\n")).toEqual([
    expect.stringMatching(/^photo\.jpg {2}50 % /),
    "note: a note",
    expect.stringMatching(/^photo\.jpg 100 % /),
    "",
  ])
})

test.each<[string, OutputOptions & { isTTY?: boolean }]>([
  ["there is no terminal", { isTTY: false }],
  ["JSON was asked for", { isJson: true }],
])("where %s nobody is shown progress that wasn't asked for", (_, options) => {
  const { output, text } = see(options)
  const progress = output.progress("x", 100)
  progress.update(50)
  progress.finish()
  progress.stop()
  expect(text()).toBe("")
})

test("the rate that is shown last is the one that is told", () => {
  vi.useFakeTimers()
  try {
    const { output, text } = see({ isTTY: false, isProgressWanted: true })
    const progress = output.progress("x", 8_000_000)
    vi.advanceTimersByTime(500)
    progress.update(8_000_000)
    vi.advanceTimersByTime(1_500)
    expect(progress.finish()).toEqual({ ms: 2_000, rate: 4_000_000 })
    expect(text()).toMatch(/x 100 % {3}4\.0 MB\/s\n$/)
  } finally {
    vi.useRealTimers()
  }
})
