// How much of a limited resource each share may have.

import fc from "fast-check"
import { expect, test } from "vitest"
import { type Share, Shares, type SharesOptions, StreamShare } from "../../src/schedule/shares.ts"
import { runs } from "../../../../tools/testkit/src/runs.ts"

const SLOTS: SharesOptions = {
  ...{ unitsMax: 65_536, floorUnits: 16_384, sharesMax: 10_000 },
  ...{ floorMax: 16_384, loanMax: 16_384, shareMax: 16_384, lending: "earned", trustPart: 16 },
}

/** Takes one unit after the other as long as it gets some. */
function fill(share: { take(units: number): boolean }, most = Infinity): number {
  let taken = 0
  while (taken < most && share.take(1)) taken++
  return taken
}

/** A share that is known to give back as much as it could have. */
function earner(shares: Shares): Share {
  const share = shares.share()
  for (let before = -1, now = 0; now > before;) {
    before = now
    now = share.used + fill(share)
    share.give(1)
  }
  return share
}

test.each([1, 10, 80, 1_000, 9_999])(
  "%d that give nothing back, one after the other, leave the next one its floor and what is lent on trust",
  (k) => {
    const shares = new Shares(SLOTS)
    for (let i = 0; i < k; i++) fill(shares.share())
    const next = shares.share()
    const floor = shares.floorFor(k + 1)
    expect(fill(next)).toBeGreaterThanOrEqual(floor)
    // It gets again what it gives back, and more of it with each round.
    expect(next.used).toBeGreaterThanOrEqual(k <= 80 ? 64 : 1)
    shares.assertInvariants()
  },
)

test.each([1, 10, 80])("%d that had earned all that they can have, and stop, leave the next one a part", (k) => {
  const shares = new Shares(SLOTS)
  for (let i = 0; i < k; i++) earner(shares)
  const next = earner(shares)
  expect(next.used).toBeGreaterThanOrEqual(8)
})

test("a peer alone has what one may have", () => {
  const shares = new Shares(SLOTS)
  const share = earner(shares)
  expect(share.used).toBe(16_383)
  expect([share.isFull(1), share.isFull(2)]).toEqual([false, true])
})

test("who shows that it gives back is lent twice what it held then, and half as much each time it has emptied", () => {
  const shares = new Shares({ ...SLOTS, unitsMax: 8_192, floorUnits: 2_048 })
  const share = shares.share()
  const onTrust = fill(share)
  share.give(1)
  expect(share.used + fill(share)).toBeGreaterThan(1.5 * onTrust)
  for (let i = 0; i < 12; i++) {
    share.give(share.used)
    share.take(1)
  }
  expect(1 + fill(share)).toBe(onTrust)
})

test("a message as large as may be is lent while nothing else is, small ones have their floor beside it, and no peer is lent more than one may", () => {
  const shares = new Shares({
    ...{ unitsMax: 1_000, floorUnits: 200, sharesMax: 100, floorMax: 50, loanMax: 800, shareMax: 850 },
    ...{ lending: "square", isInLots: true },
  })
  const [first, second] = [shares.share(), shares.share()]
  expect([first.take(801), first.take(800), first.take(8), second.take(8), second.take(100)]).toEqual([
    false,
    true,
    true,
    true,
    false,
  ])
  expect([second.fits(100), second.fits(100, 700), second.isFull(100), second.isFull(801)]).toEqual([
    false,
    true,
    false,
    true,
  ])
  // The small one is given back, and there is room for another small one, though the large one stays.
  first.give(8)
  expect([first.take(100), first.take(8)]).toEqual([false, true])
  first.give(800)
  expect(second.take(100)).toBe(true)
  shares.assertInvariants()
})

test("one stream of a peer leaves some of its share to the others", () => {
  const shares = new Shares({ ...SLOTS, shareMax: 100, loanMax: 100, floorMax: 100 })
  const share = shares.share()
  const streams = [new StreamShare(share, 1_000), new StreamShare(share, 1_000), new StreamShare(share, 1_000)]
  expect(streams[0]!.room).toBe(80)
  expect(streams.map((stream) => fill(stream))).toEqual([80, 9, 1])
  expect([streams[0]!.room, streams[0]!.isFull(1)]).toEqual([0, true])
  streams[0]!.give(80)
  expect([streams[2]!.room, share.used]).toEqual([72, 10])
})

test("an eighth of a share is for what is under way, one unit at least, unless it is the first", () => {
  const streamsOf = (units: number) => {
    const share = new Shares({ ...SLOTS, shareMax: units, loanMax: units, floorMax: units }).share()
    return Array.from({ length: 4 }, () => new StreamShare(share, 1_000))
  }
  const [one, other] = streamsOf(8)
  expect([fill(one!), fill(other!)]).toEqual([7, 0])
  expect([other!.hasKept, other!.takeKept(1), other!.takeKept(1), other!.hasKept]).toEqual([true, true, false, false])
  // As few as a peer may have: what holds them up lets the next stream pass.
  expect(streamsOf(16).map((stream) => fill(stream))).toEqual([13, 2, 0, 0])
  // Streams that have none still get one each, except the last.
  const streams = streamsOf(64)
  const taken = streams.map((stream) => fill(stream))
  expect(taken).toEqual([51, 6, 1, 1])
  let kept = 0
  while (streams[0]!.takeKept(1)) kept++
  expect(kept).toBe(5)
  const single = new StreamShare(new Shares({ ...SLOTS, shareMax: 1, loanMax: 1, floorMax: 1 }).share(), 1_000)
  expect([single.room, fill(single)]).toEqual([1, 1])
})

test("whatever is taken and given back: the sum is bounded, what there is room for can be had, and whoever holds nothing gets its floor", () => {
  const step = fc.record({ who: fc.nat(19), units: fc.integer({ min: 1, max: 400 }), isTaking: fc.boolean() })
  fc.assert(
    fc.property(fc.constantFrom("earned", "square", "all"), fc.array(step, { maxLength: 200 }), (lending, steps) => {
      const shares = new Shares({
        ...{ unitsMax: 2_000, floorUnits: 500, sharesMax: 20, floorMax: 600, loanMax: 600, shareMax: 600 },
        lending: lending as SharesOptions["lending"],
      })
      const all = Array.from({ length: 20 }, () => shares.share())
      for (const { who, units, isTaking } of steps) {
        const share = all[who]!
        if (isTaking) {
          const { room } = share
          const wanted = Math.min(units, room)
          expect(fill(share, wanted)).toBe(wanted)
          if (wanted === room) expect(share.take(1)).toBe(false)
        } else if (share.used > 0) {
          share.give(Math.min(units, share.used))
        }
        shares.assertInvariants()
        expect([shares.used, shares.holders]).toEqual([
          all.reduce((sum, { used }) => sum + used, 0),
          all.filter(({ used }) => used > 0).length,
        ])
        const idle = all.find(({ used }) => used === 0)
        if (idle !== undefined) expect(idle.room).toBeGreaterThanOrEqual(shares.floorFor(shares.holders + 1))
      }
    }),
    { numRuns: runs(200) },
  )
})

test("where each packet takes many units, as many packets are left to others as where it takes one", () => {
  const taken = (units: number): number[] => {
    const most = 64 * units
    const floors = { floorMax: most, loanMax: most, shareMax: most }
    const all = { unitsMax: 2 * most, floorUnits: most, sharesMax: 2, lending: "all" as const }
    const share = new Shares({ ...all, ...floors }).share()
    const packets = (stream: StreamShare): number => {
      const room = stream.roomFor(units)
      let count = 0
      while (stream.take(units)) count++
      expect(count).toBe(room)
      return count
    }
    const streams = Array.from({ length: 4 }, () => new StreamShare(share, 1_000))
    const counts = streams.map((stream) => packets(stream))
    expect(streams[0]!.hasKeptFor(units)).toBe(true)
    return counts
  }
  const small = taken(1)
  // An eighth of what is used is rounded down to a unit, not to a packet.
  for (const [at, packets] of taken(45).entries()) {
    expect(packets).toBeLessThanOrEqual(small[at]!)
    expect(packets).toBeGreaterThanOrEqual(small[at]! - 1)
  }
})
