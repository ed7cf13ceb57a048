import { posix, win32 } from "node:path"
import fc from "fast-check"
import { expect, test } from "vitest"
import { nameProblem } from "../src/file-name.ts"

const part = fc.oneof(
  fc.constantFrom("..", ".", "/", "\\", ":", "C:", "a", "b.txt", "con", "NUL", " ", "\0", "\n", "é", "~", "%2e%2e"),
  fc.string({ unit: "binary", maxLength: 6 }),
)

test("no accepted name ever leaves its folder, on any system", () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      const name = parts.join("")
      if (nameProblem(name) !== undefined) return
      for (const { join, dirname, basename } of [posix, win32]) {
        const path = join("/base", name)
        expect(basename(path)).toBe(name)
        expect(dirname(path)).toBe(dirname(join("/base", "x")))
      }
    }),
    { numRuns: 5_000 },
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
  "con",
  "COM1.txt",
  "x\0",
  "x\n",
  ".hidden",
  "x.",
  "x ",
  "x".repeat(256),
])("the name %j is refused with a reason", (name) => {
  expect(nameProblem(name)).toMatch(/^it /)
})

test.each(["a", "a.txt", "a b.tar.gz", "ünïcode", "console.log"])("the name %j is taken", (name) => {
  expect(nameProblem(name)).toBeUndefined()
})
