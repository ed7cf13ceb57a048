#!/usr/bin/env node
/** The `x` command. */
import { Command, CommanderError, InvalidArgumentError } from "commander"
import { DEFAULT_PORT, listen } from "./commands/listen.ts"
import { perf } from "./commands/perf.ts"
import { ping } from "./commands/ping.ts"
import { send } from "./commands/send.ts"
import { describeFailure, EXIT } from "./failure.ts"
import { createOutput, type Output } from "./output.ts"

const abort = new AbortController()
process.once("SIGINT", () => abort.abort())
process.once("SIGTERM", () => abort.abort())

const program = new Command("x")
  .description("Send files to, ping and measure peers: message streams over UDP.")
  .option("--json", "one JSON object a line instead of text")
  .option("--progress", "show progress also where no terminal is attached")
  .addHelpText("after", "\nExit codes: 0 done, 1 failed, 2 wrong use or file, 3 nobody reached, 4 refused by the peer, 130 interrupted.")
  .showHelpAfterError("(x --help tells how it is used)")
  .exitOverride()

program
  .command("listen")
  .description("take files, pings and measurements")
  .argument("[address]", `port, 192.0.2.1:port or [2001:db8::1]:port; default: port ${DEFAULT_PORT} on all addresses`)
  .requiredOption("--dir <folder>", "where files go")
  .option("--create", "make the folder if it isn't there", false)
  .option("--overwrite", "replace files that are there", false)
  .action((address: string | undefined, options: { dir: string; create: boolean; overwrite: boolean }) =>
    listen(address, options, output(), abort.signal),
  )

program
  .command("send")
  .description("send files to a listener")
  .argument("<file...>", "files, and last the listener: name:port, 192.0.2.1:port or [2001:db8::1]:port")
  .action((list: string[]) => {
    const target = list.pop()!
    if (list.length === 0) program.error("error: name a file and, last, where to send it: x send FILE… HOST:PORT", { exitCode: EXIT.usage })
    return send(list, target, output(), abort.signal)
  })

program
  .command("ping")
  .description("measure the round trip to a peer")
  .argument("<target>")
  .option("--count <n>", "how often", wholeNumber(1, 1_000_000), 4)
  .option("--interval <ms>", "milliseconds between", wholeNumber(0, 3_600_000), 500)
  .action((target: string, { count, interval }: { count: number; interval: number }) =>
    ping(target, { count, intervalMs: interval }, output(), abort.signal),
  )

program
  .command("perf")
  .description("measure how many messages a listener takes")
  .argument("<target>")
  .option("--seconds <n>", "how long", wholeNumber(1, 3_600), 5)
  .option("--size <bytes>", "of a message", wholeNumber(0, 16_777_216), 1_024)
  .action((target: string, options: { seconds: number; size: number }) => perf(target, options, output(), abort.signal))

function output(): Output {
  const { json = false, progress = false } = program.opts<{ json?: boolean; progress?: boolean }>()
  return createOutput(json, progress || process.stderr.isTTY)
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
    return value
  }
}

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage
  } else {
    const { message, code } = describeFailure(error)
    process.stderr.write(`error: ${message}\n`)
    process.exitCode = code
  }
}
