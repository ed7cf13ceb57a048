import { setTimeout as sleep } from "node:timers/promises"
import { defineMessage, Endpoint, type WritingCodec } from "@x/endpoint"
import { type Feed, type Topic, Topics } from "@x/topics"
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
const TICK_BYTES = 64
const COLUMNS = ["subscriber", "begun", "read", "skipped", "median delay"]

/** When a message was published, milliseconds of this process. */
const instant: WritingCodec<number> = {
  size: () => TICK_BYTES,
  write: (ms, { buffer, byteOffset }, offset) => new DataView(buffer, byteOffset + offset).setFloat64(0, ms),
  decode: ({ buffer, byteOffset }) => new DataView(buffer, byteOffset).getFloat64(0),
}
const TICK = defineMessage(1, instant)

/** A subscriber, and what it has seen. */
interface Reader {
  readonly name: string
  readonly feed: Feed
  readonly delaysMs: number[]
}

/**
 * A publisher and ten subscribers over loopback, of which one is slow and another comes late. The slow one skips
 * messages; nobody else notices.
 */
export async function demoTopics(options: DemoOptions): Promise<void> {
  const { seconds, output, signal } = options
  // Little waits in windows and queues, so that the topic notices who is slow.
  await using publisher = await Endpoint.bind({ v4: "127.0.0.1", v6: false, windowBytes: 32_768, signal })
  const topic = new Topics(publisher).topic("ticks", {
    slow: "skip",
    // Once it is closed, the slow one reads what it has for as long.
    lag: { messages: 400, ms: 60_000 },
    keep: { messages: 200 },
  })
  const endpoints: Endpoint[] = []
  const subscribed = async (name: string): Promise<Reader> => {
    const endpoint = await Endpoint.bind({ v4: "127.0.0.1", v6: false, queuedMessagesMax: 64, signal })
    endpoints.push(endpoint)
    return subscribe(endpoint, publisher.port, name, signal)
  }
  const late = async (): Promise<Reader> => {
    await sleep((seconds * 1_000) / 2, undefined, { signal })
    const reader = await subscribed("late")
    await read(reader)
    return reader
  }
  try {
    const readers: Reader[] = []
    for (let i = 1; i < SUBSCRIBERS; i++) readers.push(await subscribed(i === 1 ? "slow" : `${i}`))
    // Whatever fails first ends all of it.
    const [last] = await Promise.all([late(), publish(topic, options), ...readers.map(read)])
    report([...readers, last], topic.position, output)
  } catch (error) {
    // An interruption fails each of them, in its own words.
    signal.throwIfAborted()
    throw error
  } finally {
    await Promise.all(endpoints.map((endpoint) => endpoint.close()))
  }
}

async function publish(topic: Topic, { seconds, output, signal }: DemoOptions): Promise<void> {
  const ticks = Math.ceil((seconds * 1_000) / TICK_MS)
  const progress = output.progress("demo topics", ticks)
  try {
    for (let tick = 1; tick <= ticks; tick++) {
      for (let i = 0; i < MESSAGES_A_TICK; i++) topic.publish(TICK, performance.now())
      progress.update(tick, tick * MESSAGES_A_TICK * TICK_BYTES)
      await sleep(TICK_MS, undefined, { signal })
    }
    progress.finish()
  } finally {
    progress.stop()
  }
  await topic.close()
}

async function subscribe(endpoint: Endpoint, port: number, name: string, signal: AbortSignal): Promise<Reader> {
  const peer = await endpoint.join(`127.0.0.1:${port}`, { signal })
  const from = name === "late" ? "oldest" : "newest"
  return { name, feed: await new Topics(endpoint).subscribe(peer, "ticks", { from, signal }), delaysMs: [] }
}

async function read({ name, feed, delaysMs }: Reader): Promise<void> {
  for await (const { value } of feed.messages(TICK)) {
    delaysMs.push(performance.now() - value)
    if (name === "slow") await sleep(SLOW_MS)
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
