import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { titled } from "./support/skip.ts"

const SKIPPED = 77

function run(script: string, ...args: string[]): { status: number | null; output: string } {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], { encoding: "utf8" })
  return { status, output: (stdout + stderr).trim() }
}

const probe = run("asan.mjs", "--probe")
const why = probe.status === SKIPPED ? probe.output : undefined

test.skipIf(why !== undefined)(
  titled("AddressSanitizer and UndefinedBehaviorSanitizer find nothing in any call", why),
  () => {
    expect(run("asan.mjs")).toMatchObject({ status: 0 })
  },
)

test.skipIf(why !== undefined)(
  titled("AddressSanitizer and UndefinedBehaviorSanitizer find nothing in what is read, whatever it is", why),
  () => {
    expect(run("fuzz.mjs", "--gcc", "--inputs", "30000")).toMatchObject({
      status: 0,
      output: expect.stringContaining("30000 inputs"),
    })
  },
)
