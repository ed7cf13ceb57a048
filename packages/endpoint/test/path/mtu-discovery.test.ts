import { DATAGRAM_BYTES_BASE, DATAGRAM_BYTES_FLOOR } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import type { Arrivals, SentTurn } from "../../src/path/black-hole.ts"
import { MtuDiscovery } from "../../src/path/mtu-discovery.ts"

const PTO_MS = 40
const RTT_MS = 20

/** One datagram was sent. */
function turn(bytes: number): SentTurn {
  return { bytes, largestBytes: bytes, counter: 2, missingBytes: 0 }
}

/** A datagram has arrived, and one before it hasn't. */
function arrival(bytes: number): Arrivals {
  return { heardCounter: 3, heardDatagramBytes: bytes, missingBytes: 1 }
}

/** Drives the machine over a path of its own: probes and data that are no longer than it carries come through. */
class World {
  readonly mtu: MtuDiscovery
  /** The longest datagram that passes, and whether one is lost all the same. */
  pathBytes = Infinity
  isLost = (): boolean => false
  nowMs = 0
  probes = 0
  readonly sizes: number[] = []
  /** Whether feedback names a datagram of this size. */
  hears = (_size: number): boolean => true
  #counter = 0
  #turns = 0
  #sentBytes = 0
  #arrivedBytes = 0
  #missingBytes = 0
  #due: { atMs: number; run: () => void }[] = []

  constructor(boundBytes = 1_452) {
    this.mtu = new MtuDiscovery(boundBytes, () => 0.5)
  }

  /** Data goes for so long, a full datagram each time. */
  send(forMs: number, everyMs = 10, bytes = (): number => this.mtu.datagramBytes): void {
    for (const endMs = this.nowMs + forMs; this.nowMs < endMs;) {
      this.#sendOne(bytes())
      // Something small goes too, such as a question what is missing.
      if (++this.#turns % 5 === 0) this.#sendOne(60)
      this.run(everyMs)
    }
  }

  #sendOne(size: number): void {
    const counter = ++this.#counter
    const sentBytes = (this.#sentBytes += size)
    this.mtu.handleSent({ bytes: size, largestBytes: size, counter, missingBytes: this.#missingBytes }, this.nowMs)
    if (!this.#passes(size)) return
    this.#later(() => {
      this.#arrivedBytes += size
      this.#missingBytes = sentBytes - this.#arrivedBytes
      const arrivals = { heardCounter: counter, heardDatagramBytes: size, missingBytes: this.#missingBytes }
      if (this.hears(size)) this.mtu.handleFeedback(arrivals)
    })
  }

  run(forMs: number): void {
    const endMs = this.nowMs + forMs
    for (;;) {
      for (let probe = this.mtu.poll(PTO_MS, this.nowMs); probe !== undefined;) {
        const asked = probe
        this.probes++
        // There, and the answer back.
        if (this.#passes(asked.size) && !this.isLost()) this.#later(() => this.mtu.handleAnswer(asked, this.nowMs))
        probe = this.mtu.poll(PTO_MS, this.nowMs)
      }
      this.#due.sort((a, b) => a.atMs - b.atMs)
      const nextMs = Math.min(this.#due[0]?.atMs ?? Infinity, this.mtu.dueMs(PTO_MS))
      if (nextMs > endMs) break
      this.nowMs = Math.max(this.nowMs, nextMs)
      if (this.#due[0] !== undefined && this.#due[0].atMs <= this.nowMs) this.#due.shift()!.run()
      this.sizes.push(this.mtu.datagramBytes)
    }
    this.nowMs = endMs
  }

  #passes(bytes: number): boolean {
    return bytes <= this.pathBytes && !this.isLost()
  }

  #later(run: () => void): void {
    this.#due.push({ atMs: this.nowMs + RTT_MS, run })
  }
}

test("nothing is probed until something large is sent, and then the bound at once", () => {
  const it = new World()
  it.run(1_000)
  it.send(1_000, 10, () => DATAGRAM_BYTES_FLOOR)
  expect([it.probes, it.mtu.datagramBytes, it.mtu.state]).toEqual([0, DATAGRAM_BYTES_BASE, "base"])
  it.send(RTT_MS + 10)
  expect([it.probes, it.mtu.datagramBytes, it.mtu.state]).toEqual([1, 1_452, "complete"])
})

test("a path that carries no more than the base is left alone after a short search", () => {
  const it = new World()
  it.pathBytes = 1_200
  it.send(3_000)
  expect([it.mtu.datagramBytes, it.mtu.state]).toEqual([1_200, "complete"])
  expect(it.probes).toBeLessThan(20)
})

test("a path that grows narrower in silence is left for the base within two seconds, and searched anew", () => {
  const it = new World()
  it.send(1_000)
  it.pathBytes = 1_252
  it.send(2_000)
  expect(it.mtu.datagramBytes).toBeLessThan(1_253)
  it.send(2_000)
  expect(it.mtu.datagramBytes).toBe(1_252)
})

test("a path that no longer carries the base is used with the floor, and then with what it carries", () => {
  const it = new World()
  it.send(1_000)
  it.pathBytes = 700
  it.send(4_000)
  expect(it.mtu.datagramBytes).toBeGreaterThan(680)
  expect(it.mtu.datagramBytes).toBeLessThan(701)
})

test("a hole for full datagrams is found though shorter ones pass, and one for shorter ones though no full ones go", () => {
  const it = new World()
  it.send(1_000)
  it.pathBytes = 1_300
  let index = 0
  it.send(3_000, 10, () => (index++ % 2 === 0 ? it.mtu.datagramBytes : 1_250))
  expect(it.mtu.datagramBytes).toBeLessThan(1_301)
  it.pathBytes = 700
  it.send(3_000, 10, () => Math.min(1_000, it.mtu.datagramBytes))
  expect(it.mtu.datagramBytes).toBeLessThan(701)
})

test("where all that was sent has arrived nothing is doubted, though feedback never names a large datagram", () => {
  const it = new World()
  it.send(1_000)
  it.hears = (size) => size < 1_000
  const before = it.probes
  let index = 0
  it.send(60_000, 10, () => (index++ % 3 === 0 ? 1_452 : 200))
  expect(it.probes).toBe(before)
})

test("a path that carries nothing at all lowers nothing, and costs few probes", () => {
  const it = new World()
  it.send(1_000)
  it.pathBytes = 0
  const before = it.probes
  it.send(2_000)
  expect(it.probes).toBe(before)
  it.send(8_000)
  expect(it.probes - before).toBeLessThan(40)
  expect([it.mtu.datagramBytes, it.mtu.state]).toEqual([1_452, "doubting"])
  it.pathBytes = Infinity
  it.send(2_000)
  expect([it.mtu.datagramBytes, it.mtu.state]).toEqual([1_452, "complete"])
})

test("loss by chance is no hole: an hour with 15 % lost each way, one large datagram a second", () => {
  const it = new World()
  it.send(1_000)
  let state = 1
  it.isLost = () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647 < 0.2
  }
  it.send(3_600_000, 1_000, () => 1_452)
  expect(it.mtu.datagramBytes).toBe(1_452)
  expect(new Set(it.sizes.slice(10))).toEqual(new Set([1_452]))
  // In an hour: mostly one group for each suspicion.
  expect(it.probes).toBeLessThan(10_000)
})

test("an error of the system lowers the size to the next that is known to pass, never below the floor", () => {
  const it = new World()
  it.send(1_000)
  it.pathBytes = 0
  for (const bytes of [548, 100, 1]) it.mtu.handleTooLong(bytes, it.nowMs)
  expect(it.mtu.datagramBytes).toBe(1_452)
  it.mtu.handleTooLong(1_452, it.nowMs)
  expect(it.mtu.datagramBytes).toBe(DATAGRAM_BYTES_BASE)
  it.mtu.handleTooLong(1_452, it.nowMs)
  expect(it.mtu.datagramBytes).toBe(DATAGRAM_BYTES_BASE)
  for (const bytes of [1_200, 548, 548, 100, 1]) it.mtu.handleTooLong(bytes, it.nowMs)
  expect(it.mtu.datagramBytes).toBe(DATAGRAM_BYTES_FLOOR)
})

test("a size that was lowered for an error that wasn't true is found again at once", () => {
  const it = new World()
  it.send(1_000)
  it.mtu.handleTooLong(1_300, it.nowMs)
  expect(it.mtu.datagramBytes).toBe(DATAGRAM_BYTES_BASE)
  it.send(8_000)
  expect(it.mtu.datagramBytes).toBe(1_452)
})

test("answers that nobody asked for, or of a path that is no longer used, confirm nothing", () => {
  const it = new World()
  it.mtu.handleSent(turn(1_200), 0)
  const probe = it.mtu.poll(PTO_MS, 0)!
  expect(it.mtu.handleAnswer({ probe: probe.probe, size: probe.size + 1 }, 1)).toBe(0)
  expect(it.mtu.handleAnswer({ probe: probe.probe + 1, size: probe.size }, 1)).toBe(0)
  it.mtu.restart()
  expect(it.mtu.handleAnswer(probe, 1)).toBe(0)
  expect(it.mtu.datagramBytes).toBe(DATAGRAM_BYTES_BASE)
})

test("a peer that was joined with datagrams of the floor only is probed for more", () => {
  const it = new World()
  it.mtu.handleNarrowJoin(0)
  expect(it.mtu.datagramBytes).toBe(DATAGRAM_BYTES_FLOOR)
  it.mtu.handleSent(turn(540), 0)
  it.run(1_000)
  expect(it.mtu.datagramBytes).toBe(1_452)
})

test("whatever is answered, a size is within its bounds, was confirmed, and the search for it ends", () => {
  const event = fc.oneof(
    fc.record({ kind: fc.constant("answer" as const), at: fc.nat(20) }),
    fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 2_000 }) }),
    fc.record({ kind: fc.constant("sent" as const), bytes: fc.integer({ min: 1, max: 70_000 }) }),
    fc.record({ kind: fc.constant("arrived" as const), bytes: fc.integer({ min: 1, max: 70_000 }) }),
    fc.record({ kind: fc.constant("refused" as const), bytes: fc.integer({ min: 1, max: 70_000 }) }),
  )
  fc.assert(
    fc.property(fc.integer({ min: 548, max: 65_507 }), fc.array(event, { maxLength: 200 }), (bound, events) => {
      const mtu = new MtuDiscovery(bound, () => 0.9)
      const asked: { probe: number; size: number }[] = []
      const confirmed = new Set([Math.min(bound, DATAGRAM_BYTES_BASE), DATAGRAM_BYTES_FLOOR])
      let nowMs = 0
      const poll = (): void => {
        for (let probe = mtu.poll(PTO_MS, nowMs); probe !== undefined; probe = mtu.poll(PTO_MS, nowMs)) {
          expect(probe.size).toBeLessThanOrEqual(bound)
          asked.unshift(probe)
        }
      }
      for (const it of events) {
        if (it.kind === "wait") nowMs += it.ms
        else if (it.kind === "sent") mtu.handleSent(turn(it.bytes), nowMs)
        else if (it.kind === "arrived") mtu.handleFeedback(arrival(it.bytes))
        else if (it.kind === "refused") mtu.handleTooLong(it.bytes, nowMs)
        else if (asked[it.at] !== undefined) confirmed.add(mtu.handleAnswer(asked[it.at]!, nowMs))
        poll()
        expect(mtu.datagramBytes).toBeLessThanOrEqual(bound)
        expect(confirmed).toContain(mtu.datagramBytes)
      }
      // Nothing is sent any more, and nothing answered.
      mtu.handleFeedback(arrival(Infinity))
      for (let polls = 0; mtu.state === "searching"; polls++) {
        expect(polls).toBeLessThan(200)
        nowMs = Math.max(nowMs, mtu.dueMs(PTO_MS))
        poll()
      }
    }),
  )
})
