// Walks the state tables of STATES.md for each thing that an application holds: each call in each state, by itself,
// twice, and before and after each other one. Nothing is pending in the end, nothing is held, and the accounts balance.

import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { type Thing, THINGS, Walk } from "./walk.ts"

interface Table {
  readonly states: readonly string[]
  /** By doing and state, the result according to the document. */
  readonly cells: ReadonlyMap<string, ReadonlyMap<string, string>>
}

const text = readFileSync(new URL("../STATES.md", import.meta.url), "utf8")
const tables = new Map(
  text
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf("\n")).trim(), section] as const),
)

/** The last table of a section; the first column of the table before it names the same states. */
function tableOf(title: string): Table {
  const section = tables.get(title)!
  const all = section.split(/\n(?=\n)/).map((block) =>
    block
      .trim()
      .split("\n")
      .filter((line) => line.startsWith("|")),
  )
  const [described, walked] = all.filter((lines) => lines.length > 2) as [string[], string[]]
  const [head, , ...rows] = walked.map(cellsOf)
  const states = head!.slice(1)
  expect(described.slice(2).map((line) => cellsOf(line)[0])).toEqual(states)
  const cells = rows.map(([doing, ...row]) => [doing!, new Map(states.map((state, i) => [state, row[i]!]))] as const)
  return { states, cells: new Map(cells) }
}

function cellsOf(line: string): string[] {
  return line
    .replace(/^\||\|$/g, "")
    .split("|")
    .map((cell) => cell.replaceAll("`", "").trim())
}

/** The possible states after a cell: those that look alike are told apart by their history, and may have become one. */
function statesAfter({ states }: Table, state: string, cell: string): readonly string[] {
  const seen = /→ (.*)$/.exec(cell)?.[1]
  return seen === undefined
    ? states.filter((name) => `${state}, `.startsWith(`${name}, `))
    : states.filter((name) => `${name}, `.startsWith(`${seen}, `))
}

async function walk(
  thing: Thing,
  state: string,
  doings: readonly string[],
  check: (cells: readonly string[]) => void,
): Promise<void> {
  const it = await Walk.begin()
  const subject = await thing.states[state]!(it)
  subject.observe()
  await it.pass(1)
  expect(`${state}, `).toContain(`${subject.observe()}, `)
  const cells: string[] = []
  for (const doing of doings) cells.push(await it.do(doing, thing, subject))
  check(cells)
  expect(await it.end()).toEqual([])
}

test("the document has a table for each thing, and nothing else", () => {
  expect([...tables.keys()]).toEqual(Object.keys(THINGS))
  for (const [title, thing] of Object.entries(THINGS)) {
    const { states, cells } = tableOf(title)
    expect([title, states]).toEqual([title, Object.keys(thing.states)])
    expect([title, [...cells.keys()]]).toEqual([title, Object.keys(thing.doings)])
  }
})

test.each(Object.keys(THINGS))("%s: each call in each state does what the table says", async (title) => {
  const thing: Thing = THINGS[title]!
  const { cells } = tableOf(title)
  const found: Record<string, string> = {}
  const said: Record<string, string> = {}
  for (const state of Object.keys(thing.states)) {
    for (const doing of Object.keys(thing.doings)) {
      const name = `${state}: ${doing}`
      said[name] = cells.get(doing)!.get(state)!
      await walk(thing, state, [doing], ([cell]) => void (found[name] = cell!))
    }
  }
  expect(found).toEqual(said)
})

test.each(Object.keys(THINGS))("%s: each call after each other, and twice, does what the table says", async (title) => {
  const thing: Thing = THINGS[title]!
  const table = tableOf(title)
  const wrong: string[] = []
  for (const state of Object.keys(thing.states)) {
    for (const first of Object.keys(thing.doings)) {
      const after = statesAfter(table, state, table.cells.get(first)!.get(state)!)
      for (const second of Object.keys(thing.doings)) {
        await walk(thing, state, [first, second], ([, cell]) => {
          // What happened before without being visible may show now.
          if (thing.unseen?.some((name) => name === first || name === `${state}: ${first}`) === true) return
          const may = after.map((name) => table.cells.get(second)!.get(name)!)
          if (!may.includes(cell!))
            wrong.push(`${state}: ${first}, ${second}: "${cell}" and not "${may.join('" or "')}"`)
        })
      }
    }
  }
  expect(wrong).toEqual([])
})
