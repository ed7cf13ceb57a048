import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import * as arrows from "../arrows.mjs"
import { checkDrawings } from "../floors.mjs"
import { manifest, withWorkspace } from "./workspace.ts"

const floors = { endpoint: ["index", "upper", "middle", "lower"] }

function checkArrows(root: string, known: string[] = []): ReturnType<typeof arrows.checkArrows> {
  return arrows.checkArrows(root, { known, floors })
}

test("a workspace that keeps to the arrows passes, and its modules are counted", async () => {
  expect(await withWorkspace({}, checkArrows)).toMatchObject({ modules: 10, violations: [] })
})

const PLANTED: [string, string, string, RegExp, Record<string, string>?][] = [
  [
    "an import against the arrows",
    "packages/wire/src/up.ts",
    `export { stream } from "@x/stream"`,
    /wire\/src\/up.ts -> .*no arrow leads there from @x\/wire/,
  ],
  [
    "an import of types against the arrows",
    "packages/wire/src/up.ts",
    `export type { stream } from "@x/stream"`,
    /no arrow leads there from @x\/wire/,
  ],
  [
    "an import between siblings",
    "packages/fragment/src/side.ts",
    `import { stream } from "@x/stream"\nvoid stream`,
    /no arrow leads there from @x\/fragment/,
  ],
  [
    "a static import of the native helper",
    "packages/transport/src/addon.ts",
    `export { native } from "@x/native"`,
    /@x\/transport may import this dynamically only/,
  ],
  [
    "an import of a sibling by its path",
    "packages/stream/src/deep.ts",
    `export { wire } from "../../wire/src/index.ts"`,
    /imported by its name/,
  ],
  [
    "an import past a sibling's exports",
    "packages/stream/src/deep.ts",
    `export { wire } from "@x/wire/src/index.ts"`,
    /not exported/,
  ],
  [
    "a module of Node in a pure package",
    "packages/stream/src/os.ts",
    `export { hostname } from "node:os"`,
    /imports nothing of the runtime/,
  ],
  [
    "a module of Node without its scheme",
    "packages/wire/src/os.ts",
    `export { hostname } from "os"`,
    /imports nothing of the runtime/,
  ],
  [
    "a module of Node in the simulated network",
    "packages/transport/src/simulated/os.ts",
    `import "node:dgram"`,
    /imports nothing of the runtime/,
  ],
  [
    "a dynamic import of a module of Node",
    "packages/wire/src/os.ts",
    `export const os = () => import("node:os")`,
    /imports nothing of the runtime/,
  ],
  [
    "a real endpoint that leads to what only the simulated network needs",
    "packages/endpoint/src/simulate.ts",
    `export { crypto } from "@x/transport"`,
    /only the simulated network needs/,
    {
      "packages/transport/src/index.ts": `export { crypto } from "./simulated/crypto.ts"\n`,
      "packages/transport/src/simulated/crypto.ts": "export const crypto = 1\n",
    },
  ],
  [
    "a package of the registry elsewhere than in the simulated network",
    "packages/transport/src/hash.ts",
    `import "@noble/hashes"`,
    /no dependency outside the workspace/,
    {
      "node_modules/@noble/hashes/index.js": "export const sha256 = 1\n",
      "node_modules/@noble/hashes/package.json": `{ "main": "index.js" }`,
    },
  ],
  [
    "another package of the registry in the simulated network",
    "packages/transport/src/simulated/crypto.ts",
    `import "left-pad"`,
    /no other package of the registry/,
    {
      "node_modules/left-pad/index.js": "export const pad = 1\n",
      "node_modules/left-pad/package.json": `{ "main": "index.js" }`,
    },
  ],
  ["a dependency that isn't declared", "packages/wire/src/pad.ts", `import "left-pad"`, /there is no such module/],
]

test.each(PLANTED)("%s is found", async (_name, file, text, message, others = {}) => {
  const { violations } = await withWorkspace({ ...others, [file]: `${text}\n` }, checkArrows)
  expect(violations).toContainEqual(expect.stringMatching(message))
})

test("an import of the native helper's types is no violation", async () => {
  const planted = { "packages/transport/src/addon.ts": `export type { native } from "@x/native"\n` }
  expect((await withWorkspace(planted, checkArrows)).violations).toEqual([])
})

const CIRCLES: [string, Record<string, string>][] = [
  [
    "values",
    {
      "packages/wire/src/a.ts": `import { b } from "./b.ts"\nexport const a = () => b\n`,
      "packages/wire/src/b.ts": `import { a } from "./a.ts"\nexport const b = () => a\n`,
    },
  ],
  [
    "types in one direction",
    {
      "packages/wire/src/a.ts": `import { type B, b } from "./b.ts"\nexport type A = B\nexport const a = () => b\n`,
      "packages/wire/src/b.ts": `import type { A } from "./a.ts"\nexport type B = A[]\nexport const b = 1\n`,
    },
  ],
  [
    "types alone",
    {
      "packages/wire/src/a.ts": `import type { B } from "./b.ts"\nexport interface A { b: B }\n`,
      "packages/wire/src/b.ts": `import { type A } from "./a.ts"\nexport interface B { a: A }\n`,
    },
  ],
  [
    "types by import() alone",
    {
      "packages/wire/src/a.ts": `export interface A { b: import("./b.ts").B }\n`,
      "packages/wire/src/b.ts": `export type { A } from "./a.ts"\nexport interface B { a: number }\n`,
    },
  ],
]

test.each(CIRCLES)("modules that import %s of each other are found", async (_what, planted) => {
  expect((await withWorkspace(planted, checkArrows)).violations).toEqual([
    "packages/wire/src/a.ts -> itself: modules import each other in a circle, a.ts -> b.ts -> a.ts",
    "packages/wire/src/b.ts -> itself: modules import each other in a circle, b.ts -> a.ts -> b.ts",
  ])
})

const HOUSE = {
  "packages/endpoint/src/upper/top.ts": `import type { Low } from "../lower/low.ts"\nexport interface Top { low: Low }\n`,
  "packages/endpoint/src/upper/beside.ts": `import { middle } from "../middle.ts"\nexport const beside = (it: Top) => [it, middle]\n`,
  "packages/endpoint/src/middle.ts": `import type { Low } from "./lower/low.ts"\nexport const middle = (low: Low) => low\n`,
  "packages/endpoint/src/lower/low.ts": `export interface Low { it: number }\n`,
}

test("rooms that import from those below pass, and are drawn by floor, with their arrows counted", async () => {
  const { violations, drawings } = await withWorkspace(HOUSE, checkArrows)
  expect(violations).toEqual([])
  expect(drawings["endpoint"]).toEqual({
    counted: "index    1\nupper    2 → middle 1, lower 1\nmiddle   1 → lower 1\nlower    1",
    plain: "index\nupper  → middle, lower\nmiddle → lower\nlower",
  })
})

const UP: [string, string][] = [
  ["a value", `import { beside } from "../upper/beside.ts"\nexport const high = () => beside\n`],
  ["a type", `import type { Beside } from "../upper/beside.ts"\nexport type High = Beside\n`],
  [
    "a type, beside a value of nothing",
    `import { type Beside } from "../upper/beside.ts"\nexport type High = Beside\n`,
  ],
]

test.each(UP)("an import of %s from a room above is found", async (_what, text) => {
  const { violations, drawings } = await withWorkspace(
    { ...HOUSE, "packages/endpoint/src/lower/high.ts": text },
    checkArrows,
  )
  expect(violations).toEqual([
    expect.stringMatching(
      /^packages\/endpoint\/src\/lower\/high.ts -> packages\/endpoint\/src\/upper\/beside.ts: upper lies above lower/,
    ),
  ])
  expect(drawings["endpoint"]!.counted).toMatch(/^lower +2 → upper 1 \(up\)$/m)
})

test("a drawing in a document that is not that of the sources is found, and written", async () => {
  const document = "packages/endpoint/ARCHITECTURE.md"
  const frame = (text: string): string => `# Rooms\n\n\`\`\`floors\n${text}\`\`\`\n\nmore\n`
  await withWorkspace({ ...HOUSE, [document]: frame("upper → lower\n") }, async (root) => {
    const { drawings } = await checkArrows(root)
    expect(checkDrawings(root, drawings, false)).toEqual([
      expect.stringMatching(/ARCHITECTURE.md: its drawing of the rooms is not/),
    ])
    expect(checkDrawings(root, drawings, true)).toEqual([])
    expect(readFileSync(join(root, document), "utf8")).toBe(frame(`${drawings["endpoint"]!.plain}\n`))
    expect(checkDrawings(root, drawings, false)).toEqual([])
  })
})

test("a room that has no floor is found", async () => {
  const { violations } = await withWorkspace(
    { "packages/endpoint/src/cellar/wine.ts": "export const wine = 1\n" },
    checkArrows,
  )
  expect(violations).toEqual([expect.stringMatching(/^packages\/endpoint\/src\/cellar: has no floor/)])
})

test("a known violation is none, and one that is there no more is a violation", async () => {
  const [[, planted]] = CIRCLES as [(typeof CIRCLES)[number]]
  const known = ["packages/wire/src/a.ts -> itself", "packages/wire/src/b.ts -> itself"]
  expect((await withWorkspace(planted, (root) => checkArrows(root, known))).violations).toEqual([])
  expect((await withWorkspace({}, (root) => checkArrows(root, known.slice(1)))).violations).toEqual([
    expect.stringMatching(/^packages\/wire\/src\/b.ts -> itself: is no violation any more/),
  ])
})

test("a dependency against the arrows is found in package.json, and a missing one", async () => {
  const planted = {
    "packages/stream/package.json": manifest("stream", { "@x/fragment": "0.0.0", "left-pad": "1.3.0" }),
  }
  const { violations } = await withWorkspace(planted, checkArrows)
  for (const problem of ["lacks @x/wire", "has @x/fragment", "has left-pad"]) {
    expect(violations).toContainEqual(`packages/stream/package.json: dependencies ${problem}`)
  }
})
