// Whatever is called in any order, on any path: each promise settles in time, with an `EndpointError` if it is refused;
// no accepted message is lost by closing in order while the peer lives; and closed endpoints hold nothing.

import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../tools/testkit/src/runs.ts"
import { programs, runProgram } from "./program.ts"
import { describe } from "./promise-watch.ts"

test(
  "every promise settles in time and nothing accepted is lost in order, whatever is called",
  async () => {
    const totals = { calls: 0, accepted: 0, delivered: 0, within: 0, verdicts: 0, resolved: 0, rejected: 0 }
    const unseen: string[] = []
    const listeners = process.listeners("unhandledRejection")
    process.removeAllListeners("unhandledRejection")
    process.on("unhandledRejection", (error) => unseen.push(`rejected unseen: ${describe(error)}`))
    try {
      await fc.assert(
        fc.asyncProperty(programs, async (program) => {
          unseen.length = 0
          const { failures, counts, watch } = await runProgram(program)
          await new Promise((resolve) => setImmediate(resolve))
          expect([...failures, ...unseen]).toEqual([])
          for (const [name, count] of Object.entries({ ...counts, ...watch.counts }))
            totals[name as keyof typeof totals] += count
        }),
        { numRuns: runs(300) },
      )
    } finally {
      process.removeAllListeners("unhandledRejection")
      for (const listener of listeners) process.on("unhandledRejection", listener)
    }
    console.log(`promises: ${JSON.stringify(totals)}`)
    // Runs in which nothing happens show nothing.
    expect(Math.min(...Object.values(totals))).toBeGreaterThan(runs(300) / 30)
  },
  60_000 + 200 * runs(300),
)
