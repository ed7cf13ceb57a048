/** One run: two processes, one that receives and one that sends. */

import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { answerOf, end } from "./children.ts"
import { congestionControlOf, environmentOf } from "./libraries.ts"
import type { LinkOptions } from "./link.ts"
import { ADDRESSES, Network, type Role } from "./network.ts"

export interface Job {
  readonly library: string
  readonly kind: "flat-out" | "echo" | "latency" | "ceiling" | "crowd"
  readonly bytes: number
  readonly datagramBytes: number
  readonly warmMs: number
  readonly runMs: number
  /** For `echo`. */
  readonly rounds: number
  /** For `latency`. */
  readonly perSecond: number
  /**
   * For `crowd`: endpoints that join the hub, streams with each, and whether messages go to the hub or come from it.
   */
  readonly peers?: number
  readonly streams?: number
  readonly direction?: "in" | "out"
  /** Uses a network that loses this much each way, instead of loopback. */
  readonly lossPercent?: number
  /** See {@link LinkOptions}. */
  readonly options?: LinkOptions["options"]
}

/** The job as one of the processes gets it; the sender also gets the receiver's port. */
export type Task = Job & Pick<LinkOptions, "own" | "other"> & { readonly port?: number }

export interface Ready {
  readonly port: number
  readonly settings: string
}

/** The reason why the library can't be loaded on this machine. */
export interface Missing {
  readonly missing: string
}

export class MissingError extends Error {}

/** The counts of a process in its window. */
export interface Answer {
  readonly count: number
  readonly ms: number
  readonly cpuUs: number
  readonly rssMiB: number
  readonly p50Us?: number | undefined
  readonly p99Us?: number | undefined
  readonly p999Us?: number | undefined
}

export interface Outcome {
  readonly settings: string
  readonly perSecond: number
  readonly gbitPerSecond: number
  /**
   * CPU of sender and receiver for one message; `firstCpuUs` is the share of the process that was started first: the
   * receiver, or the hub of a crowd.
   */
  readonly cpuUs: number
  readonly firstCpuUs: number
  readonly rssMiB: number
  readonly p50Us?: number | undefined
  readonly p99Us?: number | undefined
  readonly p999Us?: number | undefined
}

const WORKERS: Partial<Record<Job["kind"], string>> = { ceiling: "ceiling.js", crowd: "crowd.js" }
/** Allowed beyond a run's own time. */
const GRACE_MS = 20_000
const LOOPBACK = "127.0.0.1"

/** `cpus`: the CPUs to pin the receiver and the sender to. */
export async function run(job: Job, cpus?: readonly [number, number]): Promise<Outcome> {
  const { lossPercent, library } = job
  const network =
    lossPercent === undefined
      ? undefined
      : new Network({ lossPercent, congestionControl: congestionControlOf(library) })
  const [to, from] = network === undefined ? [LOOPBACK, LOOPBACK] : [ADDRESSES.receive, ADDRESSES.send]
  const receiver = start("receive", { ...job, own: to, other: from }, cpus?.[0], network)
  let sender: ChildProcess | undefined
  try {
    const ready = await answerOf<Ready | Missing>(receiver, GRACE_MS)
    if ("missing" in ready) throw new MissingError(ready.missing)
    const { port, settings } = ready
    const received = job.kind === "echo" ? undefined : answerOf<Answer>(receiver, job.warmMs + job.runMs + GRACE_MS)
    sender = start("send", { ...job, own: from, other: to, port }, cpus?.[1], network)
    const sent = job.kind === "latency" ? undefined : answerOf<Answer>(sender, job.warmMs + job.runMs + 3 * GRACE_MS)
    const [one, other] = await Promise.all([received, sent])
    const { count, ms, p50Us, p99Us, p999Us } = (one ?? other)!
    const perSecond = ms === 0 ? 0 : (count / ms) * 1_000
    const cpuOf = (answer: Answer | undefined): number =>
      answer === undefined || answer.count === 0 ? 0 : answer.cpuUs / answer.count
    const firstCpuUs = cpuOf(one)
    const cpuUs = firstCpuUs + cpuOf(other)
    const rssMiB = Math.max(one?.rssMiB ?? 0, other?.rssMiB ?? 0)
    return {
      settings,
      perSecond,
      gbitPerSecond: (perSecond * job.bytes * 8) / 1e9,
      cpuUs,
      firstCpuUs,
      rssMiB,
      p50Us,
      p99Us,
      p999Us,
    }
  } finally {
    // Both at once: a process left alone would report an error.
    sender?.kill("SIGKILL")
    await end(receiver)
    if (sender !== undefined) await end(sender)
    network?.remove()
  }
}

function start(role: Role, task: Task, cpu: number | undefined, network: Network | undefined): ChildProcess {
  const worker = fileURLToPath(new URL(WORKERS[task.kind] ?? "worker.js", import.meta.url))
  const pinned = cpu === undefined ? [] : ["taskset", "-c", String(cpu)]
  const [file, ...args] = [
    ...(network?.prefixOf(role) ?? []),
    ...pinned,
    process.execPath,
    worker,
    role,
    JSON.stringify(task),
  ]
  return spawn(file!, args, {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    env: { ...process.env, ...environmentOf(task.library) },
  })
}
