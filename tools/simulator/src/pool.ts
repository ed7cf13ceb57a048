/** Distributes seeds over a given number of processes; a process that takes too long is ended. */

import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { SimulationOptions, SimulationResult } from "./simulation.ts"
import type { WorkerAnswer } from "./worker.ts"

const WORKER = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "worker.ts" : "worker.js", import.meta.url))

export interface SeedAnswer extends WorkerAnswer {
  /** The seed that was simulated, even if it never ended. */
  readonly seed: number
}

export interface PoolOptions {
  readonly jobs: number
  /** A seed that takes longer hangs. */
  readonly seedTimeoutMs: number
}

/** Simulates the seeds that `seeds` yields; answers come as soon as they are ready, in any order. */
export async function simulateAll(
  seeds: Iterable<SimulationOptions>,
  { jobs, seedTimeoutMs }: PoolOptions,
  onAnswer: (answer: SeedAnswer) => void,
): Promise<void> {
  const source = seeds[Symbol.iterator]()
  await Promise.all(Array.from({ length: jobs }, () => run(source, seedTimeoutMs, onAnswer)))
}

async function run(
  source: Iterator<SimulationOptions>,
  seedTimeoutMs: number,
  onAnswer: (answer: SeedAnswer) => void,
): Promise<void> {
  let worker: ChildProcess | undefined
  try {
    for (let next = source.next(); next.done !== true; next = source.next()) {
      worker ??= fork(WORKER, { stdio: ["ignore", "inherit", "inherit", "ipc"] })
      const answer = await ask(worker, next.value, seedTimeoutMs)
      if (answer.wallMs === Infinity) {
        worker.kill("SIGKILL")
        worker = undefined
      }
      onAnswer({ seed: next.value.seed, ...answer })
    }
  } finally {
    worker?.kill()
  }
}

function ask(worker: ChildProcess, options: SimulationOptions, timeoutMs: number): Promise<WorkerAnswer> {
  return new Promise((resolve) => {
    const settle = (answer: WorkerAnswer): void => {
      clearTimeout(timer)
      worker.removeAllListeners()
      resolve(answer)
    }
    const timer = setTimeout(() => settle(lost(options, `the seed took longer than ${timeoutMs} ms`)), timeoutMs)
    worker.once("message", (answer: WorkerAnswer) => settle(answer))
    worker.once("exit", (code, signal) => settle(lost(options, `the process ended by ${signal ?? `code ${code}`}`)))
    worker.send(options)
  })
}

/** The answer for a seed that returned none. */
function lost({ seed, virtualMs }: SimulationOptions, detail: string): WorkerAnswer {
  const result: SimulationResult = {
    ...{
      seed,
      nodes: 0,
      traceHash: "",
      virtualMs,
      datagrams: 0,
      messages: 0,
      delivered: 0,
      checks: 0,
      disasters: {},
      pathFaults: {},
      doings: {},
      mixFaults: {},
      guests: [],
    },
    ...{ convergenceShare: 0, isStrict: false, record: [], failure: { invariant: "quiet", detail, atMs: 0 } },
  }
  return { result, wallMs: Infinity }
}
