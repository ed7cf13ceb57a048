// Code that V8 compiled stays: no field becomes another kind of number while traffic flows.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { changesToDoubles } from "../doubles.mjs"

test("a field that begins as a small integer and gets a fraction, or 2^31, is found", () => {
  const folder = mkdtempSync(join(tmpdir(), "doubles-"))
  try {
    const program = join(folder, "program.mjs")
    writeFileSync(
      program,
      `class Counter {
        #bytes = 0
        atMs = 0
        steady = 0
        add(bytes, nowMs) {
          this.#bytes += bytes
          this.atMs = nowMs
          this.steady++
        }
      }
      const counter = new Counter()
      for (let i = 0; i < 4; i++) counter.add(2 ** 29, i / 2)
      `,
    )
    expect(changesToDoubles(program, [], /doubles-/)).toEqual([
      "atMs in add: this.atMs = nowMs",
      "a private field in add: this.#bytes += bytes",
    ])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test("no field of the protocol's packages changes while endpoints talk, lose, are cut off and close", () => {
  const program = fileURLToPath(new URL("../traffic.mjs", import.meta.url))
  const found = changesToDoubles(program, [], /packages\/(wire|stream|fragment|endpoint)\//)
  expect(found).toEqual([])
})
