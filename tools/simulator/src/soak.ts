/**
 * `npm run soak`: two processes on loopback, many streams, a path that loses datagrams; memory and counters over time,
 * and their slopes.
 */

import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Command, InvalidArgumentError } from "commander"
import type { SoakAnswer, SoakOptions, SoakOrder, SoakSample } from "./soak-process.ts"

const PROCESS = fileURLToPath(new URL("soak-process.js", import.meta.url))
/** In the first part of a run memory grows to what it needs at all: that slope says nothing. */
const WARM_UP_SHARE = 0.2
const MIB = 1_048_576
const ANSWER_MS = 90_000

const options = new Command("soak")
  .description(
    "Many streams between two processes over loopback sockets that lose datagrams: memory and counters, and their slopes.",
  )
  .option("--minutes <minutes>", "how long", positive, 1)
  .option("--streams <number>", "streams at a time, each way", positive, 100)
  .option("--loss <percent>", "of the datagrams, each way", Number, 1)
  .option("--seed <seed>", "of loss and traffic; what real time decides is not replayed", Number, 1)
  .option("--json", "one JSON object a sample")
  .parse()
  .opts<{ minutes: number; streams: number; loss: number; seed: number; json?: boolean }>()

const samples: { readonly atMs: number; readonly of: readonly SoakSample[] }[] = []
const children = [start(), start()]
const failures: string[] = []
let startedMs = 0
for (const child of children)
  child.once("exit", (code, signal) => failures.push(`a process ended by ${signal ?? `code ${code}`}`))

try {
  await run()
} catch (error) {
  for (const failure of failures) console.error(`error: ${failure}`)
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
for (const child of children) {
  child.removeAllListeners()
  if (child.connected) child.disconnect()
}

async function run(): Promise<void> {
  const { port } = await ask<{ port: number }>(children[0]!, { kind: "start", options: optionsOf(options.seed) })
  await ask(children[1]!, { kind: "start", options: { ...optionsOf(options.seed + 1), port } })
  startedMs = performance.now()
  const endMs = options.minutes * 60_000
  const intervalMs = Math.min(10_000, Math.max(1_000, endMs / 60))
  while (performance.now() - startedMs < endMs && failures.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, intervalMs))
    await sample()
  }
  const ends = await Promise.all(children.map((child) => ask<{ unsettled: number }>(child, { kind: "finish" })))
  await sample()
  report(ends)
}

function optionsOf(seed: number): SoakOptions {
  return { seed, streams: options.streams, lossRate: options.loss / 100 }
}

function start(): ChildProcess {
  return fork(PROCESS, { execArgv: ["--expose-gc"], stdio: ["ignore", "inherit", "inherit", "ipc"] })
}

function ask<T>(child: ChildProcess, order: SoakOrder): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer to "${order.kind}" within ${ANSWER_MS} ms`)), ANSWER_MS)
    child.once("message", (answer: SoakAnswer) => {
      clearTimeout(timer)
      resolve(answer as T)
    })
    if (child.connected) child.send(order)
    else reject(new Error("a process has ended"))
  })
}

async function sample(): Promise<void> {
  const of = await Promise.all(children.map((child) => ask<SoakSample>(child, { kind: "sample" })))
  const atMs = performance.now() - startedMs
  samples.push({ atMs, of })
  if (options.json === true) return console.log(JSON.stringify({ atMs, of }))
  const sum = (field: "sent" | "received" | "streamsOpened" | "faultsLost"): number =>
    of.reduce((total, it) => total + it[field], 0)
  const mib = (field: "rssBytes" | "heapBytes" | "buffersBytes"): string =>
    of.map((it) => (it[field] / MIB).toFixed(1)).join(" + ")
  console.log(
    `${(atMs / 60_000).toFixed(1)} min: ${sum("sent")} messages, ${sum("streamsOpened")} streams, ${sum("faultsLost")} datagrams lost; ` +
      `RSS ${mib("rssBytes")} MiB, heap ${mib("heapBytes")}, buffers ${mib("buffersBytes")}`,
  )
}

function report(finished: readonly { readonly unsettled: number }[]): void {
  const last = samples.at(-1)!.of
  for (const { errors } of last) failures.push(...errors)
  for (const { unsettled } of finished) if (unsettled > 0) failures.push(`${unsettled} streams did not end`)
  // What one side promised, the other had to receive.
  const missing = last.reduce((total, { promised, kept }) => total + promised - kept, 0)
  if (missing !== 0) failures.push(`${missing} promised messages are missing`)
  for (const { sizes } of last) {
    const { pool, sendPool, assemblyBytes, streams } = sizes
    if (pool! + sendPool! + assemblyBytes! + streams! > 0) failures.push(`left behind: ${JSON.stringify(sizes)}`)
  }
  for (const field of ["rssBytes", "heapBytes", "buffersBytes"] as const)
    console.log(
      `slope of ${field}: ${slopes(field)
        .map((slope) => slope.toFixed(2))
        .join(", ")} MiB/h`,
    )
  for (const failure of failures) console.log(`FAILED: ${failure}`)
  console.log(failures.length === 0 ? "nothing lost, nothing mixed, nothing left" : `${failures.length} failures`)
  process.exitCode = failures.length === 0 ? 0 : 1
}

/**
 * The slope of each process, by least squares over the samples after the warm-up; the last sample is from after the
 * traffic.
 */
function slopes(field: "rssBytes" | "heapBytes" | "buffersBytes"): number[] {
  const judged = samples.slice(Math.floor(samples.length * WARM_UP_SHARE), -1)
  return children.map((_, i) => {
    const points = judged.map(({ atMs, of }) => [atMs / 3_600_000, of[i]![field] / MIB] as const)
    const mean = (at: 0 | 1): number => points.reduce((total, point) => total + point[at], 0) / points.length
    const [meanX, meanY] = [mean(0), mean(1)]
    const covariance = points.reduce((total, [x, y]) => total + (x - meanX) * (y - meanY), 0)
    const variance = points.reduce((total, [x]) => total + (x - meanX) * (x - meanX), 0)
    return variance === 0 ? 0 : covariance / variance
  })
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError("it must be above 0.")
  return value
}
