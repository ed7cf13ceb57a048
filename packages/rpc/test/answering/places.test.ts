/** How many are answered at a time, and whose turn it is. */
import fc from "fast-check"
import { expect, it } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { Places, type Share, type Waiting } from "../../src/answering/places.ts"

it("never gives more places than there are, nor more than a peer may have, and none is left free while one may have it", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ isAsking: fc.boolean(), who: fc.nat(3) }), { maxLength: 100 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 6 }),
      (steps, max, maxPerPeer) => {
        const places = new Places<Waiting>(max, maxPerPeer)
        const shares: Share[] = [0, 1, 2, 3].map(() => ({ taken: 0 }))
        const running: Share[] = []
        const waiting: Waiting[] = []
        for (const { isAsking, who } of steps) {
          const share = shares[who]!
          // A stream whose request waits is paused: it asks no more.
          if (isAsking && !waiting.some((it) => it.share === share)) {
            if (places.take(share)) running.push(share)
            else {
              waiting.push({ share })
              places.wait(waiting.at(-1)!)
            }
          } else if (!isAsking && running.length > 0) {
            places.free(running.splice(who % running.length, 1)[0]!)
            for (let next = places.next(); next !== undefined; next = places.next()) {
              // The first one that may.
              expect(waiting.find((it) => it.share.taken < maxPerPeer || it === next)).toBe(next)
              waiting.splice(waiting.indexOf(next), 1)
              running.push(next.share)
            }
          }
          expect(places.taken).toBe(running.length)
          expect(places.taken).toBeLessThanOrEqual(max)
          expect(places.waiting).toBe(waiting.length)
          for (const it of shares) {
            expect(it.taken).toBe(running.filter((share_) => share_ === it).length)
            expect(it.taken).toBeLessThanOrEqual(maxPerPeer)
          }
          if (running.length < max) expect(waiting.every((it) => it.share.taken >= maxPerPeer)).toBe(true)
        }
        expect(places.takeWaiting()).toEqual(waiting)
        expect(places.waiting).toBe(0)
      },
    ),
    { numRuns: runs(500) },
  )
})
