// Checks that a seed gives the same run on every version of Node: simulates the same seeds on this version and on
// others, installed from the registry, and compares the hashes of all datagrams. Version numbers as arguments replace
// the usual ones.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { root, writeSummary } from "../summary.mjs"

const SEEDS = 40
const VIRTUAL_MINUTES = 1
const versions = process.argv.slice(2)
if (versions.length === 0) versions.push("20", "22", "24", "26")

const own = hashes(process.execPath)
console.log(`${process.version}: ${own.length} seeds`)
let failed = own.length === SEEDS ? 0 : 1
let passed = 1 - failed
for (const version of versions) {
  const node = install(version)
  if (node === undefined) {
    failed++
    continue
  }
  const found = hashes(node)
  const differing = own.filter((line, i) => line !== found[i])
  const isSame = found.length === own.length && differing.length === 0
  if (isSame) passed++
  else failed++
  console.log(
    `${spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim()}: ${isSame ? "the same runs" : `${differing.length} of ${own.length} differ, the first ${differing[0]}`}`,
  )
}
writeSummary({ passed, failed, skipped: [] })
process.exit(failed === 0 ? 0 : 1)

/** The path of the binary; `undefined`: there is none for this platform. */
function install(version) {
  const name = `node-${process.platform}-${process.arch}`
  const folder = join(root, ".cache/nodes", version)
  const binary = join(folder, "node_modules", name, "bin/node")
  if (existsSync(binary)) return binary
  mkdirSync(folder, { recursive: true })
  const flags = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
  const { status, stderr } = spawnSync("npm", ["install", "--prefix", folder, ...flags, `${name}@${version}`], {
    encoding: "utf8",
  })
  if (status === 0 && existsSync(binary)) return binary
  console.error(`error: Node ${version} could not be installed as ${name}: ${stderr.trim().split("\n")[0]}`)
  return undefined
}

function hashes(node) {
  const args = ["--seeds", SEEDS, "--virtual-minutes", VIRTUAL_MINUTES, "--twice", 0, "--json"].map(String)
  const { stdout, stderr } = spawnSync(node, [join(root, "tools/simulator/dist/main.js"), ...args], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  })
  if (stderr !== "") console.error(stderr)
  return stdout
    .split("\n")
    .filter((line) => line.includes('"traceHash"'))
    .map((line) => JSON.parse(line))
    .toSorted((a, b) => a.seed - b.seed)
    .map(({ seed, traceHash, failure }) => `${seed} ${traceHash} ${failure?.invariant ?? "ok"}`)
}
