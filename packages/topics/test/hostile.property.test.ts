// A peer that sends anything on any stream: nothing throws, what was asked of it settles, and nothing is kept for it.
import { Endpoint } from "@x/endpoint"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../tools/testkit/src/runs.ts"
import { codeOf, makeWorld, NUMBER, PORT } from "./world.ts"

/** Kind, number of the subscription, and what follows: now and then that is well formed. */
const control = fc
  .tuple(fc.integer({ min: 0, max: 7 }), fc.nat(2), fc.oneof(fc.uint8Array({ maxLength: 30 }), fc.constant([0, 116])))
  .map(([kind, id, rest]) => Uint8Array.from([kind, id, 0, 0, 0, ...rest]))

const stream = fc.record({
  label: fc.constantFrom("topics", "t", "x".repeat(1_024)),
  delivery: fc.constantFrom("reliable" as const, "reliable-unordered" as const, "latest" as const),
  type: fc.constantFrom(65_280, 65_280, 65_281, 1),
  messages: fc.array(fc.oneof(control, fc.uint8Array({ maxLength: 40 })), { maxLength: 6 }),
  end: fc.constantFrom("end", "reset", "none"),
})

test(
  "whatever a peer sends, nothing throws, all that was asked of it settles, and nothing is kept for it",
  async () => {
    let subscribed = 0
    const run = async (seed: number, streams: readonly (typeof stream extends fc.Arbitrary<infer T> ? T : never)[]) => {
      const { network, enter } = makeWorld(seed)
      const { endpoint, topics } = await enter("party")
      const errors: unknown[] = []
      endpoint.on("error", ({ code, cause }) => code === "handler-failed" && errors.push(cause))
      const topic = topics.topic("t", { slow: "skip", keep: { messages: 3 } })
      topic.on("subscriber", ({ state }) => void (subscribed += state === "subscribed" ? 1 : 0))
      const plain = await network.until(Endpoint.bind({ host: network.host("plain"), port: PORT }))
      const toParty = await network.until(plain.join(`party:${PORT}`))
      await network.when(() => endpoint.peers.length === 1)
      const follow = async (): Promise<void> => {
        const feed = await topics.subscribe(endpoint.peers[0]!, "t", { timeoutMs: 3_000 })
        for await (const message of feed.messages()) void message
      }
      const followed = codeOf(follow())
      await network.advance(20)
      for (const { label, delivery, type, messages, end } of streams) {
        const out = toParty.open({ label, delivery })
        for (const message of messages) out.trySend(type, message)
        topic.publish(NUMBER, 1)
        await network.advance(7)
        if (end === "end") out.end().catch(() => {})
        if (end === "reset") out.reset()
      }
      await network.advance(20_000)
      await network.until(plain.close())
      await network.until(followed)
      await network.advance(20_000)
      expect(errors).toEqual([])
      expect(topics.stats()).toMatchObject({ subscribers: 0, feeds: 0 })
      expect(endpoint.stats().memory.total.bytes).toBe(0)
    }
    await fc.assert(fc.asyncProperty(fc.nat(), fc.array(stream, { minLength: 3, maxLength: 25 }), run), {
      numRuns: runs(60),
    })
    // Runs in which all is malformed show little.
    expect(subscribed).toBeGreaterThan(runs(60) / 10)
  },
  60_000 + 500 * runs(60),
)
