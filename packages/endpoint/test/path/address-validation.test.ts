// Where a peer is: what moves it, what doesn't, and what an address that proved nothing gets.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { AddressValidation, CANDIDATES_MAX, REST_MS, SUSPICION_MS } from "../../src/path/address-validation.ts"

const PTO_MS = 50
/** A challenge alone in its datagram. */
const CHALLENGE_BYTES = 45
const HOME = 1

/** A peer, its machine, and the challenges that are on their way. */
class World {
  readonly held = new Map<number, number>([[HOME, 1]])
  readonly it: AddressValidation
  nowMs = 1_000
  /** When the last newest datagram came. */
  lastMs = 1_000
  readonly asked: { readonly address: number; readonly data: Uint8Array }[] = []
  #draws = 0

  constructor(mayFollow: boolean) {
    const count = (address: number, by: number): void => void this.held.set(address, this.#heldOf(address) + by)
    this.it = new AddressValidation(HOME, {
      mayFollow,
      draw: () => {
        // Only the last bytes differ: all of them count.
        const data = new Uint8Array(16)
        new DataView(data.buffer).setUint32(12, ++this.#draws)
        return data
      },
      retain: (address) => count(address, 1),
      release: (address) => count(address, -1),
    })
  }

  #heldOf(address: number): number {
    return this.held.get(address) ?? 0
  }

  get references(): number {
    return [...this.held.values()].reduce((sum, count) => sum + count, 0)
  }

  hear(source: number, { bytes = 100, isNewest = true } = {}): void {
    this.it.heard({ source, bytes, isNewest, beforeMs: this.lastMs }, PTO_MS, this.nowMs)
    if (isNewest) this.lastMs = this.nowMs
    this.poll()
  }

  /** Answers the last challenge that went to this address; `false`: that answers nothing. */
  answer(address: number): boolean {
    const { data } = this.asked.findLast((challenge) => challenge.address === address)!
    const isAnswer = this.it.answered(data, PTO_MS, this.nowMs)
    this.poll()
    return isAnswer
  }

  poll(): void {
    this.it.handleTimeout(PTO_MS, this.nowMs)
    for (;;) {
      const challenge = this.it.pollChallenge(CHALLENGE_BYTES, this.nowMs)
      if (challenge === undefined) break
      this.asked.push(challenge)
    }
    this.it.assertInvariants()
  }

  pass(ms: number): void {
    const endMs = this.nowMs + ms
    for (let steps = 0; steps < 1_000 && this.it.dueMs <= endMs; steps++) {
      this.nowMs = Math.max(this.nowMs, this.it.dueMs)
      this.poll()
    }
    this.nowMs = endMs
    this.poll()
  }

  /** Where datagrams go, and which address is proved. */
  get where(): readonly [destination: number, proved: number] {
    return [this.it.destination.address, this.it.address]
  }

  /** The addresses that were challenged since the last call. */
  get challenged(): number[] {
    return this.asked.splice(0).map(({ address }) => address)
  }
}

describe("where there are keys", () => {
  test("a peer is followed at once, both addresses are challenged, and the answer proves the new one", () => {
    const it = new World(true)
    it.pass(500)
    it.hear(2)
    expect([it.where, it.asked.map(({ address }) => address)]).toEqual([
      [2, HOME],
      [HOME, 2],
    ])
    expect([it.it.destination.roomBytes, it.it.strayMs]).toEqual([3 * 100 - CHALLENGE_BYTES, 1_000])
    expect([it.answer(2), it.where, it.it.destination.roomBytes]).toEqual([true, [2, 2], Infinity])
    // The one before is forgotten after 3 PTO.
    expect([it.it.isSettled, it.references]).toEqual([false, 2])
    it.pass(3 * PTO_MS)
    expect([it.it.isSettled, it.references, it.it.failed]).toEqual([true, 1, 0])
  })

  test("an older datagram moves nothing: it was only late", () => {
    const it = new World(true)
    it.hear(2, { isNewest: false })
    expect([it.where, it.challenged, it.references]).toEqual([[HOME, HOME], [], 1])
  })

  test("what came from an address makes room there, older datagrams too", () => {
    const it = new World(true)
    it.hear(2)
    it.hear(2, { bytes: 1_000, isNewest: false })
    expect(it.it.destination.roomBytes).toBe(3 * 1_100 - CHALLENGE_BYTES)
  })

  test("an old address that answers wins, even after the other has answered too", () => {
    for (const isProved of [false, true]) {
      const it = new World(true)
      it.hear(2)
      const leftMs = it.nowMs
      it.pass(10)
      if (isProved) it.answer(2)
      expect([it.answer(HOME), it.where, it.it.strayMs]).toEqual([true, [HOME, HOME], leftMs])
      expect([it.it.failed, it.references, it.it.isSettled]).toEqual([1, 1, true])
    }
  })

  test("a newest datagram from the old address takes the peer back", () => {
    for (const isProved of [false, true]) {
      const it = new World(true)
      it.hear(2)
      if (isProved) it.answer(2)
      it.hear(HOME)
      expect([it.where, it.references]).toEqual([[HOME, HOME], 1])
    }
  })

  test("after that no other address is looked at for a second, and none is followed on trust for a minute", () => {
    const it = new World(true)
    it.hear(2)
    it.answer(HOME)
    void it.challenged
    it.pass(REST_MS - 1)
    it.hear(3)
    expect([it.where, it.challenged]).toEqual([[HOME, HOME], []])
    it.pass(1)
    it.hear(3)
    expect([it.where, it.asked.map(({ address }) => address)]).toEqual([
      [HOME, HOME],
      [HOME, 3],
    ])
    // The other answers first: it may only carry challenges to and fro. The old one has its time.
    it.answer(3)
    expect(it.where).toEqual([HOME, HOME])
    it.pass(900)
    expect(it.where).toEqual([3, 3])
    it.hear(4)
    expect(it.where).toEqual([4, 3])
  })

  test("suspicion ends after a minute", () => {
    const it = new World(true)
    it.hear(2)
    it.answer(HOME)
    it.pass(SUSPICION_MS)
    it.hear(3)
    expect(it.where).toEqual([3, HOME])
  })

  test("challenges are repeated further and further apart, and given up; then datagrams go back", () => {
    const it = new World(true)
    it.hear(2)
    it.pass(899)
    const times = 1 + Math.floor(Math.log2(900 / PTO_MS + 1))
    expect(it.challenged).toEqual(Array.from({ length: times }, () => [HOME, 2]).flat())
    expect(it.where).toEqual([2, HOME])
    it.pass(1)
    expect([it.where, it.it.failed, it.references, it.it.dueMs]).toEqual([[HOME, HOME], 1, 1, Infinity])
  })

  test("no challenge goes where there is no room for it", () => {
    const it = new World(true)
    it.hear(2, { bytes: 31 })
    it.pass(800)
    expect(it.challenged.filter((address) => address === 2)).toHaveLength(2)
  })

  test("of many addresses the newest is followed, and a few are challenged", () => {
    const it = new World(true)
    for (let address = 2; address < 10; address++) it.hear(address)
    expect([it.where, it.references]).toEqual([[9, HOME], 1 + CANDIDATES_MAX])
    // Each of those may prove itself; the newest is still the newest.
    it.answer(8)
    expect(it.where).toEqual([9, 8])
    it.answer(9)
    expect(it.where).toEqual([9, 9])
  })

  test("an answer to nothing, or to a challenge that is over, does nothing", () => {
    const it = new World(true)
    it.hear(2)
    expect(it.it.answered(new Uint8Array(16).fill(9), PTO_MS, it.nowMs)).toBe(false)
    it.pass(2_000)
    expect([it.answer(2), it.where]).toEqual([false, [HOME, HOME]])
  })

  test("all references are given back", () => {
    const it = new World(true)
    for (const address of [2, 3]) it.hear(address)
    it.answer(3)
    it.hear(4)
    it.it.release()
    expect([...it.held.values()].every((count) => count === 0)).toBe(true)
  })
})

test("without keys only the answer moves a peer: until then nothing but challenges goes elsewhere", () => {
  const it = new World(false)
  it.pass(500)
  it.hear(2)
  it.pass(20)
  expect([it.where, it.asked.map(({ address }) => address)]).toEqual([
    [HOME, HOME],
    [HOME, 2],
  ])
  it.answer(2)
  expect([it.where, it.it.strayMs]).toEqual([[2, 2], 1_000])
})

test("a peer that is found only after challenges in vain has been away since it was last heard at the address before", () => {
  const it = new World(false)
  it.pass(500)
  it.hear(HOME)
  const homeMs = it.nowMs
  for (let i = 0; i < 3; i++) {
    it.pass(1_000)
    it.hear(2)
  }
  expect([it.where, it.it.failed]).toEqual([[HOME, HOME], 2])
  it.answer(2)
  expect([it.where, it.it.strayMs]).toEqual([[2, 2], homeMs])
  // It was there until something came from the next address.
  it.pass(1_000)
  it.hear(2)
  const thereMs = it.nowMs
  it.pass(1_000)
  it.hear(3)
  it.answer(3)
  expect([it.where, it.it.strayMs]).toEqual([[3, 3], thereMs])
})

test("who answers where it was has been away no longer than since then", () => {
  const it = new World(false)
  it.hear(2)
  it.pass(500)
  it.answer(HOME)
  it.pass(REST_MS)
  it.hear(2, { isNewest: false })
  it.lastMs = it.nowMs
  it.hear(3)
  it.answer(3)
  it.pass(900)
  expect([it.where, it.it.strayMs]).toEqual([[3, 3], 2_500])
})

/** What a run consists of. Addresses from 100 on are the attacker's; the peer is at one address at a time. */
type Step =
  | { readonly kind: "hear"; readonly isLate: boolean }
  | { readonly kind: "copy"; readonly address: number; readonly isNewest: boolean }
  | { readonly kind: "move" }
  | { readonly kind: "send"; readonly bytes: number }
  | { readonly kind: "carry"; readonly isLost: boolean }
  | { readonly kind: "pass"; readonly ms: number }

const STEP: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("hear" as const), isLate: fc.boolean() }),
  fc.record({
    kind: fc.constant("copy" as const),
    address: fc.integer({ min: 100, max: 106 }),
    isNewest: fc.boolean(),
  }),
  fc.constant({ kind: "move" } as const),
  fc.record({ kind: fc.constant("send" as const), bytes: fc.integer({ min: 1, max: 1_200 }) }),
  fc.record({ kind: fc.constant("carry" as const), isLost: fc.boolean() }),
  fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 400 }) }),
)

test("whatever is copied, moved, lost and late: only where the peer was is proved, strangers get three times what they sent, and the peer is found", () => {
  const seen = { proved: 0, followed: 0, back: 0 }
  fc.assert(
    fc.property(fc.boolean(), fc.array(STEP, { maxLength: 120, size: "max" }), (mayFollow, steps) => {
      const world = new World(mayFollow)
      const { it } = world
      const counted = new Set<object>()
      const came = new Map<number, number>()
      const went = new Map<number, number>()
      const count = (map: Map<number, number>, address: number, by: number): void =>
        void map.set(address, (map.get(address) ?? 0) + by)
      let peer = HOME
      const homes = new Set([HOME])
      const hear = (source: number, isNewest: boolean): void => {
        count(came, source, 60)
        const before = it.destination.address
        world.hear(source, { bytes: 60, isNewest })
        if (before !== it.destination.address) seen[it.destination.address === it.address ? "back" : "followed"]++
      }
      /** Challenges on their way arrive: the peer answers those that reach it. */
      const carry = (isLost: boolean): void => {
        for (const { address, data } of world.asked.splice(0)) {
          if (address !== peer || isLost) continue
          const before = it.address
          it.answered(data, PTO_MS, world.nowMs)
          if (it.address !== before) seen.proved++
        }
        world.poll()
      }
      for (const step of steps) {
        if (step.kind === "hear") hear(peer, !step.isLate)
        else if (step.kind === "copy") hear(step.address, step.isNewest)
        else if (step.kind === "move") homes.add(++peer)
        else if (step.kind === "carry") carry(step.isLost)
        else if (step.kind === "pass") world.pass(step.ms)
        else if (it.destination.roomBytes >= step.bytes) {
          it.destination.roomBytes -= step.bytes
          count(went, it.destination.address, step.bytes)
        }
        for (const challenge of world.asked) {
          if (counted.has(challenge)) continue
          counted.add(challenge)
          count(went, challenge.address, CHALLENGE_BYTES)
        }
        expect(homes.has(it.address)).toBe(true)
        if (!mayFollow) expect(it.destination.address).toBe(it.address)
        for (const [address, bytes] of went)
          if (address >= 100) expect(bytes).toBeLessThanOrEqual(3 * (came.get(address) ?? 0))
        expect(world.references).toBeGreaterThan(0)
        for (const held of world.held.values()) expect(held).toBeGreaterThanOrEqual(0)
      }
      // The attacker has had enough. The peer is found within a rest, and the time of a challenge, of datagrams.
      for (let i = 0; i < 60; i++) {
        hear(peer, true)
        world.pass(20)
        carry(false)
        world.pass(20)
      }
      expect(world.where).toEqual([peer, peer])
      world.pass(5_000)
      expect([it.isSettled, world.references, it.dueMs]).toEqual([true, 1, Infinity])
      it.release()
      expect(world.references).toBe(0)
    }),
    { numRuns: runs(300) },
  )
  console.log(`seen: ${JSON.stringify(seen)}`)
  expect(Math.min(seen.proved, seen.followed, seen.back)).toBeGreaterThan(0)
})
