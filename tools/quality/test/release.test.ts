import { spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, test } from "vitest"
import { releaseProblems } from "../release.mjs"
import { output, root } from "../pack.mjs"

/** A copy of the released part of this repository, in a temporary folder while `use` runs. */
function withCopy<T>(use: (copy: string) => T): T {
  const copy = mkdtempSync(join(tmpdir(), "release-"))
  try {
    cpSync(root, copy, {
      recursive: true,
      filter: (path) =>
        !/node_modules|\/(dist|src|test|bench|examples|build|tools|\.git|\.cache|packed)(\/|$)/.test(
          path.slice(root.length),
        ),
    })
    return use(copy)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

/** The problems after one manifest is changed. */
function problemsWith(file: string, change: (manifest: any) => void, options = {}): string[] {
  return withCopy((copy) => {
    const manifest = JSON.parse(readFileSync(join(copy, file), "utf8"))
    change(manifest)
    writeFileSync(join(copy, file), JSON.stringify(manifest))
    return releaseProblems(copy, options)
  })
}

const hasGit = spawnSync("git", ["--version"]).status === 0
/** The author of a temporary commit. */
const AUTHOR = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.invalid", "-c", "commit.gpgsign=false"]

const WIRE = "packages/wire/package.json"
const VERSION: string = JSON.parse(readFileSync(join(root, WIRE), "utf8")).version

test.each([
  [
    "another address",
    WIRE,
    (it: any): unknown => (it.repository.url = "git+https://elsewhere.invalid/x.git"),
    /repository is not/,
  ],
  ["another folder", WIRE, (it: any): unknown => (it.repository.directory = "packages/stream"), /repository is not/],
  ["no access", WIRE, (it: any): unknown => delete it.publishConfig, /publishConfig.access/],
  ["another version", WIRE, (it: any): unknown => (it.version = "9.0.0"), /its version is 9\.0\.0/],
  ["no keywords", WIRE, (it: any): unknown => delete it.keywords, /no keywords/],
  [
    "a script at install",
    "packages/native/package.json",
    (it: any): unknown => (it.scripts.install = "node x"),
    /a script at install/,
  ],
  ["a package that isn't fixed", ".changeset/config.json", (it: any): unknown => it.fixed[0].pop(), /"fixed" is not/],
] as const)("%s is found", (_name, file, change, message) => {
  expect(problemsWith(file, change)).toEqual([expect.stringMatching(message)])
})

test("a version that the change log of a package says nothing of is found", () => {
  const problems = withCopy((copy) => {
    const file = join(copy, "packages/wire/CHANGELOG.md")
    writeFileSync(file, readFileSync(file, "utf8").replace(`## ${VERSION}`, "## 0.0.9"))
    return releaseProblems(copy)
  })
  expect(problems).toEqual([expect.stringContaining(`@x/wire: its CHANGELOG.md has nothing for ${VERSION}`)])
})

test.skipIf(!hasGit)(
  "the next release goes on top of each change log, and what it says of the one before stays",
  () => {
    withCopy((copy) => {
      const pending = join(copy, ".changeset")
      for (const file of readdirSync(pending)) if (file.endsWith(".md")) rmSync(join(pending, file))
      writeFileSync(join(pending, "next.md"), `---\n"@x/wire": minor\n---\n\nSomething new.\n`)
      const file = join(copy, "packages/wire/CHANGELOG.md")
      const [title, ...before] = readFileSync(file, "utf8").split("\n")
      // The change log names the commit of a change, so there has to be one.
      for (const args of [
        ["init", "-q"],
        ["add", "-A"],
        [...AUTHOR, "commit", "-qm", "all"],
      ])
        output("git", args, copy)
      output(join(root, "tools/release/node_modules/.bin/changeset"), ["version"], copy)
      const after = readFileSync(file, "utf8").replace(/- [0-9a-f]{7}: /, "- ")
      const [major, minor] = VERSION.split(".").map(Number)
      const section = ["", `## ${major}.${minor! + 1}.0`, "", "### Minor Changes", "", "- Something new."]
      expect(after.split("\n")).toEqual([title, ...section, ...before])
      expect(releaseProblems(copy)).toEqual([])
    })
  },
)

test("the packages agree, and are not published from a placeholder", () => {
  expect(releaseProblems(root)).toEqual([])
  expect(problemsWith(WIRE, () => {}, { isForRegistry: true })).toEqual([expect.stringMatching(/placeholder/)])
})
