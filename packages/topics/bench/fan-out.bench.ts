/**
 * What a message costs its publisher for each of 100 subscribers in another process, over loopback: with a topic, and
 * with a stream to each that is written to by hand; flat out, in bursts that all have before the next, and one by one.
 * Both take turns in one run, so that a busy machine affects them alike; medians of the rounds. CPU is that of the
 * publisher's process, with its time in the kernel and its wake-ups.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { Endpoint, type EndpointOptions, type OutgoingStream, type Peer } from "@x/endpoint"
import { type Topic, Topics } from "@x/topics"

const SUBSCRIBERS = 100
const ROUNDS = 5
const TYPE = 1
const TOPIC_TYPE = 65_281
/** As on most networks: over loopback they could be of 64 KiB. */
const DATAGRAM_BYTES = 1_400
const SECRET = "0123456789abcdef0123456789abcdef"
const PROTECTIONS = ["checksum", "aead"] as const

interface Work {
  readonly name: string
  readonly bytes: number
  readonly messages: number
  readonly perTurn: number
  /** From one turn in which messages are published to the next; 0: the next turn of the event loop. */
  readonly turnMs: number
}

const WORKS: readonly Work[] = [
  { name: "64 B, flat out", bytes: 64, messages: 12_800, perTurn: 64, turnMs: 0 },
  { name: "1 KiB, flat out", bytes: 1_024, messages: 3_200, perTurn: 16, turnMs: 0 },
  // Long enough for all to have a burst before the next.
  { name: "64 B, bursts of 64", bytes: 64, messages: 3_200, perTurn: 64, turnMs: 25 },
  { name: "1 KiB, bursts of 16", bytes: 1_024, messages: 1_280, perTurn: 16, turnMs: 25 },
  { name: "64 B, 1,000 a second", bytes: 64, messages: 1_000, perTurn: 1, turnMs: 1 },
  { name: "64 B, 100 a second", bytes: 64, messages: 100, perTurn: 1, turnMs: 10 },
]

type Protection = (typeof PROTECTIONS)[number]

function optionsOf(protection: Protection): EndpointOptions {
  const common: EndpointOptions = { v4: "127.0.0.1", v6: false, datagramBytes: DATAGRAM_BYTES, peersMax: 256 }
  return protection === "checksum" ? common : { ...common, protection, secrets: [new TextEncoder().encode(SECRET)] }
}

const [role, port, protection] = process.argv.slice(2)
if (role === "subscribers") await subscribe(Number(port), protection as Protection)
else {
  for (const each of PROTECTIONS) await bench(each)
  process.exit(0)
}

/** A hundred subscribers, which read all and say how much they have when they are asked. */
async function subscribe(to: number, how: Protection): Promise<void> {
  let received = 0
  for (let i = 0; i < SUBSCRIBERS; i++) {
    const endpoint = await Endpoint.bind(optionsOf(how))
    endpoint.handle(TYPE, () => void received++)
    // The messages of the topic, without a reader's promise for each: the publisher is what is measured.
    endpoint.on("stream", (stream) => void stream.handle(TOPIC_TYPE, () => void received++))
    const peer = await endpoint.join(`127.0.0.1:${to}`)
    await new Topics(endpoint).subscribe(peer, "t")
  }
  process.on("message", () => process.send!(received))
  process.send!("ready")
}

async function bench(how: Protection): Promise<void> {
  const endpoint = await Endpoint.bind(optionsOf(how))
  const topic = new Topics(endpoint).topic("t", { slow: "hold", lag: { ms: 60_000 }, subscribersMax: SUBSCRIBERS })
  const peers: Peer[] = []
  endpoint.on("joined", (peer) => void peers.push(peer))
  const child = fork(fileURLToPath(import.meta.url), ["subscribers", String(endpoint.port), how], {
    execArgv: process.execArgv,
  })
  await once(child, "message")
  const received = async (): Promise<number> => {
    child.send("how many?")
    const [count] = (await once(child, "message")) as [number]
    return count
  }
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
      `${how}, ${work.name}, to ${SUBSCRIBERS}: topic ${range(costs.topic)} us, streams by hand ${range(costs.streams)} us a message and subscriber; ${(topics / byHand).toFixed(2)} times as much`,
    )
  }
  child.kill()
  await endpoint.close()
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

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}

function range(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  return `${median(values).toFixed(3)} (${sorted[0]!.toFixed(3)} to ${sorted.at(-1)!.toFixed(3)})`
}
