// What V8 has compiled for the fast path stays compiled: a function that is compiled again and again costs a millisecond
// each time, in the midst of traffic. Counted, not timed.

import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import { expect, test } from "vitest"

/** What is deoptimized between "steady" and "end", with V8's reason. */
function deoptimizedIn(output: string): { steady: string[]; lengths: number } {
  const steady: string[] = []
  let [isSteady, lengths] = [false, 0]
  for (const line of output.split("\n")) {
    if (line.startsWith("steady: ")) isSteady = true
    else if (line.startsWith("end: ")) {
      isSteady = false
      lengths++
    }
    const [, reason, name] = /^\[bailout .*reason: ([^)]*)\): begin.*<JSFunction ([^>]*)>/.exec(line) ?? []
    if (isSteady && name !== undefined) steady.push(`${name}: ${reason}`)
  }
  return { steady, lengths }
}

test("the output of V8 is read", () => {
  const line =
    "[bailout (kind: deopt-eager, reason: not a Smi): begin. deoptimizing 0x1 <JSFunction take (sfi = 0x2)>, 0x3 <Code TURBOFAN>, opt id 1]"
  expect(deoptimizedIn(`${line}\nsteady: 64 B\n${line}\nend: 1 messages\n${line}`)).toEqual({
    steady: ["take (sfi = 0x2): not a Smi"],
    lengths: 1,
  })
})

test(
  "once it is warm, sending and receiving has no function deoptimized twice, and hardly any once",
  { timeout: 120_000 },
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "steady-"))
    try {
      const outfile = join(directory, "steady-state.mjs")
      await build({
        entryPoints: [fileURLToPath(new URL("support/steady-state.ts", import.meta.url))],
        outfile,
        bundle: true,
        conditions: ["@x/source"],
        external: ["@x/native"],
        format: "esm",
        platform: "node",
        target: "es2023",
        logLevel: "warning",
      })
      const output = execFileSync(process.execPath, ["--trace-deopt", outfile], {
        encoding: "utf8",
        maxBuffer: 1 << 26,
      })
      const { steady, lengths } = deoptimizedIn(output)
      expect(lengths).toBe(2)
      for (const [, bytes] of output.matchAll(/^end: (\d+) bytes/gm)) expect(Number(bytes)).toBeGreaterThan(255_000_000)
      // Steps that are taken once in some million messages are seen for the first time then.
      expect(steady.filter((one, i) => steady.indexOf(one) !== i)).toEqual([])
      expect(steady.slice(6)).toEqual([])
    } finally {
      rmSync(directory, { recursive: true })
    }
  },
)
