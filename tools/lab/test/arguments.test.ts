import { describe, expect, test } from "vitest"
import {
  adapted,
  casesOf,
  changeOf,
  endpointOptionsOf,
  librariesOf,
  optionOf,
  scenarioOf,
  settingOf,
} from "../src/arguments.ts"
import type { PathCase } from "../src/cases.ts"
import { SCENARIOS } from "../src/scenarios.ts"
import { bdpBytes, commandsOf } from "../src/settings.ts"

describe("what the command line says", () => {
  test("peers have short names, and ours is always there, once", () => {
    expect(librariesOf("tcp,udx")).toEqual(["x", "tcp-cubic", "tcp-bbr", "udx"])
    expect(librariesOf("cubic, tcp")).toEqual(["x", "tcp-cubic", "tcp-bbr"])
    expect(librariesOf("none")).toEqual(["x"])
    expect(() => librariesOf("quic")).toThrow(/no peer is called quic; there are tcp, /)
  })

  test("an unknown scenario is an error that names the others", () => {
    expect(scenarioOf(SCENARIOS, "mtu").name).toBe("mtu")
    expect(() => scenarioOf(SCENARIOS, "los")).toThrow(/no scenario is called los; there are loss, /)
  })

  test("words choose cases, each as a whole", () => {
    const loss = scenarioOf(SCENARIOS, "loss")
    expect(casesOf(loss, "1 %").map(({ name }) => name)).toEqual(["1 %"])
    expect(casesOf(loss, undefined)).toHaveLength(3)
    const fairness = scenarioOf(SCENARIOS, "fairness")
    expect(casesOf(fairness, "10 1/3 tcp-bbr").map(({ name }) => name)).toEqual([
      "10 Mbit/s, queue 1/3 BDP, beside tcp-bbr",
    ])
    expect(() => casesOf(loss, "2 %")).toThrow(/no case of loss holds "2 %"; there are "1 %", /)
  })

  test("settings of the path are numbers from 0, bursts three of them", () => {
    expect(settingOf("delayMs=5")).toEqual({ delayMs: 5 })
    expect(settingOf("rate=5e6")).toEqual({ rate: 5_000_000 })
    expect(settingOf("burstBefore=0.01,0.3,1")).toEqual({ burstBefore: { enter: 0.01, leave: 0.3, loss: 1 } })
  })

  test.each(["delayMs", "delayMs=", "delayMs=-1", "delayMs=x", "=1", "speed=1", "burstBefore=1,2"])(
    "%s is no setting",
    (wrong) => expect(() => settingOf(wrong)).toThrow(/takes|no setting/),
  )

  test("a change has a time", () => {
    expect(changeOf("3000:rate=5e6")).toEqual({ atMs: 3_000, change: { what: "path", direction: { rate: 5e6 } } })
  })

  test.each(["rate=5e6", ":rate=1", "x:rate=1", "1:2"])("%s is no change", (wrong) =>
    expect(() => changeOf(wrong)).toThrow(/takes|no setting/),
  )

  test("options of our endpoint are numbers, switches or names", () => {
    expect(optionOf("windowBytes=8")).toEqual({ windowBytes: 8 })
    expect(optionOf("v6=false")).toEqual({ v6: false })
    expect(optionOf("protection=none")).toEqual({ protection: "none" })
  })

  test("fixed gets the rate of the link; without options there are none", () => {
    expect(endpointOptionsOf({}, 1e6)).toEqual({})
    expect(endpointOptionsOf({ congestion: "fixed" }, 8e6)).toEqual({
      congestion: ["fixed", { windowBytes: 8 << 20, paceBytesPerMs: 950 }],
    })
    expect(endpointOptionsOf({ congestion: "lossBased", windowBytes: 1 }, 8e6)).toEqual({
      congestion: ["lossBased", {}],
      windowBytes: 1,
    })
  })
})

describe("a case that options change", () => {
  const [it] = scenarioOf(SCENARIOS, "mtu").cases as [PathCase]

  test("has the settings in both directions, and what is possible follows", () => {
    const other = adapted(it, [{ rate: 50e6 }, { jitterMs: 1 }], [], {})
    expect(other.path.there).toMatchObject({ rate: 50e6, jitterMs: 1, delayMs: 10 })
    expect(other.path.back).toEqual(other.path.there)
    expect(other.possibleMbit).toBeCloseTo(it.possibleMbit / 2, 6)
  })

  test("lasts beyond its last change, however short it was asked to be", () => {
    const other = adapted(it, [], [changeOf("20000:mtu=1500")], { runMs: 1_000 })
    expect(other.runMs).toBeGreaterThan(20_000)
    expect(other.changes.map(({ atMs }) => atMs)).toEqual([3_000, 9_000, 20_000])
  })
})

describe("scenarios", () => {
  const all = SCENARIOS.flatMap((scenario) => scenario.cases.map((it) => ({ scenario, it })))

  test("have names of their own, and cases too", () => {
    const names = all.map(({ scenario, it }) => `${scenario.name} ${it.name}`)
    expect(new Set(names).size).toBe(names.length)
  })

  test("begin with ours", () => {
    for (const { libraries } of SCENARIOS) expect(libraries[0]).toBe("x")
  })

  test.each(all.filter(({ it }) => it.kind === "path").map(({ scenario, it }) => [`${scenario.name}, ${it.name}`, it]))(
    "%s: the relay is told all of it, and every change is within the time measured",
    (_, it) => {
      const { path, changes, runMs, possibleMbit } = it as PathCase
      expect(commandsOf("there", path.there)).toHaveLength(Object.keys(path.there).length)
      for (const { atMs } of changes) expect(atMs).toBeLessThan(runMs - 1_000)
      expect(possibleMbit).toBeGreaterThan(0)
    },
  )
})

describe("the relay's commands", () => {
  test("times are microseconds, bursts three settings", () => {
    expect(commandsOf("both", { delayMs: 10, rate: 5e6, burstBehind: { enter: 0.1, leave: 0.2, loss: 1 } })).toEqual([
      "set both delay_us 10000",
      "set both rate 5000000",
      "set both burst_behind_enter 0.1",
      "set both burst_behind_leave 0.2",
      "set both burst_behind_loss 1",
    ])
  })

  test("refuse what is no number", () => {
    expect(() => commandsOf("there", { delayMs: Number.NaN })).toThrow(RangeError)
    expect(() => commandsOf("there", { rate: -1 })).toThrow(RangeError)
  })

  test("a bandwidth-delay product is in bytes", () => expect(bdpBytes(100e6, 20)).toBe(250_000))
})
