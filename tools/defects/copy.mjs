// A copy of the repository to plant defects in, one at a time.
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { root } from "../summary.mjs"
import { Sources } from "./index.mjs"

/**
 * The defects of a list whose name contains one of the words; all if there are no words. Ends the process if no name
 * does.
 * @param {string} list a path below the repository
 * @param {readonly string[]} words
 * @returns {any[]}
 */
export function defectsOf(list, words) {
  const all = JSON.parse(readFileSync(join(root, list), "utf8"))
  const chosen = all.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))
  if (chosen.length > 0) return chosen
  console.error(`error: none of the ${all.length} entries of ${list} has a name that holds ${words.join(" or ")}`)
  process.exit(1)
}

export class Copy {
  /** @type {string} */
  path
  #sources

  /**
   * @param {string} name of its folder under .cache
   * @param {readonly string[]} files what is copied beside packages, tools and what these need
   */
  constructor(name, files = []) {
    this.path = join(root, ".cache", name)
    rmSync(this.path, { recursive: true, force: true })
    mkdirSync(this.path, { recursive: true })
    for (const file of ["packages", "tools", "package.json", "tsconfig.base.json", ...files])
      cpSync(join(root, file), join(this.path, file), { recursive: true, verbatimSymlinks: true })
    symlinkSync(join(root, "node_modules"), join(this.path, "node_modules"), "junction")
    this.#sources = new Sources(this.path)
  }

  /**
   * Why the defect can't be planted, or `undefined`.
   * @param {import("./index.mjs").Defect} defect
   */
  problem(defect) {
    return this.#sources.problem(defect)
  }

  /**
   * Plants the defect in its source, calls `use` with the source's path, then restores the source.
   * @template T
   * @param {import("./index.mjs").Defect} defect
   * @param {(file: string) => Promise<T>} use
   * @returns {Promise<T>}
   */
  async with(defect, use) {
    const [[path, broken]] = this.#sources.plant([defect])
    const whole = readFileSync(path, "utf8")
    writeFileSync(path, broken)
    try {
      return await use(relative(this.path, path))
    } finally {
      writeFileSync(path, whole)
    }
  }

  remove() {
    rmSync(this.path, { recursive: true, force: true })
  }
}
