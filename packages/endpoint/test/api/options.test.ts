import { readFileSync } from "node:fs"
import { Endpoint, type EndpointOptions } from "@x/endpoint"
import { createNetwork } from "@x/transport/simulated"
import { expect, test } from "vitest"
import { BAD_VALUES, takenBy } from "../../../transport/test/bad-values.ts"
import { checkedOptions, NUMBER_OPTIONS, settingsOf } from "../../src/api/options.ts"

interface Row {
  readonly name: string
  readonly default: number
  readonly min: number
  readonly max: number
}

/** The numbers of the table in README.md: what applications read there has to be true. */
const ROWS = rowsOf(readFileSync(new URL("../../README.md", import.meta.url), "utf8"))

function rowsOf(text: string): Row[] {
  const cells = text
    .slice(text.indexOf("## Limits and defaults"))
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split("|").map((cell) => cell.trim()))
  const defaults = new Map(cells.map(([, name = "", , value = ""]) => [name, Number(value.replaceAll(",", ""))]))
  // Either end of a range may be another option.
  const bound = (end: string): number => (end.startsWith("`") ? defaults.get(end)! : Number(end.replaceAll(",", "")))
  return cells.flatMap(([, name = "", , , range = ""]) => {
    const [, min, max] = /^(?:from )?(\S+)(?: to (\S+))?$/.exec(range) ?? []
    if (min === undefined) return []
    return [
      {
        name: name.slice(1, -1),
        default: defaults.get(name)!,
        min: bound(min),
        max: max === undefined ? Infinity : bound(max),
      },
    ]
  })
}

const taken = (options: object): boolean => {
  try {
    return settingsOf(checkedOptions(options)) !== undefined
  } catch {
    return false
  }
}

test("the table of options has all that are numbers, with their defaults", () => {
  const settings = settingsOf(checkedOptions({})) as unknown as Readonly<Record<string, number>>
  const own = ROWS.filter(({ name }) => name in NUMBER_OPTIONS)
  expect(own.map(({ name }) => name).toSorted()).toEqual(Object.keys(NUMBER_OPTIONS).toSorted())
  for (const row of own) expect({ [row.name]: row.default }).toEqual({ [row.name]: settings[row.name] })
  const rates = ["send", "receive"].flatMap((way) => [`${way}RateBytesPerSecondMax`, `${way}RateBytesPerSecondPerPeer`])
  const others = ["port", "receiveBufferBytes", "sendBufferBytes", "inFlightMax", ...rates]
  expect(
    ROWS.map(({ name }) => name)
      .filter((name) => !(name in NUMBER_OPTIONS))
      .toSorted(),
  ).toEqual(others.toSorted())
})

test.each(ROWS)("$name is taken from $min to $max, and not a step beyond", ({ name, min, max }) => {
  expect([min - 1, min].map((value) => taken({ [name]: value }))).toEqual([false, true])
  const step = name === "spreadPackets" ? max : 1
  if (max < Infinity) expect([max, max + step].map((value) => taken({ [name]: value }))).toEqual([true, false])
  else expect([2 ** 53 - 1, 2 ** 53].map((value) => taken({ [name]: value }))).toEqual([true, false])
})

test.each(ROWS)(
  "$name that can't be is refused by name when an endpoint is bound, and nothing is",
  async ({ name, min, max }) => {
    const host = createNetwork({ seed: 1 }).host("a")
    const right = BAD_VALUES.filter(
      ([, value]) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
    )
    const refused = async (value: unknown): Promise<unknown> => {
      if (right.some(([, it]) => Object.is(it, value)))
        return taken({ [name]: value }) ? undefined : Promise.reject(new Error("refused"))
      return Endpoint.bind({ host, port: 4_000, [name]: value } as EndpointOptions)
    }
    expect(await takenBy(refused, { name: "EndpointError", code: "invalid-option" })).toEqual(right.map(([it]) => it))
    await expect(Endpoint.bind({ host, port: 4_000, [name]: Number.NaN })).rejects.toThrow(
      new RegExp(`^${name} must be .*, not NaN$`),
    )
    expect(host.machine.socketAt(4, 4_000)).toBeUndefined()
  },
)

/** Valid values of the other options. */
const OTHERS: Readonly<Record<string, readonly string[]>> = {
  host: [],
  v4: [],
  v6: [],
  protection: [],
  secrets: [],
  identity: [],
  congestion: ["a function"],
}

test.each(Object.entries(OTHERS))("%s that can't be is refused", async (name, right) => {
  const host = createNetwork({ seed: 1 }).host("a")
  const bind = (value: unknown): unknown => {
    if (typeof value === "function" && name === "congestion")
      return settingsOf(checkedOptions({ congestion: value as never }))
    return Endpoint.bind({ host, port: 1, [name]: value } as EndpointOptions)
  }
  expect(await takenBy(bind, { name: "EndpointError", code: "invalid-option" })).toEqual(right)
  expect(host.machine.socketAt(4, 1)).toBeUndefined()
})

test("a host that lacks something is told apart from one, and so is a network", async () => {
  const network = createNetwork({ seed: 1 })
  const host = network.host("a")
  for (const wrong of [
    network,
    { bind: () => host.bind({}) },
    Object.assign(Object.create(host) as object, { wakeUp: 5 }),
  ])
    await expect(Endpoint.bind({ host: wrong as never })).rejects.toThrow(
      "host must be a host, such as systemHost() or network.host(name) return, not an object",
    )
})

test("a name that no option has is told with the one that was meant", async () => {
  const host = createNetwork({ seed: 1 }).host("a")
  await expect(Endpoint.bind({ host, joinTimeOutMs: 5 } as never)).rejects.toThrow(
    /there is no option "joinTimeOutMs" of bind; did you mean joinTimeoutMs\? There are /,
  )
  await expect(Endpoint.bind({ host, identity: { privatekey: new Uint8Array(32) } } as never)).rejects.toThrow(
    'there is no option "privatekey" of identity; did you mean privateKey?',
  )
  for (const options of [null, 4_000, "a:4000", []])
    await expect(Endpoint.bind(options as never)).rejects.toThrow("an object of options")
})

test("options are read once: what becomes of their object afterwards changes nothing", async () => {
  const network = createNetwork({ seed: 1 })
  let reads = 0
  const options = {
    host: network.host("a"),
    get port() {
      return ++reads === 1 ? 7 : Number.NaN
    },
  }
  const endpoint = await network.until(Endpoint.bind(options))
  expect([endpoint.port, reads]).toEqual([7, 1])
})

test("no error shows a key or a secret that was given in a wrong form", async () => {
  const secret = "correct horse battery staple"
  for (const wrong of [{ secrets: secret }, { secrets: [secret], identity: { privateKey: secret, trust: () => true } }])
    await expect(Endpoint.bind(wrong as never)).rejects.not.toThrow(secret)
})
