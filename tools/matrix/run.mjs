// Tests the packages as users get them, on each runtime: packs them, installs the tarballs into an empty folder, and
// runs there an echo, plain and encrypted, and a simulation whose hash has to be the same on all runtimes. Arguments
// name runtimes; "here" is the one that runs this. Without arguments it takes all that the folders beside this file
// pin.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Table from "cli-table3"
import { output, packDependencies, prebuilt, root } from "../quality/pack.mjs"
import { writeSummary } from "../summary.mjs"

const beside = join(root, "tools/matrix")
/** A program takes a second or two; one that takes this long hangs. */
const CELL_MS = 45_000
/** Attempts, if the machine was held up meanwhile. */
const TRIES = 3

/** For each runtime: the folder that pins it, where its binary is installed there, and its arguments. */
const RUNTIMES = new Map([
  ["here", { isNode: true }],
  ...[20, 22, 24, 26].map((major) => [
    `node-${major}`,
    { isNode: true, pinned: "node", at: [`node-${major}-`, "bin/node"] },
  ]),
  ["bun", { pinned: "bun-deno", at: ["@oven/bun-", "bin/bun"] }],
  // The READMEs promise that it needs no other permission.
  ["deno", { pinned: "bun-deno", at: ["@deno/", "deno"], args: ["run", "--no-prompt", "--no-lock", "--allow-net"] }],
])

const PROGRAMS = ["echo", "echo, aead", "stall", "simulation"]

const named = process.argv.slice(2)
const unknown = named.filter((name) => !RUNTIMES.has(name))
if (unknown.length > 0) {
  console.error(`error: there is no ${unknown.join(", ")}; there are: ${[...RUNTIMES.keys()].join(", ")}`)
  process.exit(1)
}
const names = named.length > 0 ? named : [...RUNTIMES.keys()].filter((name) => name !== "here")

const folder = mkdtempSync(join(tmpdir(), "matrix-"))
const summary = { passed: 0, failed: 0, skipped: [] }
try {
  for (const pinned of new Set(names.flatMap((name) => RUNTIMES.get(name).pinned ?? []))) installPinned(pinned)
  const project = installTarballs()
  const hasHelper = prebuilt().compilable.includes(`native/prebuilt/${process.platform}-${process.arch}`)
  const expected = run(RUNTIMES.get("here"), project, "simulated.mjs")
  const table = new Table({
    head: ["", "version", ...PROGRAMS, "datagrams", "DF"],
    style: { head: [], border: [] },
  })
  const said = []
  for (const name of names) {
    const runtime = RUNTIMES.get(name)
    const cells = [
      echo(runtime, project, hasHelper),
      echo(runtime, project, hasHelper, "aead"),
      run(runtime, project, "stall.mjs"),
      simulation(name === "here" ? expected : run(runtime, project, "simulated.mjs"), expected),
    ]
    const { batch, dontFragment, notes = [] } = cells[0].answer ?? {}
    table.push([
      name,
      versionOf(runtime),
      ...cells.map(({ problem, text }) => (problem === undefined ? text : "FAIL")),
      batch === undefined ? "–" : batch ? "in batches" : "one by one",
      dontFragment === undefined ? "–" : dontFragment ? "set" : "not set",
    ])
    for (const [i, { problem }] of cells.entries()) {
      if (problem === undefined) summary.passed++
      else summary.failed++
      if (problem !== undefined) said.push(`FAIL ${name}, ${PROGRAMS[i]}: ${problem}`)
    }
    for (const note of notes) said.push(`note ${name}: ${note}`)
  }
  console.log(table.toString())
  for (const line of said) console.log(line)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
writeSummary(summary)
process.exitCode = summary.failed === 0 && summary.passed > 0 ? 0 : 1

/** Installs the lockfile of a folder beside this file, once. */
function installPinned(pinned) {
  const at = join(beside, pinned)
  const stamp = join(at, "node_modules/.stamp")
  const key = createHash("sha256")
    .update(readFileSync(join(at, "package-lock.json")))
    .digest("hex")
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === key) return
  console.error(`installing what tools/matrix/${pinned} pins …`)
  const flags = [
    "--ignore-scripts",
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--loglevel=error",
  ]
  output("npm", ["ci", "--prefix", at, ...flags], at)
  writeFileSync(stamp, key)
}

/**
 * Runs `npm run pack`, then follows its instructions in an empty project with the programs of this folder. Third-party
 * packages are packed as installed here, so no network is needed.
 */
function installTarballs() {
  console.error("packing and installing …")
  const [packed, others, project] = ["packed", "others", "project"].map((name) => join(folder, name))
  for (const at of [others, project]) mkdirSync(at)
  output(process.execPath, [join(root, "tools/pack/run.mjs"), packed], folder)
  const packages = readdirSync(join(root, "packages")).map((name) => {
    const from = join(root, "packages", name)
    return { from, manifest: JSON.parse(readFileSync(join(from, "package.json"), "utf8")) }
  })
  const tarballs = [...packDependencies(packages, others)].flatMap(([name, tarball]) =>
    name.startsWith("@noble/") ? [tarball] : [],
  )
  cpSync(join(beside, "src"), project, { recursive: true })
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }))
  const flags = ["--offline", "--no-audit", "--no-fund", "--loglevel=error", ...tarballs]
  output(process.execPath, [join(packed, "install.mjs"), "--", ...flags], project, { CC: "no-compiler" })
  return project
}

function binaryOf({ pinned, at }) {
  if (pinned === undefined) return process.execPath
  const [path, binary] = at
  const modules = join(beside, pinned, "node_modules")
  const [scope, prefix] = path.includes("/") ? path.split("/") : ["", path]
  // npm installs only the packages for this platform.
  const found = existsSync(join(modules, scope))
    ? readdirSync(join(modules, scope)).filter((name) => name.startsWith(prefix))
    : []
  return found.map((name) => join(modules, scope, name, binary)).find((file) => existsSync(file))
}

function versionOf(runtime) {
  const binary = binaryOf(runtime)
  const { stdout } = binary === undefined ? {} : spawnSync(binary, ["--version"], { encoding: "utf8" })
  return /\d+\.\d+\.\d+/.exec(stdout ?? "")?.[0] ?? "–"
}

/**
 * Runs a program of the project and returns the last line it printed, as JSON; after a failure, what went wrong, with
 * the last lines printed.
 */
function run(runtime, project, program, ...args) {
  for (let tries = 1; ; tries++) {
    const done = runOnce(runtime, project, program, args)
    if (tries === TRIES || done.problem === undefined || !/stood still for \d+ ms/.test(done.problem)) return done
    console.error(`${program} is tried again: ${done.problem}`)
  }
}

function runOnce(runtime, project, program, args) {
  const binary = binaryOf(runtime)
  if (binary === undefined) return { problem: `none is pinned for ${process.platform}-${process.arch}` }
  const { X_TRANSPORT: _, NODE_ENV: __, NODE_OPTIONS: ___, ...inherited } = process.env
  const startedMs = performance.now()
  const { status, signal, stdout, stderr, error } = spawnSync(binary, [...(runtime.args ?? []), program, ...args], {
    cwd: project,
    env: { ...inherited, NO_COLOR: "1", DENO_DIR: join(folder, "deno"), DENO_NO_UPDATE_CHECK: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    timeout: CELL_MS,
    killSignal: "SIGKILL",
  })
  const text = `${((performance.now() - startedMs) / 1_000).toFixed(1)} s`
  if (status === 0) return { text, answer: JSON.parse(stdout.trim().split("\n").at(-1)) }
  const last = `${stdout}${stderr}`.trim().split("\n").slice(-6).join("\n       ")
  if (error?.code === "ETIMEDOUT") return { problem: `hung for ${CELL_MS / 1_000} s, after:\n       ${last}` }
  return { problem: `${signal === null ? `ended with ${status}` : `was ended by ${signal}`}:\n       ${last}` }
}

/**
 * Checks the answers, and that Node has batches if there is a helper for the platform; a runtime without batches says
 * so, once.
 */
function echo(runtime, project, hasHelper, ...args) {
  const done = run(runtime, project, "echo.mjs", ...args)
  if (done.problem !== undefined) return done
  const { batch, notes } = done.answer
  const told = notes.filter((note) => note.includes("one by one")).length
  if (batch !== (runtime.isNode === true && hasHelper))
    return { ...done, problem: `its datagrams go ${batch ? "in batches" : "one by one"}` }
  if (runtime.isNode !== true && told !== 1)
    return { ...done, problem: `it says ${told} times that datagrams go one by one` }
  return done
}

/**
 * With the simulation's own cryptography and with the runtime's, the datagrams have to be those that this Node made.
 */
function simulation(done, expected) {
  const problem = done.problem ?? expected.problem
  if (problem !== undefined) return { problem }
  const { own, runtimes } = done.answer
  if (own !== expected.answer.own) return { problem: `its hash is ${own}, not ${expected.answer.own}` }
  if (runtimes !== own) return { problem: `with its own cryptography the hash is ${runtimes}, not ${own}` }
  return { text: own.slice(0, 8) }
}
