// Installs packages of this folder into the project in the working directory, with npm: node install.mjs [--print]
// [@x/endpoint …] [-- options and packages for npm] Without names: @x/endpoint and @x/transport. Packages of this
// folder that they need come with them; npm fetches the rest from the registry.
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const here = dirname(fileURLToPath(import.meta.url))
const packages = new Map(
  JSON.parse(readFileSync(join(here, "packages.json"), "utf8")).map((entry) => [entry.name, entry]),
)

const args = process.argv.slice(2)
const end = args.includes("--") ? args.indexOf("--") : args.length
const own = args.slice(0, end)
const wanted = own.filter((arg) => arg !== "--print")
const unknown = wanted.filter((name) => !packages.has(name))
if (unknown.length > 0) fail(`there is no ${unknown.join(", ")} here; there are: ${[...packages.keys()].join(", ")}`)

const files = closure(wanted.length > 0 ? wanted : ["@x/endpoint", "@x/transport"]).map(({ file }) => join(here, file))
const command = ["install", ...files, ...args.slice(end + 1)]
if (own.includes("--print"))
  console.log(["npm", ...command.map((arg) => (/^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg}'`))].join(" "))
else {
  if (!existsSync("package.json")) fail('there is no package.json here: "npm init -y" makes one')
  const { status, error } = spawnSync("npm", command, { stdio: "inherit", shell: process.platform === "win32" })
  if (error !== undefined) fail(`npm could not be started: ${error.message}`)
  process.exitCode = status ?? 1
}

/**
 * The named packages with all that they need and this machine can use: npm finds them beside each other, and asks no
 * registry for them.
 */
function closure(names) {
  const found = new Set()
  const visit = (name) => {
    const entry = packages.get(name)
    if (entry === undefined || found.has(entry) || !fits(entry)) return
    found.add(entry)
    entry.needs.forEach(visit)
  }
  names.forEach(visit)
  return [...found]
}

function fits({ os, cpu, libc }) {
  return [
    [os, process.platform],
    [cpu, process.arch],
    [libc, isMusl() ? "musl" : "glibc"],
  ].every(([allowed, value]) => allowed === undefined || allowed.includes(value))
}

function isMusl() {
  try {
    return readFileSync("/proc/self/maps", "latin1").includes("/ld-musl-")
  } catch {
    return false
  }
}

function fail(message) {
  console.error(`error: ${message}`)
  process.exit(1)
}
