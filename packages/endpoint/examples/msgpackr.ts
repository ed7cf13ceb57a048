// A codec straight from its package: msgpackr. A handler gets values of the defined type.
import assert from "node:assert/strict"
import { defineMessage, Endpoint } from "@x/endpoint"
import { createNetwork } from "@x/transport/simulated"
import { pack, unpack } from "msgpackr"

interface Reading {
  readonly sensor: string
  readonly at: Date
  readonly values: readonly number[]
}

// Values that msgpackr unpacks have memory of their own: strings and numbers are copied out of the message.
const READING = defineMessage<Reading>(1, { encode: pack, decode: (bytes) => unpack(bytes) as Reading })

const network = createNetwork({ seed: 1, link: { delayMs: 5, lossRate: 0.05 } })
const station = await network.until(Endpoint.bind({ host: network.host("station"), port: 4_000 }))
const sensor = await network.until(Endpoint.bind({ host: network.host("sensor") }))

const readings: Reading[] = []
station.handle(READING, (reading) => readings.push(reading))

const stream = (await network.until(sensor.join("station:4000"))).open()
const sent = Array.from({ length: 100 }, (_, i) => ({
  sensor: "roof",
  at: new Date(1_000 * i),
  values: [i, i / 3, 1 - i],
}))
for (const reading of sent) assert.equal(stream.trySend(READING, reading), "sent")
await network.until(stream.end())
assert.deepEqual(readings, sent)
console.log(`${readings.length} readings, the last at ${readings.at(-1)!.at.toISOString()}`)
await network.until(Promise.all([sensor.close(), station.close()]))
