/** The lines that are broken to see whether a test or a seed notices: each entry finds its line. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { type Defect, Sources } from "../../defects/index.mjs"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const sources = new Sources(root)

test.each(["tools/mutations/lines.json", "tools/simulator/plants.json"])(
  "%s names lines that are there, once",
  (list) => {
    const defects = JSON.parse(readFileSync(join(root, list), "utf8")) as (Defect & { name: string })[]
    const problems = defects.flatMap((defect) => {
      const problem = sources.problem(defect)
      return problem === undefined ? [] : [`${defect.name}: ${problem}`]
    })
    expect(problems).toEqual([])
  },
)
