import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { expect, onTestFinished, test } from "vitest"
import { type Defect, Sources } from "../index.mjs"

const FILE = "packages/stream/src/sender.ts"
const SOURCE = `
/** Not here: this.#left -= 1 */
export class Sender {
  #left = 0

  constructor(readonly most: number) {
    this.#left = most
  }

  take(bytes: number): boolean {
    if (this.#left < bytes || bytes <= 0) return false
    this.#left -= bytes
    return true
  }

  give(bytes: number): void {
    if (this.#left + bytes > this.most) return
    this.#left += bytes
    void [\`\${bytes} of \${{ most: this.most }.most}\`, /"a/.test("'"), bytes / 2]
  }
}

function helper(bytes: number): number {
  const half = (it: number): number => it >>> 1
  return half(bytes)
}

export const doubled = (bytes: number): number => helper(bytes) * 4
`

function withSource(text: string, file = FILE): { root: string; sources: Sources } {
  const root = mkdtempSync(join(tmpdir(), "defects-"))
  onTestFinished(() => rmSync(root, { recursive: true }))
  mkdirSync(dirname(join(root, file)), { recursive: true })
  writeFileSync(join(root, file), text)
  return { root, sources: new Sources(root) }
}

function planted(defect: Omit<Defect, "package">, text = SOURCE): string {
  const { root, sources } = withSource(text)
  const changed = sources.plant([{ package: "stream", ...defect }])
  expect([...changed.keys()]).toEqual([join(root, FILE)])
  return changed.get(join(root, FILE))!
}

test.each([
  ["a statement", "this.#left -= bytes", ""],
  ["a piece of one, over the end of a line", "return false this.#left -=", "return true\n    this.#left +="],
  ["an operator of several characters", "it >>> 1", "it >>> 2"],
  ["a template", "`${bytes} of ${{ most: this.most }.most}`", "``"],
  ["a regular expression", `/"a/.test("'"), bytes / 2`, "true"],
])("%s is replaced, and nothing else", (_what, from, to) => {
  const { root, sources } = withSource(SOURCE)
  const expected = SOURCE.replace(
    new RegExp(from.replaceAll(/[^\w\s]/g, String.raw`\$&`).replaceAll(" ", String.raw`\s+`)),
    () => to,
  )
  expect(expected).not.toBe(SOURCE)
  expect(sources.plant([{ package: "stream", from, to }])).toEqual(new Map([[join(root, FILE), expected]]))
})

test("blanks, line breaks, comments and the commas of a broken line don't count", () => {
  const laidOut = SOURCE.replace("helper(bytes) * 4", "helper(\n  // all of them\n  bytes,\n)\n  * 4")
  expect(planted({ from: "helper(bytes) * 4", to: "0" }, laidOut)).toContain("(bytes: number): number => 0\n")
  expect(planted({ from: "  helper(\n bytes,\n)*4 ", to: " 0 " })).toContain("(bytes: number): number => 0\n")
})

test("a line is found in whatever file of the package it lies", () => {
  const file = "packages/stream/src/below/another.ts"
  const { root, sources } = withSource(SOURCE, file)
  expect([...sources.plant([{ package: "stream", from: "it >>> 1", to: "it" }]).keys()]).toEqual([join(root, file)])
})

test("what several places say is found in the one that is named", () => {
  const { sources } = withSource(SOURCE)
  const defect = { package: "stream", from: "this.#left", to: "this.#right" }
  expect(sources.problem(defect)).toMatch(/^packages\/stream\/src has 5 times "this.#left"/)
  expect(sources.problem({ ...defect, place: "Sender.take" })).toMatch(/src, Sender.take has 2 times/)
  expect(planted({ ...defect, place: "Sender.constructor" })).toContain("this.#right = most")
  expect(planted({ place: "Sender.give", from: "this.#left +=", to: "this.#left -=" })).toContain(
    "this.#left -= bytes\n    void",
  )
  expect(planted({ place: "helper.half", from: "it", to: "this" }, SOURCE.replace("(it: number)", "()"))).toContain(
    "this >>> 1",
  )
  expect(planted({ place: "doubled", from: "bytes)", to: "2)" })).toContain("helper(2) * 4")
})

test("a place that is gone is named, and so is a line", () => {
  const { sources } = withSource(SOURCE)
  expect(sources.problem({ package: "stream", place: "Sender.put", from: "bytes", to: "" })).toBe(
    "packages/stream/src has no Sender.put",
  )
  expect(sources.problem({ package: "stream", from: "this.#left -= 1", to: "" })).toMatch(/has 0 times/)
  expect(() => sources.plant([{ package: "stream", from: "this.#left -= 1", to: "" }])).toThrow(/has 0 times/)
})

test("part of a token is not the token", () => {
  expect(withSource(SOURCE).sources.problem({ package: "stream", from: "helper(byte", to: "" })).toMatch(/has 0 times/)
})

test("several defects are planted in one source", () => {
  const { sources } = withSource(SOURCE)
  const defects = ["return true", "it >>> 1", "this.#left -= bytes"].map((from, i) => ({
    package: "stream",
    from,
    to: `void ${i}`,
  }))
  const [text] = sources.plant(defects).values()
  expect(text).toContain("    void 2\n    void 0\n")
  expect(text).toContain("=> void 1\n")
})
