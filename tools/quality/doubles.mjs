// Which fields of objects change from a small integer to a double while a program runs, as V8 tells. With each, V8 gives
// up the form of those objects, and all code that it had compiled for it. Fields that hold times, rates or totals begin
// as doubles, by `double` of @x/wire. Totals that pass 2^31 only after seconds at full speed don't show in a short run.
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

// Only interpreted code says where it is.
const FLAGS = ["--trace-generalization", "--no-opt", "--no-sparkplug", "--no-maglev"]
const CHANGE =
  /^\[generalizing\](.*?):s\{[^}]*\}->d\{[^}]*\} \((?!uninitialized).*\) \[(.*?)\+\d+ at (file:.*):(\d+)\]$/

/** Runs a program; returns a line for each change in a file whose address matches `within`. Throws if the program fails. */
export function changesToDoubles(program, args, within) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...FLAGS, program, ...args], {
    encoding: "latin1",
    maxBuffer: 2 ** 30,
  })
  if (status !== 0) throw new Error(`${program} failed: ${stderr}`)
  if (!stdout.includes("[generalizing]")) throw new Error("this Node doesn't tell how fields change")
  const found = new Set()
  for (const line of stdout.split("\n")) {
    const [, name, where, url, number] = CHANGE.exec(line) ?? []
    if (url === undefined || !within.test(url)) continue
    const code = readFileSync(fileURLToPath(url), "utf8").split("\n")[Number(number) - 1].trim()
    found.add(
      `${name.startsWith("{symbol") ? "a private field" : name} in ${where.replace(/^new |[~*^]/g, "")}: ${code}`,
    )
  }
  return [...found]
}
