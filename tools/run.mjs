// The one way into the project: `npm start`, `npm test` and the rest come here. Installs and builds what is not up to
// date, then runs the command. Needs Node and npm only; everything else, pnpm included, is installed from the
// lockfiles.
import { spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { accessSync, constants, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { delimiter, dirname, isAbsolute, join } from "node:path"
import { fileURLToPath } from "node:url"

/** Milliseconds between two lines of a step that prints nothing itself. */
const HEARTBEAT_MS = 1_200
/** When the last line was printed; the start of this module counts as one. */
let saidMs = performance.now()

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const pnpmBin = join(root, "tools/pnpm/node_modules/.bin")
const env = {
  ...process.env,
  PATH: [join(root, "node_modules/.bin"), pnpmBin, process.env.PATH].join(delimiter),
  TURBO_TELEMETRY_DISABLED: "1",
  DO_NOT_TRACK: "1",
}

/**
 * What each command runs: a script of the repository or a tool, and whether it needs the built packages. The main job,
 * `npm start`, is defined only here.
 */
const COMMANDS = {
  start: { script: "packages/cli/dist/demo/main.js", built: true },
  x: { script: "packages/cli/dist/main.js", built: true },
  test: { script: "tools/test.mjs", built: true },
  // Types of sibling packages come from their builds: without these the linter sees less.
  lint: {
    run: [
      "oxlint",
      "--type-aware",
      "--deny-warnings",
      `--format=${process.stdout.isTTY ? "default" : "unix"}`,
      "packages",
      "tools",
    ],
    built: true,
  },
  format: { run: ["oxfmt"] },
  "format:check": { run: ["oxfmt", "--check"] },
  typecheck: { run: ["tsc", "-p", "tools/tsconfig.tests.json"], built: true },
  layers: { script: "tools/quality/layers.mjs" },
  packages: { script: "tools/quality/packages.mjs", built: true },
  docs: { script: "tools/quality/docs.mjs" },
  pack: { script: "tools/pack/run.mjs", built: true },
  release: { script: "tools/release/run.mjs", built: true },
  bundles: { script: "tools/bundles/run.mjs", built: true },
  matrix: { script: "tools/matrix/run.mjs", built: true },
  consumers: { script: "tools/consumers/run.mjs", built: true },
  examples: { script: "tools/scripts.mjs", args: ["examples"], built: true },
  "test:stryker": { script: "tools/stryker/run.mjs" },
  "test:mutations": { script: "tools/mutations/run.mjs", built: true },
  simulate: { script: "tools/simulator/dist/main.js", built: true },
  "simulate:long": { script: "tools/simulator/dist/long.js", built: true },
  soak: { script: "tools/simulator/dist/soak.js", built: true },
  "simulate:versions": { script: "tools/simulator/versions.mjs", built: true },
  "simulate:plants": { script: "tools/simulator/plants.mjs", built: true },
  capture: { script: "tools/capture/run.mjs", built: true },
  explore: { script: "tools/explorer/src/main.mjs" },
  fuzz: { script: "tools/fuzz/dist/main.js", built: true },
  bench: { script: "tools/bench/dist/main.js", built: true },
  lab: { script: "tools/lab/dist/main.js", built: true },
  "bench:packages": { script: "tools/scripts.mjs", args: ["bench"], built: true },
  ci: { script: "tools/ci.mjs", built: true },
}

const [name = "", ...args] = process.argv.slice(2)
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
if (command === undefined) fail(`unknown command "${name}"; there are: ${Object.keys(COMMANDS).join(", ")}`)

// npm takes options before "--" as its own, with no more than a warning.
const swallowed = { npm_config_secret_file: "--secret-file", npm_config_secret: "--secret" }
for (const [variable, option] of Object.entries(swallowed))
  if (process.env[variable] !== undefined && !args.some((arg) => arg.startsWith(option)))
    fail(`${option} went to npm: put it behind "--", as in npm start -- --secret-file FILE`)

// Ctrl-C reaches the command too, which ends once it has cleaned up.
let isInterrupted = false
process.on("SIGINT", () => (isInterrupted = true))
await install()
if (command.built) await build()
if (command.script !== undefined && !existsSync(join(root, command.script)))
  fail(`"${name}" is not there yet: no ${command.script}`)
const [file, ...rest] = command.run ?? [process.execPath, join(root, command.script), ...(command.args ?? [])]
// A script takes paths relative to its caller's folder; a tool works on the whole repository.
const result = spawnSync(file, [...rest, ...args], {
  cwd: command.run === undefined ? callerFolder() : root,
  env,
  stdio: "inherit",
})
if (result.error) fail(`${file} could not be started: ${result.error.message}`)
if (result.signal) fail(`${name} was ended by ${result.signal}`)
process.exit(result.status)

/**
 * The folder where the command was called: npm and pnpm change to the folder of the package.json before they run its
 * script, and tell where they were.
 */
function callerFolder() {
  const { INIT_CWD, npm_lifecycle_event: script } = process.env
  return script === name && INIT_CWD !== undefined && existsSync(INIT_CWD) ? INIT_CWD : process.cwd()
}

async function install() {
  const holder = join(root, "tools/pnpm")
  const holderLock = [join(holder, "package-lock.json")]
  const npm = [
    "ci",
    "--prefix",
    holder,
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--loglevel=error",
  ]
  await once("pnpm", holderLock, join(holder, "node_modules"), () =>
    step("installing pnpm", "npm", npm, { isSaid: true }),
  )
  const flags = ["--frozen-lockfile", "--prefer-offline", "--reporter=append-only"]
  const locks = ["pnpm-lock.yaml", "pnpm-workspace.yaml", "package.json"].map((file) => join(root, file))
  await once("install", locks, join(root, "node_modules"), () =>
    step("installing packages", "pnpm", ["install", ...flags], {
      isSaid: true,
      detail: /Progress: (resolved.*?)(?:, done)?$/gm,
    }),
  )
}

async function build() {
  // Never cached by turbo: its key includes neither the compiler nor the platform. Prints one line if something is
  // missing, and never fails.
  const native = join(root, "packages/native/build.mjs")
  const isBuilt =
    !existsSync(native) || (await step("building the native helper", process.execPath, [native], { mayFail: true }))
  if (!isBuilt) console.error("the native helper was not built: everything works without it, only slower")
  const flags = ["--output-logs=new-only", "--log-order=grouped", "--no-update-notifier"]
  await step("compiling packages", "turbo", ["run", "build", ...flags], { detail: /^(\S+):build: cache /gm })
}

/** Runs `action` unless it already ran with the same inputs and runtime and its output still exists. */
async function once(label, inputs, output, action) {
  const hash = createHash("sha256").update(process.version)
  for (const input of inputs) hash.update(readFileSync(input))
  const stamp = join(root, ".cache", `${label}.stamp`)
  const key = hash.digest("hex")
  if (existsSync(output) && existsSync(stamp) && readFileSync(stamp, "utf8") === key) return
  await action()
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, key)
}

/**
 * A step of the bootstrap. While it runs, at most a second and a half passes without a line that says what is going on,
 * with the last thing that `detail` found in its output. Lines go to standard error, so that a command's own output
 * stays clean. `isSaid`: print a line even for a short step. `mayFail`: show its output, and return whether it
 * succeeded; the output of other steps is shown only if they fail.
 */
function step(what, file, args, { isSaid = false, mayFail = false, detail } = {}) {
  const startMs = performance.now()
  if (isSaid) say(`${what} …`)
  const child = spawn(file, args, {
    cwd: root,
    env: { ...env, ...homeFor(process.env) },
    stdio: ["ignore", "pipe", "pipe"],
  })
  const printed = []
  const timer = setInterval(() => {
    if (performance.now() - saidMs < HEARTBEAT_MS) return
    const found = detail && [...Buffer.concat(printed).toString().matchAll(detail)].at(-1)
    say(`${what} … ${Math.round((performance.now() - startMs) / 1_000)} s${found ? ` (${found[1]})` : ""}`)
  }, HEARTBEAT_MS / 4)
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => (mayFail ? say(chunk.toString().trimEnd()) : void printed.push(chunk)))
  return new Promise((resolve) => {
    let error
    child.on("error", (it) => (error = it))
    child.on("close", (status, signal) => {
      clearInterval(timer)
      if (isInterrupted) {
        say(`interrupted while ${what}`)
        process.exit(130)
      }
      if (status === 0 || mayFail) return resolve(status === 0)
      process.stderr.write(Buffer.concat(printed))
      fail(
        `${what} failed${error === undefined ? "" : `: ${error.message}`}${signal === null ? "" : `: ended by ${signal}`}`,
      )
    })
  })
}

function say(line) {
  console.error(line)
  saidMs = performance.now()
}

/** npm and pnpm keep caches in the home folder: if that isn't writable, one in the repository is used. */
function homeFor({ HOME, npm_config_userconfig: userconfig }) {
  if (process.platform === "win32" || isWritableFolder(HOME)) return {}
  const home = join(root, ".cache/home")
  mkdirSync(home, { recursive: true })
  const config = HOME && join(HOME, ".npmrc")
  // A read-only home folder may still configure the registry.
  return {
    HOME: home,
    ...(userconfig === undefined && config && existsSync(config) ? { npm_config_userconfig: config } : {}),
  }
}

function isWritableFolder(path) {
  try {
    accessSync(path, constants.W_OK | constants.X_OK)
    return isAbsolute(path) && statSync(path).isDirectory()
  } catch {
    return false
  }
}

function fail(message) {
  console.error(`error: ${message}`)
  process.exit(1)
}
