import type { Job } from "./run.ts"

/** What is measured in turn and compared: libraries by name, or one library in several ways. */
export interface Row {
  readonly name: string
  readonly job: Pick<
    Job,
    "library" | "kind" | "bytes" | "rounds" | "perSecond" | "peers" | "streams" | "direction" | "lossPercent"
  > &
    Partial<Pick<Job, "datagramBytes">>
}

export interface Workload {
  readonly name: string
  readonly title: string
  readonly rows: readonly Row[]
  /** The CPUs that the two processes are pinned to. */
  readonly cpus?: readonly [number, number]
}

const OTHERS = ["tcp", "tcp-naive", "tls", "ws", "zeromq", "udx", "kcp"]
/** Without the rows that write each message by itself: for large messages that makes no difference. */
const LARGE = ["tcp", "tls", "ws", "zeromq", "udx", "kcp"]

/** The profiles, compared with each other and with another library that encrypts. */
const PROTECTED = ["x", "x-mac", "x-aead", "tls"]
const UNAIDED = ["x-dgram", "x-dgram-mac", "x-dgram-aead", "tls"]

type Work = Omit<Row["job"], "library">

const flatOut = (bytes: number): Work => ({ kind: "flat-out", bytes, rounds: 0, perSecond: 0 })
const latency = (perSecond: number): Work => ({ kind: "latency", bytes: 64, rounds: 0, perSecond })
const ECHO: Work = { kind: "echo", bytes: 64, rounds: 20_000, perSecond: 0 }

const libraries = (work: Work, names: readonly string[]): Row[] =>
  names.map((library) => ({ name: library, job: { ...work, library } }))
/** As users get it, by default options alone; with datagrams as most networks carry them; and beside others. */
const beside = (work: Work, others: readonly string[] = OTHERS): Row[] => [
  { name: "x", job: { ...work, library: "x-default" } },
  { name: "x, 1,400 B", job: { ...work, library: "x", datagramBytes: 1_400 } },
  ...libraries(work, others),
]
/** A packet for each message, as raw `dgram` sends them. */
const SINGLE: Row = {
  name: "x-dgram, one a packet",
  job: { ...flatOut(1_024), library: "x-dgram", datagramBytes: 1_400 },
}
const ceiling = (bytes: number): Row => ({
  name: `${bytes} B`,
  job: { library: "helper", kind: "ceiling", bytes, rounds: 0, perSecond: 0 },
})
const crowd = (peers: number, streams: number, direction: "in" | "out", perSecond: number): Row => ({
  name: `${peers} x ${streams}`,
  job: { library: "x", kind: "crowd", bytes: 64, rounds: 0, perSecond, peers, streams, direction },
})
const peers = (direction: "in" | "out", perSecond: number): Row[] =>
  [1, 10, 100, 1_000].map((count) => crowd(count, 1, direction, perSecond))
const streams = (): Row[] => [1, 100, 10_000].map((count) => crowd(1, count, "in", 0))

/** Between two network namespaces, with datagrams that fit its packets. */
const network = (lossPercent: number): Pick<Job, "lossPercent" | "datagramBytes"> => ({
  lossPercent,
  datagramBytes: 1_400,
})

const lossy = (lossPercent: number): Workload[] => {
  const of = (name: string, title: string, work: Work): Workload => ({
    name: `W6-${lossPercent}-${name}`,
    title: `${lossPercent} % loss each way: ${title}`,
    rows: libraries({ ...work, ...network(lossPercent) }, ["x-fixed", "x", "tcp-cubic", "tcp-bbr", "udx", "kcp"]),
  })
  return [
    of("2", "1 KiB, one way, flat out", flatOut(1_024)),
    of("3", "1 MiB, one way, flat out", flatOut(1_048_576)),
    of("5", "latency of 64 B at 20,000/s, open loop", latency(20_000)),
  ]
}

/** With packets of 1,500 B and no offload, so that records and segments of others are as large as our datagrams. */
const narrow = (name: string, title: string, work: Work, names: readonly string[]): Workload => ({
  name,
  title: `MTU 1500: ${title}`,
  rows: names.map((library) => ({
    name: library === "x-default" ? "x" : library,
    job: { ...work, ...network(0), library },
  })),
})
const NARROW = ["x-default", "tcp-cubic", "udx"]
const NARROW_SEALED = ["x-aead", "tls"]

export const WORKLOADS: readonly Workload[] = [
  { name: "W1", title: "64 B, one way, flat out", rows: beside(flatOut(64)) },
  { name: "W2", title: "1 KiB, one way, flat out", rows: beside(flatOut(1_024)) },
  {
    name: "W3",
    title: "1 MiB, one way, flat out",
    rows: [
      ...beside(flatOut(1_048_576), LARGE),
      { name: "x, trySend", job: { ...flatOut(1_048_576), library: "x-try" } },
      { name: "x, trySend with transfer", job: { ...flatOut(1_048_576), library: "x-transfer" } },
    ],
  },
  { name: "W4-1", title: "64 B ping-pong, both on one CPU", rows: beside(ECHO), cpus: [0, 0] },
  { name: "W4-2", title: "64 B ping-pong, on two CPUs", rows: beside(ECHO), cpus: [0, 1] },
  { name: "W5-20k", title: "latency of 64 B at 20,000/s, open loop", rows: beside(latency(20_000)) },
  { name: "W5-100k", title: "latency of 64 B at 100,000/s, open loop", rows: beside(latency(100_000)) },
  {
    name: "W6-0",
    title: "no loss: 64 B ping-pong, for the trip",
    rows: libraries({ ...ECHO, ...network(0) }, ["x", "tcp-cubic", "udx", "kcp"]),
  },
  ...lossy(1),
  ...lossy(5),
  { name: "W7-in", title: "peers x streams, all to one, 100,000/s", rows: peers("in", 100_000) },
  { name: "W7-out", title: "peers x streams, one to all, 100,000/s", rows: peers("out", 100_000) },
  { name: "W7-full-in", title: "peers x streams, all to one, flat out", rows: peers("in", 0) },
  { name: "W7-full-out", title: "peers x streams, one to all, flat out", rows: peers("out", 0) },
  { name: "W7-streams", title: "peers x streams, flat out", rows: streams() },
  { name: "W8-1", title: "without the helper: 64 B, one way", rows: libraries(flatOut(64), ["x-dgram", "tcp"]) },
  {
    name: "W8-2",
    title: "without the helper: 1 KiB, one way",
    rows: [...libraries(flatOut(1_024), ["x-dgram", "dgram", "tcp"]), SINGLE],
  },
  {
    name: "W8-3",
    title: "without the helper: 1 MiB, one way",
    rows: libraries(flatOut(1_048_576), ["x-dgram", "tcp"]),
  },
  {
    name: "W8-4",
    title: "without the helper: 64 B ping-pong, on two CPUs",
    rows: libraries(ECHO, ["x-dgram", "tcp"]),
    cpus: [0, 1],
  },
  {
    name: "W8-5",
    title: "without the helper: latency of 64 B at 20,000/s",
    rows: libraries(latency(20_000), ["x-dgram", "tcp"]),
  },
  { name: "W9-1", title: "protection: 64 B, one way, flat out", rows: libraries(flatOut(64), PROTECTED) },
  { name: "W9-2", title: "protection: 1 KiB, one way, flat out", rows: libraries(flatOut(1_024), PROTECTED) },
  { name: "W9-3", title: "protection: 1 MiB, one way, flat out", rows: libraries(flatOut(1_048_576), PROTECTED) },
  {
    name: "W9-4-1",
    title: "protection: 64 B ping-pong, both on one CPU",
    rows: libraries(ECHO, PROTECTED),
    cpus: [0, 0],
  },
  { name: "W9-4-2", title: "protection: 64 B ping-pong, on two CPUs", rows: libraries(ECHO, PROTECTED), cpus: [0, 1] },
  { name: "W9-8", title: "protection without the helper: 1 KiB, one way", rows: libraries(flatOut(1_024), UNAIDED) },
  narrow("MTU-2", "1 KiB, one way, flat out", flatOut(1_024), NARROW),
  narrow("MTU-3", "1 MiB, one way, flat out", flatOut(1_048_576), NARROW),
  narrow("MTU-9-1", "protection: 64 B, one way, flat out", flatOut(64), NARROW_SEALED),
  narrow("MTU-9-2", "protection: 1 KiB, one way, flat out", flatOut(1_024), NARROW_SEALED),
  narrow("MTU-9-3", "protection: 1 MiB, one way, flat out", flatOut(1_048_576), NARROW_SEALED),
  { name: "ceiling", title: "datagrams of the bare helper", rows: [ceiling(1_400), ceiling(65_000)] },
]

export interface Goal {
  readonly workload: string
  /** A row, by default `x`, and the one it is compared with. */
  readonly of?: string
  readonly against: string
  readonly measure: "perSecond" | "p50Us" | "p99Us" | "cpuUs" | "firstCpuUs"
  /** The minimum for a rate, the maximum for a time. */
  readonly ratio: number
}

export const GOALS: readonly Goal[] = [
  { workload: "W1", against: "tcp", measure: "perSecond", ratio: 1.2 },
  { workload: "W1", against: "udx", measure: "perSecond", ratio: 5 },
  { workload: "W1", against: "kcp", measure: "perSecond", ratio: 5 },
  { workload: "W2", against: "tcp", measure: "perSecond", ratio: 1.5 },
  { workload: "W3", against: "tcp", measure: "perSecond", ratio: 1.1 },
  { workload: "W3", of: "x, trySend with transfer", against: "tcp", measure: "perSecond", ratio: 1.1 },
  { workload: "W3", against: "udx", measure: "perSecond", ratio: 12 },
  { workload: "W4-1", against: "tcp", measure: "p50Us", ratio: 0.8 },
  { workload: "W4-1", against: "tcp", measure: "p99Us", ratio: 1 },
  { workload: "W4-2", against: "tcp", measure: "p50Us", ratio: 0.75 },
  { workload: "W4-2", against: "tcp", measure: "p99Us", ratio: 0.9 },
  { workload: "W5-20k", against: "tcp", measure: "p99Us", ratio: 1 },
  { workload: "W5-100k", against: "tcp", measure: "p99Us", ratio: 0.5 },
  { workload: "W6-1-2", of: "x-fixed", against: "tcp-cubic", measure: "perSecond", ratio: 10 },
  { workload: "W6-1-2", of: "x-fixed", against: "tcp-bbr", measure: "perSecond", ratio: 1.5 },
  { workload: "W6-1-5", of: "x-fixed", against: "tcp-cubic", measure: "p99Us", ratio: 1 / 200 },
  { workload: "W6-1-5", of: "x-fixed", against: "kcp", measure: "p99Us", ratio: 1 },
  // Only the hub's CPU: the endpoints around it stand for as many machines.
  { workload: "W7-in", of: "1000 x 1", against: "1 x 1", measure: "firstCpuUs", ratio: 1.5 },
  { workload: "W7-out", of: "1000 x 1", against: "1 x 1", measure: "firstCpuUs", ratio: 1.5 },
  { workload: "W7-streams", of: "1 x 10000", against: "1 x 1", measure: "cpuUs", ratio: 1.5 },
  { workload: "MTU-2", against: "tcp-cubic", measure: "perSecond", ratio: 0.9 },
  { workload: "MTU-2", against: "udx", measure: "perSecond", ratio: 3 },
  { workload: "MTU-3", against: "tcp-cubic", measure: "perSecond", ratio: 0.6 },
  { workload: "MTU-9-1", of: "x-aead", against: "tls", measure: "perSecond", ratio: 1 },
  { workload: "MTU-9-2", of: "x-aead", against: "tls", measure: "perSecond", ratio: 1.2 },
  { workload: "MTU-9-3", of: "x-aead", against: "tls", measure: "perSecond", ratio: 1.2 },
  { workload: "W9-2", of: "x-aead", against: "x", measure: "perSecond", ratio: 0.5 },
  { workload: "W8-2", of: SINGLE.name, against: "dgram", measure: "perSecond", ratio: 0.9 },
]
