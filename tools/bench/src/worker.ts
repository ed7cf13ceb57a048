/** One of the two processes of a run: `receive` or `send`, according to its arguments. */

import { check, Content } from "./content.ts"
import { LIBRARIES } from "./libraries.ts"
import { LARGE_BYTES, type Link } from "./link.ts"
import { countFromNow, cpuUs, memory, tell } from "./measure.ts"
import type { Task } from "./run.ts"

/** Messages between two readings of the clock. */
const LOOK_EVERY = 64
const LARGE_BUFFERS = 16

const [role, text] = process.argv.slice(2)
const job = JSON.parse(text!) as Task
const library = await LIBRARIES[job.library]!().catch(({ message }: Error) => {
  tell({ missing: message })
  // The other process ends this one.
  return new Promise<never>(() => {})
})
const linkOptions = { messageBytes: job.bytes, datagramBytes: job.datagramBytes, own: job.own, other: job.other }
/**
 * One clock for both processes, the system's monotonic clock: `performance.now` counts it from the start of each
 * process.
 */
const originMs = findOriginMs()
const nowMs = (): number => originMs + performance.now()

if (role === "receive")
  tell({ port: await library.listen(linkOptions, receive), settings: library.settings(linkOptions) })
else await send(await library.connect(linkOptions, job.port!))

/** Of many readings, the one that took the least time: a single reading may be off by as much as the measured times. */
function findOriginMs(): number {
  let [originNs, leastNs] = [0n, 1n << 62n]
  for (let i = 0; i < 1_000; i++) {
    const beforeNs = process.hrtime.bigint()
    const readMs = performance.now()
    const tookNs = process.hrtime.bigint() - beforeNs
    if (tookNs >= leastNs) continue
    leastNs = tookNs
    originNs = beforeNs + tookNs / 2n - BigInt(Math.round(readMs * 1e6))
  }
  return Number(originNs) / 1e6
}

function receive(link: Link): void {
  if (job.kind === "echo") return echo(link)
  const size = job.bytes
  const every = size >= LARGE_BYTES ? 1 : LOOK_EVERY
  const latencies: number[] = []
  const endMs = job.warmMs + job.runMs
  let [expected, startMs, fromMs, fromCount, fromCpuUs] = [0, 0, 0, 0, 0]
  let isOver = false
  link.onMessage((view, offset, length) => {
    check(view, offset, length, size, expected)
    if (job.kind === "latency") latencies.push(nowMs() - view.getFloat64(offset + 8, true))
    if (expected++ % every !== 0) return
    const atMs = performance.now()
    if (expected === 1) startMs = atMs
    if (fromMs === 0) {
      if (atMs - startMs < job.warmMs) return
      ;[fromMs, fromCount, fromCpuUs] = [atMs, expected, cpuUs()]
      latencies.length = 0
    } else if (!isOver && atMs - startMs >= endMs) {
      isOver = true
      const count = expected - fromCount
      tell({ count, ms: atMs - fromMs, cpuUs: cpuUs() - fromCpuUs, ...memory(), ...percentiles(latencies) })
    }
  })
}

function echo(link: Link): void {
  let expected = 0
  const content = new Content(job.bytes)
  link.onMessage((view, offset, length) => {
    check(view, offset, length, job.bytes, expected)
    link.send(content.number(expected++))
  })
}

function send(link: Link): Promise<void> | void {
  if (job.kind === "echo") return pingPong(link)
  if (job.kind === "latency") return openLoop(link)
  flatOut(link)
}

function flatOut(link: Link): void {
  const contents = Array.from({ length: job.bytes >= LARGE_BYTES ? LARGE_BUFFERS : 1 }, () => new Content(job.bytes))
  let number = 0
  countFromNow(job, () => number)
  const write = (): void => {
    // Ends the turn now and then, so that timers run even with a library that always has room.
    for (let i = 0; i < 100_000; i++) if (!link.send(contents[number % contents.length]!.number(number++))) return
    setImmediate(write)
  }
  link.onWritable(() => setImmediate(write))
  write()
}

async function pingPong(link: Link): Promise<void> {
  const content = new Content(job.bytes)
  const tripsUs = new Float64Array(job.rounds)
  const warmMs = performance.now() + job.warmMs
  let [number, trips] = [0, 0]
  let onAnswer = (): void => {}
  link.onMessage((view, offset, length) => {
    check(view, offset, length, job.bytes, number)
    onAnswer()
  })
  await new Promise<void>((resolve) => {
    let sentMs = 0
    const next = (): void => {
      sentMs = performance.now()
      link.send(content.number(number))
    }
    onAnswer = () => {
      const atMs = performance.now()
      if (atMs >= warmMs) tripsUs[trips++] = (atMs - sentMs) * 1_000
      number++
      if (trips === job.rounds) resolve()
      else next()
    }
    next()
  })
  tell({ count: job.rounds, ms: 0, cpuUs: 0, ...memory(), ...percentiles([...tripsUs], 1) })
}

/**
 * Sends messages at their times, however long earlier ones took. The latency of a late message counts from when it was
 * due.
 */
function openLoop(link: Link): void {
  const content = new Content(job.bytes)
  const intervalMs = 1_000 / job.perSecond
  const startMs = nowMs()
  let number = 0
  const turn = (): void => {
    const dueMs = nowMs()
    for (let atMs = startMs + number * intervalMs; atMs <= dueMs; atMs = startMs + number * intervalMs) {
      content.number(number++)
      content.view.setFloat64(8, atMs, true)
      link.send(content.bytes)
    }
    setImmediate(turn)
  }
  turn()
}

function percentiles(
  values: number[],
  factor = 1_000,
): { readonly p50Us?: number; readonly p99Us?: number; readonly p999Us?: number } {
  if (values.length === 0) return {}
  const sorted = Float64Array.from(values).sort()
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]! * factor
  return { p50Us: at(0.5), p99Us: at(0.99), p999Us: at(0.999) }
}
