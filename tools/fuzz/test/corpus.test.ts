// Runs all targets on all earlier findings.

import { writeFileSync } from "node:fs"
import { describeDatagram, KIND, PROFILE } from "@x/wire"
import { expect, test } from "vitest"
import { makeSeeds, readCorpus } from "../src/corpus.ts"
import { WIRE } from "../src/decode.ts"
import { runInput } from "../src/run.ts"
import { viewOf } from "../src/seal.ts"
import { TARGETS } from "../src/targets.ts"

const folder = new URL("../corpus/", import.meta.url)
const CORPUS_BYTES_MAX = 300_000

// UPDATE_CORPUS=1 writes the seeds again; findings stay.
test("the seeds of the corpus are what they are made of", () => {
  const seeds = makeSeeds()
  if (process.env["UPDATE_CORPUS"] === "1")
    for (const { name, bytes } of seeds) writeFileSync(new URL(name, folder), bytes)
  const corpus = new Map(readCorpus(folder).map(({ name, bytes }) => [name, bytes]))
  expect(seeds.map(({ name }) => ({ name, bytes: corpus.get(name) }))).toEqual(seeds)
  expect([...corpus.values()].reduce((sum, { length }) => sum + length, 0)).toBeLessThan(CORPUS_BYTES_MAX)
})

test("the corpus holds every kind of packet, in each profile", () => {
  for (const profile of Object.values(PROFILE)) {
    const kinds = readCorpus(folder).flatMap(({ bytes }) => {
      if (WIRE.check(viewOf(bytes), 0, bytes.length, profile) !== undefined) return []
      return describeDatagram(viewOf(bytes), 0, bytes.length, profile).packets.map(({ kind }) => kind)
    })
    expect(new Set(kinds).size).toBe(Object.keys(KIND).length)
  }
})

test.each(TARGETS.map((target) => ({ name: target.name, target })))(
  "nothing is found in the corpus any more: $name",
  async ({ target }) => {
    const found: string[] = []
    for (const { name, bytes } of readCorpus(folder)) {
      const error = await runInput(target, bytes)
      if (error !== undefined) found.push(`${name}: ${error instanceof Error ? error.message : "not even an error"}`)
    }
    expect(found).toEqual([])
  },
)
