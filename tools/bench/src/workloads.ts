import type { Job } from "./run.ts"

export interface Workload {
  readonly name: string
  readonly title: string
  readonly job: Pick<Job, "kind" | "bytes" | "rounds" | "perSecond">
  readonly libraries: readonly string[]
  /** Where the two processes are pinned. */
  readonly cpus?: readonly [number, number]
}

const ALL = ["x", "tcp", "tcp-naive", "tls", "ws", "zeromq", "udx", "kcp"]

const flatOut = (bytes: number): Workload["job"] => ({ kind: "flat-out", bytes, rounds: 0, perSecond: 0 })
const latency = (perSecond: number): Workload["job"] => ({ kind: "latency", bytes: 64, rounds: 0, perSecond })
const ECHO: Workload["job"] = { kind: "echo", bytes: 64, rounds: 20_000, perSecond: 0 }

export const WORKLOADS: readonly Workload[] = [
  { name: "W1", title: "64 B, one way, flat out", job: flatOut(64), libraries: ALL },
  { name: "W2", title: "1 KiB, one way, flat out", job: flatOut(1_024), libraries: ALL },
  { name: "W3", title: "1 MiB, one way, flat out", job: flatOut(1_048_576), libraries: ["x", "tcp", "tls", "ws", "zeromq", "udx", "kcp"] },
  { name: "W4-1", title: "64 B ping-pong, both on one CPU", job: ECHO, libraries: ALL, cpus: [0, 0] },
  { name: "W4-2", title: "64 B ping-pong, on two CPUs", job: ECHO, libraries: ALL, cpus: [0, 1] },
  { name: "W5-20k", title: "latency of 64 B at 20,000/s, open loop", job: latency(20_000), libraries: ALL },
  { name: "W5-100k", title: "latency of 64 B at 100,000/s, open loop", job: latency(100_000), libraries: ALL },
  { name: "W8-1", title: "without the helper: 64 B, one way", job: flatOut(64), libraries: ["x-dgram", "tcp"] },
  { name: "W8-2", title: "without the helper: 1 KiB, one way", job: flatOut(1_024), libraries: ["x-dgram", "dgram", "tcp"] },
  { name: "W8-3", title: "without the helper: 1 MiB, one way", job: flatOut(1_048_576), libraries: ["x-dgram", "tcp"] },
]

export interface Goal {
  readonly workload: string
  readonly against: string
  readonly measure: "perSecond" | "p50Us" | "p99Us"
  /** At least for a rate, at most for a time. */
  readonly ratio: number
}

export const GOALS: readonly Goal[] = [
  { workload: "W1", against: "tcp", measure: "perSecond", ratio: 1.2 },
  { workload: "W1", against: "udx", measure: "perSecond", ratio: 5 },
  { workload: "W1", against: "kcp", measure: "perSecond", ratio: 5 },
  { workload: "W2", against: "tcp", measure: "perSecond", ratio: 1.2 },
  { workload: "W3", against: "tcp", measure: "perSecond", ratio: 1.2 },
  { workload: "W3", against: "udx", measure: "perSecond", ratio: 12 },
  { workload: "W4-1", against: "tcp", measure: "p50Us", ratio: 0.8 },
  { workload: "W4-1", against: "tcp", measure: "p99Us", ratio: 1 },
  { workload: "W4-2", against: "tcp", measure: "p50Us", ratio: 0.8 },
  { workload: "W4-2", against: "tcp", measure: "p99Us", ratio: 1 },
  { workload: "W5-20k", against: "tcp", measure: "p99Us", ratio: 1 },
  { workload: "W5-100k", against: "tcp", measure: "p99Us", ratio: 0.5 },
  { workload: "W8-2", against: "dgram", measure: "perSecond", ratio: 0.85 },
]
