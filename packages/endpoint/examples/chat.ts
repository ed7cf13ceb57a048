// Three people talk, each with each other, without a server. A newcomer joins those who are there; each opens a stream
// to each other one, labelled with its own name.
import assert from "node:assert/strict"
import { Endpoint, type OutgoingStream, type Peer } from "@x/endpoint"

const LINE = 1

async function enter(name: string, present: readonly Person[]): Promise<Person> {
  const endpoint = await Endpoint.bind({ v4: "127.0.0.1", v6: false })
  const streams = new Map<Peer, OutgoingStream>()
  const heard: string[] = []
  endpoint.on("joined", (peer) => streams.set(peer, peer.open({ label: name })))
  endpoint.on("left", (peer) => streams.delete(peer))
  endpoint.handle(LINE, ({ bytes, stream }) => heard.push(`${stream.label}: ${new TextDecoder().decode(bytes)}`))
  const say = async (line: string): Promise<void> => {
    const bytes = new TextEncoder().encode(line)
    await Promise.all(
      [...streams.values()].map(async (stream) => {
        await stream.send(LINE, bytes)
        // After this the other side's handler has run.
        await stream.flush()
      }),
    )
  }
  for (const { endpoint: other } of present) await endpoint.join(`127.0.0.1:${other.port}`)
  await say("hello")
  return { endpoint, heard, say }
}

interface Person {
  readonly endpoint: Endpoint
  readonly heard: readonly string[]
  say(line: string): Promise<void>
}

const ann = await enter("ann", [])
const ben = await enter("ben", [ann])
const eve = await enter("eve", [ann, ben])
await ann.say("who is there?")
await Promise.all([ben.say("me"), eve.say("and me")])
await ben.endpoint.close()
await ann.say("ben has gone")

console.log(eve.heard.join("\n"))
assert.deepEqual([...ann.heard].sort(), ["ben: hello", "ben: me", "eve: and me", "eve: hello"])
assert.deepEqual([...ben.heard].sort(), ["ann: who is there?", "eve: and me", "eve: hello"])
assert.deepEqual(eve.heard, ["ann: who is there?", "ben: me", "ann: ben has gone"])
await Promise.all([ann.endpoint.close(), eve.endpoint.close()])
