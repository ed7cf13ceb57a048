/** What the command line says, as values. Each function throws an `Error` that names the cure. */

import type { Case, PathCase, Scenario } from "./cases.ts"
import { possibleMbit } from "./judge.ts"
import type { Change } from "./place.ts"
import type { Burst, Direction } from "./settings.ts"

const OURS = "x"
/** Short names of peers. */
const PEERS: Readonly<Record<string, readonly string[]>> = {
  tcp: ["tcp-cubic", "tcp-bbr"],
  cubic: ["tcp-cubic"],
  bbr: ["tcp-bbr"],
  "tcp-cubic": ["tcp-cubic"],
  "tcp-bbr": ["tcp-bbr"],
  udx: ["udx"],
  kcp: ["kcp"],
  none: [],
}

/** Ours, and the named peers: `"tcp,udx"`. */
export function librariesOf(text: string): string[] {
  const names = text.split(",").map((name) => name.trim())
  const unknown = names.filter((name) => !Object.hasOwn(PEERS, name))
  if (unknown.length > 0)
    throw new Error(`no peer is called ${unknown.join(" or ")}; there are ${Object.keys(PEERS).join(", ")}`)
  return [OURS, ...new Set(names.flatMap((name) => PEERS[name]!))]
}

export function scenarioOf(scenarios: readonly Scenario[], name: string): Scenario {
  const found = scenarios.find((it) => it.name === name)
  if (found !== undefined) return found
  throw new Error(`no scenario is called ${name}; there are ${scenarios.map((it) => it.name).join(", ")}`)
}

/** The cases whose name holds all of the words, each as a whole: "1 %" isn't "10 %". */
export function casesOf({ name, cases }: Scenario, words: string | undefined): Case[] {
  const parts = wordsOf(words ?? "")
  const found = cases.filter((it) => parts.every((part) => wordsOf(it.name).includes(part)))
  if (found.length > 0) return found
  throw new Error(`no case of ${name} holds "${words}"; there are ${cases.map((it) => `"${it.name}"`).join(", ")}`)
}

const NUMBERS: readonly (keyof Direction)[] = [
  "delayMs",
  "jitterMs",
  "reorder",
  "reorderMs",
  "lossBefore",
  "lossBehind",
  "rate",
  "queuePackets",
  "queueBytes",
  "queueMs",
  "codelTargetMs",
  "codelIntervalMs",
  "mtu",
]
const BURSTS: readonly (keyof Direction)[] = ["burstBefore", "burstBehind"]

/** `"delayMs=5"`, or `"burstBefore=0.01,0.3,1"`. */
export function settingOf(text: string): Direction {
  const { key, value } = pairOf(text, "--set")
  if (BURSTS.includes(key as keyof Direction)) {
    const [enter, leave, loss, ...more] = value.split(",").map((part) => numberOf(part, key))
    if (loss === undefined || more.length > 0) throw new Error(`${key} takes three probabilities: enter,leave,loss`)
    return { [key]: { enter: enter!, leave: leave!, loss } satisfies Burst }
  }
  if (!NUMBERS.includes(key as keyof Direction))
    throw new Error(`no setting is called ${key}; there are ${[...NUMBERS, ...BURSTS].join(", ")}`)
  return { [key]: numberOf(value, key) }
}

/** `"3000:rate=5e6"`: a setting of the direction of the data, so long after what is measured has begun. */
export function changeOf(text: string): { readonly atMs: number; readonly change: Change } {
  const colon = text.indexOf(":")
  if (colon <= 0) throw new Error(`--at takes milliseconds, a colon and a setting, as in 3000:rate=5e6, not ${text}`)
  const atMs = numberOf(text.slice(0, colon), "--at")
  return { atMs, change: { what: "path", direction: settingOf(text.slice(colon + 1)) } }
}

/** `"windowBytes=8388608"`, `"congestion=fixed"`: options of our endpoint. */
export function optionOf(text: string): Record<string, string | number | boolean> {
  const { key, value } = pairOf(text, "--option")
  if (value === "true" || value === "false") return { [key]: value === "true" }
  const number = Number(value)
  return { [key]: value.trim() !== "" && Number.isFinite(number) ? number : value }
}

/** The share of the link's rate that `fixed` is given: the rest is headers and answers. */
const FIXED_SHARE = 0.95

/** The options as the endpoint takes them; a controller is named, `fixed` with the rate of the link. */
export function endpointOptionsOf(
  { congestion, ...others }: Readonly<Record<string, unknown>>,
  rate: number,
): Record<string, unknown> {
  if (congestion === undefined) return others
  const pace =
    congestion === "fixed" && rate > 0 ? { windowBytes: 8 << 20, paceBytesPerMs: (FIXED_SHARE * rate) / 8_000 } : {}
  return { ...others, congestion: [congestion, pace] }
}

/** What comes after the last change has to be seen too. */
const AFTER_CHANGE_MS = 2_000

/** The case with other settings in both directions, other changes, or another length, which changes may make longer. */
export function adapted(
  it: PathCase,
  settings: readonly Direction[],
  changes: PathCase["changes"],
  {
    warmMs = it.warmMs,
    runMs = it.runMs,
  }: { readonly warmMs?: number | undefined; readonly runMs?: number | undefined },
): PathCase {
  const direction: Direction = Object.assign({}, ...settings)
  const path = { there: { ...it.path.there, ...direction }, back: { ...it.path.back, ...direction } }
  const inOrder = [...it.changes, ...changes].toSorted((a, b) => a.atMs - b.atMs)
  return {
    ...it,
    path,
    warmMs,
    runMs: Math.max(runMs, ...inOrder.map(({ atMs }) => atMs + AFTER_CHANGE_MS)),
    changes: inOrder,
    possibleMbit: possibleMbit(path.there, it.bytes),
  }
}

const wordsOf = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== "")

function pairOf(text: string, option: string): { readonly key: string; readonly value: string } {
  const equals = text.indexOf("=")
  if (equals <= 0) throw new Error(`${option} takes NAME=VALUE, not ${text}`)
  return { key: text.slice(0, equals), value: text.slice(equals + 1) }
}

function numberOf(text: string, what: string): number {
  const value = Number(text)
  if (text.trim() === "" || !Number.isFinite(value) || value < 0)
    throw new Error(`${what} takes a number from 0, not ${text}`)
  return value
}
