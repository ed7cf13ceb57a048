// A bridge between a topic and Kafka. With KAFKA_BROKERS=host:port it runs against these brokers. Without, it runs
// against a few lines that stand in for them at the client's interface, and says so: that shows the bridge, not Kafka.
import assert from "node:assert/strict"
import { type Consumer, Kafka, logLevel, type Producer } from "kafkajs"
import { Endpoint } from "@x/endpoint"
import { type Feed, type Topic, type TopicMessage, Topics } from "@x/topics"
import { publishWhenDrained } from "./bridges/drained.ts"

// The bridge: two functions.

const BATCH = 200

/**
 * What is published on a topic goes to a topic of Kafka, in batches that are acknowledged by all replicas; meanwhile
 * nothing more is read. The key is the log, so that all of it is in one partition, in order.
 */
async function toKafka(feed: Feed, producer: Pick<Producer, "send">, topic: string): Promise<void> {
  const send = async (batch: readonly TopicMessage[]): Promise<unknown> =>
    producer.send({
      ...{ topic, acks: -1 },
      messages: batch.map(({ bytes, position, type }) => ({
        ...{ key: feed.place?.log ?? null, value: Buffer.from(bytes) },
        headers: { position: String(position), type: String(type) },
      })),
    })
  let batch: TopicMessage[] = []
  let sending: Promise<unknown> = Promise.resolve()
  for await (const message of feed.messages()) {
    batch.push(message)
    // While one batch is under way, the next one fills.
    if (batch.length < BATCH) continue
    await sending
    sending = send(batch)
    batch = []
  }
  await sending
  if (batch.length > 0) await send(batch)
}

/** What comes to a topic of Kafka is published on a topic; Kafka is asked for more once there is room. */
async function fromKafka(consumer: Pick<Consumer, "subscribe" | "run">, from: string, topic: Topic): Promise<void> {
  await consumer.subscribe({ topics: [from], fromBeginning: true })
  await consumer.run({
    eachMessage: ({ message: { value, headers } }) =>
      publishWhenDrained(topic, Number(String(headers?.["type"] ?? 0)), value ?? new Uint8Array()),
  })
}

// A publisher, the bridge out, Kafka, the bridge in, and a subscriber: all comes, in order.

interface Clients {
  readonly name: string
  readonly producer: Pick<Producer, "send">
  readonly consumer: Pick<Consumer, "subscribe" | "run">
  close(): Promise<unknown>
}

async function realClients(brokers: string): Promise<Clients> {
  const kafka = new Kafka({ clientId: "bridge", brokers: brokers.split(","), logLevel: logLevel.ERROR })
  const [producer, consumer] = [kafka.producer({ idempotent: true }), kafka.consumer({ groupId: KAFKA_TOPIC })]
  await Promise.all([producer.connect(), consumer.connect()])
  return { name: "Kafka", producer, consumer, close: () => Promise.all([producer.disconnect(), consumer.disconnect()]) }
}

/** One partition, which hands over one message at a time. */
function standIn(): Clients {
  type Run = NonNullable<Parameters<Consumer["run"]>[0]>
  let each: Run["eachMessage"]
  let turn: Promise<unknown> = Promise.resolve()
  const producer: Clients["producer"] = {
    async send({ topic, messages }) {
      for (const { value, headers } of messages)
        turn = turn.then(() => each!({ topic, partition: 0, message: { value, headers } } as never))
      return []
    },
  }
  const consumer: Clients["consumer"] = {
    subscribe: async () => {},
    run: async (config) => void (each = config!.eachMessage),
  }
  return { name: "what stands in for Kafka (no KAFKA_BROKERS)", producer, consumer, close: () => turn }
}

const MESSAGES = 2_000
const KAFKA_TOPIC = `x-bridge-${process.pid}`
const brokers = process.env["KAFKA_BROKERS"]
const clients = brokers === undefined ? standIn() : await realClients(brokers)
const bind = (): Promise<Endpoint> => Endpoint.bind({ v4: "127.0.0.1", v6: false })
const [publisher, bridge, subscriber] = await Promise.all([bind(), bind(), bind()])
const quotes = new Topics(publisher).topic("quotes", { slow: "hold" })
const bridged = new Topics(bridge)
const copies = bridged.topic("quotes from Kafka", { slow: "hold" })
const toPublisher = await bridge.join(`127.0.0.1:${publisher.port}`)
await fromKafka(clients.consumer, KAFKA_TOPIC, copies)
const out = toKafka(await bridged.subscribe(toPublisher, "quotes"), clients.producer, KAFKA_TOPIC)
const toBridge = await subscriber.join(`127.0.0.1:${bridge.port}`)
const feed = await new Topics(subscriber).subscribe(toBridge, "quotes from Kafka")

const read = async (): Promise<void> => {
  let next = 0
  for await (const { bytes, type } of feed.messages()) {
    assert.deepEqual([type, (bytes[0]! << 8) | bytes[1]!], [7, next++])
    if (next === MESSAGES) break
  }
}
const reading = read()
for (let i = 0; i < MESSAGES; i++) await publishWhenDrained(quotes, 7, Uint8Array.of(i >> 8, i & 0xff))
await quotes.close()
await out
await reading
console.log(`${MESSAGES} messages went through ${clients.name}, in order`)
await clients.close()
await Promise.all([publisher, bridge, subscriber].map((endpoint) => endpoint.close()))
