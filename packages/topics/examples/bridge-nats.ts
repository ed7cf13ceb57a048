// A bridge between a topic and NATS. Runs against a nats-server of its own, if there is one on this machine.
import assert from "node:assert/strict"
import { connect, headers, type NatsConnection, type Subscription } from "@nats-io/transport-node"
import { Endpoint } from "@x/endpoint"
import { type Feed, type Topic, Topics } from "@x/topics"
import { publishWhenDrained } from "./bridges/drained.ts"
import { startServer } from "./bridges/server.ts"

// The bridge: two functions.

/** Between two flushes: until NATS has these, no more is read, so that the topic's own policy applies to a slow NATS. */
const FLUSHED = 256

/** What is published on a topic goes to a subject. The id lets JetStream drop what comes twice after a restart. */
async function toNats(feed: Feed, nats: NatsConnection, subject: string): Promise<void> {
  let sent = 0
  for await (const { bytes, position, type } of feed.messages()) {
    const head = headers()
    head.set("Nats-Msg-Id", `${feed.place?.log ?? ""}.${position}`)
    head.set("type", String(type))
    nats.publish(subject, bytes, { headers: head })
    if (++sent % FLUSHED === 0) await nats.flush()
  }
  await nats.flush()
}

/** What comes on a subject is published on a topic; who is slow there holds it up, if the topic says so. */
async function fromNats(subscription: Subscription, topic: Topic): Promise<void> {
  for await (const { data, headers: head } of subscription)
    await publishWhenDrained(topic, Number(head?.get("type") ?? 0), data)
}

// A publisher, the bridge out, NATS, the bridge in, and a subscriber: all comes, in order.

const MESSAGES = 5_000
const server = await startServer("nats-server", (port) => ["-a", "127.0.0.1", "-p", port])
const nats = await connect({ servers: `127.0.0.1:${server.port}` })
const bind = (): Promise<Endpoint> => Endpoint.bind({ v4: "127.0.0.1", v6: false })
const [publisher, bridge, subscriber] = await Promise.all([bind(), bind(), bind()])

const quotes = new Topics(publisher).topic("quotes", { slow: "hold" })
const bridged = new Topics(bridge)
const copies = bridged.topic("quotes from NATS", { slow: "hold" })
const toPublisher = await bridge.join(`127.0.0.1:${publisher.port}`)
const out = toNats(await bridged.subscribe(toPublisher, "quotes"), nats, "quotes")
const subscription = nats.subscribe("quotes")
const back = fromNats(subscription, copies)
await nats.flush()
const toBridge = await subscriber.join(`127.0.0.1:${bridge.port}`)
const feed = await new Topics(subscriber).subscribe(toBridge, "quotes from NATS")

const read = async (): Promise<void> => {
  let next = 0
  for await (const { bytes, type } of feed.messages()) {
    assert.equal(type, 7)
    assert.equal(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0), next++)
    if (next === MESSAGES) break
  }
}
const reading = read()
for (let i = 0; i < MESSAGES; i++) {
  const bytes = new Uint8Array(16)
  new DataView(bytes.buffer).setUint32(0, i)
  await publishWhenDrained(quotes, 7, bytes)
}
await reading
console.log(`${MESSAGES} messages went through NATS, in order`)

await quotes.close()
await out
subscription.unsubscribe()
await back
await nats.close()
await Promise.all([publisher, bridge, subscriber].map((endpoint) => endpoint.close()))
await server.stop()
