/** A process that simulates seed after seed, on request. */

import { simulate, type SimulationOptions, type SimulationResult } from "./simulation.ts"

export interface WorkerAnswer {
  readonly result: SimulationResult
  readonly wallMs: number
}

// Thousands of expected errors are made, and a stack trace costs more than everything else about them. A single seed is
// run elsewhere.
Error.stackTraceLimit = 0

// An escaped error belongs to the current seed: it is reported like any other failure.
let escaped: unknown
process.on("uncaughtException", (error) => (escaped = error))

process.on("message", (options: SimulationOptions) => {
  escaped = undefined
  const startedMs = performance.now()
  void simulate(options).then((found) => {
    // Unhandled rejections surface at the end of the turn.
    setImmediate(() => {
      const detail = escaped instanceof Error ? (escaped.stack ?? escaped.message) : String(escaped)
      const failure = found.failure ?? { invariant: "quiet" as const, detail, atMs: found.virtualMs }
      const result = escaped === undefined ? found : { ...found, failure }
      process.send!({ result, wallMs: performance.now() - startedMs } satisfies WorkerAnswer)
    })
  })
})
