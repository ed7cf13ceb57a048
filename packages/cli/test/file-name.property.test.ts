import { posix, win32 } from "node:path"
import fc from "fast-check"
import { expect, test } from "vitest"
import { nameProblem } from "../src/file-name.ts"
import { runs } from "../../../tools/testkit/src/runs.ts"

const HOSTILE = [
  "..",
  ".",
  "/",
  "\\",
  ":",
  "C:",
  "\\\\?\\",
  "con",
  "NUL",
  "com¹",
  " ",
  "\0",
  "\n",
  "\u202e",
  "\ud800",
  "%2e%2e",
  "~",
  "*",
]
const part = fc.oneof(fc.constantFrom(...HOSTILE, "a", "b.txt", "é", "漢"), fc.string({ unit: "binary", maxLength: 6 }))
const name = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(""))

test("no accepted name ever leaves its folder, on any system", () => {
  fc.assert(
    fc.property(name, (name) => {
      if (nameProblem(name) !== undefined) return
      for (const { resolve, join, dirname, basename, sep } of [posix, win32]) {
        const dir = resolve("/base/folder")
        for (const path of [join(dir, name), resolve(dir, name)]) {
          expect(path).toBe(`${dir}${sep}${name}`)
          expect([dirname(path), basename(path)]).toEqual([dir, name])
        }
      }
    }),
    { numRuns: runs(5_000) },
  )
})

test("an accepted name is the same after it was bytes, and moves no cursor", () => {
  fc.assert(
    fc.property(name, (name) => {
      if (nameProblem(name) !== undefined) return
      expect(Buffer.from(name).toString()).toBe(name)
      expect(name).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255)
    }),
    { numRuns: runs(5_000) },
  )
})

test.each([
  "",
  ".",
  "..",
  "../x",
  "/etc/passwd",
  "a/b",
  "a\\b",
  "C:x",
  "x:stream",
  "con",
  "COM1.txt",
  "com¹",
  "nul .txt",
  "CONIN$",
  "x\0",
  "x\n",
  "x\u001b[2J",
  "x\u0085",
  "x\u2028",
  "x\u202egpj.exe",
  "x\ud800",
  ".hidden",
  ".0123456789abcdef.x-part",
  "x.",
  "x ",
  " x",
  "x\u00a0",
  "a*",
  "a?b",
  "x".repeat(256),
  "漢".repeat(86),
])("the name %j is refused with a reason", (name) => {
  expect(nameProblem(name)).toMatch(/^it /)
})

test.each([
  "a",
  "a.txt",
  "a b.tar.gz",
  "ünïcode",
  "console.log",
  "com10",
  "a..b",
  "👩‍👩‍👧.png",
  "x".repeat(255),
  "漢".repeat(85),
])("the name %j is taken", (name) => {
  expect(nameProblem(name)).toBeUndefined()
})
