// Hints to strangers: what they contain, and that no flood of datagrams causes a flood of them.

import { NUMBER_MAX, PROFILE } from "@x/wire"
import { describe, expect, test } from "vitest"
import { ZERO_SEED } from "../../src/join/handshake-writer.ts"
import { Hints } from "../../src/join/hints.ts"
import { Correspondent } from "./correspondent.ts"

const SLOT = 5
const COUNTER = 9
/** Longer than any hint. */
const LONG = 100

describe.each([
  ["none", PROFILE.none],
  ["checksum", PROFILE.checksum],
])("in profile %s", (_, profile) => {
  const stranger = new Correspondent(2, { profile })

  function makeHints(): { hints: Hints; side: Correspondent } {
    const side = new Correspondent(1, { profile })
    return { hints: new Hints(side.outbox, profile, 0), side }
  }

  test("a hint goes back to where the datagram came from, and names it", () => {
    const { hints, side } = makeHints()
    expect(hints.answer(SLOT, COUNTER, LONG, 4, 0)).toBe(true)
    const datagram = side.sentOne()
    expect(datagram.address).toBe(4)
    expect(stranger.reader.read(datagram, { seed: ZERO_SEED, exchange: undefined })).toMatchObject({
      kind: "hint",
      hint: { slot: SLOT, counter: COUNTER },
    })
  })

  test("a hint has fewer bytes than what it answers", () => {
    const { hints, side } = makeHints()
    hints.answer(SLOT, COUNTER, LONG, 1, 0)
    const { length } = side.sentOne()
    expect(hints.answer(SLOT, COUNTER, length, 2, 0)).toBe(false)
    expect(hints.answer(SLOT, COUNTER, length + 1, 2, 0)).toBe(true)
  })

  test.each([
    ["slot 0", 0, COUNTER, 1],
    ["counter 0", SLOT, 0, 1],
    ["a counter above all that there are", SLOT, NUMBER_MAX + 1, 1],
    ["a source without an address", SLOT, COUNTER, 0],
  ])("%s gets none", (_what, slot, counter, address) => {
    const { hints, side } = makeHints()
    expect(hints.answer(slot, counter, LONG, address, 0)).toBe(false)
    expect(side.sent()).toEqual([])
  })
})

function makeHints(): { hint: (address: number, nowMs: number) => boolean; side: Correspondent } {
  const side = new Correspondent(1)
  const hints = new Hints(side.outbox, PROFILE.none, 0)
  return { hint: (address, nowMs) => hints.answer(SLOT, COUNTER, LONG, address, nowMs), side }
}

test("an address gets one a second at most, whatever others get", () => {
  const { hint, side } = makeHints()
  expect([hint(1, 0), hint(1, 0), hint(2, 500), hint(1, 999)]).toEqual([true, false, true, false])
  expect([hint(1, 1_000), hint(2, 1_499), hint(2, 1_500)]).toEqual([true, false, true])
  expect(side.sent().map(({ address }) => address)).toEqual([1, 2, 1, 2])
})

test("a refused hint doesn't put off the next one", () => {
  const { hint } = makeHints()
  hint(1, 0)
  hint(1, 900)
  expect(hint(1, 1_000)).toBe(true)
})

test("all addresses together get 1,000 a second, and no flood of others gets one a second one within it", () => {
  const { hint } = makeHints()
  let hints = 0
  let ofOne = 0
  for (let ms = 0; ms < 5_000; ms++) {
    if (hint(1, ms)) ofOne++
    for (let other = 0; other < 20; other++) if (hint(2 + 20 * ms + other, ms)) hints++
  }
  expect(ofOne).toBeLessThanOrEqual(5)
  expect(hints + ofOne).toBeLessThanOrEqual(5_024)
  expect(hints).toBeGreaterThan(4_900)
})

test("while the socket is full none is written, and later none comes of it", () => {
  const { hint, side } = makeHints()
  side.fill()
  expect(hint(1, 0)).toBe(false)
  side.tap.room = Infinity
  expect(side.sent()).toHaveLength(1)
})
