/** The lines that are broken to see whether a test or a seed notices: each is where its entry says. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"

interface Defect {
  readonly name: string
  readonly file: string
  readonly from: string
}

const root = fileURLToPath(new URL("../../..", import.meta.url))

test.each(["tools/mutations/lines.json", "tools/simulator/plants.json"])("%s names lines that are there, once", (list) => {
  const defects = JSON.parse(readFileSync(join(root, list), "utf8")) as Defect[]
  const places = ({ file, from }: Defect): number => readFileSync(join(root, file), "utf8").split(from).length - 1
  expect(defects.filter((defect) => places(defect) !== 1).map(({ name, file }) => `${name}: ${file}`)).toEqual([])
})
