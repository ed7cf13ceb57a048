// Ways through the kernel beside the one that the helper takes: compiles the programs of this folder into .cache/,
// runs every way of a group once in each round, and prints a table. Needs Linux, root, `cc` and
// `iproute2`. Exit code 1 if a run lost data or failed.
//
//   node tools/bench/kernel/run.mjs [--rounds 7] [--ms 300] [--only send-1400,trip] [--wait 900]
import { spawnSync } from "node:child_process"
import { mkdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import {
  coresOfOthers,
  deferInterrupts,
  makeLink,
  makeQdisc,
  pause,
  QUIET_CORES,
  removeNamespaces,
  usage,
  waitUntilQuiet,
} from "./place.mjs"
import { groups } from "./ways.mjs"

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, "../../..")
const helper = join(root, "packages/native/src/c")
const to = join(root, ".cache/kernel-ways")

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    ms: { type: "string", default: "300" },
    only: { type: "string" },
    wait: { type: "string", default: "900" },
  },
})
const rounds = Number(options.rounds)
const RUN_MS_MAX = 30_000
/** So many runs beside which others were quiet are enough to leave out the rest. */
const ENOUGH = 3
const toRun = options.only?.split(",")
let waitLeftMs = Number(options.wait) * 1_000
let hasFailed = false

if (process.platform !== "linux" || process.getuid?.() !== 0) end("this needs Linux and root")
compile()
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => (removeNamespaces(), process.exit(1)))
try {
  for (const group of groups(options.ms)) if (toRun === undefined || toRun.includes(group.name)) await measure(group)
} finally {
  removeNamespaces()
}
process.exitCode = hasFailed ? 1 : 0

async function measure(group) {
  console.log(`\n### ${group.title} (${group.name})\n`)
  let refusal
  if (group.link !== undefined) makeLink(join(to, "set_offload"), group.link)
  if (group.qdisc) refusal = makeQdisc()
  const [today] = group.ways
  const seen = new Map(group.ways.map((way) => [way, { runs: [], notes: [], reason: undefined }]))
  const order = [...seen]
  // The first run after a pause is slow on some machines, and none may always be the first.
  run([...today.command, ...(today.after ?? [])])
  for (let round = 0; round < rounds; round++, order.push(order.shift())) {
    waitLeftMs = await waitUntilQuiet(waitLeftMs)
    for (const [way, of] of order) {
      if (of.reason !== undefined) continue
      // Signals come in here.
      await pause(0)
      if (group.link !== undefined) deferInterrupts(way.isDeferred)
      const before = usage()
      const result = run([...way.command, ...(way.after ?? [])])
      const after = usage()
      if (result === undefined) continue
      if (result.notAvailable !== undefined) {
        of.reason = way.command[1] === "txtime" && refusal ? refusal : result.notAvailable
        continue
      }
      const { notes, columns } = way.read(result, after.threadNs - before.threadNs)
      of.runs[round] = { columns, isQuiet: coresOfOthers(before, after) <= QUIET_CORES }
      of.notes = notes.filter(Boolean)
    }
  }
  if (group.link !== undefined || group.qdisc) removeNamespaces()
  print(seen, today)
}

/** Counts the runs beside which others were quiet, if there were enough, and else all. */
function print(seen, today) {
  const own = seen.get(today).runs
  const names = Object.keys(own.find(Boolean)?.columns ?? {})
  const ratioNames = today.ratios.map((name) => `${name.replace(/,.*/, "")}: ratio to the first`)
  const heads = ["", ...names, ...ratioNames, "quiet runs"]
  console.log(`| ${heads.join(" | ")} |\n|${"---|".repeat(heads.length)}`)
  for (const [way, { runs, reason }] of seen) {
    if (reason !== undefined) {
      console.log(`| ${way.name} | ${"– | ".repeat(names.length)}not available here: ${reason} |`)
      continue
    }
    const quiet = runs.filter((each) => each.isQuiet)
    const counted = quiet.length < ENOUGH ? runs.filter(Boolean) : quiet
    const cells = names.map((name) => range(counted.map(({ columns }) => columns[name])))
    const pairs = runs.map((each, round) => [each, own[round]]).filter(([each, other]) => each && other)
    const quietPairs = pairs.filter(([each, other]) => each.isQuiet && other.isQuiet)
    const ratios = way.ratios.map((name) =>
      range((quietPairs.length < ENOUGH ? pairs : quietPairs).map(([a, b]) => a.columns[name] / b.columns[name])),
    )
    console.log(`| ${[way.name, ...cells, ...ratios, `${quiet.length} of ${rounds}`].join(" | ")} |`)
  }
  console.log()
  for (const [way, { notes }] of seen) for (const note of notes) console.log(`* ${way.name}: ${note}`)
}

/** The median, with the least and the most. */
function range(numbers) {
  const sorted = numbers.filter(Number.isFinite).toSorted((a, b) => a - b)
  if (sorted.length === 0) return "–"
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  return `${short(median)} (${short(sorted[0])} to ${short(sorted.at(-1))})`
}

function short(number) {
  return number.toFixed(number >= 100 ? 0 : number >= 10 ? 1 : number >= 0.2 ? 2 : 3)
}

function run([program, ...words]) {
  const result = spawnSync(join(to, program), words, { encoding: "utf8", timeout: RUN_MS_MAX, killSignal: "SIGTERM" })
  if (result.status === 0) return JSON.parse(result.stdout)
  hasFailed = true
  console.error(`FAILED: ${program} ${words.join(" ")}: ${result.stderr.trim() || result.signal || result.status}`)
}

function compile() {
  mkdirSync(to, { recursive: true })
  const shared = ["common.c", "uring.c", "thread_ring.c"].map((name) => join(here, name))
  const own = ["udp_batch.c", "failure.c"].map((name) => join(helper, name))
  const parts = {
    one_way: ["one_way_send.c", "one_way_receive.c"],
    trip: [],
    hand_over: [],
    pacing: [],
    set_offload: [],
  }
  for (const [name, more] of Object.entries(parts)) {
    const flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE", "-pthread", "-o", join(to, name)]
    const result = spawnSync(
      "cc",
      [...flags, ...[`${name}.c`, ...more].map((file) => join(here, file)), ...shared, ...own],
      { encoding: "utf8" },
    )
    if (result.status !== 0) end(`cc: ${result.stderr || result.error?.message}`)
  }
}

function end(why) {
  console.error(why)
  process.exit(1)
}
