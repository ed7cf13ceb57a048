// The application under test: a store of keys and values that its clients write to. It gets its endpoint from the
// caller and knows no network.

export const PUT = 1
export const STORED = 2

/** Stores what clients write, and answers each with the number of keys. */
export function serve(endpoint) {
  const store = new Map()
  const answers = new Map()
  endpoint.on("left", (peer) => answers.delete(peer))
  endpoint.handle(PUT, ({ peer, bytes }) => {
    const [key, value] = JSON.parse(new TextDecoder().decode(bytes))
    store.set(key, value)
    if (!answers.has(peer)) answers.set(peer, peer.open({ label: "answers" }))
    answers.get(peer).trySend(STORED, new TextEncoder().encode(String(store.size)))
  })
  return store
}

/** A client: `put` settles when the store has answered. */
export async function connect(endpoint, target) {
  const peer = await endpoint.join(target)
  const answers = peer.messages(STORED)
  const stream = peer.open({ label: "writes" })
  return {
    peer,
    async put(key, value) {
      await stream.send(PUT, new TextEncoder().encode(JSON.stringify([key, value])))
      const { value: answer, done } = await answers.next()
      if (done) throw new Error("the store has gone")
      return Number(new TextDecoder().decode(answer.bytes))
    },
  }
}
