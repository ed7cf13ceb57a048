import { expect, test } from "vitest"
import { makePair, PORT } from "./world.ts"

/** What is no time to wait. */
const NO_TIMES: readonly unknown[] = [Number.NaN, -1, -Infinity, 2 ** 53, 1e308, "500", null, 500n, [500], {}, true]

test.each(NO_TIMES)("a call that is to wait %o milliseconds is refused at once, and nothing has changed", async (timeoutMs) => {
  const { network, a, toB } = await makePair(1)
  const stream = toB.open()
  const before = JSON.stringify([a.stats(), toB.stats(), stream.account, a.sizes])
  const options = { timeoutMs: timeoutMs as number }
  const calls = {
    join: () => a.join(`b:${PORT}`, options),
    ping: () => toB.ping(options),
    send: () => stream.send(1, new Uint8Array(1), options),
    trySend: () => stream.trySend(1, new Uint8Array(1), options),
  }
  for (const [name, call] of Object.entries(calls)) {
    const error: unknown = await new Promise((resolve) => resolve(call())).catch((cause: unknown) => cause)
    expect([name, error]).toMatchObject([name, { code: "invalid-option" }])
    expect((error as Error).message).toMatch(/^timeoutMs must be milliseconds from 0 to 9007199254740991, or Infinity: for ever, not /)
  }
  expect(JSON.stringify([a.stats(), toB.stats(), stream.account, a.sizes])).toBe(before)
  await network.until(a.close())
})

test("a wait of 2^31 ms, of 2^53 − 1 and for ever waits; one of none ends at once", async () => {
  const { network, a, toB } = await makePair(2)
  network.partition("a", "b")
  const settled: number[] = []
  for (const timeoutMs of [2 ** 31, Number.MAX_SAFE_INTEGER, Infinity, 0, -0]) {
    const settle = (): void => void settled.push(timeoutMs)
    void a.join(`b:${PORT}`, { timeoutMs }).then(settle, settle)
    void toB.ping({ timeoutMs }).then(settle, settle)
  }
  await network.advance(9_000)
  expect(settled.map(Math.abs)).toEqual([0, 0, 0, 0])
  await network.advance(70_000)
  expect(toB.state).toBe("left")
  await network.until(a.close())
})
