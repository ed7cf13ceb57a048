/** One of the two processes of a run: `receive` or `send`, according to its arguments. */

import { check, Content } from "./content.ts"
import { LIBRARIES } from "./libraries.ts"
import { LARGE_BYTES, type Link } from "./link.ts"
import { nowMs } from "./clock.ts"
import { countFromNow, cpuUs, memory, tell } from "./measure.ts"
import { percentiles } from "./percentiles.ts"
import type { Task } from "./run.ts"
import { sendAtRate, sendFlatOut } from "./senders.ts"

/** Messages between two readings of the clock. */
const LOOK_EVERY = 64

const [role, text] = process.argv.slice(2)
const job = JSON.parse(text!) as Task
const library = await LIBRARIES[job.library]!().catch(({ message }: Error) => {
  tell({ missing: message })
  // The other process ends this one.
  return new Promise<never>(() => {})
})
const { bytes: messageBytes, datagramBytes, own, other, options = {} } = job
const linkOptions = { messageBytes, datagramBytes, own, other, options }
if (role === "receive")
  tell({ port: await library.listen(linkOptions, receive), settings: library.settings(linkOptions) })
else await send(await library.connect(linkOptions, job.port!))

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
  if (job.kind === "latency") sendAtRate(link, job.bytes, job.perSecond)
  else countFromNow(job, sendFlatOut(link, job.bytes))
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
