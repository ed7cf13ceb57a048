// The one way into the project: `npm start`, `npm test` and the rest come here. Installs and builds what is not up to date, then runs the command.
// Needs Node and npm only; everything else, pnpm included, is installed from the lockfiles.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const pnpmBin = join(root, "tools/pnpm/node_modules/.bin")
const env = {
  ...process.env,
  PATH: [join(root, "node_modules/.bin"), pnpmBin, process.env.PATH].join(delimiter),
  TURBO_TELEMETRY_DISABLED: "1",
  DO_NOT_TRACK: "1",
}

/**
 * What each command runs: a script of the repository or a tool, and whether it needs the built packages. The main job, `npm start`, is named
 * here and nowhere else.
 */
const COMMANDS = {
  start: { script: "packages/cli/dist/demo/main.js", built: true },
  x: { script: "packages/cli/dist/main.js", built: true },
  test: { script: "tools/test.mjs", built: true },
  // Types of siblings come from what is built: without it the linter sees less.
  lint: {
    run: ["oxlint", "--type-aware", "--deny-warnings", `--format=${process.stdout.isTTY ? "default" : "unix"}`, "packages", "tools"],
    built: true,
  },
  format: { run: ["oxfmt"] },
  "format:check": { run: ["oxfmt", "--check"] },
  typecheck: { run: ["tsc", "-p", "tools/tsconfig.tests.json"], built: true },
  layers: { script: "tools/quality/layers.mjs" },
  packages: { script: "tools/quality/packages.mjs", built: true },
  pack: { script: "tools/pack/run.mjs", built: true },
  release: { script: "tools/release/run.mjs", built: true },
  bundles: { script: "tools/bundles/run.mjs", built: true },
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
  "bench:packages": { script: "tools/scripts.mjs", args: ["bench"], built: true },
  ci: { script: "tools/ci.mjs", built: true },
}

const [name = "", ...args] = process.argv.slice(2)
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
if (command === undefined) fail(`unknown command "${name}"; there are: ${Object.keys(COMMANDS).join(", ")}`)

// npm takes options before "--" for its own, and says so only in passing.
const swallowed = { npm_config_secret_file: "--secret-file", npm_config_secret: "--secret" }
for (const [variable, option] of Object.entries(swallowed))
  if (process.env[variable] !== undefined && !args.some((arg) => arg.startsWith(option)))
    fail(`${option} went to npm: put it behind "--", as in npm start -- --secret-file FILE`)

// Ctrl-C reaches the command too, which ends when it has cleaned up.
process.on("SIGINT", () => {})
install()
if (command.built) build()
if (command.script !== undefined && !existsSync(join(root, command.script))) fail(`"${name}" is not there yet: no ${command.script}`)
const [file, ...rest] = command.run ?? [process.execPath, join(root, command.script), ...(command.args ?? [])]
// A script takes paths as its caller wrote them; a tool works on the whole repository.
const result = spawnSync(file, [...rest, ...args], { cwd: command.run === undefined ? process.cwd() : root, env, stdio: "inherit" })
if (result.error) fail(`${file} could not be started: ${result.error.message}`)
if (result.signal) fail(`${name} was ended by ${result.signal}`)
process.exit(result.status)

function install() {
  const holder = join(root, "tools/pnpm")
  const holderLock = [join(holder, "package-lock.json")]
  once("pnpm", holderLock, join(holder, "node_modules"), () =>
    step("npm", ["ci", "--prefix", holder, "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"], "installing pnpm"),
  )
  const flags = ["--frozen-lockfile", "--prefer-offline", "--reporter=append-only", "--loglevel=warn"]
  const locks = ["pnpm-lock.yaml", "pnpm-workspace.yaml", "package.json"].map((file) => join(root, file))
  once("install", locks, join(root, "node_modules"), () => step("pnpm", ["install", ...flags], "installing packages"))
}

function build() {
  // Never cached by turbo: its key knows neither the compiler nor the platform. Says in a line what is missing, and never fails.
  const native = join(root, "packages/native/build.mjs")
  const { status } = existsSync(native)
    ? spawnSync(process.execPath, [native], { cwd: root, env, stdio: ["ignore", "inherit", "inherit"] })
    : { status: 0 }
  if (status !== 0) console.error("the native helper was not built: everything works without it, only slower")
  step("turbo", ["run", "build", "--output-logs=errors-only", "--log-order=grouped", "--no-update-notifier"], "building packages", true)
}

/** Runs `action` unless it ran before with the same inputs and runtime, and what it made is still there. */
function once(label, inputs, output, action) {
  const hash = createHash("sha256").update(process.version)
  for (const input of inputs) hash.update(readFileSync(input))
  const stamp = join(root, ".cache", `${label}.stamp`)
  const key = hash.digest("hex")
  if (existsSync(output) && existsSync(stamp) && readFileSync(stamp, "utf8") === key) return
  action()
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, key)
}

/** A step of the bootstrap; silent ones show what they printed only when they fail. */
function step(file, args, what, silent = false) {
  const result = spawnSync(file, args, { cwd: root, env, stdio: silent ? ["ignore", "pipe", "pipe"] : ["ignore", "inherit", "inherit"] })
  if (result.status === 0) return
  if (silent) process.stderr.write(Buffer.concat([result.stdout ?? Buffer.alloc(0), result.stderr ?? Buffer.alloc(0)]))
  fail(`${what} failed${result.error ? `: ${result.error.message}` : ""}`)
}

function fail(message) {
  console.error(`error: ${message}`)
  process.exit(1)
}
