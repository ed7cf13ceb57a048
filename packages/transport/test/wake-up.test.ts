import { createNetwork } from "@x/transport/simulated"
import { afterEach, expect, test, vi } from "vitest"
import { Timer } from "../src/timer.ts"
import { TurnEnd } from "../src/turn-end.ts"

const FAR = [2 ** 31, 2 ** 32, 2 ** 53, 1e308, Number.MAX_VALUE]

afterEach(() => void vi.restoreAllMocks())

test.each(FAR)("a deadline in %d ms isn't one in a millisecond, which is what setTimeout makes of it", (ms) => {
  const delays: (number | undefined)[] = []
  vi.spyOn(globalThis, "setTimeout").mockImplementation(
    ((_: () => void, delay?: number) => void delays.push(delay)) as never,
  )
  const timer = new Timer(new TurnEnd(), () => {})
  timer.at(performance.now() + ms)
  expect(delays).toEqual([2 ** 31 - 1])
})

test("a deadline that is no number is refused at once, and the one before stands", async () => {
  const timer = new Timer(new TurnEnd(), () => {})
  timer.at(performance.now() + 1_000)
  const { deadlineMs } = timer
  expect(() => timer.at(Number.NaN)).toThrow(RangeError)
  expect(timer.deadlineMs).toBe(deadlineMs)
  timer.at(Infinity)
  const network = createNetwork({ seed: 1 })
  const host = network.host("a")
  const rung: number[] = []
  const wakeUp = host.wakeUp(() => rung.push(network.now))
  wakeUp.at(host.now() + 5)
  expect(() => wakeUp.at(Number.NaN)).toThrow(RangeError)
  await network.advance(10)
  expect(rung).toEqual([5])
})

test.each(FAR)("in virtual time a deadline in %d ms comes no sooner, and holds up nothing", async (ms) => {
  const network = createNetwork({ seed: 1 })
  const host = network.host("a")
  let rung = 0
  host.wakeUp(() => rung++).at(host.now() + ms)
  await network.advance(2 ** 31 - 1)
  expect([rung, network.now]).toEqual([0, 2 ** 31 - 1])
  await network.advance(2 ** 32)
  expect(rung).toBe(ms < 2 ** 33 ? 1 : 0)
})
