import { expect, test } from "vitest"
import { judgeSkips } from "../../summary.mjs"

const entry = { test: "packages/a/test/", needs: "test file", reason: "it is under way" }

test("a skip is allowed where the machine lacks what its test needs, and has the entry's reason", () => {
  const { allowed, refused } = judgeSkips([{ name: "packages/a/test/a.test.ts > sockets", note: undefined }], [entry])
  expect({ allowed, refused }).toEqual({
    allowed: [{ name: "packages/a/test/a.test.ts > sockets", reason: "it is under way (there is no test file here)" }],
    refused: [],
  })
})

test("the test's own note comes first, and a reason in a title counts as one", () => {
  const title = "packages/a/test/a.test.ts > sockets (skipped: cc (gcc) is not there) > are closed"
  const skips = [
    { name: "packages/a/test/b.test.ts > b", note: "no v6" },
    { name: title, note: undefined },
  ]
  expect(judgeSkips(skips, [entry]).allowed).toEqual([
    { name: "packages/a/test/b.test.ts > b", reason: "no v6" },
    { name: "packages/a/test/a.test.ts > sockets > are closed", reason: "cc (gcc) is not there" },
  ])
})

test("a skip without an entry is refused, and so is one whose machine has all that its test needs", () => {
  const skips = [
    { name: "packages/b/test/b.test.ts > b", note: "too slow" },
    { name: "packages/a/test/a.test.ts > a", note: undefined },
  ]
  const here = process.platform === "linux" ? [{ ...entry, needs: "Linux" }] : []
  expect(judgeSkips(skips, here)).toMatchObject({
    allowed: [],
    refused: [{ reason: expect.stringContaining('"too slow"; not in') }, {}],
  })
})

test("an entry with a need that nobody knows is an error", () => {
  expect(() =>
    judgeSkips([{ name: "packages/a/test/a.test.ts > a", note: undefined }], [{ ...entry, needs: "luck" }]),
  ).toThrow(/unknown need "luck"/)
})
