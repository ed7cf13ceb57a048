/** A process that simulates seed after seed, as it is told. */

import { simulate, type SimulationOptions, type SimulationResult } from "./simulation.ts"

export interface WorkerAnswer {
  readonly result: SimulationResult
  readonly wallMs: number
}

// Thousands of errors are made that are what was asked for, and a stack costs more than all else about them. A seed by
// itself is run elsewhere.
Error.stackTraceLimit = 0

// What escapes belongs to the seed under way: it is told like any other failure.
let escaped: unknown
process.on("uncaughtException", (error) => (escaped = error))

process.on("message", (options: SimulationOptions) => {
  escaped = undefined
  const startedMs = performance.now()
  void simulate(options).then((found) => {
    // Rejections that nobody saw surface at the end of the turn.
    setImmediate(() => {
      const detail = escaped instanceof Error ? (escaped.stack ?? escaped.message) : String(escaped)
      const failure = found.failure ?? { invariant: "quiet" as const, detail, atMs: found.virtualMs }
      const result = escaped === undefined ? found : { ...found, failure }
      process.send!({ result, wallMs: performance.now() - startedMs } satisfies WorkerAnswer)
    })
  })
})
