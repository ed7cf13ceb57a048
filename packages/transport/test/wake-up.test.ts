import { createNetwork } from "@x/transport/simulated"
import { afterEach, expect, test, vi } from "vitest"
import { type Alarm, Timer } from "../src/timer.ts"
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

/** Alarms that note their calls; those of these names fail. */
function fakeAlarms(failing: Set<keyof Alarm | "open">): { open(ring: () => void): Alarm; readonly calls: string[] } {
  const calls: string[] = []
  const call = (name: keyof Alarm | "open"): void => {
    calls.push(name)
    if (failing.has(name)) throw new Error("timerfd_create EMFILE")
  }
  const open = (): Alarm => {
    call("open")
    return {
      ...{ set: () => call("set"), clear: () => call("clear"), close: () => call("close") },
      ...{ ref: () => call("ref"), unref: () => call("unref") },
    }
  }
  return { open, calls }
}

test("an alarm stays while there is no deadline, without keeping the program alive, and goes when it is closed", () => {
  const { open, calls } = fakeAlarms(new Set())
  const timer = new Timer(new TurnEnd(), () => {}, open)
  for (let i = 0; i < 2; i++) {
    timer.at(performance.now() + 1_000)
    timer.at(performance.now() + 2_000)
    timer.at(Infinity)
  }
  expect(calls).toEqual(["open", "set", "unref", "clear", "set", "ref", "unref", "clear"])
  timer.close()
  expect([calls.at(-1), timer.fallbacks]).toEqual(["close", 0])
})

test.each([
  ["can't be opened", "open", ["open"]],
  ["can't be set", "set", ["open", "set", "close"]],
] as const)(
  "where an alarm %s, a timer of Node's rings instead, counted, until there is no deadline",
  async (_, name, made) => {
    const failing = new Set<keyof Alarm | "open">([name])
    const { open, calls } = fakeAlarms(failing)
    let rung = (): void => {}
    const timer = new Timer(new TurnEnd(), () => rung(), open)
    await new Promise<void>((resolve) => {
      rung = resolve
      timer.at(performance.now() + 2)
    })
    expect([timer.fallbacks, calls]).toEqual([1, made])
    failing.clear()
    timer.at(performance.now() + 1_000)
    expect([timer.fallbacks, calls.slice(made.length)]).toEqual([1, ["open", "set"]])
    // It fails while it is there.
    failing.add("clear")
    timer.at(Infinity)
    expect(calls.at(-1)).toBe("close")
    timer.close()
  },
)
