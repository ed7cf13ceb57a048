/** The relay's C, compiled once for each state of its sources, into `.cache/lab`. */

import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const SOURCES = fileURLToPath(new URL("../src/c/", import.meta.url))
const CACHE = fileURLToPath(new URL("../../../.cache/lab/", import.meta.url))
const FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra"]
const COMPILERS = ["cc", "gcc", "clang"]

/** The relay's file. Throws, with the reason, where it can't be compiled. */
export function compileRelay(): string {
  const files = readdirSync(SOURCES)
    .toSorted()
    .map((name) => join(SOURCES, name))
  const hash = createHash("sha256").update(FLAGS.join(" "))
  for (const file of files) hash.update(readFileSync(file))
  const binary = join(CACHE, `relay-${process.arch}-${hash.digest("hex").slice(0, 16)}`)
  if (existsSync(binary)) return binary
  const chosen = process.env["CC"]?.trim()
  const names = chosen === undefined || chosen === "" ? COMPILERS : [chosen]
  const compiler = names.find((name) => spawnSync(name, ["--version"]).status === 0)
  if (compiler === undefined)
    throw new Error(`there is no C compiler (${names.join(", ")}; Debian: apt-get install gcc)`)
  mkdirSync(CACHE, { recursive: true })
  // Renamed into place when complete: another process may be compiling too.
  const part = `${binary}.${process.pid}`
  const units = files.filter((file) => file.endsWith(".c"))
  const { status, stderr } = spawnSync(compiler, [...FLAGS, "-o", part, ...units, "-lm"], { encoding: "utf8" })
  if (status !== 0)
    throw new Error(
      `${compiler} could not compile the relay: ${stderr.split("\n").find((line) => line.includes("error")) ?? stderr}`,
    )
  renameSync(part, binary)
  return binary
}
