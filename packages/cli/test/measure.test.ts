import { expect, test } from "vitest"
import { formatBytes, formatRate, formatTime, formatTook, rateOf } from "../src/measure.ts"

test.each([
  [0, "0 B"],
  [1, "1 B"],
  [999, "999 B"],
  [999.6, "1.0 kB"],
  [1_000, "1.0 kB"],
  [999_949, "999.9 kB"],
  [999_950, "1.0 MB"],
  [126_300_000, "126.3 MB"],
  [999_999_999, "1.0 GB"],
  [2 ** 53, "9.0 PB"],
])("%d bytes are %j", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
  expect(formatRate(bytes)).toBe(`${text}/s`)
})

test("a rate that isn't known is a dash, not a number", () => {
  expect(formatRate(undefined)).toBe("–")
  expect(formatRate(rateOf(1_000_000, 0))).toBe("–")
  expect(formatRate(rateOf(1_000_000, 500))).toBe("2.0 MB/s")
})

test.each([
  [0, "0 s"],
  [499, "0 s"],
  [12_000, "12 s"],
  [59_499, "59 s"],
  [59_500, "1m00s"],
  [260_000, "4m20s"],
  [3_599_500, "1h00m"],
  [3_900_000, "1h05m"],
  [86_399_999, "1d00h"],
  [187_200_000, "2d04h"],
  [86_300_000_000, "998d20h"],
  [86_400_000_000, "–"],
  [Infinity, "–"],
  [Number.NaN, "–"],
  [undefined, "–"],
])("%s ms to go are %j", (ms, text) => {
  expect(formatTime(ms)).toBe(text)
  expect(text.length).toBeLessThanOrEqual(7)
})

test.each([
  [220, "0.22 s"],
  [9_994, "9.99 s"],
  [9_996, "10.0 s"],
  [59_949, "59.9 s"],
  [59_960, "1m00s"],
])("what took %d ms took %j", (ms, text) => expect(formatTook(ms)).toBe(text))
