import { expect, test } from "vitest"
import { checkPurity } from "../purity.mjs"
import { withWorkspace } from "./workspace.ts"

test.each([
  ["Date.now()", "Date is not allowed in a pure source: time is an argument (nowMs)"],
  ["new Date()", "Date is not allowed"],
  ["performance.now()", "performance is not allowed"],
  ["setTimeout(() => {}, 1)", "setTimeout is not allowed"],
  ["setInterval(() => {}, 1)", "setInterval is not allowed"],
  ["setImmediate(() => {})", "setImmediate is not allowed"],
  ["queueMicrotask(() => {})", "queueMicrotask is not allowed"],
  ["process.env", "process is not allowed"],
  ["Buffer.alloc(1)", "Buffer is not allowed"],
  ["crypto.getRandomValues", "crypto is not allowed"],
  ["fetch", "fetch is not allowed"],
  ["globalThis.Date", "globalThis is not allowed"],
  ["{ process }", "process is not allowed"],
  ["typeof process", "process is not allowed"],
  ["`${Date}`", "Date is not allowed"],
  ["new WebSocket('')", "WebSocket is not allowed"],
  ["Math.random()", "Math.random is not allowed"],
  ["Math['random']()", "Math.random is not allowed"],
  ["Math.pow(2, x)", "Math.pow rounds differently"],
  ["Math.exp(x)", "Math.exp rounds differently"],
  ["Math.log2(x)", "Math.log2 rounds differently"],
  ["x ** 0.5", "** rounds differently"],
  ["Math", "Math is used by its members only"],
  ["AbortSignal.timeout(1)", "AbortSignal.timeout is not allowed"],
  ["import.meta.url", "import.meta differs"],
  ["class { get #x() { return x } }", "a private accessor is slow"],
])("%s is found in a pure source", async (expression, message) => {
  const planted = { "packages/wire/src/planted.ts": `export const f = (x: number): unknown => (${expression})\n` }
  const { violations } = await withWorkspace(planted, checkPurity)
  expect(violations).toEqual([expect.stringContaining(`packages/wire/src/planted.ts:1:`)])
  expect(violations[0]).toContain(message)
})

test("an alias of a banned global is found where it is made", async () => {
  const planted = {
    "packages/transport/src/simulated/planted.ts": `const { log } = Math\nconst clock = Date\nexport { log, clock }\n`,
  }
  expect((await withWorkspace(planted, checkPurity)).violations).toHaveLength(2)
})

test("names that only look like globals are none", async () => {
  const planted = `
    import { process } from "./process.ts"
    import { anything as fetch } from "elsewhere"
    export type { Buffer } from "./process.ts"
    export { setTimeout } from "./process.ts"
    export interface Clock { performance: number; readonly crypto: Date }
    export class Node { Date = 1; #crypto = 2; process(crypto: number): number { return this.Date + crypto + this.#crypto } }
    export function f(performance: { now(): number }, { Date = 1 }: { Date?: number }): unknown {
      Buffer: for (;;) { break Buffer }
      return { process, fetch, now: performance.now(), Date: Date, setTimeout() {}, max: Math.max(1, 2), big: 2 ** 48, root: (a: bigint) => (a + 1n) ** 3n, text: "Math.random()" }
    }
    // Date.now()
    declare function setInterval(): void
  `
  expect((await withWorkspace({ "packages/wire/src/planted.ts": planted }, checkPurity)).violations).toEqual([])
})

test("a source that isn't pure is left alone", async () => {
  const { files, violations } = await withWorkspace(
    { "packages/transport/src/system.ts": "export const now = performance.now()\n" },
    checkPurity,
  )
  expect({ files, violations }).toEqual({ files: 7, violations: [] })
})
