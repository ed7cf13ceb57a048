/**
 * What a message costs its publisher for each of 100 subscribers in another process, over loopback: with a topic, and
 * with a stream to each that is written to by hand; flat out, in bursts that all have before the next, and one by one.
 * Both take turns in one run, so that a busy machine affects them alike; medians of the rounds. CPU is that of the
 * publisher's process, with its time in the kernel and its wake-ups.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import type { OutgoingStream } from "@x/endpoint"
import type { Topic } from "@x/topics"
import { Crowd, type Ends, median, range, SUBSCRIBERS, subscribe, TYPE } from "./crowd/crowd.ts"

const ROUNDS = 5
/** With datagrams as they are found over loopback, and as most networks carry them. */
const ENDS: readonly Ends[] = [
  { protection: "checksum" },
  { protection: "aead" },
  { protection: "checksum", datagramBytes: 1_400 },
  { protection: "aead", datagramBytes: 1_400 },
]

interface Work {
  readonly name: string
  readonly bytes: number
  readonly messages: number
  readonly perTurn: number
  /** From one turn in which messages are published to the next; 0: the next turn of the event loop. */
  readonly turnMs: number
}

const WORKS: readonly Work[] = [
  { name: "64 B, flat out, 512 a turn", bytes: 64, messages: 25_600, perTurn: 512, turnMs: 0 },
  { name: "64 B, flat out, 64 a turn", bytes: 64, messages: 12_800, perTurn: 64, turnMs: 0 },
  { name: "1 KiB, flat out, 128 a turn", bytes: 1_024, messages: 6_400, perTurn: 128, turnMs: 0 },
  { name: "1 KiB, flat out, 16 a turn", bytes: 1_024, messages: 3_200, perTurn: 16, turnMs: 0 },
  // Long enough for all to have a burst before the next.
  { name: "64 B, bursts of 64", bytes: 64, messages: 3_200, perTurn: 64, turnMs: 25 },
  { name: "1 KiB, bursts of 16", bytes: 1_024, messages: 1_280, perTurn: 16, turnMs: 25 },
  { name: "64 B, 1,000 a second", bytes: 64, messages: 1_000, perTurn: 1, turnMs: 1 },
  { name: "64 B, 100 a second", bytes: 64, messages: 100, perTurn: 1, turnMs: 10 },
]

const [role, port, ends] = process.argv.slice(2)
if (role === "subscribers") await subscribe(Number(port), JSON.parse(ends!) as Ends)
else {
  for (const each of ENDS) await bench(each)
  process.exit(0)
}

async function bench(ends: Ends): Promise<void> {
  const { protection, datagramBytes = 65_507 } = ends
  const crowd = await Crowd.start(fileURLToPath(import.meta.url), ends, { slow: "hold", lag: { ms: 60_000 } })
  const { topic, peers } = crowd
  const received = (): Promise<number> => crowd.received()
  const streams = peers.map((peer) => peer.open())
  for (const work of WORKS) {
    const costs = { topic: [] as number[], streams: [] as number[] }
    for (let round = 0; round <= ROUNDS; round++) {
      for (const kind of ["topic", "streams"] as const) {
        const us = await cost(work, received, kind === "topic" ? byTopic(topic) : byStreams(streams))
        // The first one warms up.
        if (round > 0) costs[kind].push(us)
      }
    }
    const [topics, byHand] = [costs.topic, costs.streams].map(median) as [number, number]
    console.log(
      `${protection}, ${datagramBytes} B, ${work.name}, to ${SUBSCRIBERS}: topic ${range(costs.topic)} us, streams by hand ${range(costs.streams)} us a message and subscriber; ${(topics / byHand).toFixed(2)} times as much`,
    )
  }
  await crowd.end()
}

/** Offers a message to all; once somebody has no room, returns what settles when that has changed. */
type Offer = (bytes: Uint8Array) => Promise<void> | undefined

function byTopic(topic: Topic): Offer {
  return (bytes) =>
    topic.publish(TYPE, bytes) === "refused"
      ? new Promise((resolve) => {
          const forget = topic.on("drain", () => {
            forget()
            resolve()
          })
        })
      : undefined
}

function byStreams(streams: readonly OutgoingStream[]): Offer {
  return (bytes) => {
    for (const stream of streams)
      if (stream.parked.messages > 0) return new Promise((resolve) => void stream.once("drain", resolve))
    for (const stream of streams) stream.trySend(TYPE, bytes)
    return undefined
  }
}

/** CPU of this process for each message and subscriber, microseconds. */
async function cost(
  { bytes: length, messages, perTurn, turnMs }: Work,
  received: () => Promise<number>,
  offer: Offer,
): Promise<number> {
  const bytes = new Uint8Array(length).fill(1)
  const before = await received()
  const start = process.cpuUsage()
  const startMs = performance.now()
  for (let sent = 0, turn = 1; sent < messages; turn++) {
    const end = Math.min(messages, sent + perTurn)
    let wait: Promise<void> | undefined
    for (; sent < end && wait === undefined; sent++) if ((wait = offer(bytes)) !== undefined) sent--
    await (wait ?? nextTurn(startMs + turn * turnMs - performance.now()))
  }
  const wanted = before + messages * SUBSCRIBERS
  while ((await received()) < wanted) await sleep(2)
  const { user, system } = process.cpuUsage(start)
  return (user + system) / (messages * SUBSCRIBERS)
}

function nextTurn(ms: number): Promise<void> {
  return ms > 0 ? sleep(ms) : new Promise((resolve) => void setImmediate(resolve))
}
