/** One trial: a place, one or two flows in it, and what happens while they run. */

import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { end } from "@x/bench/children"
import { congestionControlOf, environmentOf } from "@x/bench/libraries"
import type { Role } from "@x/bench/network"
import type { FlowTask, Order, Report, Said } from "./flow-messages.ts"
import type { Change, Place, PlaceOptions, RelayStats } from "./place.ts"
import type { Path } from "./settings.ts"

export interface Flow {
  readonly library: string
  readonly bytes: number
  /** Messages a second; 0: as fast as they go. */
  readonly perSecond: number
  readonly options: Readonly<Record<string, unknown>>
}

export interface Trial {
  readonly path: Path
  readonly hasNat: boolean
  readonly flows: readonly Flow[]
  /** How much later than the one before each flow begins. */
  readonly staggerMs: number
  readonly warmMs: number
  readonly runMs: number
  /** Times count from the begin of what is measured. */
  readonly changes: readonly { readonly atMs: number; readonly change: Change }[]
  readonly seed: number
  readonly spinUs: number
}

export interface FlowResult extends Report {
  readonly settings: string
}

export interface TrialResult {
  readonly flows: readonly FlowResult[]
  readonly relay: RelayStats
}

/** A library can't be loaded on this machine. */
export class MissingError extends Error {}

/** Datagrams of libraries that don't find out what fits. */
const DATAGRAM_BYTES = 1_400
const START_MS = 30_000
const GRACE_MS = 10_000
const WORKER = fileURLToPath(new URL("../dist/flow.js", import.meta.url))

export async function runTrial(trial: Trial, make: (options: PlaceOptions) => Promise<Place>): Promise<TrialResult> {
  const { path, hasNat, seed, spinUs } = trial
  const place = await make({ path, hasNat, seed, spinUs, flows: trial.flows.length })
  const running: RunningFlow[] = []
  const timers: NodeJS.Timeout[] = []
  const at = (ms: number, act: () => void): void => void timers.push(setTimeout(act, ms))
  try {
    for (const [index, flow] of trial.flows.entries()) running.push(await RunningFlow.start(place, flow, index))
    const changes: Promise<void>[] = []
    for (const [index, flow] of running.entries())
      at(index * trial.staggerMs, () => flow.order("send", { what: "go", runMs: 0 }))
    const warmMs = trial.warmMs + (running.length - 1) * trial.staggerMs
    for (const { atMs, change } of trial.changes) at(warmMs + atMs, () => changes.push(place.change(change)))
    const reports = running.map((flow) => flow.report(warmMs + trial.runMs + GRACE_MS))
    at(warmMs, () => {
      for (const flow of running) flow.order("receive", { what: "measure", runMs: trial.runMs })
    })
    const flows = await Promise.all(reports)
    await Promise.all(changes)
    return { flows, relay: await place.stats() }
  } finally {
    for (const timer of timers) clearTimeout(timer)
    await Promise.all(running.map((flow) => flow.end()))
    await place.remove()
  }
}

/** The two processes of a flow. */
class RunningFlow {
  readonly #children = new Map<Role, ChildProcess>()
  #settings = ""
  #failure: string | undefined

  static async start(place: Place, flow: Flow, index: number): Promise<RunningFlow> {
    const running = new RunningFlow()
    try {
      const control = congestionControlOf(flow.library)
      if (control !== undefined) place.useCongestionControl(index, control)
      const task = { ...flow, datagramBytes: DATAGRAM_BYTES }
      const ready = await running.#start(place, "receive", { ...task, ...place.endsOf(index, "receive") }, "ready")
      running.#settings = ready.settings
      await place.connect(index, ready.port)
      await running.#start(place, "send", { ...task, ...place.endsOf(index, "send"), port: ready.port }, "connected")
      return running
    } catch (error) {
      await running.end()
      throw error
    }
  }

  order(role: Role, order: Order): void {
    const child = this.#children.get(role)!
    if (child.connected) child.send(order)
  }

  async report(timeoutMs: number): Promise<FlowResult> {
    const { what: _, ...report } = await next(this.#children.get("receive")!, "report", timeoutMs)
    const failure = this.#failure ?? report.failure
    return { ...report, settings: this.#settings, ...(failure === undefined ? {} : { failure }) }
  }

  async end(): Promise<void> {
    // Both at once: a process left alone would report an error.
    for (const child of this.#children.values()) child.kill("SIGKILL")
    await Promise.all([...this.#children.values()].map(end))
  }

  #start<W extends Said["what"]>(
    place: Place,
    role: Role,
    task: FlowTask,
    until: W,
  ): Promise<Extract<Said, { what: W }>> {
    const [file, ...args] = [...place.prefixOf(role), process.execPath, WORKER, role, JSON.stringify(task)]
    const child = spawn(file, args, {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      env: { ...process.env, ...environmentOf(task.library) },
    })
    this.#children.set(role, child)
    child.on("message", (said: Said) => {
      if (said.what === "failed") this.#failure ??= said.why
    })
    return next(child, until, START_MS)
  }
}

/** The next message of this kind. */
function next<W extends Said["what"]>(
  child: ChildProcess,
  what: W,
  timeoutMs: number,
): Promise<Extract<Said, { what: W }>> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle(() => reject(new Error(`no "${what}" in ${timeoutMs} ms`))), timeoutMs)
    const onMessage = (said: Said): void => {
      if (said.what === what) settle(() => resolve(said as Extract<Said, { what: W }>))
      else if (said.what === "missing") settle(() => reject(new MissingError(said.why)))
      // A sender that never got through; one that did goes on until the receiver reports.
      else if (said.what === "failed") settle(() => reject(new Error(said.why)))
    }
    const onExit = (code: number | null, signal: string | null): void =>
      settle(() => reject(new Error(`a process ended by ${signal ?? `code ${code}`}`)))
    const onError = (error: Error): void => settle(() => reject(error))
    const settle = (act: () => void): void => {
      clearTimeout(timer)
      child.off("message", onMessage).off("exit", onExit).off("error", onError)
      act()
    }
    child.on("message", onMessage).on("exit", onExit).on("error", onError)
  })
}
