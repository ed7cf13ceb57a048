/** A peer that sends anything on any stream: nothing throws, what was asked of it ends, and nothing is kept for it. */
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../tools/testkit/src/runs.ts"
import { MESSAGE } from "../src/format/labels.ts"
import { message } from "./raw.ts"
import { ECHO, endOf, left, makePair, NOTHING, partsOf, TAIL } from "./world.ts"

const stream = fc.record({
  label: fc.constantFrom(
    ...["ask/17", "ask/17", "ask/18", "cancel", "answer", "parts/0/0", "parts/1/0", "parts/99999999999/0", "", "ask/"],
    "x".repeat(1_000),
  ),
  delivery: fc.oneof(
    { weight: 6, arbitrary: fc.constant("reliable-unordered" as const) },
    { weight: 1, arbitrary: fc.constantFrom("reliable" as const, "latest" as const) },
  ),
  messages: fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .tuple(
          fc.constantFrom(0, 0, 0, 1, 2, 3, 4, 5, 6, 0x20, 0x10),
          fc.nat(2),
          fc.uint8Array({ maxLength: 12, max: 127 }),
        )
        .map(([first, slot, rest]) => message(first, slot, 0, ...rest)),
    ),
    { maxLength: 6 },
  ),
  end: fc.constantFrom("end", "reset", "none"),
})

test(
  "whatever a peer sends, nothing throws, each request ends, and nothing is kept for it",
  async () => {
    let answered = 0
    const run = async (seed: number, streams: readonly (typeof stream extends fc.Arbitrary<infer T> ? T : never)[]) => {
      const { network, a, b, toB } = await makePair(seed)
      const errors: unknown[] = []
      b.endpoint.on("error", ({ code, cause }) => code === "handler-failed" && errors.push(cause))
      b.rpc.answer(ECHO, (text, { signal }) => {
        answered++
        if (text.length % 2 === 0) return text
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)))
      })
      b.rpc.answer(TAIL, async function* (text, { signal }) {
        for (let i = 0; i < 5 && !signal.aborted; i++) yield text
      })
      const toA = b.endpoint.peers[0]!
      const ends = Promise.all([
        endOf(b.rpc.request(toA, ECHO, "?", { timeoutMs: 3_000 })),
        partsOf(b.rpc.request(toA, TAIL, "?", { timeoutMs: 3_000 })),
      ])
      await network.advance(20)
      for (const { label, delivery, messages, end } of streams) {
        const isParts = label.startsWith("parts")
        const out = toB.open({ label: `rpc/1/${label}`, delivery: isParts ? "reliable" : delivery })
        for (const bytes of messages) out.trySend(MESSAGE, bytes)
        await network.advance(7)
        if (end === "end") out.end().catch(() => {})
        if (end === "reset") out.reset()
      }
      await network.until(ends)
      await network.until(a.endpoint.close())
      await network.advance(20_000)
      expect(errors).toEqual([])
      expect(left(b)).toEqual([NOTHING])
      expect(b.rpc.stats()).toMatchObject({ deadlines: 0, peers: 0 })
      expect(b.endpoint.stats().memory.total.bytes).toBe(0)
    }
    await fc.assert(fc.asyncProperty(fc.nat(), fc.array(stream, { minLength: 3, maxLength: 25 }), run), {
      numRuns: runs(60),
    })
    // Runs in which all is malformed show little.
    expect(answered).toBeGreaterThan(runs(60) / 10)
  },
  60_000 + 500 * runs(60),
)
