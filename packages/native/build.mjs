// Compiles src/c into build/x-native.node. Runs on every install and before every test run, so it is instant when nothing changed, and
// whatever is missing it ends well: the helper is optional, and a machine without a compiler is no broken machine. Where a package with a binary for this
// platform is installed, nothing is compiled. With `--to <folder>` the binary is for such a package, and must be there in the end.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(fileURLToPath(import.meta.url))
const sourceDir = join(root, "src/c")
const buildDir = join(root, "build")
const binary = join(buildDir, "x-native.node")
const stampFile = join(buildDir, "stamp.json")
const reasonFile = join(buildDir, "reason.txt")

const PLATFORM_FLAGS = {
  // "now": a symbol that this runtime lacks fails the loading, where it is caught, and not the first call, where it ends the process.
  linux: ["-D_GNU_SOURCE", "-shared", "-Wl,-z,now"],
  // A Node under Rosetta is not of the compiler's own architecture.
  darwin: ["-D_DARWIN_C_SOURCE", "-bundle", "-undefined", "dynamic_lookup", "-arch", process.arch === "x64" ? "x86_64" : process.arch],
}

/** Something that this machine lacks; anything else that goes wrong is reported the same way. */
class Unbuildable extends Error {}

const destination = process.argv[2] === "--to" ? process.argv[3] : undefined

try {
  if (destination !== undefined || !isPrebuilt()) {
    await build()
    rmSync(reasonFile, { force: true })
  }
  if (destination !== undefined) copyFileSync(binary, join(destination, "x-native.node"))
} catch (error) {
  if (destination !== undefined) throw error
  giveUp(error instanceof Unbuildable ? error.message : `building failed: ${firstLine(error?.message ?? error)}`)
}

/** Whether the package for this platform is there, loads here, and is of our version. */
function isPrebuilt() {
  try {
    const { interfaceVersion } = createRequire(import.meta.url)(`@x/native-${process.platform}-${process.arch}`)
    return readFileSync(join(sourceDir, "module.c"), "utf8").includes(`#define INTERFACE_VERSION ${interfaceVersion}\n`)
  } catch {
    return false
  }
}

async function build() {
  const platformFlags = PLATFORM_FLAGS[process.platform]
  if (platformFlags === undefined) throw new Unbuildable(`${process.platform} is not supported`)
  const headers = await headerDir()
  const flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-fPIC", "-fvisibility=hidden", "-DNAPI_VERSION=8", ...platformFlags]
  const sources = hash([...files(sourceDir), ...files(headers)], [process.platform, process.arch, ...flags])
  const stamp = readStamp()
  const compiler = findCompiler()
  if (stamp?.sources === sources && (compiler === undefined || stamp.compiler === compiler.version)) return
  // Whatever lies there was made from other sources, or by another compiler that we are about to replace.
  rmSync(stampFile, { force: true })
  rmSync(binary, { force: true })
  if (compiler === undefined) throw new Unbuildable(`there is no C compiler (${process.env.CC?.trim() || "cc, gcc, clang"})`)
  compile(compiler, [...flags, `-I${headers}`])
  writeFileSync(stampFile, JSON.stringify({ sources, compiler: compiler.version }))
}

function compile({ command, version }, flags) {
  mkdirSync(buildDir, { recursive: true })
  // Renamed into place when whole: another process may be building too, or have the old one loaded.
  const part = join(buildDir, `x-native.${process.pid}.part`)
  const units = files(sourceDir).filter((file) => file.endsWith(".c"))
  const [file, ...before] = command
  const startedMs = performance.now()
  const result = spawnSync(file, [...before, ...flags, "-o", part, ...units], { encoding: "utf8" })
  if (result.status !== 0) {
    rmSync(part, { force: true })
    const lines = (result.stderr ?? "").split("\n")
    const line = lines.find((text) => text.includes("error")) ?? lines[0]
    throw new Unbuildable(
      `${command.join(" ")} failed: ${line?.replaceAll(`${sourceDir}/`, "") || (result.error?.message ?? result.signal)}`,
    )
  }
  renameSync(part, binary)
  console.log(`@x/native: compiled in ${Math.round(performance.now() - startedMs)} ms with ${version}`)
}

/** $CC as it stands, arguments and all, or the first of the usual names that answers. */
function findCompiler() {
  const chosen = process.env.CC?.trim()
  for (const name of chosen ? [chosen] : ["cc", "gcc", "clang"]) {
    const command = name.split(/\s+/)
    const result = spawnSync(command[0], [...command.slice(1), "--version"], { encoding: "utf8" })
    if (result.status === 0) return { command, version: firstLine(result.stdout) || name }
  }
  return undefined
}

async function headerDir() {
  try {
    return (await import("node-api-headers")).default.include_dir
  } catch {
    throw new Unbuildable("the package node-api-headers is not installed")
  }
}

function files(directory) {
  return readdirSync(directory)
    .sort()
    .map((name) => join(directory, name))
}

function hash(paths, texts) {
  const hash = createHash("sha256")
  for (const path of paths) hash.update(readFileSync(path))
  return hash.update(texts.join("\0")).digest("hex")
}

function readStamp() {
  try {
    return existsSync(binary) ? JSON.parse(readFileSync(stampFile, "utf8")) : undefined
  } catch {
    return undefined
  }
}

/** One line for the person at the terminal, and the same for `reason` of the package. */
function giveUp(why) {
  console.log(`@x/native: not compiled: ${why}. UDP goes through node:dgram: all works, slower, and too long datagrams may be fragmented.`)
  try {
    mkdirSync(buildDir, { recursive: true })
    writeFileSync(reasonFile, `not compiled: ${why}\n`)
  } catch {
    // A read-only place; the line above was said.
  }
}

function firstLine(text) {
  return String(text).split("\n", 1)[0].trim()
}
