import { createFeedback, missingRangeBytes, REACH_MAX } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { PROVED_COUNTERS, REPLAY_WINDOW_MIN, ReplayWindow } from "../../src/path/replay-window.ts"

/** What feedback says, from one entry for each datagram that came (PROTOCOL.md §8, Proof of receipt). */
class Model {
  readonly nonces = new Map<number, number>()
  highest = 0
  #oldest = 1
  #quiet = 0
  #told = 0
  #toldBefore = 0

  check(counter: number): "stale" | "duplicate" | undefined {
    if (counter < this.#oldest || this.highest - counter >= REPLAY_WINDOW_MIN) return "stale"
    return this.nonces.has(counter) ? "duplicate" : undefined
  }

  commit(counter: number, nonce: number): void {
    this.nonces.set(counter, nonce)
    this.highest = Math.max(this.highest, counter)
  }

  tell(roomBytes: number): { reach: number; proof: number; missing: [number, number][] } {
    const { highest } = this
    const reach = Math.max(PROVED_COUNTERS, this.#told === highest ? 0 : highest - this.#told)
    const oldest = Math.max(this.#oldest, highest - Math.min(reach, REPLAY_WINDOW_MIN, REACH_MAX) + 1)
    const missing: [number, number][] = []
    const from = this.#list(missing, oldest, roomBytes)
    let proof = 0
    for (const [counter, nonce] of this.nonces) if (counter >= from) proof ^= nonce << (counter & 31)
    if (highest !== this.#told) {
      this.#quiet = highest - this.#told > 2 ? 0 : this.#quiet + 1
      ;[this.#toldBefore, this.#told] = [this.#told, highest]
      if (this.#quiet === 300) {
        this.#quiet = 0
        this.#oldest = Math.max(this.#oldest, highest - 63 * 32 + 1)
      }
    }
    return { reach: highest === 0 ? 0 : highest - from, proof, missing }
  }

  #list(missing: [number, number][], oldest: number, roomBytes: number): number {
    let above = this.highest + 1
    for (let to = this.highest + 1; to > oldest; to--) {
      if (this.nonces.has(to - 1)) continue
      const age = this.highest - (to - 1)
      if (missing.length === 64) return to
      if ((age >= 1_024 || (age >= 256 && missing.length >= 16)) && to - 1 <= this.#toldBefore) return to
      if (roomBytes < missingRangeBytes(above - to, REACH_MAX)) return to
      let from = to - 1
      while (from > oldest && !this.nonces.has(from - 1)) from--
      missing.push([from, to])
      roomBytes -= missingRangeBytes(above - to, to - from)
      above = to = from
    }
    return oldest
  }
}

/** Datagrams one by one, a few of which are lost, or come late; and feedback of more or less room in between. */
const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant("run"), by: fc.integer({ min: 1, max: 200 }) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("lose"), by: fc.constantFrom(1, 1, 1, 2, 3, 40) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("every second"), by: fc.integer({ min: 1, max: 90 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("late"), by: fc.nat({ max: 4_096 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("jump"), by: fc.constantFrom(4_000, 8_191, 8_192, 70_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("quiet"), by: fc.constantFrom(299, 300, 601) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("tell"), by: fc.constantFrom(0, 3, 20, 300) }) },
)

test("whatever comes, is lost or late, feedback lists what is missing and proves what came, as if it looked at each datagram", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 80, size: "max" }), fc.nat(), (steps, seed) => {
      const window = new ReplayWindow()
      const model = new Model()
      const feedback = createFeedback()
      let next = 1
      const came = (counter: number): void => {
        const verdict = window.check(counter)
        if (verdict !== model.check(counter)) throw new Error(`${counter} is ${verdict}, not ${model.check(counter)}`)
        if (verdict !== undefined) return
        const nonce = (Math.imul(counter + seed, 0x9e37_79b1) >>> 31) & 1
        window.commit(counter, nonce)
        model.commit(counter, nonce)
      }
      const tell = (roomBytes: number): void => {
        window.tell(feedback, roomBytes)
        const { reach, proof, missing } = model.tell(roomBytes)
        const { count, edges } = feedback.missing
        expect(Array.from({ length: count }, (_, i) => [edges[2 * i], edges[2 * i + 1]])).toEqual(missing)
        expect([feedback.counter, feedback.reach, feedback.proof]).toEqual([model.highest, reach, proof])
      }
      for (const { kind, by } of steps) {
        if (kind === "run") for (let i = 0; i < by; i++) came(next++)
        else if (kind === "every second") for (let i = 0; i < by; i++) came((next += 2) - 1)
        else if (kind === "lose") next += by
        else if (kind === "late") came(Math.max(1, model.highest - by))
        else if (kind === "jump") came((next += by) - 1)
        else if (kind === "tell") tell(by)
        else
          for (let i = 0; i < by; i++) {
            came(next++)
            tell(300)
          }
      }
    }),
    { numRuns: runs(150) },
  )
})

test("of more ranges than are kept the oldest are forgotten: the proof reaches no further back than the others", () => {
  const window = new ReplayWindow()
  for (let counter = 2; counter <= 1_200; counter += 2) window.commit(counter, 1)
  // All of the newest but the last five come late: fewer are missing there than feedback may list.
  for (let counter = 701; counter < 1_190; counter += 2) window.commit(counter, 0)
  const feedback = createFeedback()
  window.tell(feedback, 300)
  const { counter, reach, missing } = feedback
  expect([counter, missing.count, [...missing.edges.slice(0, 2)]]).toEqual([1_200, 11, [1_199, 1_200]])
  // 600 were missing, and 256 of them are known: from 689 on.
  expect(counter - reach).toBe(688)
})

test("a window is small until datagrams come, grows to what may be in flight, and is small again once hardly any do", () => {
  const window = new ReplayWindow()
  const feedback = createFeedback()
  expect(window.bytes).toBe(64)
  const receive = (from: number, to: number): void => {
    for (let counter = from; counter < to; counter++) window.commit(counter, 1)
    window.tell(feedback, 300)
  }
  receive(1, 200)
  expect(window.bytes).toBe(64)
  receive(200, 20_000)
  expect(window.bytes).toBe(4_096)
  for (let i = 0; i < 300; i++) receive(20_000 + i, 20_001 + i)
  expect(window.bytes).toBe(512)
  // What it goes on with is as before.
  expect([window.check(20_299), window.check(18_300), window.check(18_200), window.check(20_300)]).toEqual([
    ...["duplicate", "duplicate", "stale"],
    undefined,
  ])
  receive(20_300, 20_400)
  expect([feedback.reach, window.check(20_350)]).toEqual([20_399 - 18_284, "duplicate"])
})
