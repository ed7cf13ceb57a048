#!/usr/bin/env node
/** The `x` command. */
import { readFileSync } from "node:fs"
import { Command, CommanderError, InvalidArgumentError, Option } from "commander"
import { keygen } from "./commands/keygen.ts"
import { DEFAULT_PORT, listen } from "./commands/listen.ts"
import { perf } from "./commands/perf.ts"
import { ping } from "./commands/ping.ts"
import { send } from "./commands/send.ts"
import type { ConnectOptions } from "./connect.ts"
import { CommandError, describeFailure, EXIT, EXIT_HELP } from "./failure.ts"
import { createOutput, type Output } from "./output.ts"

const abort = new AbortController()
// The first asks for an end with a goodbye; a second of the same kind ends at once.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, interrupt)
// Nobody reads on (`x … | head`): there is no more to do.
process.stdout.on("error", interrupt)

function interrupt(): void {
  abort.abort(new CommandError(EXIT.interrupted, "interrupted"))
}

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }
const TARGET = "name:port, 192.0.2.1:port or [2001:db8::1]:port"

const program = new Command("x")
  .description("Send files to, ping and measure peers: message streams over UDP.")
  .version(version)
  .option("--json", "one JSON object a line instead of text")
  .option("--progress", "show progress also where no terminal is attached")
  .option("--secret-file <file>", "encrypt, and take only who has this secret too; else from X_SECRET_FILE or X_SECRET of the environment")
  // Taken, so that the refusal doesn't show it.
  .addOption(new Option("--secret [value]").hideHelp())
  .hook("preAction", refuseSecret)
  .configureHelp({ showGlobalOptions: true })
  .addHelpText("afterAll", `\n${EXIT_HELP}`)
  .showHelpAfterError("(x --help tells how it is used)")
  .exitOverride()

program
  .command("listen")
  .description("take files, pings and measurements until interrupted")
  .argument(
    "[address]",
    `port, 192.0.2.1:port or [2001:db8::1]:port; default: port ${DEFAULT_PORT} on all addresses, or on loopback where there is no secret`,
  )
  .requiredOption("--dir <folder>", "where files go")
  .option("--create", "make the folder if it isn't there", false)
  .option("--overwrite", "replace files that are there", false)
  .action((address: string | undefined, options: { dir: string; create: boolean; overwrite: boolean }) =>
    listen(address, { ...options, ...common() }),
  )

program
  .command("keygen")
  .description("make a secret for --secret-file")
  .argument("[file]", "a new file, which only you may read; default: it is printed")
  .action((file: string | undefined) => keygen(file, output()))

program
  .command("send")
  .description("send files to a listener")
  .argument("<file...>", `files, and last the listener: ${TARGET}`)
  .option("--timeout <seconds>", "for the listener to answer", seconds, 5)
  .action((list: string[], options: { timeout: number }) => {
    const target = list.pop()!
    if (list.length === 0) throw new CommandError(EXIT.usage, "name a file and, last, where to send it: x send FILE… HOST:PORT")
    return send(list, target, connectOptions(options))
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

/** All users of a machine can read its command lines. */
function refuseSecret(): void {
  if (program.opts<{ secret?: unknown }>().secret === undefined) return
  throw new CommandError(
    EXIT.usage,
    "no secret is taken from the command line, which all users can read: --secret-file FILE, or X_SECRET_FILE or X_SECRET in the environment; and make a new one, with x keygen",
  )
}

function connectOptions({ timeout }: { timeout: number }): ConnectOptions {
  return { timeoutMs: Math.ceil(timeout * 1_000), ...common() }
}

/** What all commands that open an endpoint are told. */
function common(): Pick<ConnectOptions, "secretFile" | "output" | "signal"> {
  return { secretFile: program.opts<{ secretFile?: string }>().secretFile, output: output(), signal: abort.signal }
}

function output(): Output {
  const { json = false, progress = false } = program.opts<{ json?: boolean; progress?: boolean }>()
  return createOutput({ isJson: json, isProgressWanted: progress })
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
  if (!(value > 0 && value <= 3_600)) throw new InvalidArgumentError("It must be a number of seconds, above 0 and up to 3600.")
  return value
}

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    // It has said what was wrong, or printed the help that was asked for.
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage
  } else {
    const { message, exitCode } = describeFailure(error)
    output().failure(message, exitCode)
    process.exitCode = exitCode
  }
}
