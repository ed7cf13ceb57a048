// A room where everybody hears everybody, in one order: what is said goes to the server, which publishes it. A newcomer
// gets the last lines first; one that was away goes on where it was, and misses nothing.
import assert from "node:assert/strict"
import { defineMessage, Endpoint, json, utf8 } from "@x/endpoint"
import { type Feed, type Place, Topics } from "@x/topics"

const SAY = defineMessage(1, utf8)
const LINE = defineMessage(2, json<{ who: string; text: string }>())

const server = await Endpoint.bind({ v4: "127.0.0.1", v6: false })
const banned = new Set<string>()
const room = new Topics(server).topic("room", { keep: { messages: 3 }, accept: (peer) => !banned.has(peer.unique) })
server.on("stream", (stream) => {
  // The name is the label of the stream that somebody speaks on.
  stream.handle(SAY, (text) => void room.publish(LINE, { who: stream.label, text }))
})

async function enter(name: string, from: Place | "oldest" = "oldest"): Promise<Person> {
  const endpoint = await Endpoint.bind({ v4: "127.0.0.1", v6: false })
  const peer = await endpoint.join(`127.0.0.1:${server.port}`)
  const topics = new Topics(endpoint)
  const feed = await topics.subscribe(peer, "room", { from })
  const voice = peer.open({ label: name })
  const lines = feed.messages(LINE)
  return {
    ...{ endpoint, topics, feed },
    say: (text) => voice.send(SAY, text),
    async hear(count) {
      const heard: string[] = []
      while (heard.length < count) {
        const { value } = (await lines.next()).value
        heard.push(`${value.who}: ${value.text}`)
      }
      return heard
    },
  }
}

interface Person {
  readonly endpoint: Endpoint
  readonly topics: Topics
  readonly feed: Feed
  say(text: string): Promise<void>
  /** The next lines. */
  hear(count: number): Promise<string[]>
}

const ann = await enter("ann")
const ben = await enter("ben")
for (const line of ["hello", "anybody there?", "well then", "good night"]) await ann.say(line)
assert.deepEqual(await ben.hear(2), ["ann: hello", "ann: anybody there?"])
const { place } = ben.feed
await ben.endpoint.close()

await ann.hear(4)
const eve = await enter("eve")
assert.deepEqual(await eve.hear(3), ["ann: anybody there?", "ann: well then", "ann: good night"])
const again = await enter("ben", place!)
assert(again.feed.resumed)
assert.deepEqual(await again.hear(2), ["ann: well then", "ann: good night"])

await eve.say("I'm here")
for (const person of [ann, again, eve]) assert.deepEqual(await person.hear(1), ["eve: I'm here"])
banned.add(eve.endpoint.unique)
await assert.rejects(eve.topics.subscribe(eve.feed.peer, "room"), { code: "not-accepted" })
console.log(`${room.position} lines, ${room.subscribers.length} in the room, ${room.held.messages} kept`)
await room.close()
assert.equal((await ann.feed.closed).why, "topic-closed")
for (const { endpoint } of [ann, again, eve]) await endpoint.close()
await server.close()
