// A ping that isn't answered ends with the peer that should answer it.

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
  // We hear the peer, and it doesn't hear us.
  network.partition("a", "b", { both: false })
  const waits = outcomes([
    toB.ping({ timeoutMs: Infinity }),
    toB.ping({ timeoutMs: Infinity, signal: new AbortController().signal }),
  ])
  await network.advance(100)
  expect(valuesOf(waits)).toEqual(["pending", "pending"])
  act(world)
  await network.advance(withinMs)
  expect(valuesOf(waits)).toEqual(["not-joined", "not-joined"])
  const late = outcomes([toB.ping()])
  await network.advance(0)
  expect(valuesOf(late)).toEqual(["not-joined"])
})

test("a ping is answered by an answer to itself", async () => {
  const { network, a, b } = await makePair(4, { delayMs: 20 })
  const [toB] = a.peers
  expect(await network.until(toB!.ping())).toBe(40)
  expect(await network.until(Promise.all([toB!.ping(), toB!.ping()]))).toEqual([40, 40])
  expect(await network.until(b.peers[0]!.ping())).toBe(40)
})

test("a ping that isn't answered says so after its time; an abort settles it at once", async () => {
  const { network, toB } = await makePair(5)
  network.partition("a", "b")
  const startMs = network.now
  await expect(network.until(toB.ping({ timeoutMs: 3_000 }))).rejects.toMatchObject({ code: "timeout" })
  expect(network.now - startMs).toBeCloseTo(3_000, 3)
  const abort = new AbortController()
  const ping = toB.ping({ signal: abort.signal })
  ping.catch(() => {})
  await network.advance(100)
  abort.abort()
  await expect(network.until(ping, 0)).rejects.toMatchObject({ code: "aborted" })
  await network.until(toB.leave())
  await expect(toB.ping()).rejects.toMatchObject({ code: "not-joined" })
})

test("a ping whose question or answer is lost is asked again, though the other side's heartbeats leave no reason for one", async () => {
  for (const lost of ["a", "b"]) {
    const { network, b, toB } = await makePair(14, { delayMs: 5 }, { heartbeatMs: 500, leaveMs: 100_000 })
    await network.advance(2_000)
    let isLost = false
    network.filter(({ from }) => {
      if (from !== lost || isLost) return true
      isLost = true
      return false
    })
    const ping = toB.ping()
    // The other side asks on its own, again and again.
    void b.peers[0]!.ping()
    expect(await network.until(ping)).toBeLessThan(500)
    expect(isLost).toBe(true)
  }
})
