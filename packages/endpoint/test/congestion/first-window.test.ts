import { expect, test } from "vitest"
import { bbr } from "../../src/congestion/bbr/bbr.ts"
import { lossBased } from "../../src/congestion/loss-based/loss-based.ts"

test("the first window is ten datagrams, or two where they are large (RFC 9002, section 7.2)", () => {
  for (const factory of [bbr(), lossBased({ leastDatagrams: 2 })])
    for (const [datagramBytes, windowBytes] of [
      [548, 5_480],
      [1_200, 12_000],
      [1_472, 14_720],
      [8_952, 17_904],
      [65_507, 131_014],
    ] as const)
      expect(factory(datagramBytes, () => 0).windowBytes).toBe(windowBytes)
})

test("a path that is another one begins with the window of the size that it is used with", () => {
  const controller = bbr()(1_200, () => 0)
  controller.onDatagramBytes!(65_507)
  controller.onDatagramBytes!(1_200)
  controller.onPathChange!(0)
  expect(controller.windowBytes).toBe(12_000)
})
