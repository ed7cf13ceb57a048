import { expect, test } from "vitest"
import { checkArrows } from "../arrows.mjs"
import { manifest, withWorkspace } from "./workspace.ts"

test("a workspace that keeps to the arrows passes, and its modules are counted", async () => {
  expect(await withWorkspace({}, checkArrows)).toEqual({ modules: 8, violations: [] })
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
  ["an import past a sibling's exports", "packages/stream/src/deep.ts", `export { wire } from "@x/wire/src/index.ts"`, /not exported/],
  [
    "a module of Node in a pure package",
    "packages/stream/src/os.ts",
    `export { hostname } from "node:os"`,
    /imports nothing of the runtime/,
  ],
  ["a module of Node without its scheme", "packages/wire/src/os.ts", `export { hostname } from "os"`, /imports nothing of the runtime/],
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
    { "node_modules/left-pad/index.js": "export const pad = 1\n", "node_modules/left-pad/package.json": `{ "main": "index.js" }` },
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

test("modules that import each other are found", async () => {
  const planted = {
    "packages/wire/src/a.ts": `import { b } from "./b.ts"\nexport const a = () => b\n`,
    "packages/wire/src/b.ts": `import { a } from "./a.ts"\nexport const b = () => a\n`,
  }
  expect((await withWorkspace(planted, checkArrows)).violations).toContainEqual(expect.stringMatching(/circle/))
})

test("a dependency against the arrows is found in package.json, and a missing one", async () => {
  const planted = { "packages/stream/package.json": manifest("stream", { "@x/fragment": "0.0.0", "left-pad": "1.3.0" }) }
  const { violations } = await withWorkspace(planted, checkArrows)
  for (const problem of ["lacks @x/wire", "has @x/fragment", "has left-pad"]) {
    expect(violations).toContainEqual(`packages/stream/package.json: dependencies ${problem}`)
  }
})
