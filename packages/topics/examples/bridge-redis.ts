// A bridge between a topic and a stream of Redis, each message once, also if the bridge is started anew. Runs against a
// redis-server of its own, if there is one on this machine.
import assert from "node:assert/strict"
import { Redis } from "ioredis"
import { Endpoint, type Peer } from "@x/endpoint"
import { type Place, type Topic, Topics } from "@x/topics"
import { publishWhenDrained } from "./bridges/drained.ts"
import { startServer } from "./bridges/server.ts"

// The bridge: two functions.

/**
 * What is published on a topic goes into a stream, and with each message the place behind it, in one transaction: a
 * bridge that is started anew goes on exactly there. `signal` ends it.
 */
async function toRedis(topics: Topics, peer: Peer, name: string, redis: Redis, signal: AbortSignal): Promise<void> {
  const stored = await redis.get(`${name}:place`)
  const from = stored === null ? "oldest" : (JSON.parse(stored) as Place)
  const feed = await topics.subscribe(peer, name, { from, signal })
  if (feed.missed > 0) console.log(`${feed.missed} messages are gone: the topic keeps too few`)
  for await (const { bytes, type, position } of feed.messages()) {
    await redis
      .multi()
      .xadd(name, "MAXLEN", "~", 1_000_000, "*", "position", position, "type", type, "bytes", Buffer.from(bytes))
      .set(`${name}:place`, JSON.stringify({ log: feed.place!.log, next: position + 1 } satisfies Place))
      .exec()
  }
}

/** What comes into a stream is published on a topic, from `after` on. Returns with the id of the last one. */
async function fromRedis(redis: Redis, key: string, topic: Topic, after: string, signal: AbortSignal): Promise<string> {
  while (!signal.aborted) {
    const found = await redis.xreadBuffer("COUNT", 100, "BLOCK", 100, "STREAMS", key, after)
    for (const [, entries] of found ?? [])
      for (const [id, fields] of entries) {
        const field = (wanted: string): Buffer => fields[fields.findIndex((it) => it.toString() === wanted) + 1]!
        await publishWhenDrained(topic, Number(field("type").toString()), field("bytes"))
        after = id.toString()
      }
  }
  return after
}

// A publisher, the bridge out, which is started anew halfway, Redis, the bridge in, and a subscriber.

const MESSAGES = 2_000
const server = await startServer("redis-server", (port) => [
  ...["--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no"],
])
const connect = (): Redis => new Redis({ port: server.port, host: "127.0.0.1" })
const [redis, waiting] = [connect(), connect()]
const bind = (): Promise<Endpoint> => Endpoint.bind({ v4: "127.0.0.1", v6: false })
const [publisher, reader, subscriber] = await Promise.all([bind(), bind(), bind()])
const quotes = new Topics(publisher).topic("quotes", { keep: { messages: MESSAGES } })

async function bridgeUntil(messages: number): Promise<void> {
  const endpoint = await bind()
  const ending = new AbortController()
  const peer = await endpoint.join(`127.0.0.1:${publisher.port}`)
  const bridging = toRedis(new Topics(endpoint), peer, "quotes", redis, ending.signal)
  while ((await waiting.xlen("quotes")) < messages) await new Promise((resolve) => setTimeout(resolve, 10))
  ending.abort()
  await bridging.catch(({ code }: { code?: string }) => assert.equal(code, "aborted"))
  await endpoint.close()
}

for (let i = 0; i < MESSAGES; i++) quotes.publish(7, Uint8Array.of(i >> 8, i & 0xff))
await bridgeUntil(MESSAGES / 2)
await bridgeUntil(MESSAGES)
assert.equal(await redis.xlen("quotes"), MESSAGES)

const copies = new Topics(reader).topic("quotes from Redis", { slow: "hold" })
const peer = await subscriber.join(`127.0.0.1:${reader.port}`)
const feed = await new Topics(subscriber).subscribe(peer, "quotes from Redis")
const ending = new AbortController()
const back = fromRedis(waiting, "quotes", copies, "0", ending.signal)
let next = 0
for await (const { bytes, type } of feed.messages()) {
  assert.deepEqual([type, (bytes[0]! << 8) | bytes[1]!], [7, next++])
  if (next === MESSAGES) break
}
console.log(`${MESSAGES} messages went through Redis once each, in order, though the bridge was started anew`)

ending.abort()
await back
redis.disconnect()
waiting.disconnect()
await Promise.all([publisher, reader, subscriber].map((endpoint) => endpoint.close()))
await server.stop()
