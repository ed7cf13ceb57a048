// When the event loop looks at its sockets again before it sleeps, by the times of what comes.
import { expect, test } from "vitest"
import { Lookout, LOOKOUT_MS } from "../src/lookout.ts"

/** How many of some waits were answered at once, and how long was looked out in vain, milliseconds. */
function watch(waitsMs: readonly number[], datagrams = 1): { atOnce: number; inVainMs: number } {
  const lookout = new Lookout()
  let [nowMs, atOnce, inVainMs] = [0, 0, 0]
  for (const waitMs of waitsMs) {
    if (lookout.begin(datagrams, nowMs)) {
      // A turn of the event loop takes a microsecond.
      let turnMs = nowMs
      while (turnMs < nowMs + waitMs && lookout.goesOn(turnMs)) turnMs += 0.001
      if (turnMs >= nowMs + waitMs) atOnce++
      else inVainMs += turnMs - nowMs
    }
    nowMs += waitMs
  }
  return { atOnce, inVainMs }
}

const of = (count: number, waitMs: number): number[] => Array.from({ length: count }, () => waitMs)

test("answers that come soon are seen at once, each of them", () => {
  expect(watch(of(1_000, LOOKOUT_MS / 2))).toEqual({ atOnce: 1_000, inVainMs: 0 })
})

test("where answers take longer it is soon given up: once in a thousand, and for as long as a wake-up takes", () => {
  const { atOnce, inVainMs } = watch(of(100_000, 2 * LOOKOUT_MS))
  expect(atOnce).toBe(0)
  // The first eleven, and one in 1,024 of the others.
  expect(inVainMs / LOOKOUT_MS).toBeLessThan(11 + 100_000 / 1_024 + 1)
})

test("one that was in vain costs the next few, and answers that come soon again bring it back", () => {
  const { atOnce } = watch([...of(10, 0.01), 1, ...of(100, 0.01)])
  expect(atOnce).toBe(109)
  expect(watch([...of(2_000, 1), ...of(3_000, 0.01)]).atOnce).toBeGreaterThan(1_900)
})

test("many datagrams at a time are a stream: it isn't kept", () => {
  expect(watch(of(100, 0.01), 3)).toEqual({ atOnce: 0, inVainMs: 0 })
  const lookout = new Lookout()
  expect([lookout.begin(1, 0), lookout.begin(64, 0.01), lookout.goesOn(0.02)]).toEqual([true, false, false])
})

test("nothing is looked for before something came", () => {
  expect(new Lookout().goesOn(0)).toBe(false)
})
