import { expect, test } from "vitest"
import { Doubts } from "../../src/join/doubts.ts"
import type { KnownPeer } from "../../src/join/established.ts"
import { Association } from "../../src/path/association.ts"

const HERE = 1
const ELSEWHERE = 2

function makePeer(ptoMs = 50): KnownPeer & { asked: number; readonly association: Association; liveness: "joined" } {
  const association = new Association({
    ...{ slot: 8, remoteSlot: 9, address: HERE, isOurs: false, order: 0, inFlightMax: 64, nowMs: 0 },
  })
  return {
    ...{ session: {} as KnownPeer["session"], liveness: "joined", association, associations: [association] },
    ...{ rtt: { ptoMs }, asked: 0 },
    ping() {
      this.asked++
    },
  }
}

test("whoever is at the peer's address replaces it at once, and so does who knows its slot; nobody is asked", () => {
  const [doubts, peer] = [new Doubts(), makePeer()]
  expect(doubts.mayReplace(peer, HERE, 0, 1_000)).toBe(true)
  expect(doubts.mayReplace(peer, ELSEWHERE, 8, 1_000)).toBe(true)
  expect([doubts.mayReplace(peer, ELSEWHERE, 7, 1_000), peer.asked]).toEqual([false, 1])
})

test("a peer that answers is never replaced, and asked ten times a second at most", () => {
  const [doubts, peer] = [new Doubts(), makePeer()]
  for (let nowMs = 0; nowMs < 2_000; nowMs += 10) {
    expect(doubts.mayReplace(peer, ELSEWHERE, 0, nowMs)).toBe(false)
    peer.association.lastReceivedMs = nowMs + 5
  }
  expect(peer.asked).toBe(20)
})

test.each([
  [5, 500],
  [100, 600],
  [10_000, 1_000],
])("one of which nothing comes for 6 PTO of %d ms after it was asked is replaced after %d ms", (ptoMs, afterMs) => {
  const [doubts, peer] = [new Doubts(), makePeer(ptoMs)]
  peer.association.lastReceivedMs = 990
  expect(doubts.mayReplace(peer, ELSEWHERE, 0, 1_000)).toBe(false)
  expect(doubts.mayReplace(peer, ELSEWHERE, 0, 1_000 + afterMs - 1)).toBe(false)
  // Each try asks again: a question may be lost.
  expect([doubts.mayReplace(peer, ELSEWHERE, 0, 1_000 + afterMs), peer.asked]).toEqual([true, 2])
})

test("a doubt of long ago is none: the peer that was heard since is asked first", () => {
  const [doubts, peer] = [new Doubts(), makePeer()]
  doubts.mayReplace(peer, ELSEWHERE, 0, 1_000)
  peer.association.lastReceivedMs = 1_010
  expect(doubts.mayReplace(peer, ELSEWHERE, 0, 60_000)).toBe(false)
  expect(doubts.mayReplace(peer, ELSEWHERE, 0, 60_499)).toBe(false)
})
