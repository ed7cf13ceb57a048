import { CommandError, EXIT } from "./failure.ts"

/**
 * Ends a command by `abort`: at the first Ctrl-C, SIGTERM or SIGHUP, with its goodbyes, and when nobody reads on (`x …
 * | head`). A second signal ends the process at once, after `leave`, which gives the terminal back.
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
