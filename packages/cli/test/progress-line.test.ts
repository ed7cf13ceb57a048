import fc from "fast-check"
import stringWidth from "string-width"
import { expect, test } from "vitest"
import { formatProgress, type ProgressState } from "../src/progress-line.ts"
import { shorten } from "../src/text.ts"
import { runs } from "../../../tools/testkit/src/runs.ts"

const RUNNING: ProgressState = {
  label: "photo.jpg",
  total: 300_000_000,
  done: 126_000_000,
  rate: 126_300_000,
  leftMs: 260_000,
  idleMs: 0,
  isUnreachable: false,
  isFinished: false,
}
const STALLED: ProgressState = { ...RUNNING, rate: 0, leftMs: undefined, idleMs: 12_000 }

test.each([
  [200, "photo.jpg ████████████████░░░░░░░░░░░░░░░░░░░░░░░░  42 % 126.3 MB/s ETA 4m20s  "],
  [80, "photo.jpg ████████████████░░░░░░░░░░░░░░░░░░░░░░░░  42 % 126.3 MB/s ETA 4m20s  "],
  [60, "photo.jpg ████████░░░░░░░░░░░░  42 % 126.3 MB/s ETA 4m20s  "],
  [44, "photo.jpg  42 % 126.3 MB/s ETA 4m20s  "],
  [40, "photo.jpg  42 % 126.3 MB/s ETA 4m20s  "],
  [30, "photo.jpg  42 % ETA 4m20s  "],
  [20, "photo.jpg 42 %"],
  [10, "ph…g 42 %"],
  [1, ""],
])("at %d columns it is all that has room", (columns, line) => expect(formatProgress(RUNNING, columns)).toBe(line))

test.each([
  [80, "photo.jpg ████████████████░░░░░░░░░░░░░░░░░░░░░░░  42 %      0 B/s stalled 12 s"],
  [40, "photo.jpg  42 %      0 B/s stalled 12 s"],
  [20, "42 % stalled 12 s"],
])("at %d columns a stall is told, in place of when it ends", (columns, line) =>
  expect(formatProgress(STALLED, columns)).toBe(line),
)

test("a peer that doesn't answer is told of, for how long already", () => {
  const state = { ...STALLED, isUnreachable: true }
  expect(formatProgress(state, 50)).toBe("photo.jpg  42 %      0 B/s unreachable 12 s")
  expect(formatProgress(state, 20)).toBe("42 % unreachable")
})

test("what isn't known is a dash", () => {
  const line = formatProgress({ ...RUNNING, done: 0, rate: undefined, leftMs: undefined }, 60, true)
  expect(line).toBe("photo.jpg   0 %          – ETA –      ")
})

test("an empty file is nothing done, and then all", () => {
  const empty = { ...RUNNING, total: 0, done: 0, rate: undefined, leftMs: undefined }
  expect(formatProgress(empty, 60, true)).toContain("  0 % ")
  expect(formatProgress({ ...empty, isFinished: true }, 60)).toMatch(/█{8,} 100 % {10}–$/)
})

test("of a pipe it is told how much came", () => {
  const pipe = { ...RUNNING, total: undefined, leftMs: undefined }
  expect(formatProgress(pipe, 80)).toBe("photo.jpg 126.0 MB 126.3 MB/s")
  expect(formatProgress({ ...pipe, rate: 0, idleMs: 3_000 }, 80)).toBe("photo.jpg 126.0 MB      0 B/s stalled 3 s")
})

test("plain lines have no bar", () => {
  expect(formatProgress(RUNNING, 80, true)).toBe("photo.jpg  42 % 126.3 MB/s ETA 4m20s  ")
})

test("no part moves when a number gets another digit", () => {
  const at = (state: Partial<ProgressState>): number => formatProgress({ ...RUNNING, ...state }, 80).indexOf("ETA")
  expect(new Set([at({}), at({ rate: 1 }), at({ rate: undefined }), at({ done: 0 }), at({ leftMs: 1_000 })]).size).toBe(
    1,
  )
})

test("a name that is too long loses its middle, and keeps its end", () => {
  const line = formatProgress({ ...RUNNING, label: `${"a".repeat(100)}-part-07.tar.gz` }, 80)
  expect(line).toMatch(/^a+….*07\.tar\.gz █+░+  42 % /)
  expect(stringWidth(line)).toBeLessThan(80)
})

const label = fc.oneof(
  fc.constantFrom(
    "",
    "a",
    "photo.jpg",
    "漢字の長い名前です.txt",
    "👨‍👩‍👧‍👦".repeat(20),
    "é́".repeat(30),
    "\u{1b}[2J\n\t",
    "🏳️‍🌈.png",
    "한국어 파일 이름",
  ),
  fc.string({ unit: "grapheme", maxLength: 120 }),
  fc.string({ unit: "binary", maxLength: 60 }),
)
const state = fc.record({
  label,
  total: fc.option(fc.nat({ max: 2 ** 31 - 1 }), { nil: undefined }),
  done: fc.nat({ max: 2 ** 31 - 1 }),
  rate: fc.option(fc.double({ min: 0, max: 1e15, noNaN: true }), { nil: undefined }),
  leftMs: fc.option(fc.double({ min: 0, max: 1e15, noNaN: true }), { nil: undefined }),
  idleMs: fc.nat({ max: 2 ** 31 - 1 }),
  isUnreachable: fc.boolean(),
  isFinished: fc.boolean(),
})

test("no line is as wide as the terminal, or moves its cursor, whatever it tells and however wide the letters", () => {
  fc.assert(
    fc.property(state, fc.integer({ min: 20, max: 200 }), fc.boolean(), (state, columns, isPlain) => {
      const line = formatProgress(state, columns, isPlain)
      expect(stringWidth(line)).toBeLessThan(columns)
      expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]|undefined|NaN|Infinity/u)
      // The line always shows how much is done.
      expect(line).toMatch(state.total === undefined ? /\d [kMGTP]?B/ : /\d %/)
    }),
    { numRuns: runs(2_000) },
  )
})

test("a shortened text fits, and whole letters begin and end it", () => {
  fc.assert(
    fc.property(label, fc.nat({ max: 60 }), (text, columns) => {
      const short = shorten(text, columns)
      expect(stringWidth(short)).toBeLessThanOrEqual(columns)
      if (stringWidth(text) <= columns) expect(short).toBe(text)
    }),
    { numRuns: runs(2_000) },
  )
  expect(shorten("👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 5)).toBe("👨‍👩‍👧‍👦…👨‍👩‍👧‍👦")
  expect(shorten("漢字の長い名前", 6)).toBe("漢…前")
})
