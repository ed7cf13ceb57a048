// Echo over loopback between two endpoints: empty messages, small ones and ones of many packets come back unchanged,
// and the goodbye comes. The argument is the protection. Reports its progress on standard error, and at the end what
// the transport can do.
import { Endpoint } from "@x/endpoint"

const [ECHO, ANSWER] = [1, 2]
/**
 * A process that the machine holds up for longer than this may lose peers, which isn't tested here: the caller is told
 * of it.
 */
const STILL_MS = 2_000
let aliveMs = performance.now()
setInterval(() => {
  const nowMs = performance.now()
  if (nowMs - aliveMs > STILL_MS) console.error(`stood still for ${Math.round(nowMs - aliveMs)} ms`)
  aliveMs = nowMs
}, 100).unref()

const protection = process.argv[2]
const secured = { protection, secrets: ["a secret that both of them know"], v4: "127.0.0.1", v6: "::1" }
const options = protection === undefined ? {} : secured

const server = await Endpoint.bind(options)
server.handle(ECHO, (message) => void message.peer.open().trySend(ANSWER, message.copy()))
const left = new Promise((resolve) => server.on("left", (_, { reason }) => resolve(reason)))
const client = await Endpoint.bind(options)
console.error("bound")
const answers = new Map()
const all = new Promise((resolve) => client.handle(ANSWER, (message) => keep(message.copy(), resolve)))
const peer = await client.join(`localhost:${server.port}`)
console.error("joined")
const sent = [0, 5, 70_000, 1_048_576].map((length) => Uint8Array.from({ length }, (_, i) => (i * 31 + length) & 255))
const stream = peer.open()
for (const bytes of sent) await stream.send(ECHO, bytes, { receipt: true })
console.error("acknowledged")
await all
for (const bytes of sent) {
  const answer = answers.get(bytes.length)
  if (answer === undefined || !bytes.every((byte, i) => byte === answer[i]))
    throw new Error(`what came back of ${bytes.length} B is not what was sent`)
}
console.error("answered")
await client.close()
const reason = await left
console.error(`left: ${reason}`)
await server.close()
const { batch, dontFragment, notes } = client.capabilities
console.log(JSON.stringify({ batch, dontFragment, notes }))

function keep(bytes, done) {
  answers.set(bytes.length, bytes)
  if (answers.size === sent.length) done()
}
