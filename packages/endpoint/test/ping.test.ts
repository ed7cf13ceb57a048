// A ping that isn't answered ends with whoever was to answer it.

import { expect, test } from "vitest"
import { outcomes, valuesOf } from "./outcome.ts"
import { makePair } from "./world.ts"

type World = Awaited<ReturnType<typeof makePair>>

test.each<[string, number, (world: World) => unknown]>([
  ["the peer leaves", 100, ({ b }) => void b.peers[0]!.leave()],
  ["the peer closes", 100, ({ b }) => void b.close()],
  ["we leave", 0, ({ toB }) => void toB.leave()],
  ["we close", 10_000, ({ a }) => void a.close()],
  ["the peer is silent for too long", 80_000, ({ network }) => network.partition("b", "a")],
])("a ping without an answer rejects when %s", async (_, withinMs, act) => {
  const world = await makePair(1, { delayMs: 10 })
  const { network, toB } = world
  // What it says is heard, and what we say isn't.
  network.partition("a", "b", { both: false })
  const waits = outcomes([toB.ping({ timeoutMs: Infinity }), toB.ping({ timeoutMs: Infinity, signal: new AbortController().signal })])
  await network.advance(100)
  expect(valuesOf(waits)).toEqual(["pending", "pending"])
  act(world)
  await network.advance(withinMs)
  expect(valuesOf(waits)).toEqual(["not-joined", "not-joined"])
  const late = outcomes([toB.ping()])
  await network.advance(0)
  expect(valuesOf(late)).toEqual(["not-joined"])
})
