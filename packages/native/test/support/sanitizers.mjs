// How C is compiled with sanitizers: warnings are errors, and every finding of a sanitizer ends the process.
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** The exit code of a script that can't do its work here and has printed the reason. */
export const SKIPPED = 77

const sourceDir = fileURLToPath(new URL("../../src/c/", import.meta.url))

export const FLAGS = [
  "-std=c11",
  "-D_GNU_SOURCE",
  ...["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wstrict-prototypes", "-Werror"],
  ...[
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
    "-O1",
    "-g",
    `-I${sourceDir}`,
  ],
]

/** The compilation units of the helper, without those named. */
export function units(...without) {
  return readdirSync(sourceDir)
    .filter((name) => name.endsWith(".c") && !without.includes(name))
    .map((name) => join(sourceDir, name))
}

/** Where gcc has one of its libraries; without it, gcc prints only the name. */
export function gccLibrary(name) {
  const { status, stdout } = spawnSync("gcc", [`-print-file-name=${name}`], { encoding: "utf8" })
  if (status !== 0) skip("there is no gcc")
  const path = stdout.trim()
  if (!existsSync(path)) skip(`gcc has no ${name}`)
  return path
}

export function skip(why) {
  console.log(why)
  process.exit(SKIPPED)
}
