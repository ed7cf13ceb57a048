/** The catalogue of faults: each entry begins the title of a test. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"

interface Entry {
  readonly number: string
  readonly title: string
}

const root = fileURLToPath(new URL("../../..", import.meta.url))
const entries = JSON.parse(readFileSync(join(root, "tools/quality/catalogue.json"), "utf8")) as Entry[]

/** The numbers at the start of test titles. A comment that cites a number is no test. */
function namedBy(source: string): string[] {
  return [...source.matchAll(/^\s*test(?:\.each\([^`]*?\))?\(\s*(["`])(F\d\d) /gms)].map(([, , number]) => number!)
}

function testsOf(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".test.ts"))
    .map((path) => readFileSync(join(root, folder, path), "utf8"))
}

test("the catalogue's entries are numbered upwards, and each has a title", () => {
  const numbers = entries.map(({ number }) => number)
  expect(numbers).toEqual([...new Set(numbers)].toSorted())
  for (const { number, title } of entries) {
    expect(number).toMatch(/^F\d\d$/)
    expect(title.length).toBeGreaterThan(5)
  }
})

test("each entry begins the title of a test, and no test names one that isn't in the catalogue", () => {
  const named = new Set(
    readdirSync(join(root, "packages")).flatMap((name) => testsOf(`packages/${name}/test`).flatMap(namedBy)),
  )
  expect(entries.filter(({ number }) => !named.has(number))).toEqual([])
  const numbers = new Set(entries.map(({ number }) => number))
  expect([...named].filter((number) => !numbers.has(number))).toEqual([])
})

test("a title counts wherever its table ends; a comment, or a number amid a title, doesn't", () => {
  const source =
    '// F01 is a comment\ntest("F02 a", () => {})\ntest("not F03", () => {})\ntest.each([\n  1,\n  f(2),\n])("F04 b", () => {})\n'
  expect(namedBy(source)).toEqual(["F02", "F04"])
})
