import fc from "fast-check"
import { expect, test } from "vitest"
import { MtuSearch } from "../../src/path/mtu-search.ts"

const WAIT_MS = 50

/** Searches a path that carries datagrams of this size, and loses some of those that it carries. */
function searched(boundBytes: number, pathBytes: number, isLost = (_probe: number): boolean => false) {
  const search = new MtuSearch(boundBytes)
  const probed: number[] = []
  let nowMs = 0
  let found = 548
  search.start(found, Infinity, nowMs)
  while (search.isActive) {
    nowMs = Math.max(nowMs, search.dueMs(WAIT_MS))
    const size = search.poll(WAIT_MS, nowMs)
    if (size === 0) continue
    probed.push(size)
    if (size > pathBytes || isLost(probed.length)) continue
    found = Math.max(found, size)
    search.passed(size, nowMs + 10)
  }
  return { search, probed, found, nowMs }
}

test("a path that carries the bound costs one probe", () => {
  const { probed, found } = searched(1_452, 1_472)
  expect([probed, found]).toEqual([[1_452], 1_452])
})

test("a size counts as too large after three probes in vain, and not before", () => {
  expect(searched(1_452, 1_452, (probe) => probe < 3).found).toBe(1_452)
  const { probed } = searched(1_452, 1_200)
  expect(probed.slice(0, 4).map((size) => size === 1_452)).toEqual([true, true, true, false])
})

test("the payloads of usual links are found exactly", () => {
  for (const pathBytes of [1_232, 1_372, 1_452, 8_952]) expect(searched(65_507, pathBytes).found).toBe(pathBytes)
})

test("a search ends, with no more left to gain than a step, whatever path and bound", () => {
  fc.assert(
    fc.property(fc.integer({ min: 549, max: 65_507 }), fc.integer({ min: 548, max: 65_507 }), (bound, path) => {
      const { found, probed } = searched(bound, path)
      expect(found).toBeLessThanOrEqual(Math.min(bound, path))
      expect(found).toBeGreaterThanOrEqual(Math.min(bound, path) - 20)
      expect(probed.length).toBeLessThan(60)
    }),
  )
})

test("a search below the bound is followed by one larger probe: soon if much is sent, else late, and never if nothing", () => {
  const { search, nowMs } = searched(8_952, 1_452)
  expect(search.dueMs(WAIT_MS)).toBe(Infinity)
  search.sent(1_000)
  expect(search.dueMs(WAIT_MS)).toBe(nowMs + 600_000)
  search.sent(200_000)
  const dueMs = search.dueMs(WAIT_MS)
  expect(dueMs).toBe(nowMs + 5_000)
  expect(search.poll(WAIT_MS, dueMs)).toBe(1_472)
  // It passes: there may be much more.
  search.passed(1_472, dueMs + 10)
  expect(search.poll(WAIT_MS, dueMs + 10)).toBe(8_952)
})

test("a path that carries the bound is not probed again", () => {
  const { search } = searched(1_452, 1_452)
  search.sent(1e9)
  expect(search.dueMs(WAIT_MS)).toBe(Infinity)
})

test("a size that the system refuses isn't probed again", () => {
  const search = new MtuSearch(1_452)
  search.start(1_200, Infinity, 0)
  expect(search.poll(WAIT_MS, 0)).toBe(1_452)
  search.failed(1_452, 0)
  expect(search.poll(WAIT_MS, 0)).toBeLessThan(1_452)
})

/** Searches a path that is expected to be a usual one. */
function searchedUsual(pathBytes: number) {
  const search = new MtuSearch(65_507)
  search.expect(1_452)
  const probed: number[] = []
  let [nowMs, found] = [0, 1_200]
  search.start(found, Infinity, nowMs)
  while (search.isActive) {
    nowMs = Math.max(nowMs, search.dueMs(WAIT_MS))
    const size = search.poll(WAIT_MS, nowMs)
    if (size === 0) continue
    probed.push(size)
    if (size > pathBytes) continue
    found = Math.max(found, size)
    search.passed(size, nowMs + 10)
  }
  return { search, probed, found, nowMs, lost: probed.filter((size) => size > pathBytes).length }
}

test("a usual path loses three probes of what only other paths carry, and is asked again after ten minutes", () => {
  for (const pathBytes of [1_452, 1_472]) {
    const { search, probed, found, nowMs } = searchedUsual(pathBytes)
    expect([found, probed]).toEqual([1_452, [1_452, 2_256, 2_256, 2_256]])
    search.sent(1e9)
    expect(search.dueMs(WAIT_MS)).toBe(nowMs + 600_000)
    expect(search.poll(WAIT_MS, nowMs + 600_000)).toBe(2_256)
    // It passes: there may be much more.
    search.passed(2_256, nowMs + 600_010)
    expect(search.poll(WAIT_MS, nowMs + 600_010)).toBe(8_952)
  }
})

test("a path that was expected to carry more is asked for that soon, but for no more", () => {
  const { search, found, nowMs } = searchedUsual(1_372)
  expect(found).toBe(1_372)
  search.sent(1e9)
  expect(search.dueMs(WAIT_MS)).toBe(nowMs + 5_000)
  expect(search.poll(WAIT_MS, nowMs + 5_000)).toBe(1_392)
})

test("jumbo frames and the largest datagrams are found by steps, with few probes lost", () => {
  const foundOf = (pathBytes: number): number[] => {
    const { probed, found, lost } = searchedUsual(pathBytes)
    return [found, probed.length, lost]
  }
  expect(searchedUsual(65_507).probed).toEqual([1_452, 2_256, 8_952, 65_507])
  expect(foundOf(65_507)).toEqual([65_507, 4, 0])
  expect(foundOf(8_952)[0]).toBe(8_952)
  expect(foundOf(8_972)[0]).toBe(8_972)
  for (const pathBytes of [4_304, 8_868]) {
    const [found, , lost] = foundOf(pathBytes)
    expect(found).toBeGreaterThan(pathBytes - 21)
    expect(lost).toBeLessThan(40)
  }
})
