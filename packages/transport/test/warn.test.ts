import { expect, test, vi } from "vitest"
import type { Capabilities } from "../src/host.ts"

const less = {
  batch: false,
  dontFragment: false,
  notes: ["there is no native helper (it is gone)", "SO_RCVBUF of v4 is 1 B"],
} as unknown as Capabilities

/** Node on Linux with these differences, and the warnings it was given. */
function runtime(differences: object = {}): { told: string[]; runtime: typeof process } {
  const told: string[] = []
  const stub = {
    platform: "linux",
    versions: {},
    env: {},
    emitWarning: (text: string) => void told.push(text),
    ...differences,
  }
  return { told, runtime: stub as unknown as typeof process }
}

async function warn(capabilities: Capabilities, differences: object = {}, times = 1): Promise<string[]> {
  vi.resetModules()
  const { warnOfLess } = await import("../src/warn.ts")
  const { told, runtime: stub } = runtime(differences)
  for (let i = 0; i < times; i++) warnOfLess(capabilities, stub)
  return told
}

test("a program that has less than it could is told once: what, why, and how to say that it is meant so", async () => {
  const told = await warn(less, {}, 3)
  expect(told).toHaveLength(1)
  expect(told[0]).toMatch(
    /one by one, and slower, and long ones may be fragmented: there is no native helper \(it is gone\)\. X_TRANSPORT=dgram/,
  )
  expect(await warn({ ...less, batch: true })).toEqual([expect.stringMatching(/^long ones may be fragmented:/)])
})

test("nothing is told where nothing lacks, where it was chosen, in tests, and where nothing can be done", async () => {
  expect(await warn({ ...less, batch: true, dontFragment: true })).toEqual([])
  const quiet = [
    { env: { X_TRANSPORT: "dgram" } },
    { env: { NODE_ENV: "test" } },
    { platform: "win32" },
    { platform: "darwin" },
    { versions: { bun: "1" } },
    { versions: { deno: "2" } },
  ]
  for (const differences of quiet) expect(await warn(less, differences)).toEqual([])
})
