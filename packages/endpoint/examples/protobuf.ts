// A codec from a schema: protobuf-es. Any generated schema works; these come with the package.
import assert from "node:assert/strict"
import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import {
  type Duration,
  DurationSchema,
  type Timestamp,
  timestampDate,
  timestampFromDate,
  TimestampSchema,
} from "@bufbuild/protobuf/wkt"
import { defineMessage, Endpoint } from "@x/endpoint"
import { createNetwork } from "@x/transport/simulated"

const STARTED = defineMessage<Timestamp>(1, {
  encode: (value) => toBinary(TimestampSchema, value),
  decode: (bytes) => fromBinary(TimestampSchema, bytes),
})
const TOOK = defineMessage<Duration>(2, {
  encode: (value) => toBinary(DurationSchema, value),
  decode: (bytes) => fromBinary(DurationSchema, bytes),
})

const network = createNetwork({ seed: 1, link: { delayMs: 5 } })
const log = await network.until(Endpoint.bind({ host: network.host("log"), port: 4_000 }))
const worker = await network.until(Endpoint.bind({ host: network.host("worker") }))

const lines: string[] = []
log.handle(STARTED, (started) => lines.push(`started ${timestampDate(started).toISOString()}`))
log.handle(TOOK, (took) => lines.push(`took ${took.seconds} s`))

const stream = (await network.until(worker.join("log:4000"))).open()
stream.trySend(STARTED, timestampFromDate(new Date(0)))
stream.trySend(TOOK, create(DurationSchema, { seconds: 42n }))
await network.until(stream.end())
console.log(lines.join(", "))
assert.deepEqual(lines, ["started 1970-01-01T00:00:00.000Z", "took 42 s"])
await network.until(Promise.all([worker.close(), log.close()]))
