// One peer sends back whatever it gets, another asks: two endpoints on real sockets of this machine.
import assert from "node:assert/strict"
import { Endpoint, type OutgoingStream, type Peer } from "@x/endpoint"

const ECHO = 1
const loopback = { v4: "127.0.0.1", v6: false } as const
const echoer = await Endpoint.bind(loopback)
const asker = await Endpoint.bind(loopback)

// A stream goes one way, so an answer needs one of its own: one for each peer, opened with the first answer.
const answers = new WeakMap<Peer, OutgoingStream>()
echoer.handle(ECHO, ({ peer, bytes }) => {
  const stream = answers.get(peer) ?? peer.open({ label: "answers" })
  answers.set(peer, stream)
  const result = stream.trySend(ECHO, bytes)
  if (result !== "sent" && result !== "parked") throw new Error(`the answer was not sent: ${result}`)
})

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
