import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"
import { SummaryReporter } from "./vitest.reporter.ts"

// Tests run on the sources: no build is needed between an edit and its test.
const conditions = ["@x/source"]

// All properties of a run start from one seed, chosen here for all workers; FC_SEED=… repeats a run, FC_RUNS=…
// lengthens it.
process.env["FC_SEED"] ??= String(Date.now() | 0)

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "tools/*/test/**/*.test.ts"],
    setupFiles: ["tools/vitest.setup.ts"],
    reporters: ["default", new SummaryReporter(process.env["FC_SEED"])],
    // A suite that ran no tests has shown nothing.
    passWithNoTests: false,
    allowOnly: process.env["CI"] === undefined,
    testTimeout: 60_000,
    // All CPUs: the default leaves one free.
    maxWorkers: availableParallelism(),
    watch: false,
  },
})
