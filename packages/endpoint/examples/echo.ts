// One peer sends back whatever it gets, another asks: two endpoints on real sockets of this machine.
import assert from "node:assert/strict"
import { Endpoint } from "@x/endpoint"

const ECHO = 1
const loopback = { v4: "127.0.0.1", v6: false } as const
const echoer = await Endpoint.bind(loopback)
const asker = await Endpoint.bind(loopback)

// A stream goes one way: all answers to a peer use one stream of their own. While an answer waits for room, so does the
// peer that asks.
echoer.handleAsync(ECHO, (message) => message.reply(ECHO, message.bytes))

const peer = await asker.join(`127.0.0.1:${echoer.port}`)
const received = peer.messages(ECHO)
const questions = peer.open({ label: "questions" })
for (const size of [0, 1, 1_000, 1_000_000]) {
  const bytes = new Uint8Array(size).fill(size)
  await questions.send(ECHO, bytes)
  const { value } = await received.next()
  assert.deepEqual(value.bytes, bytes)
  console.log(`${size} B came back`)
}

await asker.close()
await echoer.close()
