import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, test } from "vitest"
import { releaseProblems } from "../release.mjs"
import { root } from "../pack.mjs"

/** The manifests of this repository, with one of them changed. */
function problemsWith(file: string, change: (manifest: any) => void, options = {}): string[] {
  const copy = mkdtempSync(join(tmpdir(), "release-"))
  try {
    cpSync(root, copy, {
      recursive: true,
      filter: (path) =>
        !/node_modules|\/(dist|src|test|bench|examples|build|tools|\.git|\.cache|packed)(\/|$)/.test(path.slice(root.length)),
    })
    const manifest = JSON.parse(readFileSync(join(copy, file), "utf8"))
    change(manifest)
    writeFileSync(join(copy, file), JSON.stringify(manifest))
    return releaseProblems(copy, options)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

const WIRE = "packages/wire/package.json"

test.each([
  ["another address", WIRE, (it: any): unknown => (it.repository.url = "git+https://elsewhere.invalid/x.git"), /repository is not/],
  ["another folder", WIRE, (it: any): unknown => (it.repository.directory = "packages/stream"), /repository is not/],
  ["no access", WIRE, (it: any): unknown => delete it.publishConfig, /publishConfig.access/],
  ["another version", WIRE, (it: any): unknown => (it.version = "9.0.0"), /its version is 9\.0\.0/],
  ["no keywords", WIRE, (it: any): unknown => delete it.keywords, /no keywords/],
  ["a script at install", "packages/native/package.json", (it: any): unknown => (it.scripts.install = "node x"), /a script at install/],
  ["a package that isn't fixed", ".changeset/config.json", (it: any): unknown => it.fixed[0].pop(), /"fixed" is not/],
] as const)("%s is found", (_name, file, change, message) => {
  expect(problemsWith(file, change)).toEqual([expect.stringMatching(message)])
})

test("the packages agree, and are not published from a placeholder", () => {
  expect(releaseProblems(root)).toEqual([])
  expect(problemsWith(WIRE, () => {}, { isForRegistry: true })).toEqual([expect.stringMatching(/placeholder/)])
})
