// Compiles src/c into build/x-native.node. It runs before every test run, so it is instant when nothing has changed,
// and it succeeds whatever is missing: the helper is optional, and a machine without a compiler isn't broken. If a
// package with a binary for this platform is installed, it compiles nothing. `--to <folder>` compiles the binary of
// such a package, for the platform that its package.json names, and fails if it can't. `--probe <folder>` only reports
// whether it could: by the exit code, with the reason in one line.
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
  // "now": if this runtime lacks a symbol, loading fails, which is caught. Otherwise the first call would fail and end
  // the process.
  linux: ["-D_GNU_SOURCE", "-shared", "-Wl,-z,now", "-Wl,-z,relro"],
  // Under Rosetta, Node's architecture isn't the compiler's own.
  darwin: [
    "-D_DARWIN_C_SOURCE",
    "-bundle",
    "-undefined",
    "dynamic_lookup",
    "-arch",
    process.arch === "x64" ? "x86_64" : process.arch,
  ],
}

/**
 * A write beyond an array ends the process, instead of what it would overwrite. Distributions define a level of their
 * own; compilers and libraries that don't know level 3 take it for 2.
 */
const HARDENING_FLAGS = ["-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"]

/** This machine lacks something. Any other error is reported the same way. */
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

/** The platform that the package in a folder is for. */
function targetOf(at) {
  // Only the published package is limited to its platform: the workspace has all of these packages on every machine.
  const { os, cpu, libc } = JSON.parse(readFileSync(join(at, "package.json"), "utf8")).publishConfig
  return { os: os[0], cpu: cpu[0], libc: libc?.[0] }
}

/** The platform as in the package's name, which leaves out glibc. */
function nameOf({ os, cpu, libc }) {
  return `${os}-${cpu}${libc === "musl" ? "-musl" : ""}`
}

/** The libc that this runtime is linked to, from the libraries it has loaded. */
function ownLibc() {
  try {
    return readFileSync("/proc/self/maps", "latin1").includes("/ld-musl-") ? "musl" : "glibc"
  } catch {
    return "glibc"
  }
}

/** Whether the package for this platform is installed, loads here, and has our version of the interface. */
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
    ...HARDENING_FLAGS,
    ...platformFlags,
  ]
  const sources = hash([...files(sourceDir), ...files(headers)], [nameOf(target), ...flags])
  const stamp = readStamp()
  const compiler = findCompiler()
  if (stamp?.sources === sources && (compiler === undefined || stamp.compiler === compiler.version)) return
  // An existing binary was made from other sources or by another compiler, and is about to be replaced.
  rmSync(stampFile, { force: true })
  rmSync(binary, { force: true })
  if (compiler === undefined) throw new Unbuildable(noCompiler())
  compile(compiler, [...flags, `-I${headers}`])
  writeFileSync(stampFile, JSON.stringify({ sources, compiler: compiler.version }))
}

function compile({ command, version }, flags) {
  mkdirSync(buildDir, { recursive: true })
  // Renamed into place when complete: another process may be building too, or may have the old one loaded.
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

/** The first compiler that answers. */
function findCompiler() {
  for (const name of compilers()) {
    const command = name.split(/\s+/)
    const result = spawnSync(command[0], [...command.slice(1), "--version"], { encoding: "utf8" })
    if (result.status === 0) return { command, version: firstLine(result.stdout) || name }
  }
  return undefined
}

/**
 * $CC with its arguments, or the usual names. For another platform, a variable such as $CC_LINUX_ARM64, or the usual
 * names of cross compilers.
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

/** Prints one line at the terminal, and saves it for `reason` of the package. */
function giveUp(why) {
  console.log(
    `@x/native: not compiled: ${why}. UDP goes through node:dgram: all works, slower, and too long datagrams may be fragmented.`,
  )
  try {
    mkdirSync(dirname(reasonFile), { recursive: true })
    writeFileSync(reasonFile, `not compiled: ${why}\n`)
  } catch {
    // The folder is read-only; the line above was printed.
  }
}

function firstLine(text) {
  return String(text).split("\n", 1)[0].trim()
}
