// Breaks the pure packages line by line and counts the mutants that no test notices: `npm run test:stryker --
// fragment`, or a file: `-- packages/stream/src/send-stream.ts`. Takes from minutes to hours, so it isn't part of CI.
// The survivors are listed in .cache/stryker, as JSON and as text.
import { spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { root } from "../summary.mjs"

const PACKAGES = ["wire", "stream", "fragment"]
/** Fewer runs than in a test run: many tests reach each mutant. */
const PROPERTY_RUNS = "6"

const args = process.argv.slice(2)
const mutate = (args.length === 0 ? PACKAGES : args).map((name) =>
  PACKAGES.includes(name) ? `packages/${name}/src/**/*.ts` : name,
)
const names = [...new Set(mutate.map((path) => path.split("/")[1]))]
const label = args.length === 0 ? "all" : args.map((name) => name.split("/").at(-1)).join("-")
const folder = join(root, ".cache/stryker", label)
mkdirSync(folder, { recursive: true })
const vitest = join(folder, "vitest.config.mjs")
writeFileSync(
  vitest,
  `import { defineConfig } from "vitest/config"
const conditions = ["@x/source"]
process.env.FC_SEED ??= "1"
process.env.FC_RUNS ??= ${JSON.stringify(PROPERTY_RUNS)}
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: { include: ${JSON.stringify(names.map((name) => `packages/${name}/test/**/*.test.ts`))}, setupFiles: ["tools/vitest.setup.ts"], testTimeout: 20_000, watch: false },
})
`,
)
const config = join(folder, "stryker.json")
const report = join(folder, "mutation.json")
writeFileSync(
  config,
  JSON.stringify({
    testRunner: "vitest",
    vitest: { configFile: vitest },
    plugins: ["@stryker-mutator/vitest-runner"],
    mutate: [...mutate, "!packages/*/src/index.ts"],
    ignorePatterns: [".cache", "**/dist", "packages/cli", "packages/native/build", "tools/consumers"],
    // Error messages and doc texts aren't part of the protocol.
    mutator: { excludedMutations: ["StringLiteral"] },
    ignoreStatic: true,
    concurrency: availableParallelism(),
    coverageAnalysis: "perTest",
    tempDirName: join(folder, "sandbox"),
    symlinkNodeModules: true,
    reporters: ["json", "clear-text"],
    clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
    jsonReporter: { fileName: report },
    timeoutMS: 10_000,
    checkers: [],
    disableTypeChecks: false,
    allowConsoleColors: false,
  }),
)
const { status } = spawnSync(join(root, "tools/stryker/node_modules/.bin/stryker"), ["run", config], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, NODE_PATH: join(root, "tools/stryker/node_modules") },
})
if (status !== 0) process.exit(status ?? 1)
const survivors = []
const counts = {}
for (const [file, { mutants }] of Object.entries(JSON.parse(readFileSync(report, "utf8")).files)) {
  for (const mutant of mutants) {
    counts[mutant.status] = (counts[mutant.status] ?? 0) + 1
    if (mutant.status === "Survived" || mutant.status === "NoCoverage")
      survivors.push(
        `${file}:${mutant.location.start.line}:${mutant.location.start.column} ${mutant.status} ${mutant.mutatorName}: ${mutant.replacement}`,
      )
  }
}
writeFileSync(join(folder, "survivors.txt"), `${survivors.join("\n")}\n`)
console.log(
  Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(", "),
)
