// Circular imports, and the floors of a package's rooms. Imports of types count: they are dependencies at compile time.
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/**
 * A line for each module whose imports lead back to itself, with a shortest path.
 * @param {ReadonlyMap<string, readonly string[]>} imports by module, those that it imports
 */
export function checkCircles(imports) {
  return [...imports.keys()].flatMap((module) => {
    const way = wayBack(module, imports)
    return way === undefined
      ? []
      : [`${module} -> itself: modules import each other in a circle, ${way.map(shortName).join(" -> ")}`]
  })
}

function wayBack(module, imports) {
  /** @type {string[][]} */
  const ways = [[module]]
  const seen = new Set()
  for (const way of ways) {
    for (const next of imports.get(way.at(-1)) ?? []) {
      if (next === module) return [...way, next]
      if (seen.has(next)) continue
      seen.add(next)
      ways.push([...way, next])
    }
  }
  return undefined
}

/**
 * A line for each import that leads up, and for each room that has no floor.
 * @param {ReadonlyMap<string, readonly string[]>} imports
 * @param {Readonly<Record<string, readonly string[]>>} floors by package, its rooms from top to bottom
 */
export function checkFloors(imports, floors) {
  return Object.entries(floors).flatMap(([name, rooms]) => {
    const arrows = arrowsIn(name, imports)
    const found = new Set([...arrows.modules.keys()])
    const homeless = [...found].filter((room) => !rooms.includes(room))
    const up = arrows.list.filter(
      ({ from, to }) => rooms.includes(from) && rooms.includes(to) && rooms.indexOf(from) > rooms.indexOf(to),
    )
    return [
      ...homeless.map(
        (room) => `packages/${name}/src/${room}: has no floor among FLOORS (tools/quality/architecture.mjs)`,
      ),
      ...up.map(
        ({ module, target, from, to }) =>
          `${module} -> ${target}: ${to} lies above ${from} (tools/quality/architecture.mjs)`,
      ),
    ]
  })
}

/**
 * @typedef {object} Drawing of the rooms of a package, from top to bottom
 * @property {string} plain what each room imports from others
 * @property {string} counted how many modules each room has too, and how many of its imports lead where
 */

/**
 * A drawing of each package that has floors, by its name.
 * @param {ReadonlyMap<string, readonly string[]>} imports
 * @param {Readonly<Record<string, readonly string[]>>} floors
 * @returns {Record<string, Drawing>}
 */
export function drawFloors(imports, floors) {
  return Object.fromEntries(
    Object.entries(floors).map(([name, rooms]) => {
      const { modules, list } = arrowsIn(name, imports)
      const width = Math.max(...rooms.map(({ length }) => length))
      const rows = rooms.map((from) => {
        const targets = rooms.flatMap((to) => {
          const count = list.filter((arrow) => arrow.from === from && arrow.to === to).length
          return count === 0 ? [] : [{ to, count, mark: rooms.indexOf(to) < rooms.indexOf(from) ? " (up)" : "" }]
        })
        return { from, targets }
      })
      const draw = (head, target) =>
        rows
          .map(({ from, targets }) =>
            `${head(from)}${targets.length === 0 ? "" : ` → ${targets.map(target).join(", ")}`}`.trimEnd(),
          )
          .join("\n")
      const plain = draw(
        (from) => from.padEnd(width),
        ({ to, mark }) => to + mark,
      )
      const counted = draw(
        (from) => `${from.padEnd(width)} ${String(modules.get(from) ?? 0).padStart(3)}`,
        ({ to, count, mark }) => `${to} ${count}${mark}`,
      )
      return [name, { plain, counted }]
    }),
  )
}

/**
 * A line for each drawing that differs from the one in a package's ARCHITECTURE.md; with `isWritten`, writes it there
 * instead. It is the plain drawing: the counts would change with every import.
 * @param {string} root
 * @param {Readonly<Record<string, Drawing>>} drawings
 * @param {boolean} isWritten
 */
export function checkDrawings(root, drawings, isWritten) {
  return Object.entries(drawings).flatMap(([name, { plain }]) => {
    const file = `packages/${name}/ARCHITECTURE.md`
    const before = readFileSync(join(root, file), "utf8")
    const after = before.replace(/(?<=^```floors\n)[^`]*(?=^```$)/m, () => `${plain}\n`)
    if (isWritten) writeFileSync(join(root, file), after)
    return after.includes(plain) && (isWritten || after === before)
      ? []
      : [`${file}: its drawing of the rooms is not that of the sources; npm run layers -- --write writes it there`]
  })
}

/** The imports between rooms of a package, and how many modules each room has. */
function arrowsIn(name, imports) {
  const folder = `packages/${name}/src/`
  const roomOf = (module) =>
    module
      .slice(folder.length)
      .split("/")[0]
      .replace(/\.[cm]?tsx?$/, "")
  const modules = new Map()
  const list = []
  for (const [module, targets] of imports) {
    if (!module.startsWith(folder)) continue
    const from = roomOf(module)
    modules.set(from, (modules.get(from) ?? 0) + 1)
    for (const target of targets) {
      if (!target.startsWith(folder)) continue
      const to = roomOf(target)
      if (from !== to) list.push({ module, target, from, to })
    }
  }
  return { modules, list }
}

function shortName(module) {
  return module.slice(module.lastIndexOf("/") + 1)
}
