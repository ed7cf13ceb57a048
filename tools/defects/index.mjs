// Lines that are broken on purpose, to see whether a test, a seed or an exploration notices. A defect names its line by
// its content, not by its place or layout: the line may move to another file of its package, and the formatter may
// break it elsewhere.
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import ts from "typescript"
import { tokensOf, tokensOfPiece } from "./tokens.mjs"

/**
 * @typedef {object} Defect
 * @property {string} package in whose sources the line is: "stream", say
 * @property {string} [place] the class and its member, or the function, if more than one place of the package has the
 * same tokens: "SendStream.#fill"
 * @property {string} from the tokens in the source: whole tokens, compared one by one, so that blanks, line breaks and
 * comments don't count
 * @property {string} to the replacement
 */

/** The sources below `root`, as they were when a defect first looked for its line there. */
export class Sources {
  #root
  /** @type {Map<string, { path: string, text: string, tokens: import("./tokens.mjs").Token[], places: Place[] }[]>} */
  #packages = new Map()

  /** @param {string} root */
  constructor(root) {
    this.#root = root
  }

  /**
   * Why the defect can't be planted, or `undefined`.
   * @param {Defect} defect
   * @returns {string | undefined}
   */
  problem(defect) {
    const { package: name, place, from } = defect
    if (place !== undefined && !this.#sourcesOf(name).some(({ places }) => places.some((it) => it.name === place)))
      return `packages/${name}/src has no ${place}`
    const { length } = this.#find(defect)
    if (length === 1) return undefined
    return `packages/${name}/src${place === undefined ? "" : `, ${place}`} has ${length} times ${JSON.stringify(from)}, and not once`
  }

  /**
   * The sources that the defects change, by path, with the defects in them.
   * @param {readonly Defect[]} defects
   * @returns {Map<string, string>}
   */
  plant(defects) {
    const edits = defects.map((defect) => {
      const problem = this.problem(defect)
      if (problem !== undefined) throw new Error(problem)
      return { ...this.#find(defect)[0], to: defect.to.trim() }
    })
    /** @type {Map<string, string>} */
    const changed = new Map()
    // From the end backwards, so that the positions before an edit stay valid.
    for (const { path, text, start, end, to } of edits.toSorted((a, b) => b.start - a.start)) {
      const before = changed.get(path) ?? text
      changed.set(path, before.slice(0, start) + to + before.slice(end))
    }
    return changed
  }

  /** The places with the tokens that the defect replaces. */
  #find({ package: name, place, from }) {
    const wanted = tokensOfPiece(from).map(({ text }) => text)
    if (wanted.length === 0) throw new Error("a defect replaces a token at least")
    return this.#sourcesOf(name).flatMap(({ path, text, tokens, places }) => {
      const inside = place === undefined ? undefined : places.filter((it) => it.name === place)
      const found = []
      for (let at = 0; at + wanted.length <= tokens.length; at++) {
        if (!wanted.every((word, i) => tokens[at + i].text === word)) continue
        const [start, end] = [tokens[at].start, tokens[at + wanted.length - 1].end]
        if (inside?.some((it) => it.start <= start && end <= it.end) ?? true) found.push({ path, text, start, end })
      }
      return found
    })
  }

  #sourcesOf(name) {
    let sources = this.#packages.get(name)
    if (sources === undefined) {
      const folder = join(this.#root, "packages", name, "src")
      const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))
      sources = files.toSorted().map((file) => {
        const path = join(folder, file)
        const text = readFileSync(path, "utf8")
        const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
        return { path, text, tokens: tokensOf(source), places: placesOf(source) }
      })
      this.#packages.set(name, sources)
    }
    return sources
  }
}

/**
 * @typedef {object} Place
 * @property {string} name
 * @property {number} start
 * @property {number} end
 */

/**
 * All parts of a source with a name and a body: `Class`, `Class.#member`, `Class.constructor`, `function`, `constant`.
 * @param {ts.SourceFile} source
 * @returns {Place[]}
 */
function placesOf(source) {
  /** @type {Place[]} */
  const places = []
  visit(source, "")
  return places

  function visit(node, outer) {
    const name = nameOf(node)
    const inner = name === undefined ? outer : outer === "" ? name : `${outer}.${name}`
    if (name !== undefined) places.push({ name: inner, start: node.getStart(source), end: node.getEnd() })
    ts.forEachChild(node, (child) => visit(child, inner))
  }
}

/** @param {ts.Node} node */
function nameOf(node) {
  if (ts.isConstructorDeclaration(node)) return "constructor"
  const isPlace =
    ts.isClassLike(node) || ts.isClassElement(node) || ts.isFunctionDeclaration(node) || ts.isVariableDeclaration(node)
  return isPlace &&
    node.name !== undefined &&
    !ts.isObjectBindingPattern(node.name) &&
    !ts.isArrayBindingPattern(node.name)
    ? node.name.getText()
    : undefined
}
