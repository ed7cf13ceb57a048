// The account of a feed: what came, what is gone, and that together they are what was begun.
import { expect, test } from "vitest"
import { Subscription } from "../../src/subscribe/subscription.ts"

test("in order, a later position is a gap, and an earlier one can't be", () => {
  const feed = new Subscription({ first: 10 }, true)
  expect(feed.take(10)).toEqual({ gap: 0 })
  expect(feed.take(14)).toEqual({ gap: 3 })
  expect(feed.take(14)).toBeUndefined()
  expect(feed.take(9)).toBeUndefined()
  expect(feed.account).toEqual({ begun: 5, delivered: 2, gone: 3 })
  expect(feed.next).toBe(15)
  expect(feed.skip(7)).toBe(0)
})

test("at the end all that was begun and didn't come is gone, once, and a later feed begins behind what came", () => {
  const feed = new Subscription({ first: 10 }, true)
  feed.take(10)
  expect(feed.finish(20)).toBe(9)
  expect(feed.account).toEqual({ begun: 10, delivered: 1, gone: 9 })
  expect(feed.next).toBe(11)
  expect(feed.finish(30)).toBe(0)
  const unknown = new Subscription({ first: 10 }, true)
  unknown.take(12)
  expect(unknown.finish(undefined)).toBe(0)
  expect(unknown.account).toEqual({ begun: 3, delivered: 1, gone: 2 })
})

test("without order what the publisher tells is gone, and the end settles the rest", () => {
  const feed = new Subscription({ first: 10 }, false)
  for (const position of [13, 11, 10]) expect(feed.take(position)).toEqual({ gap: 0 })
  expect(feed.take(9)).toBeUndefined()
  expect(feed.skip(2)).toBe(2)
  expect(feed.account).toEqual({ begun: 5, delivered: 3, gone: 2 })
  expect(feed.finish(17)).toBe(2)
  expect(feed.account).toEqual({ begun: 7, delivered: 3, gone: 4 })
  expect(feed.skip(1)).toBe(0)
})

test("a publisher that says less than it sent takes nothing back", () => {
  const feed = new Subscription({ first: 10 }, true)
  feed.take(10)
  feed.take(11)
  expect(feed.finish(11)).toBe(0)
  expect(feed.account).toEqual({ begun: 2, delivered: 2, gone: 0 })
})
