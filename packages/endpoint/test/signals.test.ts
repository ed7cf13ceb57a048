import { afterEach, beforeEach, expect, test } from "vitest"
import { listenersOf } from "../../../tools/testkit/src/signals.ts"
import { makePair, pattern, PORT } from "./world.ts"

const warnings: Error[] = []
const onWarning = (warning: Error): void => void warnings.push(warning)

beforeEach(() => {
  warnings.length = 0
  process.on("warning", onWarning)
})

afterEach(() => void process.off("warning", onWarning))

test("one signal for fifty sends, joins, pings and payloads: one listener, no warning, and none is left when all are settled", async () => {
  const { network, a, b, toB } = await makePair(1, { delayMs: 5 }, { windowPackets: 4 })
  b.handle(1, () => {})
  const { signal } = new AbortController()
  const count = listenersOf(signal)
  const stream = toB.open()
  const all: Promise<unknown>[] = []
  for (let i = 0; i < 50; i++) {
    all.push(
      stream.send(1, pattern(1_000), { signal, receipt: i % 2 === 0 }),
      toB.ping({ signal }),
      a.join(`b:${PORT}`, { signal }),
    )
    const writer = toB.open().writable(1, { signal }).getWriter()
    all.push(writer.write(pattern(10)), writer.close())
  }
  expect(count).toEqual({ now: 1, most: 1 })
  await network.until(Promise.all(all))
  expect(count.now).toBe(0)
  await network.advance(100)
  expect(warnings).toEqual([])
})

test("all that wait on one signal are told when it aborts, with its reason, once", async () => {
  const { network, a, toB } = await makePair(2, { delayMs: 5 }, { windowPackets: 4 })
  const controller = new AbortController()
  const { signal } = controller
  const count = listenersOf(signal)
  network.partition("a", "b")
  const stream = toB.open()
  const all = Array.from({ length: 20 }, () => [
    stream.send(1, pattern(9_000), { signal }),
    toB.ping({ signal }),
    a.join(`b:${PORT}`, { signal }),
  ])
  const settled = Promise.allSettled(all.flat())
  await network.advance(50)
  controller.abort("enough")
  const results = await network.until(settled)
  for (const result of results)
    expect(result).toMatchObject({
      status: "rejected",
      reason: { name: "EndpointError", code: "aborted", cause: "enough" },
    })
  // Already aborted: it rejects at once, and nothing listens.
  for (const late of [
    () => stream.send(1, pattern(1), { signal }),
    () => toB.ping({ signal }),
    () => a.join(`b:${PORT}`, { signal }),
  ])
    await expect(late()).rejects.toMatchObject({ code: "aborted", cause: "enough" })
  expect(count.most).toBe(1)
  expect(warnings).toEqual([])
})

test("what is no signal is refused at once; one that follows others is as any", async () => {
  const { network, a, toB } = await makePair(3)
  const stream = toB.open()
  for (const signal of [new AbortController(), {}, "abort", () => {}] as never[]) {
    expect(() => stream.send(1, pattern(1), { signal })).toThrow("signal must be an AbortSignal")
    await expect(toB.ping({ signal })).rejects.toThrow("signal must be an AbortSignal")
    await expect(a.join(`b:${PORT}`, { signal })).rejects.toThrow("signal must be an AbortSignal")
    expect(() => stream.writable(1, { signal })).toThrow("signal must be an AbortSignal")
  }
  const controller = new AbortController()
  const either = AbortSignal.any([controller.signal, new AbortController().signal])
  network.partition("a", "b")
  const pinging = toB.ping({ signal: either })
  controller.abort()
  await expect(network.until(pinging)).rejects.toMatchObject({ code: "aborted" })
})
