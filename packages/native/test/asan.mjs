// Compiles the helper with AddressSanitizer and UndefinedBehaviorSanitizer, warnings being errors, and runs support/exercise.mjs on it.
// Exit code 0: clean; 77: can't be done here, with the reason; anything else: a finding, printed. With --probe only the first two.
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const SKIPPED = 77
const sourceDir = fileURLToPath(new URL("../src/c/", import.meta.url))
const exercise = fileURLToPath(new URL("support/exercise.mjs", import.meta.url))
const strict = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wstrict-prototypes", "-Werror"]
const sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-O1", "-g"]

if (process.platform !== "linux") skip("the sanitizers are preloaded in the Linux way")
const runtimes = ["libasan.so", "libubsan.so"].map(runtime)
if (process.argv.includes("--probe")) process.exit(0)
const directory = mkdtempSync(join(tmpdir(), "x-native-asan-"))
try {
  process.exitCode = check(join(directory, "x-native.node"))
} finally {
  rmSync(directory, { recursive: true })
}

function check(binary) {
  const headers = createRequire(import.meta.url)("node-api-headers").include_dir
  const units = readdirSync(sourceDir)
    .filter((name) => name.endsWith(".c"))
    .map((name) => join(sourceDir, name))
  const flags = ["-std=c11", ...strict, ...sanitize, "-fPIC", "-shared", "-D_GNU_SOURCE", "-DNAPI_VERSION=8", `-I${headers}`]
  const compiled = spawnSync("gcc", [...flags, "-o", binary, ...units], { stdio: "inherit" })
  if (compiled.status !== 0) return 1
  // Leaks are not looked for: Node itself keeps what it has until the end. Descriptors are counted by the exercise.
  const env = { ...process.env, LD_PRELOAD: runtimes.join(" "), ASAN_OPTIONS: "detect_leaks=0", UBSAN_OPTIONS: "print_stacktrace=1" }
  const run = spawnSync(process.execPath, [exercise, binary], { env, stdio: "inherit" })
  return run.status ?? 1
}

/** Where gcc has one of its libraries; it answers with the bare name when it has not. */
function runtime(name) {
  const { status, stdout } = spawnSync("gcc", [`-print-file-name=${name}`], { encoding: "utf8" })
  if (status !== 0) skip("there is no gcc")
  const path = stdout.trim()
  if (!existsSync(path)) skip(`gcc has no ${name}`)
  return path
}

function skip(why) {
  console.log(why)
  process.exit(SKIPPED)
}
