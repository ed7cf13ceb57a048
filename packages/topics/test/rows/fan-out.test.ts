// What is reached where many subscribe: how much is sent again where each path loses, what others notice of one that
// reads nothing, how old the newest value is, and whether all comes. CI runs small ones; all of them:
//
//     X_SEEDS=20 npm test -- packages/topics/test/rows

import { Endpoint, type EndpointOptions, type Peer } from "@x/endpoint"
import { type Feed, type Slow, type Topic, type TopicOptions, Topics } from "@x/topics"
import { systemHost } from "@x/transport"
import { createNetwork, type LinkOptions, type Network } from "@x/transport/simulated"
import { atLeast, atMost, row } from "../../../endpoint/test/rows/row.ts"
import { PORT } from "../world.ts"

const TYPE = 1
const ENTRY_TYPE = 65_281
const OPTIONS: EndpointOptions = { peersMax: 2_048, datagramBytes: 1_200 }

interface Subscriber {
  readonly endpoint: Endpoint
  readonly peer: Peer
  readonly feed: Feed
}

interface Crowd {
  readonly network: Network
  readonly publisher: Endpoint
  readonly topic: Topic
  readonly subscribers: readonly Subscriber[]
}

/** `onMessage`: takes the bytes of messages without a reader; else feeds are to be read. */
async function makeCrowd(
  seed: number,
  count: number,
  link: LinkOptions,
  options: TopicOptions,
  onMessage?: (subscriber: number, bytes: Uint8Array, offset: number) => void,
): Promise<Crowd> {
  const network = createNetwork({ seed, link, crypto: systemHost().crypto })
  const publisher = await network.until(Endpoint.bind({ ...OPTIONS, port: PORT, host: network.host("publisher") }))
  const topic = new Topics(publisher).topic("t", { subscribersMax: count, ...options })
  const subscribers: Subscriber[] = []
  for (let i = 0; i < count; i++) {
    const endpoint = await network.until(Endpoint.bind({ ...OPTIONS, host: network.host(`s${i}`) }))
    if (onMessage !== undefined)
      endpoint.on("stream", (stream) => {
        if (stream.label !== "t") return
        // Behind what topics say of a message: its type and position, and before the bytes that were published.
        stream.handle(ENTRY_TYPE, ({ view, offset, length }) =>
          onMessage(i, new Uint8Array(view.buffer, view.byteOffset, view.byteLength), offset + length),
        )
      })
    const peer = await network.until(endpoint.join(`publisher:${PORT}`))
    subscribers.push({ endpoint, peer, feed: await network.until(new Topics(endpoint).subscribe(peer, "t")) })
  }
  return { network, publisher, topic, subscribers }
}

/** Publishes this many, evenly, the last of its bytes being the time: microseconds. */
async function publish(
  { network, topic }: Pick<Crowd, "network" | "topic">,
  messages: number,
  perSecond: number,
  bytes: number,
): Promise<number> {
  const message = new Uint8Array(bytes)
  const view = new DataView(message.buffer)
  const startMs = network.now
  let refused = 0
  for (let i = 0; i < messages; i++) {
    const waitMs = startMs + (i * 1_000) / perSecond - network.now
    if (waitMs > 0) await network.advance(waitMs)
    view.setFloat64(bytes - 8, network.now)
    if (topic.publish(TYPE, message) === "refused") refused++
  }
  return refused
}

function timeIn(bytes: Uint8Array, end: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(end - 8)
}

function share(sorted: Float64Array, part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!
}

/** Packets that were sent again for each that was lost. */
async function resent(seed: number, count: number, messages: number): Promise<number> {
  let delivered = 0
  const link = { delayMs: 20, jitterMs: 2, lossRate: 0.01 }
  const crowd = await makeCrowd(seed, count, link, { slow: "skip" }, () => void delivered++)
  const before = crowd.publisher.peers.map((peer) => peer.stats())
  const dropsBefore = crowd.subscribers.map(({ endpoint }) => endpoint.stats().drops["duplicate-packet"])
  // Each message fills a packet, so that as many have come as messages, and those that came twice.
  await publish(crowd, messages, 100, 1_000)
  await crowd.network.advance(10_000)
  if (delivered !== count * messages) throw new Error(`${delivered} of ${count * messages} came`)
  let sent = 0
  let again = 0
  crowd.publisher.peers.forEach((peer, i) => {
    const { packetsSent, packetsResent, packetsCopied } = peer.stats()
    sent += packetsSent + packetsCopied - before[i]!.packetsSent - before[i]!.packetsCopied
    again += packetsResent - before[i]!.packetsResent
  })
  let twice = 0
  crowd.subscribers.forEach(({ endpoint }, i) => {
    twice += endpoint.stats().drops["duplicate-packet"] - dropsBefore[i]!
  })
  const lost = sent - delivered - twice
  console.log(`${count} subscribers: ${sent} packets sent, ${again} of them again, ${lost} lost, ${twice} came twice`)
  return again / lost
}

row(
  "1,000 subscribers, 1 % loss on each path",
  0,
  { "packets resent for each that was lost": atMost(1.05) },
  async (seed) => ({
    "packets resent for each that was lost": await resent(seed, 1_000, 60),
  }),
)

row(
  "50 subscribers, 1 % loss on each path",
  1,
  { "packets resent for each that was lost": atMost(1.05) },
  async (seed) => ({
    "packets resent for each that was lost": await resent(seed, 50, 200),
  }),
)

/** The 99th percentile of how late messages are with the others while one reads nothing for a while, milliseconds. */
async function lateWithOthers(seed: number, slow: Slow, frozenMs: number): Promise<number> {
  const late: number[] = []
  const link = { delayMs: 20, jitterMs: 4, lossRate: 0.005, rateBitsPerSecond: 50_000_000, queueBytes: 262_144 }
  const crowd = await makeCrowd(seed, 10, link, { slow, lag: { messages: 200, ms: 5_000 } })
  const { network, subscribers } = crowd
  let thaw = (): void => {}
  const frozen = new Promise<void>((resolve) => (thaw = resolve))
  const read = async (feed: Feed, isFrozen: boolean): Promise<void> => {
    try {
      for await (const { bytes } of feed.messages()) {
        if (isFrozen) await frozen
        else late.push(network.now - timeIn(bytes, bytes.length))
      }
    } catch {
      // It dropped out.
    }
  }
  subscribers.forEach(({ feed }, i) => void read(feed, i === 0 && frozenMs > 0))
  const publishing = publish(crowd, (frozenMs || 30_000) / 5 + 400, 200, 400)
  if (frozenMs > 0) network.host("director").wakeUp(thaw).at(frozenMs)
  await publishing
  await network.advance(5_000)
  return share(Float64Array.from(late).sort(), 0.99)
}

for (const slow of ["skip", "drop-out"] as const)
  row(
    `one of ten subscribers reads nothing for 30 s, under ${slow}`,
    0,
    { "the others' p99, of that without": atMost(1.1) },
    async (seed) => {
      const without = await lateWithOthers(seed, slow, 0)
      const withOne = await lateWithOthers(seed, slow, 30_000)
      console.log(`${slow}: p99 ${without.toFixed(3)} ms without, ${withOne.toFixed(3)} ms with`)
      return { "the others' p99, of that without": withOne / without }
    },
  )

/** How old the newest value is that a subscriber has, looked at each millisecond: its median, milliseconds. */
async function age(seed: number, count: number, ms: number): Promise<number> {
  const newest = new Float64Array(count).fill(-Infinity)
  const ages: number[] = []
  const crowd = await makeCrowd(seed, count, { delayMs: 10 }, { delivery: "latest" }, (i, bytes, end) => {
    newest[i] = timeIn(bytes, end)
  })
  const { network } = crowd
  for (let t = 0; t < ms; t++) {
    await publish(crowd, 10, 10_000, 64)
    // Once the first have come, and have told how wide the path is.
    if (t >= 100) for (const at of newest) ages.push(network.now - at)
  }
  return share(Float64Array.from(ages).sort(), 0.5)
}

const RTT_MS = 20

row(
  "a topic of `latest` at 10,000/s to 100 subscribers",
  0,
  { "median age, ms": atMost(RTT_MS / 2 + 1) },
  async (seed) => ({
    "median age, ms": await age(seed, 100, 250),
  }),
)

/** The share of messages that came, and of those that were refused. */
async function steady(seed: number, seconds: number): Promise<{ delivered: number; refused: number }> {
  let delivered = 0
  const link = { delayMs: 5, jitterMs: 1, lossRate: 0.001, rateBitsPerSecond: 100_000_000, queueBytes: 262_144 }
  const crowd = await makeCrowd(seed, 100, link, { slow: "hold" }, () => void delivered++)
  const refused = await publish(crowd, 1_000 * seconds, 1_000, 1_024)
  await crowd.network.advance(5_000)
  return { delivered: delivered / (100_000 * seconds), refused: refused / (1_000 * seconds) }
}

// A minute of it, on real sockets: bench/steady.bench.ts.
row("1 KiB at 1,000/s to 100 subscribers for 2 s", 0, { delivered: atLeast(1), refused: atMost(0) }, (seed) =>
  steady(seed, 2),
)
