// An object literal that begins with a spread has a hidden class of its own each time it is evaluated: what reads many of
// them misses V8's inline caches. So none that is made for each peer, stream or packet begins so.

import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"

const ROOMS = [
  ...["peer", "path", "streams", "join", "keys", "congestion", "datagram"].map((room) => `endpoint/src/${room}`),
  ...["stream/src", "fragment/src"],
]
const BEGINS_WITH_SPREAD = /\{\s*\.\.\.[^}]*/g

const beginnings = (source: string): string[] => source.match(BEGINS_WITH_SPREAD) ?? []

test("a literal that begins with a spread is found, one that has a spread behind is not", () => {
  expect(beginnings("a({ ...{ b }, c })")).toHaveLength(1)
  expect(beginnings("return {\n  ...b,\n  c,\n}")).toHaveLength(1)
  expect(beginnings("return { c, ...b }")).toEqual([])
})

test("no object that is made for each peer, stream or packet begins with a spread", () => {
  const src = join(import.meta.dirname, "../../../packages")
  const files = ROOMS.flatMap((room) =>
    readdirSync(join(src, room), { recursive: true, encoding: "utf8" }).map((file) => join(room, file)),
  ).filter((file) => file.endsWith(".ts"))
  expect(files.length).toBeGreaterThan(115)
  const found = files.flatMap((file) => beginnings(readFileSync(join(src, file), "utf8")).map((text) => file + text))
  // Only of a join that failed.
  expect(found.filter((text) => !text.startsWith("endpoint/src/join/pending-joins.ts{ ...failure"))).toEqual([])
})
