import { expect, test } from "vitest"
import { Checks } from "@x/transport/check"
import {
  type BottleneckOptions,
  createNetwork,
  type LinkOptions,
  type Network,
  PRESETS,
  type SimulatedHost,
} from "@x/transport/simulated"
import { withFaults } from "@x/transport"
import { failureOf, takenBy } from "../bad-values.ts"

const RATE = ["-0", "0", "1/2", "1"]
const DURATION = ["-0", "0", "1/2", "1", "2^31", "2^32"]
const COUNT = ["-0", "0", "1", "2^31", "2^32"]
const SEED = ["-1", "-0", "0", "1", "2^31"]
const FLAG = ["true"]
const NAME = ['"500"']
const FUNCTION = ["a function"]

/** The valid values of each option of a bottleneck. */
const BOTTLENECK: Readonly<Record<keyof BottleneckOptions, readonly string[]>> = {
  rateBitsPerSecond: ["Infinity", "1/2", "1", "2^31", "2^32"],
  rateSchedule: [],
  queueBytes: ["Infinity", ...DURATION],
  queuePackets: ["Infinity", "1", "2^31", "2^32"],
  aggregationMs: DURATION,
  aqm: [],
  policer: [],
}

/** The valid values of each option of a link. */
const LINK: Readonly<Record<keyof LinkOptions, readonly string[]>> = {
  ...BOTTLENECK,
  delayMs: DURATION,
  jitterMs: DURATION,
  lossRate: RATE,
  burst: [],
  dropList: ["a list"],
  duplicateRate: RATE,
  reorderRate: RATE,
  reorderDelayMs: DURATION,
  corruptRate: RATE,
  replayRate: RATE,
  replayDelayMs: DURATION,
  mtuBytes: ["Infinity", ...COUNT],
  mtuSilent: FLAG,
  lossPlace: [],
  through: NAME,
  ecn: [],
}

interface World {
  readonly network: Network
  readonly a: SimulatedHost
}

function makeWorld(): World {
  const network = createNetwork({ seed: 1 })
  const a = network.host("a")
  network.host("b")
  network.bottleneck("500", {})
  return { network, a }
}

/** The valid values of each call: of its options, by name, and of its arguments. */
const OPTIONS: readonly (readonly [
  string,
  (world: World, options: never) => unknown,
  Readonly<Record<string, readonly string[]>>,
])[] = [
  [
    "createNetwork",
    (_, options: object) => createNetwork({ seed: 1, ...options }),
    { seed: SEED, link: ["an object"], crypto: [], settle: FUNCTION, recordLines: COUNT },
  ],
  ["the link of createNetwork", (_, link) => createNetwork({ seed: 1, link }), { ...LINK, through: [] }],
  ["link", ({ network }, options) => network.link("a", "b", options), LINK],
  ["links", ({ network }, options) => network.links(options), LINK],
  [
    "burst",
    ({ network }, options: object) => network.links({ burst: { enterRate: 0, leaveRate: 0, lossRate: 0, ...options } }),
    { enterRate: RATE, leaveRate: RATE, lossRate: RATE },
  ],
  ["bottleneck", ({ network }, options) => network.bottleneck("c", options), BOTTLENECK],
  [
    "aqm",
    ({ network }, options: object) => network.links({ aqm: { kind: "codel", ...options } }),
    {
      kind: [],
      targetMs: DURATION,
      intervalMs: ["1/2", "1", "2^31", "2^32"],
      marks: FLAG,
      minPackets: DURATION,
      maxPackets: ["1/2", "1", "2^31", "2^32"],
      dropRateMax: RATE,
      averageWeight: RATE,
    },
  ],
  [
    "policer",
    ({ network }, options: object) => network.links({ policer: { rateBitsPerSecond: 1, burstBytes: 0, ...options } }),
    { rateBitsPerSecond: ["1/2", "1", "2^31", "2^32"], burstBytes: DURATION },
  ],
  [
    "nat",
    ({ network }, options) => network.nat("a", options),
    { mapping: [], filtering: [], timeoutMs: ["Infinity", ...DURATION] },
  ],
  [
    "rebind",
    ({ network }, options) => {
      network.nat("a")
      network.rebind("a", options)
    },
    { address: FLAG },
  ],
  ["host", ({ network }, options) => network.host("c", options), { v4: FLAG, v6: FLAG, ecn: FLAG, cpu: ["an object"] }],
  [
    "cpu",
    ({ network }, cpu: object) => network.host("c", { cpu }),
    { receiveMs: [...DURATION, ...FUNCTION], sendMs: DURATION, cryptoMs: ["an object"] },
  ],
  [
    "cpu.cryptoMs",
    ({ network }, cryptoMs: object) => network.host("c", { cpu: { cryptoMs } }),
    {
      sha256: DURATION,
      hmacSha256: DURATION,
      aesGcmSeal: DURATION,
      aesGcmOpen: DURATION,
      x25519PublicKey: DURATION,
      x25519: DURATION,
    },
  ],
  ["partition", ({ network }, options) => network.partition("a", "b", options), { both: FLAG }],
  [
    "withFaults",
    ({ a }, options: object) => withFaults(a, { seed: 1, ...options }),
    { seed: SEED, lossRate: RATE, sendLossRate: RATE, receiveLossRate: RATE },
  ],
]

const ARGUMENTS: readonly (readonly [string, (world: World, value: never) => unknown, readonly string[]])[] = [
  ["the name of host", ({ network }, name) => network.host(name), NAME],
  ["the name of bottleneck", ({ network }, name) => network.bottleneck(name, {}), NAME],
  ["the names of link", ({ network }, name) => network.link("a", name, {}), []],
  ["the names of linkOf", ({ network }, name) => network.linkOf(name, "b"), []],
  ["the names of partition", ({ network }, name) => network.partition("a", name), []],
  ["the names of clog", ({ network }, name) => network.clog(name, "b", 1), []],
  ["the names of heal", ({ network }, name) => network.heal("a", name), []],
  ["the name of nat", ({ network }, name) => network.nat(name), []],
  ["the name of rebind", ({ network }, name) => network.rebind(name), []],
  ["the name of move", ({ network }, name) => network.move(name), []],
  ["ms of clog", ({ network }, ms) => network.clog("a", "b", ms), DURATION],
  ["keep of filter", ({ network }, keep) => network.filter(keep), FUNCTION],
  ["ms of advance", ({ network }, ms) => network.advance(ms), DURATION],
  [
    "withinMs of until",
    ({ network }, withinMs) => network.until(Promise.resolve(), withinMs),
    ["Infinity", ...DURATION],
  ],
  ["withinMs of when", ({ network }, withinMs) => network.when(() => true, withinMs), ["Infinity", ...DURATION]],
  ["promise of until", ({ network }, promise) => network.until(promise), []],
  ["condition of when", ({ network }, condition) => network.when(condition), FUNCTION],
  [
    "delayMs of inject",
    ({ network }, delayMs) =>
      network.inject(
        { family: 4, host: "10.0.0.1", port: 1 },
        { family: 4, host: "10.0.0.2", port: 1 },
        new Uint8Array(1),
        delayMs,
      ),
    DURATION,
  ],
  ["ms of stall", ({ a }, ms) => a.stall(ms), DURATION],
  ["ms of suspend", ({ a }, ms) => a.suspend(ms), DURATION],
  ["ms of jumpClock", ({ a }, ms) => a.jumpClock(ms), DURATION],
  ["fault of failSends", ({ a }, fault) => a.failSends(fault), []],
]

/** The names of a call's options, according to its check. */
function namesOf(call: () => unknown, of: string): readonly string[] {
  const { options } = Checks.prototype
  const seen = new Map<string, readonly string[]>()
  Checks.prototype.options = function <T extends object>(this: Checks, ...args: Parameters<Checks["options"]>): T {
    seen.set(args[0], Object.keys(args[2]))
    return Reflect.apply(options, this, args) as T
  }
  try {
    call()
  } finally {
    Checks.prototype.options = options
  }
  return seen.get(of.replace("the link of createNetwork", "link")) ?? []
}

test.each(OPTIONS)("%s takes of its options what is right, and has no others", async (of, call, right) => {
  expect(namesOf(() => call(makeWorld(), {} as never), of).toSorted()).toEqual(Object.keys(right).toSorted())
  for (const [name, values] of Object.entries(right)) {
    const taken = await takenBy((value) => call(makeWorld(), { [name]: value } as never), { name: "RangeError" })
    expect({ [name]: taken }).toEqual({ [name]: values })
  }
  for (const options of [null, "500", 500, [], () => {}] as never[]) {
    if (["createNetwork", "withFaults", "burst", "aqm", "policer"].includes(of)) continue
    expect(await failureOf(() => call(makeWorld(), options))).toBeInstanceOf(RangeError)
  }
})

test.each(OPTIONS)("%s refuses a misspelt option, and names the right one", async (_, call, right) => {
  for (const name of Object.keys(right)) {
    for (const misspelt of [name.toUpperCase(), `${name}x`, name.slice(0, -1)]) {
      if (misspelt in right) continue
      const failure = (await failureOf(() => call(makeWorld(), { [misspelt]: 0 } as never))) as Error
      expect(failure).toBeInstanceOf(RangeError)
      expect(failure.message).toContain(`there is no option "${misspelt}"`)
      expect(failure.message).toMatch(/did you mean \w+\?/)
    }
  }
})

test.each(ARGUMENTS)("%s: what can't be right is refused", async (_, call, right) => {
  expect(await takenBy((value) => call(makeWorld(), value as never), { name: "RangeError" })).toEqual(right)
})

test("what is refused has changed nothing: the run goes on as if nobody had asked", async () => {
  const run = async (asks: boolean): Promise<string> => {
    const world = makeWorld()
    const { network, a } = world
    network.links({ delayMs: 3, jitterMs: 2, lossRate: 0.1 })
    const transport = await network.until(a.bind({ port: 1 }))
    await network.advance(10)
    if (asks) {
      const calls = [
        ...OPTIONS.flatMap(([, call, right]) =>
          Object.keys(right).map((name) => (value: unknown) => call(world, { [name]: value } as never)),
        ),
        ...ARGUMENTS.map(
          ([, call]) =>
            (value: unknown) =>
              call(world, value as never),
        ),
      ]
      for (const call of calls)
        for (const value of [Number.NaN, -5, null, "no such"]) await failureOf(() => call(value))
    }
    for (let i = 0; i < 20; i++)
      network.inject({ family: 4, host: "10.0.0.2", port: 2 }, transport.localAddresses[0]!, new Uint8Array(i), i)
    await network.advance(100)
    return `${network.now} ${network.traceHash} ${JSON.stringify(network.linkOf("a", "b").options)}`
  }
  expect(await run(true)).toBe(await run(false))
})

test("a name that no machine has is told with the one that was meant", () => {
  const { network } = makeWorld()
  network.host("server")
  expect(() => network.partition("a", "sever")).toThrow('there is no machine "sever"; did you mean "server"?')
  expect(network.linkOf("a", "server").blocked).toBe(false)
  for (const name of ["", "a:1", "10.0.0.1", "::1"]) expect(() => network.host(name)).toThrow("the name of a machine")
})

test("a name may be told before there is any machine, and is looked for once time has passed", async () => {
  const network = createNetwork({ seed: 1 })
  network.link("a", "bb", { delayMs: 1 })
  network.host("a")
  network.host("b")
  await network.advance(1)
  await expect(network.advance(1)).rejects.toThrow('there is no machine "bb"')
  network.host("bb")
  await network.advance(1)
  expect(network.now).toBe(2)
})

test("a machine keeps its addresses: its next process can't have others", () => {
  const network = createNetwork({ seed: 1 })
  network.host("a", { v6: false })
  expect(() => network.host("a", { v6: true })).toThrow('"a" was made without a v6 address')
  expect(network.host("a", { v4: true, v6: false }).machine.addresses).toHaveLength(1)
})

test("half of a heal, and a preset that there isn't, are told", () => {
  const { network } = makeWorld()
  expect(() => network.heal("a")).toThrow("heal takes two machines, or none")
  const { wify } = PRESETS as Readonly<Record<string, LinkOptions>>
  expect(() => createNetwork({ seed: 1, link: wify! })).toThrow("link must be an object with delayMs")
  expect(() => network.links(wify!)).toThrow("must be an object of options, not undefined")
})

test("a link keeps what it was told, whatever becomes of the object that told it", async () => {
  const { network } = makeWorld()
  const options = { lossRate: 0 }
  network.link("a", "b", options)
  options.lossRate = 5
  expect(network.linkOf("a", "b").options).toEqual({ lossRate: 0 })
})
