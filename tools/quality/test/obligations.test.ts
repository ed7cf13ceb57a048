/** The obligations of PROTOCOL.md §11: each has a drop reason, in this order, and a test that cites its number. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), "utf8")

/** Number and reason of each row. */
function obligationsOf(document: string): [number, string][] {
  return [...document.matchAll(/^\| O(\d+) \| `([a-z-]+)` \|/gm)].map(([, number, reason]) => [Number(number), reason!])
}

function citedBy(sources: readonly string[]): Set<number> {
  return new Set(sources.flatMap((source) => [...source.matchAll(/\bO(\d+)\b/g)].map(([, number]) => Number(number))))
}

const tests = readdirSync(join(root, "packages"))
  .map((name) => `packages/${name}/test`)
  .flatMap((folder) => readdirSync(join(root, folder)).map((file) => `${folder}/${file}`))
  .filter((path) => path.endsWith(".ts"))

const obligations = obligationsOf(read("packages/wire/PROTOCOL.md"))

test("the obligations are numbered from 1, and are the drop reasons in their order", () => {
  expect(obligations.length).toBeGreaterThan(30)
  expect(obligations.map(([number]) => number)).toEqual(obligations.map((_, i) => i + 1))
  const reasons = [...read("packages/wire/src/drop-reason.ts").matchAll(/^ {2}"([a-z-]+)",$/gm)].map(
    ([, reason]) => reason,
  )
  expect(obligations.map(([, reason]) => reason)).toEqual(reasons)
})

test("each obligation is cited by a test", () => {
  const cited = citedBy(tests.map(read))
  expect(obligations.filter(([number]) => !cited.has(number))).toEqual([])
  // And an uncited obligation would be found.
  expect(citedBy(['test("O1 to O9")', "// O12"]).has(5)).toBe(false)
})
