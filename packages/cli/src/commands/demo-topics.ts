import { setTimeout as sleep } from "node:timers/promises"
import { defineMessage, Endpoint, type WritingCodec } from "@x/endpoint"
import { type Feed, Topics } from "@x/topics"
import { formatTable } from "../demo/table.ts"
import { CommandError, EXIT } from "../failure.ts"
import { formatMs } from "../measure.ts"
import type { Output } from "../output.ts"

export interface DemoOptions {
  readonly seconds: number
  readonly output: Output
  readonly signal: AbortSignal
}

const SUBSCRIBERS = 10
/** Milliseconds from one tick to the next, and messages of a tick. */
const TICK_MS = 10
const MESSAGES_A_TICK = 20
/** What the slow subscriber does for each message, milliseconds. */
const SLOW_MS = 1
const COLUMNS = ["subscriber", "begun", "read", "skipped", "median delay"]

/** When a message was published, milliseconds of this process. */
const instant: WritingCodec<number> = {
  size: () => 64,
  write: (ms, { buffer, byteOffset }, offset) => new DataView(buffer, byteOffset + offset).setFloat64(0, ms),
  decode: ({ buffer, byteOffset }) => new DataView(buffer, byteOffset).getFloat64(0),
}
const TICK = defineMessage(1, instant)

interface Reader {
  readonly name: string
  readonly endpoint: Endpoint
  readonly feed: Feed
  readonly delaysMs: number[]
  readonly done: Promise<void>
}

/**
 * A publisher and ten subscribers over loopback, of which one is slow and another comes late. The slow one skips
 * messages; nobody else notices.
 */
export async function demoTopics({ seconds, output, signal }: DemoOptions): Promise<void> {
  // Little waits in windows and queues, so that the topic notices who is slow.
  await using publisher = await Endpoint.bind({ v4: "127.0.0.1", v6: false, windowBytes: 32_768, signal })
  const topic = new Topics(publisher).topic("ticks", {
    slow: "skip",
    // Once it is closed, the slow one reads what it has for as long.
    lag: { messages: 400, ms: 10_000 },
    keep: { messages: 1_000 },
  })
  const readers: Reader[] = []
  try {
    for (let i = 1; i < SUBSCRIBERS; i++) readers.push(await subscribe(publisher, i === 1 ? "slow" : `${i}`, signal))
    const ticks = Math.ceil((seconds * 1_000) / TICK_MS)
    for (let tick = 0; tick < ticks; tick++) {
      for (let i = 0; i < MESSAGES_A_TICK; i++) topic.publish(TICK, performance.now())
      if (tick === ticks >> 1) readers.push(await subscribe(publisher, "late", signal))
      await sleep(TICK_MS, undefined, { signal })
    }
    await topic.close()
    await Promise.all(readers.map(({ done }) => done))
    report(readers, topic.position, output)
  } finally {
    await Promise.all(readers.map(({ endpoint }) => endpoint.close()))
  }
}

async function subscribe(publisher: Endpoint, name: string, signal: AbortSignal): Promise<Reader> {
  const endpoint = await Endpoint.bind({ v4: "127.0.0.1", v6: false, queuedMessagesMax: 64, signal })
  const peer = await endpoint.join(`127.0.0.1:${publisher.port}`, { signal })
  const feed = await new Topics(endpoint).subscribe(peer, "ticks", {
    from: name === "late" ? "oldest" : "newest",
    signal,
  })
  const delaysMs: number[] = []
  return { name, endpoint, feed, delaysMs, done: read(feed, delaysMs, name === "slow" ? SLOW_MS : 0) }
}

async function read(feed: Feed, delaysMs: number[], ms: number): Promise<void> {
  for await (const { value } of feed.messages(TICK)) {
    delaysMs.push(performance.now() - value)
    if (ms > 0) await sleep(ms)
  }
}

function report(readers: readonly Reader[], published: number, output: Output): void {
  const rows = readers.map(({ name, feed: { account }, delaysMs }) => {
    const medianMs = delaysMs.toSorted((a, b) => a - b)[delaysMs.length >> 1] ?? 0
    return { name, ...account, medianMs }
  })
  const table = formatTable(
    COLUMNS,
    rows.map(({ name, begun, delivered, gone, medianMs }) => [
      name,
      ...[begun, delivered, gone].map((count) => count.toLocaleString("en")),
      formatMs(medianMs),
    ]),
  )
  output.result(table, { event: "topics", published, subscribers: rows })
  const isKept = rows.every(({ name, gone }) => name === "slow" || gone === 0)
  if (!isKept || rows.some(({ begun, delivered, gone }) => delivered + gone !== begun))
    throw new CommandError(EXIT.failed, "it did not hold: messages are missing, or accounts don't balance")
  output.result("It held: the slow one skipped, and nobody else noticed.", { event: "held" })
}
