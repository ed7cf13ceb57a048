/** What the `x` command does with its arguments. */
import { readFileSync } from "node:fs"
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander"
import { demoTopics } from "./commands/demo-topics.ts"
import { keygen } from "./commands/keygen.ts"
import { DEFAULT_PORT, listen } from "./commands/listen.ts"
import { perf } from "./commands/perf.ts"
import { ping } from "./commands/ping.ts"
import { send } from "./commands/send.ts"
import type { ConnectOptions } from "./connect.ts"
import { CommandError, describeFailure, EXIT, EXIT_HELP } from "./failure.ts"
import { interruptBySignals } from "./interrupt.ts"
import { createOutput, type Output } from "./output.ts"

const abort = new AbortController()
interruptBySignals(abort, () => output().close())
let madeOutput: Output | undefined

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }
const TARGET = "name:port, 192.0.2.1:port or [2001:db8::1]:port"

const program = new Command("x")
  .description("Send files to, ping and measure peers: message streams over UDP.")
  .version(version)
  .option("--json", "one JSON object a line instead of text")
  .option("--progress", "show progress also where no terminal is attached")
  .option(
    "--secret-file <file>",
    "encrypt, and accept only peers that have this secret too; default: X_SECRET_FILE or X_SECRET of the environment",
  )
  // Parsed only so that the refusal doesn't show the secret.
  .addOption(new Option("--secret [value]").hideHelp())
  .hook("preAction", refuseSecret)
  .configureHelp({ showGlobalOptions: true })
  .addHelpText("afterAll", `\n${EXIT_HELP}`)
  .showHelpAfterError("(x --help shows the usage)")
  .exitOverride()

program
  .command("listen")
  .description("take files, pings and measurements until interrupted")
  .argument(
    "[address]",
    `port, 192.0.2.1:port or [2001:db8::1]:port; default: port ${DEFAULT_PORT} on all addresses, or on loopback where there is no secret`,
  )
  .option("--dir <folder>", "where files go; default: the current folder")
  .option("--create", "make the folder if it isn't there", false)
  .option("--overwrite", "replace existing files", false)
  .action(
    (
      address: string | undefined,
      { dir = process.cwd(), ...options }: { dir?: string; create: boolean; overwrite: boolean },
    ) => listen(address, { dir, ...options, ...common() }),
  )

program
  .command("keygen")
  .description("make a secret for --secret-file")
  .argument("[file]", "a new file, which only you may read; default: it is printed")
  .action((file: string | undefined) => keygen(file, output()))

program
  .command("send")
  .description("send files to a listener; an interrupted file resumes where it stopped")
  .usage("[options] <file...> <target>")
  .argument("<file...>", `files, or - for standard input, and last the listener: ${TARGET}`)
  .option("--name <name>", "to send the file under; standard input needs one")
  .option("--timeout <seconds>", "for the listener to answer", seconds, 5)
  .action((list: string[], { name, ...options }: { timeout: number; name?: string }) => {
    const target = list.pop()!
    if (list.length === 0)
      throw new CommandError(EXIT.usage, "name a file and, last, where to send it: x send FILE… HOST:PORT")
    return send(list, target, { name, ...connectOptions(options) })
  })

program
  .command("ping")
  .description("measure the round trip to a peer")
  .argument("<target>", TARGET)
  .option("--count <n>", "how often", wholeNumber(1, 1_000_000), 4)
  .option("--interval <ms>", "milliseconds between", wholeNumber(0, 3_600_000), 500)
  .option("--timeout <seconds>", "for each answer", seconds, 5)
  .action((target: string, { count, interval, ...options }: { count: number; interval: number; timeout: number }) =>
    ping(target, { count, intervalMs: interval, ...connectOptions(options) }),
  )

program
  .command("perf")
  .description("measure how many messages a listener takes")
  .argument("<target>", TARGET)
  .option("--seconds <n>", "how long", seconds, 5)
  .option("--size <bytes>", "of a message", wholeNumber(0, 16_777_216), 1_024)
  .option("--timeout <seconds>", "for the listener to answer", seconds, 5)
  .action((target: string, { seconds, size, ...options }: { seconds: number; size: number; timeout: number }) =>
    perf(target, { seconds, size, ...connectOptions(options) }),
  )

program
  .command("demo")
  .description("see a publisher and ten subscribers, one of which is slow, over loopback")
  .addArgument(new Argument("<what>", "what to see").choices(["topics"]))
  .option("--seconds <n>", "how long", seconds, 3)
  .action((_: string, options: { seconds: number }) =>
    demoTopics({ ...options, output: output(), signal: abort.signal }),
  )

/** All users of a machine can read its command lines. */
function refuseSecret(): void {
  if (program.opts<{ secret?: unknown }>().secret === undefined) return
  throw new CommandError(
    EXIT.usage,
    "no secret is taken from the command line, which all users can read; give it by --secret-file FILE, or by X_SECRET_FILE or X_SECRET in the environment, and make a new one with x keygen",
  )
}

function connectOptions({ timeout }: { timeout: number }): ConnectOptions {
  return { timeoutMs: Math.ceil(timeout * 1_000), ...common() }
}

/** The options of all commands that open an endpoint. */
function common(): Pick<ConnectOptions, "secretFile" | "output" | "signal"> {
  return { secretFile: program.opts<{ secretFile?: string }>().secretFile, output: output(), signal: abort.signal }
}

/** One output for the process, since there is one terminal. */
function output(): Output {
  const { json = false, progress = false } = program.opts<{ json?: boolean; progress?: boolean }>()
  return (madeOutput ??= createOutput({ isJson: json, isProgressWanted: progress }))
}

function tellUsage({ code, message }: CommanderError): void {
  // Without a command, the help goes to standard error, and `message` isn't an error text.
  const why =
    code === "commander.help"
      ? "name a command; x --help lists them"
      : message.replace(/^error: /, "").replaceAll("\n", " ")
  process.stdout.write(`${JSON.stringify({ event: "error", message: why, exitCode: EXIT.usage })}\n`)
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === "" || !Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
    return value
  }
}

function seconds(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 3_600))
    throw new InvalidArgumentError("It must be a number of seconds, above 0 and up to 3600.")
  return value
}

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed the requested help or the error, but not in JSON. It may not have parsed as far as --json.
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage
    if (error.exitCode !== 0 && process.argv.includes("--json")) tellUsage(error)
  } else {
    const { message, exitCode } = describeFailure(error)
    output().failure(message, exitCode)
    process.exitCode = exitCode
  }
}
