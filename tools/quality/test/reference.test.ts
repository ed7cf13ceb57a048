import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { expect, test } from "vitest"
import { makeReference } from "../reference.mjs"

/** Two packages, one of which has a second entry; everything in them is documented. */
const SOUND: Record<string, string> = {
  "tools/tsconfig.docs.json": JSON.stringify({
    compilerOptions: {
      module: "nodenext",
      target: "es2023",
      types: [],
      strict: true,
      allowImportingTsExtensions: true,
      noEmit: true,
    },
    include: ["../packages/*/src/**/*.ts"],
  }),
  "packages/near/package.json": manifest("near", { ".": "./src/index.ts", "./more": "./src/more.ts" }),
  "packages/near/src/index.ts": `
    /** A box, see {@link open}. */
    export interface Box {
      /** Bytes, from 0. */
      readonly size: number
    }
    /** Opens one. */
    export function open(): Box { return { size: 0 } }`,
  "packages/near/src/more.ts": `
    /** What there is more. */
    export const more = 1`,
  "packages/far/package.json": manifest("far", { ".": "./src/index.ts" }),
  "packages/far/src/index.ts": `
    /** A lid. */
    export class Lid {
      /** @internal */
      inner = 1
      private own = 2
      protected theirs = 3
    }`,
}

function manifest(name: string, entries: Record<string, string>): string {
  const exports = Object.fromEntries(Object.entries(entries).map(([path, source]) => [path, { "@x/source": source }]))
  return JSON.stringify({ name: `@x/${name}`, version: "0.0.0", type: "module", exports })
}

async function referenceOf<T>(
  files: Record<string, string>,
  look: (out: string) => T,
): Promise<{ names: number; problems: string[]; seen: T }> {
  const root = mkdtempSync(join(tmpdir(), "reference-"))
  try {
    for (const [path, text] of Object.entries({ ...SOUND, ...files })) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    const { names, problems } = await makeReference(root, join(root, "out"))
    return { names, problems, seen: look(join(root, "out")) }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

test("what is documented has no problem, is counted, and is found by what one imports", async () => {
  const { names, problems, seen } = await referenceOf({}, (out) => ({
    hasMore: existsSync(join(out, "modules/_x_near_more.html")),
    lid: readFileSync(join(out, "classes/_x_far.Lid.html"), "utf8"),
  }))
  expect(problems).toEqual([])
  // Box, Box.size, open, more, Lid.
  expect(names).toBe(5)
  expect(seen.hasMore).toBe(true)
  expect(seen.lid).not.toMatch(/inner|theirs/)
})

test("a name that says nothing, a link that leads nowhere and a type that nobody can import are each told, in any package", async () => {
  const { problems } = await referenceOf(
    {
      "packages/near/src/more.ts": `
        /** As {@link nowhere}. */
        export const more = 1
        export interface Open { readonly both: number }`,
      "packages/far/src/index.ts": `
        interface Hidden { readonly a: number }
        /** Takes it. */
        export function take(hidden: Hidden): void { void hidden }
        /** A lid. */
        export class Lid {
          /** How wide. */
          width = 1
          height = 2
          turn(): void {}
        }`,
    },
    () => {},
  )
  expect(problems.toSorted()).toEqual([
    expect.stringMatching(/^@x\/far\.Lid\.height .*does not have any documentation$/),
    expect.stringMatching(/^@x\/far\.Lid\.turn .*does not have any documentation$/),
    expect.stringMatching(/^@x\/near\/more\.Open .*does not have any documentation$/),
    expect.stringMatching(/^@x\/near\/more\.Open\.both .*does not have any documentation$/),
    expect.stringMatching(/^Failed to resolve link to "nowhere"/),
    expect.stringMatching(/^Hidden, .* is referenced by @x\/far\.take\.hidden/),
  ])
})
