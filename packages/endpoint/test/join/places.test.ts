import { describe, expect, test } from "vitest"
import { settingsOf } from "../../src/api/options.ts"
import { whyNoPlace } from "../../src/join/places.ts"

const KEY = new Uint8Array(32)

interface Held {
  readonly size: number
  readonly ofHost?: number
  readonly ofKey?: number
  readonly halfOpen?: number
}

function hasPlace(options: object, { size, ofHost = 0, ofKey = 0, halfOpen = 0 }: Held): boolean {
  const peers = { size, countOfHost: () => ofHost, countOfKey: () => ofKey }
  const waiting = { joinsOf: () => halfOpen, joinsOfKey: () => halfOpen }
  return whyNoPlace(settingsOf(options), peers, waiting, "10.0.0.1", KEY) === undefined
}

describe("with 800 places", () => {
  const options = { peersMax: 800, peersPerKeyMax: 800 }

  test("a host has seven eighths of them, half-open joins included", () => {
    expect(hasPlace(options, { size: 699, ofHost: 699 })).toBe(true)
    expect(hasPlace(options, { size: 700, ofHost: 700 })).toBe(false)
    expect(hasPlace(options, { size: 600, ofHost: 600, halfOpen: 100 })).toBe(false)
  })

  test("the last eighth is for hosts that have less than an eighth of that", () => {
    expect(hasPlace(options, { size: 699, ofHost: 12 })).toBe(true)
    expect(hasPlace(options, { size: 700, ofHost: 12 })).toBe(false)
    expect(hasPlace(options, { size: 700, ofHost: 11 })).toBe(true)
    expect(hasPlace(options, { size: 799 })).toBe(true)
    expect(hasPlace(options, { size: 800 })).toBe(false)
  })

  test("a key has as many as peersPerKeyMax says, wherever it is", () => {
    expect(hasPlace({ peersMax: 800 }, { size: 63, ofKey: 63 })).toBe(true)
    expect(hasPlace({ peersMax: 800 }, { size: 64, ofKey: 64 })).toBe(false)
    expect(hasPlace({ peersMax: 800 }, { size: 60, ofKey: 60, halfOpen: 4 })).toBe(false)
  })
})

test("few places may all be taken by one host, and any number where that is asked for", () => {
  for (const peersMax of [1, 2, 8, 63]) {
    expect(hasPlace({ peersMax }, { size: peersMax - 1, ofHost: peersMax - 1 })).toBe(true)
    expect(hasPlace({ peersMax }, { size: peersMax, ofHost: peersMax })).toBe(false)
  }
  expect(hasPlace({ peersMax: 500, peersPerHostMax: 500 }, { size: 499, ofHost: 499 })).toBe(true)
})
