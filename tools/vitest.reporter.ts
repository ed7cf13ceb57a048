import { mkdirSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import type { Reporter, TestModule } from "vitest/node"

/**
 * Prints the seed of the run, and writes the data that tools/test.mjs reports: counts, and each skip with its test's
 * note.
 */
export class SummaryReporter implements Reporter {
  readonly #seed: string

  constructor(seed: string) {
    this.#seed = seed
  }

  onInit(): void {
    console.log(`properties start from FC_SEED=${this.#seed}`)
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const summary = {
      passed: 0,
      failed: unhandledErrors.length,
      skipped: [] as { name: string; note: string | undefined }[],
    }
    for (const module of modules) {
      if (module.errors().length > 0) summary.failed++
      for (const suite of module.children.allSuites()) if (suite.errors().length > 0) summary.failed++
      for (const test of module.children.allTests()) {
        const result = test.result()
        if (result.state === "passed") summary.passed++
        else if (result.state === "failed") summary.failed++
        else
          summary.skipped.push({
            name: `${module.relativeModuleId} > ${test.fullName}`,
            note: result.state === "skipped" ? result.note : undefined,
          })
      }
    }
    if (summary.failed > 0) console.log(`repeat the properties of this run with FC_SEED=${this.#seed}`)
    const file = process.env["X_TEST_SUMMARY"]
    if (file === undefined) return
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, JSON.stringify(summary))
  }
}
