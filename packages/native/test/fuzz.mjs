// Fuzzes the parts of the helper that know nothing of JavaScript, under AddressSanitizer and
// UndefinedBehaviorSanitizer: with libFuzzer if there is clang, or with --gcc by a driver of its own. --seed N,
// --inputs N or --seconds S, and --keep FOLDER for findings. Exit code 0: clean; 77: not possible here, with the
// reason; anything else: a finding, printed. With --probe it only checks whether it is possible: 0 or 77.
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { FLAGS, gccLibrary, skip, units } from "./support/sanitizers.mjs"

const folder = fileURLToPath(new URL("fuzz/", import.meta.url))
const corpus = join(folder, "corpus")
const text = { type: "string" }
const { values } = parseArgs({
  options: {
    gcc: { type: "boolean" },
    probe: { type: "boolean" },
    seed: text,
    inputs: text,
    seconds: text,
    keep: text,
  },
})
const { seed = "1", inputs = "200000", seconds, keep } = values
const env = { ...process.env, ASAN_OPTIONS: "detect_leaks=0", UBSAN_OPTIONS: "print_stacktrace=1" }
// These need Node's own headers, and a running Node.
const CHANNEL_UNITS = [
  "channel.c",
  "channel_api.c",
  ...["", "_receive", "_send", "_tables"].map((part) => `channel_js${part}.c`),
]
const pure = units("alarm.c", "js.c", "module.c", "socket_api.c", ...CHANNEL_UNITS)

if (process.platform !== "linux") skip("the harness counts descriptors in the Linux way")
if (values.gcc) ["libasan.so", "libubsan.so"].forEach(gccLibrary)
const directory = mkdtempSync(join(tmpdir(), "x-native-fuzz-"))
try {
  if (!values.gcc) probeClang()
  if (!values.probe) process.exitCode = values.gcc ? withDriver() : withLibFuzzer()
} finally {
  rmSync(directory, { recursive: true })
}

function withDriver() {
  const files = readdirSync(corpus).map((name) => join(corpus, name))
  return compile("gcc", FLAGS, "driver.c") ?? run([seed, inputs, ...files])
}

function withLibFuzzer() {
  const found = keep ?? directory
  mkdirSync(found, { recursive: true })
  const bound = seconds === undefined ? `-runs=${inputs}` : `-max_total_time=${Math.ceil(Number(seconds))}`
  // New inputs go into the first folder.
  const folders = [join(directory, "new"), corpus]
  mkdirSync(folders[0])
  const options = [
    `-seed=${seed}`,
    bound,
    "-max_len=256",
    "-verbosity=0",
    "-print_final_stats=1",
    `-artifact_prefix=${join(found, "native-")}`,
  ]
  return compile("clang", [...FLAGS, "-fsanitize=fuzzer"]) ?? run([...options, ...folders])
}

/** Returns an exit code if it fails. */
function compile(compiler, flags, ...more) {
  const sources = [join(folder, "harness.c"), ...more.map((name) => join(folder, name)), ...pure]
  const { status } = spawnSync(compiler, [...flags, "-o", join(directory, "fuzz"), ...sources], { stdio: "inherit" })
  return status === 0 ? undefined : 1
}

function run(args) {
  return spawnSync(join(directory, "fuzz"), args, { env, stdio: "inherit" }).status ?? 1
}

/** A clang without its runtime libraries compiles but can't link. */
function probeClang() {
  const given = ["-fsanitize=fuzzer,address,undefined", "-x", "c", "-", "-o", join(directory, "probe")]
  const input =
    "int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n); int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return d == 0 && n > 0; }"
  const { status, error } = spawnSync("clang", given, { input, encoding: "utf8" })
  if (status === 0) return
  rmSync(directory, { recursive: true })
  skip(error === undefined ? "clang has no libFuzzer or no sanitizers here" : "there is no clang")
}
