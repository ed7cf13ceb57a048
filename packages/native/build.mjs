// Compiles src/c into build/x-native.node. Runs before every test run, so it is instant when nothing changed, and
// whatever is missing it ends well: the helper is optional, and a machine without a compiler is no broken machine.
// Where a package with a binary for this platform is installed, nothing is compiled. With `--to <folder>` the binary is
// for such a package, of the platform that its package.json names, and must be there in the end; with `--probe
// <folder>` it is only said whether that can be: by the exit code, and why not in a line.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(fileURLToPath(import.meta.url))
const sourceDir = join(root, "src/c")

const own = { os: process.platform, cpu: process.arch, libc: process.platform === "linux" ? ownLibc() : undefined }

const PLATFORM_FLAGS = {
  // "now": a symbol that this runtime lacks fails the loading, where it is caught, and not the first call, where it
  // ends the process.
  linux: ["-D_GNU_SOURCE", "-shared", "-Wl,-z,now"],
  // A Node under Rosetta is not of the compiler's own architecture.
  darwin: [
    "-D_DARWIN_C_SOURCE",
    "-bundle",
    "-undefined",
    "dynamic_lookup",
    "-arch",
    process.arch === "x64" ? "x86_64" : process.arch,
  ],
}

/** Something that this machine lacks; anything else that goes wrong is reported the same way. */
class Unbuildable extends Error {}

const [option, folder] = process.argv.slice(2)
const target = option === "--to" || option === "--probe" ? targetOf(folder) : own
const isOwn = target.os === own.os && target.cpu === own.cpu && target.libc === own.libc
const buildDir = isOwn ? join(root, "build") : join(root, "build", nameOf(target))
const binary = join(buildDir, "x-native.node")
const stampFile = join(buildDir, "stamp.json")
const reasonFile = join(root, "build/reason.txt")

try {
  if (option === "--probe") {
    if (findCompiler() === undefined) throw new Unbuildable(noCompiler())
  } else if (option === "--to") {
    await build()
    copyFileSync(binary, join(folder, "x-native.node"))
  } else if (!isPrebuilt()) {
    await build()
    rmSync(reasonFile, { force: true })
  }
} catch (error) {
  if (option === "--probe") {
    console.log(error.message)
    process.exitCode = 1
  } else if (option === "--to") throw error
  else giveUp(error instanceof Unbuildable ? error.message : `building failed: ${firstLine(error?.message ?? error)}`)
}

/** What the package of a folder is for. */
function targetOf(at) {
  // Said of what is published only: the workspace has all of them on every machine.
  const { os, cpu, libc } = JSON.parse(readFileSync(join(at, "package.json"), "utf8")).publishConfig
  return { os: os[0], cpu: cpu[0], libc: libc?.[0] }
}

/** As in the name of the package: glibc goes without saying. */
function nameOf({ os, cpu, libc }) {
  return `${os}-${cpu}${libc === "musl" ? "-musl" : ""}`
}

/** Whether this runtime is linked to musl is seen in what it has loaded. */
function ownLibc() {
  try {
    return readFileSync("/proc/self/maps", "latin1").includes("/ld-musl-") ? "musl" : "glibc"
  } catch {
    return "glibc"
  }
}

/** Whether the package for this platform is there, loads here, and is of our version. */
function isPrebuilt() {
  try {
    const { interfaceVersion } = createRequire(import.meta.url)(`@x/native-${nameOf(own)}`)
    return readFileSync(join(sourceDir, "module.c"), "utf8").includes(`#define INTERFACE_VERSION ${interfaceVersion}\n`)
  } catch {
    return false
  }
}

async function build() {
  const platformFlags = PLATFORM_FLAGS[target.os]
  if (platformFlags === undefined) throw new Unbuildable(`${target.os} is not supported`)
  const headers = await headerDir()
  const flags = [
    "-std=c11",
    "-O2",
    "-Wall",
    "-Wextra",
    "-fPIC",
    "-fvisibility=hidden",
    "-DNAPI_VERSION=8",
    ...platformFlags,
  ]
  const sources = hash([...files(sourceDir), ...files(headers)], [nameOf(target), ...flags])
  const stamp = readStamp()
  const compiler = findCompiler()
  if (stamp?.sources === sources && (compiler === undefined || stamp.compiler === compiler.version)) return
  // Whatever lies there was made from other sources, or by another compiler that we are about to replace.
  rmSync(stampFile, { force: true })
  rmSync(binary, { force: true })
  if (compiler === undefined) throw new Unbuildable(noCompiler())
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

/** The first that answers. */
function findCompiler() {
  for (const name of compilers()) {
    const command = name.split(/\s+/)
    const result = spawnSync(command[0], [...command.slice(1), "--version"], { encoding: "utf8" })
    if (result.status === 0) return { command, version: firstLine(result.stdout) || name }
  }
  return undefined
}

/**
 * $CC as it stands, arguments and all, or the usual names; for another platform than this one $CC_LINUX_ARM64, say, or
 * those of cross compilers.
 */
function compilers() {
  const chosen = process.env[isOwn ? "CC" : compilerVariable()]?.trim()
  if (chosen) return [chosen]
  if (isOwn) return ["cc", "gcc", "clang"]
  if (target.os !== "linux") return []
  const triplet = `${target.cpu === "x64" ? "x86_64" : "aarch64"}-linux-${target.libc === "musl" ? "musl" : "gnu"}`
  const isMuslHere = target.libc === "musl" && target.cpu === own.cpu && own.os === "linux"
  return isMuslHere ? ["musl-gcc", `${triplet}-gcc`] : [`${triplet}-gcc`]
}

function compilerVariable() {
  return `CC_${nameOf(target).replaceAll("-", "_").toUpperCase()}`
}

function noCompiler() {
  if (isOwn) return `there is no C compiler (${process.env.CC?.trim() || "cc, gcc, clang"})`
  return `there is no compiler for ${nameOf(target)} (${compilers().join(", ") || "none is known"}; $${compilerVariable()} names another)`
}

async function headerDir() {
  try {
    return (await import("node-api-headers")).default.include_dir
  } catch {
    throw new Unbuildable("the package node-api-headers is not installed; npm install --no-save node-api-headers")
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
  console.log(
    `@x/native: not compiled: ${why}. UDP goes through node:dgram: all works, slower, and too long datagrams may be fragmented.`,
  )
  try {
    mkdirSync(dirname(reasonFile), { recursive: true })
    writeFileSync(reasonFile, `not compiled: ${why}\n`)
  } catch {
    // A read-only place; the line above was said.
  }
}

function firstLine(text) {
  return String(text).split("\n", 1)[0].trim()
}
