/**
 * The programs of the READMEs: each is type-checked and run as it is printed there, and prints what its comments say.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, describe, expect, it, vi } from "vitest"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const READMES = [
  ...["README.md", "packages/endpoint/README.md", "packages/endpoint/RECIPES.md"],
  ...[
    "packages/stream/README.md",
    "packages/fragment/README.md",
    "packages/rpc/README.md",
    "packages/topics/README.md",
  ],
]

// Within the repository, so that the packages are found by name.
mkdirSync(join(root, ".cache"), { recursive: true })
const folder = mkdtempSync(join(root, ".cache/readme-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const programs = READMES.flatMap((readme) => {
  const blocks = [...readFileSync(join(root, readme), "utf8").matchAll(/^```ts\n(.*?)^```$/gms)].map(
    ([, code]) => code!,
  )
  return blocks.map((code, i) => {
    const file = join(folder, `${readme.replaceAll(/\W/g, "-")}-${i + 1}.ts`)
    writeFileSync(file, code)
    return {
      title: `${readme}, program ${i + 1}`,
      file,
      prints: [...code.matchAll(/\/\/ prints: (.*)$/gm)].map(([, line]) => line!),
    }
  })
})

describe("the programs of the READMEs", () => {
  it("are there, and each prints something", () => {
    expect([...new Set(programs.map(({ title }) => title.split(",")[0]))]).toEqual(READMES)
    expect(programs.length).toBeGreaterThanOrEqual(12)
    for (const { prints } of programs) expect(prints).not.toEqual([])
  })

  it("are sound to the compiler", () => {
    const config = join(folder, "tsconfig.json")
    writeFileSync(config, JSON.stringify({ extends: join(root, "tools/tsconfig.tests.json"), include: ["*.ts"] }))
    const { status, stdout } = spawnSync(
      process.execPath,
      [join(root, "node_modules/typescript/bin/tsc"), "-p", config],
      {
        encoding: "utf8",
      },
    )
    expect(stdout).toBe("")
    expect(status).toBe(0)
  })

  it("are the files that they name, which run as tests of their own", () => {
    const recipes = join(root, "packages/endpoint/test/recipes")
    const named = [
      ...readFileSync(join(root, "packages/endpoint/RECIPES.md"), "utf8").matchAll(/^```ts (\S+)\n(.*?)^```$/gms),
    ]
    expect(named.map(([, name]) => name).toSorted()).toEqual(readdirSync(recipes).toSorted())
    for (const [, name, code] of named) expect(code).toBe(readFileSync(join(recipes, name!), "utf8"))
  })

  it.each(programs)("$title prints what it says", async ({ file, prints }) => {
    const printed: string[] = []
    const log = vi
      .spyOn(console, "log")
      .mockImplementation((...values: unknown[]) => void printed.push(values.join(" ")))
    try {
      await import(/* @vite-ignore */ file)
    } finally {
      log.mockRestore()
    }
    // A handler prints its line when the message comes, so the order is not that of the text.
    expect(printed).toHaveLength(prints.length)
    expect(new Set(printed)).toEqual(new Set(prints))
  })
})
