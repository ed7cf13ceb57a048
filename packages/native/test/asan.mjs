// Compiles the helper with AddressSanitizer and UndefinedBehaviorSanitizer, warnings being errors, and runs
// support/exercise.mjs on it. Exit code 0: clean; 77: not possible here, with the reason; anything else: a finding,
// printed. With --probe it only checks whether it is possible: 0 or 77.
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { FLAGS, gccLibrary, skip, units } from "./support/sanitizers.mjs"

const exercise = fileURLToPath(new URL("support/exercise.mjs", import.meta.url))

if (process.platform !== "linux") skip("the sanitizers are preloaded in the Linux way")
const runtimes = ["libasan.so", "libubsan.so"].map(gccLibrary)
if (process.argv.includes("--probe")) process.exit(0)
const directory = mkdtempSync(join(tmpdir(), "x-native-asan-"))
try {
  process.exitCode = check(join(directory, "x-native.node"))
} finally {
  rmSync(directory, { recursive: true })
}

function check(binary) {
  const headers = createRequire(import.meta.url)("node-api-headers").include_dir
  const flags = [...FLAGS, "-fPIC", "-shared", "-DNAPI_VERSION=8", `-I${headers}`]
  const compiled = spawnSync("gcc", [...flags, "-o", binary, ...units()], { stdio: "inherit" })
  if (compiled.status !== 0) return 1
  // Leak detection is off: Node itself keeps its memory until the end. The exercise counts descriptors.
  const env = {
    ...process.env,
    LD_PRELOAD: runtimes.join(" "),
    ASAN_OPTIONS: "detect_leaks=0",
    UBSAN_OPTIONS: "print_stacktrace=1",
  }
  const run = spawnSync(process.execPath, [exercise, binary], { env, stdio: "inherit" })
  return run.status ?? 1
}
