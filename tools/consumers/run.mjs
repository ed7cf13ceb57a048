// Proves that the packages work outside the workspace: packs them, and for each folder beside this file installs the
// tarballs that its package.json declares (and what those declare, nothing else) into an empty folder, and runs its
// tests there with `node --test`. A folder's tsconfig.json, if it has one, is compiled first. No network is needed: the
// packages' dependencies from the registry are packed too. A C compiler isn't needed either, and none can be found: the
// native helper has to come in the package for this platform.
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { output, packAll, packDependencies, prebuilt, root } from "../quality/pack.mjs"
import { writeSummary } from "../summary.mjs"

const here = join(root, "tools/consumers")
const folder = mkdtempSync(join(tmpdir(), "consumers-"))
const summary = { passed: 0, failed: 0, skipped: [] }
try {
  const tarballs = packEverything()
  for (const name of readdirSync(here).toSorted()) {
    if (!existsSync(join(here, name, "package.json"))) continue
    const problem = run(name, tarballs)
    if (problem === undefined) summary.passed++
    else summary.failed++
    console.log(problem === undefined ? `ok   consumer ${name}` : `FAIL consumer ${name}: ${problem}`)
  }
  const problem = installFromFolder(tarballs)
  if (problem === undefined) summary.passed++
  else summary.failed++
  console.log(problem === undefined ? "ok   one folder to install from" : `FAIL one folder to install from: ${problem}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
if (summary.passed + summary.failed + summary.skipped.length === 0) {
  console.error("error: there is no consumer")
  summary.failed++
}
writeSummary(summary)
process.exitCode = summary.failed === 0 ? 0 : 1

function packEverything() {
  const at = join(folder, "tarballs")
  mkdirSync(at)
  const packages = packAll(at).filter(
    ({ manifest }) => manifest.exports?.["."] !== undefined || manifest.main !== undefined,
  )
  const tarballs = packDependencies(packages, at)
  for (const { name, tarball } of packages) tarballs.set(name, tarball)
  return tarballs
}

/**
 * Runs `npm run pack`, then follows its instructions in an empty project: a program there finds the packages and this
 * platform's helper. Returns what went wrong, if anything.
 */
function installFromFolder(tarballs) {
  const packed = join(folder, "packed")
  const at = join(folder, "project")
  mkdirSync(at)
  writeFileSync(join(at, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }))
  const code = `
    const { Endpoint } = await import("@x/endpoint")
    const a = await Endpoint.bind({ v6: false })
    const b = await Endpoint.bind({ v6: false })
    const heard = new Promise((resolve) => a.handle(1, (message) => resolve(new TextDecoder().decode(message.copy()))))
    const peer = await b.join("127.0.0.1:" + a.port)
    await peer.open().send(1, new TextEncoder().encode("hello"))
    console.log(await heard, a.capabilities.batch)
    await b.close()
    await a.close()`
  try {
    output(process.execPath, [join(root, "tools/pack/run.mjs"), packed], folder)
    // Our own packages need no network; third-party packages come from here too.
    const others = [...tarballs].flatMap(([name, tarball]) => (name.startsWith("@noble/") ? [tarball] : []))
    const flags = ["--offline", "--no-audit", "--no-fund", "--loglevel=error", ...others]
    output(process.execPath, [join(packed, "install.mjs"), "--", ...flags], at, { CC: "no-compiler" })
    const hasHelper = prebuilt().compilable.includes(`native/prebuilt/${process.platform}-${process.arch}`)
    const said = output(process.execPath, ["--input-type=module", "-e", code], at).trim()
    return said === `hello ${hasHelper}` ? undefined : `it said "${said}"`
  } catch (error) {
    return error.message
  }
}

/** Returns what went wrong, if anything. */
function run(name, tarballs) {
  console.log(`\n--- consumer ${name}`)
  const at = join(folder, name)
  cpSync(join(here, name), at, { recursive: true, filter: (path) => !path.includes("node_modules") })
  const manifest = JSON.parse(readFileSync(join(at, "package.json"), "utf8"))
  const files = Object.fromEntries(
    [...tarballs].map(([dependency, tarball]) => [dependency, pathToFileURL(tarball).href]),
  )
  const unknown = Object.keys(manifest.dependencies ?? {}).filter((dependency) => files[dependency] === undefined)
  if (unknown.length > 0) return `it declares ${unknown.join(", ")}, which no package here is`
  // Its dependencies come from the tarballs, and so do theirs: npm refuses an override that contradicts a direct
  // dependency.
  manifest.dependencies = Object.fromEntries(
    Object.keys(manifest.dependencies).map((dependency) => [dependency, files[dependency]]),
  )
  manifest.overrides = Object.fromEntries(
    Object.keys(files).map((dependency) => [
      dependency,
      manifest.dependencies[dependency] ? `$${dependency}` : files[dependency],
    ]),
  )
  writeFileSync(join(at, "package.json"), JSON.stringify(manifest))
  try {
    output("npm", ["install", "--offline", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"], at, {
      CC: "no-compiler",
    })
  } catch (error) {
    return error.message
  }
  if (existsSync(join(at, "tsconfig.json")) && spawnSync("tsc", ["-p", at], { cwd: at, stdio: "inherit" }).status !== 0)
    return "it doesn't compile"
  const tap = join(folder, `${name}.tap`)
  const reporters = [
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=tap",
    `--test-reporter-destination=${tap}`,
  ]
  const { status, signal } = spawnSync(process.execPath, ["--test", ...reporters], {
    cwd: at,
    stdio: ["ignore", "inherit", "inherit"],
    timeout: 300_000,
  })
  if (status !== 0) return signal === null ? "its tests failed" : `its tests were ended by ${signal}`
  return Number(/^# pass (\d+)$/m.exec(readFileSync(tap, "utf8"))?.[1] ?? 0) === 0 ? "it ran no test" : undefined
}
