/**
 * `npm run lab`: real sockets on a path of ours. Each round runs every library once, so that a change of the machine's
 * speed affects all of them.
 */

import { networkLacks } from "@x/bench/network"
import { machine } from "@x/bench/numbers"
import { type Job, run } from "@x/bench/run"
import { Command, InvalidArgumentError } from "commander"
import {
  adapted,
  casesOf,
  changeOf,
  endpointOptionsOf,
  librariesOf,
  optionOf,
  scenarioOf,
  settingOf,
} from "./arguments.ts"
import type { BenchCase, Case, PathCase, Scenario } from "./cases.ts"
import { type Figures, figuresOf } from "./judge.ts"
import { Namespaces, namespacesLack, removeLeftovers } from "./namespaces.ts"
import type { Change, Place, PlaceOptions } from "./place.ts"
import { show } from "./report.ts"
import { SCENARIOS } from "./scenarios.ts"
import type { Direction } from "./settings.ts"
import { MissingError, runTrial, type Trial } from "./trial.ts"
import { UdpRelay, udpRelayLacks } from "./udp-relay.ts"

interface Options {
  readonly list?: boolean
  readonly peers?: readonly string[]
  readonly case?: string
  readonly rounds: number
  readonly seconds?: number
  readonly warmSeconds?: number
  readonly seed: number
  readonly relay: string
  readonly spinUs: number
  readonly option: Readonly<Record<string, unknown>>
  readonly set: readonly Direction[]
  readonly at: PathCase["changes"]
  readonly json?: boolean
}

/** What the names of this tool are called in the bench: there `x` has larger windows than users get. */
const benchNameOf = (library: string): string => (library === "x" ? "x-default" : library)
const BENCH = { datagramBytes: 1_400, rounds: 0, warmMs: 3_000, runMs: 3_000 }
/** Processes start, connect and end. */
const AROUND_MS = 1_500
const STAGGER_MS = 1_000

const command = new Command("lab")
  .description(
    `Real sockets on a bad network, this library beside others: how fast on a path that loses packets, how late, how fair, and
what happens when addresses change or packets no longer fit.

Linux and root: two network namespaces, and between them a relay that delays, loses, queues and reorders IP packets.
Elsewhere: a relay of UDP sockets on loopback, which TCP can't use.`,
  )
  .argument("[scenario...]", `${SCENARIOS.map(({ name }) => name).join(", ")}; --list says what they are`)
  .option("--list", "says what scenarios and cases there are, and ends")
  .option(
    "--peers <names>",
    "libraries beside ours, by commas: tcp (both cubic and bbr), cubic, bbr, udx, kcp, none",
    valid(librariesOf),
  )
  .option("--case <words>", 'only cases whose name holds these words, as in --case "5 %"')
  .option("--rounds <number>", "rounds of each case", whole, 3)
  .option("--seconds <number>", "how long each trial is measured; longer where something changes later", positive)
  .option("--warm-seconds <number>", "how long it runs before", positive)
  .option("--seed <number>", "of the losses; each round has another", whole, 1)
  .option(
    "--option <name=value>",
    "an option of our endpoint, as in windowBytes=8388608 or congestion=fixed (95 % of the link's rate); may be repeated",
    collect(optionOf),
  )
  .option(
    "--set <name=value>",
    "a setting of the path, both ways, as in jitterMs=5, reorder=0.01, burstBefore=0.01,0.3,1 or codelTargetMs=5; may be repeated",
    append(settingOf),
  )
  .option(
    "--at <ms:name=value>",
    "changes a setting there, so long after the measured time has begun, as in 3000:rate=5e6; may be repeated",
    append(changeOf),
  )
  .option("--relay <kind>", "tun (namespaces), udp (loopback), or auto", "auto")
  .option(
    "--spin-us <number>",
    "the relay in C waits for what is due sooner than this without sleeping: 1000 is more precise where it has a CPU to itself",
    whole,
    30,
  )
  .option("--json", "one JSON object in the end, instead of tables")
  .addHelpText(
    "after",
    `
Examples:
  npm run lab -- --list
  npm run lab -- loss --case "1 %" --peers tcp,udx       how fast, at 1 % loss, beside TCP and udx
  npm run lab -- latency --rounds 5 --json
  npm run lab -- loss --case "1 %" --option congestion=fixed --peers none`,
  )
  .parse()
const options: Options = { option: {}, set: [], at: [], ...command.opts<Omit<Options, "option" | "set" | "at">>() }
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130))

if (options.list === true || command.args.length === 0) list()
else await main(command.args).catch((error: Error) => fail(error.message))

function list(): void {
  for (const { name, title, cases, libraries } of SCENARIOS) {
    console.log(`${name.padEnd(9)} ${title}; ${libraries.join(", ")}`)
    for (const it of cases)
      console.log(`${" ".repeat(11)}${it.name}${it.kind === "path" ? `: ${lengthOf(it) / 1_000} s a trial` : ""}`)
  }
}

async function main(names: readonly string[]): Promise<void> {
  const chosen = names.map((name) => scenarioOf(SCENARIOS, name))
  const cases = chosen.map((scenario) => ({ scenario, cases: casesOf(scenario, options.case).map(fitted) }))
  const make = placeMaker()
  const all: Record<string, Record<string, Record<string, Figures[]>>> = {}
  for (const { scenario, cases: list } of cases) {
    for (const it of list) {
      const rounds = await measure(scenario, it, make)
      if (rounds !== undefined) (all[scenario.name] ??= {})[it.name] = rounds
    }
  }
  const { option, set, at, seed } = options
  if (options.json === true)
    console.log(
      JSON.stringify({
        machine: machine(),
        relay: make.kind,
        rounds: options.rounds,
        seed,
        option,
        set,
        at,
        outcomes: all,
      }),
    )
}

/** The case as the options change it. */
function fitted(it: Case): Case {
  if (it.kind === "bench") return it
  const { seconds, warmSeconds, set, at } = options
  const runMs = seconds === undefined ? undefined : seconds * 1_000
  return adapted(it, set, at, { runMs, warmMs: warmSeconds === undefined ? undefined : warmSeconds * 1_000 })
}

/** Chooses the relay, and says which and what it can't show. */
function placeMaker(): { readonly kind: "tun" | "udp"; readonly make: (options: PlaceOptions) => Promise<Place> } {
  const { relay } = options
  if (!["auto", "tun", "udp"].includes(relay)) fail(`--relay takes tun, udp or auto, not ${relay}`)
  const lacks = relay === "udp" ? "as asked for" : namespacesLack()
  if (lacks === undefined) {
    const left = removeLeftovers()
    if (left.length > 0) console.error(`removed what an earlier run left: ${left.join(", ")}`)
    console.error("relay: in C, between two network namespaces")
    return { kind: "tun", make: (how) => Namespaces.make(how) }
  }
  if (relay === "tun") fail(`no network namespaces: ${lacks}`)
  const alsoLacks = udpRelayLacks()
  if (alsoLacks !== undefined) fail(`no network namespaces: ${lacks}; and ${alsoLacks}`)
  console.error(
    `relay: of UDP sockets on loopback (no network namespaces: ${lacks}). It can't show TCP, another address of the sender, ECN, CoDel, or times below 1 ms, and is itself a limit above some 200 Mbit/s.`,
  )
  return { kind: "udp", make: (how) => Promise.resolve(new UdpRelay(how)) }
}

async function measure(
  scenario: Scenario,
  it: Case,
  { kind, make }: ReturnType<typeof placeMaker>,
): Promise<Record<string, Figures[]> | undefined> {
  const where = `${scenario.name}, ${it.name}`
  const lacks = reasonAgainst(it, kind)
  if (lacks !== undefined) {
    console.error(`${where}: left out: ${lacks}`)
    return undefined
  }
  const libraries = (options.peers ?? scenario.libraries).filter(
    (library) => kind === "tun" || !library.startsWith("tcp"),
  )
  const seconds = (options.rounds * libraries.length * lengthOf(it)) / 1_000
  console.error(`${where}: ${options.rounds} rounds of ${libraries.join(", ")}, about ${Math.ceil(seconds)} s`)
  const rounds: Record<string, Figures[]> = Object.fromEntries(libraries.map((library) => [library, []]))
  const settings = new Map<string, string>()
  for (let round = 0; round < options.rounds; round++) {
    for (const library of Object.keys(rounds)) {
      try {
        const { figures, how } =
          it.kind === "bench" ? await benchTrial(it, library) : await pathTrial(it, library, round, make)
        settings.set(library, how)
        rounds[library]!.push(figures)
      } catch (error) {
        const { message } = error as Error
        if (error instanceof MissingError) delete rounds[library]
        // Nothing came: that is a result too.
        else rounds[library]!.push({ ...nothing(it), failure: message })
        console.error(`${where}, ${library}: ${message}`)
      }
    }
  }
  if (options.json !== true) show(scenario, it, rounds, settings)
  return rounds
}

async function pathTrial(
  it: PathCase,
  library: string,
  round: number,
  make: (options: PlaceOptions) => Promise<Place>,
): Promise<{ readonly figures: Figures; readonly how: string }> {
  const flowOf = (name: string): Trial["flows"][number] => ({
    library: benchNameOf(name),
    bytes: it.bytes,
    perSecond: it.perSecond,
    options: endpointOptionsOf(options.option, it.path.there.rate ?? 0),
  })
  const flows = [...(it.beside === undefined ? [] : [flowOf(it.beside)]), flowOf(library)]
  const result = await runTrial(
    { ...it, flows, staggerMs: STAGGER_MS, seed: options.seed + round, spinUs: options.spinUs },
    make,
  )
  return { figures: figuresOf(it, result), how: result.flows.at(-1)!.settings }
}

async function benchTrial(
  it: BenchCase,
  library: string,
): Promise<{ readonly figures: Figures; readonly how: string }> {
  const { bytes, perSecond, lossPercent } = it
  const kind: Job["kind"] = perSecond > 0 ? "latency" : "flat-out"
  const own = endpointOptionsOf(options.option, 0)
  const job: Job = { ...BENCH, library: benchNameOf(library), kind, bytes, perSecond, lossPercent, options: own }
  const { settings, p50Us, p99Us, p999Us, ...outcome } = await run(job)
  const ms = (us: number | undefined): number => (us ?? Number.NaN) / 1_000
  const times = perSecond > 0 ? { p50Ms: ms(p50Us), p99Ms: ms(p99Us), p999Ms: ms(p999Us) } : {}
  return { figures: { perSecond: outcome.perSecond, mbit: outcome.gbitPerSecond * 1_000, ...times }, how: settings }
}

function reasonAgainst(it: Case, kind: "tun" | "udp"): string | undefined {
  if (it.kind === "bench") return networkLacks()
  if (kind === "tun") return undefined
  if (it.beside?.startsWith("tcp") === true) return "TCP doesn't go through a relay of UDP sockets"
  const isMove = ({ change }: { readonly change: Change }): boolean => change.what === "move"
  return it.changes.some(isMove) ? "on loopback an address can't change" : undefined
}

function nothing({ figure }: Case): Figures {
  if (figure === "mbit" || figure === "perSecond") return { mbit: 0, perSecond: 0 }
  if (figure === "share") return { share: 0, mbit: 0 }
  return figure === "gapMs" ? { isDone: false } : {}
}

function lengthOf(it: Case): number {
  if (it.kind === "bench") return BENCH.warmMs + BENCH.runMs + AROUND_MS
  return it.warmMs + it.runMs + AROUND_MS + (it.beside === undefined ? 0 : STAGGER_MS)
}

function whole(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new InvalidArgumentError("a whole number above 0")
}

function positive(text: string): number {
  const value = Number(text)
  if (value > 0 && value < 3_600) return value
  throw new InvalidArgumentError("a number above 0")
}

function valid<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text)
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message)
    }
  }
}

function append<T>(parse: (text: string) => T): (text: string, before?: readonly T[]) => readonly T[] {
  return (text, before = []) => [...before, valid(parse)(text)]
}

function collect(parse: (text: string) => object): (text: string, before?: object) => object {
  return (text, before = {}) => ({ ...before, ...valid(parse)(text) })
}

function fail(message: string): never {
  console.error(`error: ${message}`)
  process.exit(2)
}
