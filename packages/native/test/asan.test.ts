import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { titled } from "./support/skip.ts"

const SKIPPED = 77
const script = fileURLToPath(new URL("asan.mjs", import.meta.url))

function run(...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: "utf8" })
  return { status, output: (stdout + stderr).trim() }
}

const probe = run("--probe")
const why = probe.status === SKIPPED ? probe.output : undefined

test.skipIf(why !== undefined)(titled("AddressSanitizer and UndefinedBehaviorSanitizer find nothing in any call", why), () => {
  expect(run()).toMatchObject({ status: 0 })
})
