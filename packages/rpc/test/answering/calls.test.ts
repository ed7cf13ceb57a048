/** The requests of a peer, by slot; and cancels that come before them. */
import { describe, expect, it } from "vitest"
import { Calls, CANCELS_AHEAD_MAX, type Identified } from "../../src/answering/calls.ts"

const call = (slot: number, generation: number): Identified => ({ slot, generation })

describe("a request", () => {
  it("is done once, and a later use of its slot ends it", () => {
    const calls = new Calls<Identified>()
    const first = call(3, 7)
    expect(calls.judge(3, 7)).toBe("new")
    expect(calls.add(first)).toBeUndefined()
    expect(calls.judge(3, 7)).toBe("duplicate")
    expect(calls.judge(3, 6)).toBe("duplicate")
    expect(calls.judge(3, 8)).toBe("new")
    const second = call(3, 8)
    expect(calls.add(second)).toBe(first)
    calls.remove(first)
    expect(calls.count).toBe(1)
    calls.remove(second)
    expect(calls.count).toBe(0)
  })

  it("is newer than one before the generations began again", () => {
    const calls = new Calls<Identified>()
    calls.add(call(0, 0xffff_ffff))
    expect(calls.judge(0, 0)).toBe("new")
    expect(calls.judge(0, 0xffff_fffe)).toBe("duplicate")
  })
})

describe("a cancel", () => {
  it("takes out its own request alone", () => {
    const calls = new Calls<Identified>()
    const it = call(1, 1)
    calls.add(it)
    expect(calls.cancel(1, 2)).toBeUndefined()
    expect(calls.cancel(2, 1)).toBeUndefined()
    expect(calls.cancel(1, 1)).toBe(it)
    expect(calls.count).toBe(0)
  })

  it("that comes first is remembered for one request, and only as many are as there is room for", () => {
    const calls = new Calls<Identified>()
    calls.cancel(5, 9)
    expect(calls.judge(5, 10)).toBe("new")
    expect(calls.judge(5, 9)).toBe("cancelled")
    expect(calls.judge(5, 9)).toBe("new")
    for (let generation = 0; generation <= CANCELS_AHEAD_MAX; generation++) calls.cancel(65_535, generation)
    expect(calls.cancelsAhead).toBe(CANCELS_AHEAD_MAX)
    expect(calls.judge(65_535, 0)).toBe("new")
    expect(calls.judge(65_535, 1)).toBe("cancelled")
    calls.clear()
    expect(calls.cancelsAhead).toBe(0)
  })
})
