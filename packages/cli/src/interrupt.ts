import { CommandError, EXIT } from "./failure.ts"

/**
 * Ends a command by `abort`, with its goodbyes: at the first Ctrl-C, SIGTERM or SIGHUP, and when the reader of its
 * output goes away (`x … | head`). A second signal ends the process at once, after `leave`, which restores the
 * terminal.
 */
export function interruptBySignals(abort: AbortController, leave: () => void): void {
  const interrupt = (): void => abort.abort(new CommandError(EXIT.interrupted, "interrupted"))
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    let isSecond = false
    process.on(signal, () => {
      if (isSecond) {
        leave()
        process.exit(EXIT.interrupted)
      }
      isSecond = true
      interrupt()
    })
  }
  process.stdout.on("error", interrupt)
}
