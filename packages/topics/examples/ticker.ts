// Quotes to many readers. The slow one skips what it has no time for, and knows how much; the late one begins with the
// last quote; nobody waits for anybody else.
import assert from "node:assert/strict"
import { defineMessage, Endpoint, type WritingCodec } from "@x/endpoint"
import { type Feed, Topics } from "@x/topics"

interface Quote {
  readonly tick: number
  readonly bid: number
}

const quote: WritingCodec<Quote> = {
  size: () => 12,
  write({ tick, bid }, { buffer, byteOffset }, offset) {
    const view = new DataView(buffer, byteOffset + offset)
    view.setUint32(0, tick)
    view.setFloat64(4, bid)
  },
  decode({ buffer, byteOffset }) {
    const view = new DataView(buffer, byteOffset)
    return { tick: view.getUint32(0), bid: view.getFloat64(4) }
  },
}
const QUOTE = defineMessage(1, quote)
const LAST = 20_000
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

// Little waits in windows, too.
const exchange = await Endpoint.bind({ v4: "127.0.0.1", v6: false, windowBytes: 16_384 })
const quotes = new Topics(exchange).topic("quotes/EURUSD", {
  slow: "skip",
  lag: { messages: 500 },
  keep: { messages: 1 },
})

async function subscribe(
  from: "newest" | "last",
  pause: () => Promise<unknown> | undefined,
): Promise<() => Promise<number[]>> {
  // Little waits at this end, so that the topic notices who is slow.
  const endpoint = await Endpoint.bind({ v4: "127.0.0.1", v6: false, queuedMessagesMax: 64 })
  const peer = await endpoint.join(`127.0.0.1:${exchange.port}`)
  const feed = await new Topics(endpoint).subscribe(peer, "quotes/EURUSD", { from })
  const reading = read(feed, pause)
  return async () => {
    const ticks = await reading
    const { begun, delivered, gone } = feed.account
    assert.equal(delivered + gone, begun)
    console.log(`of ${begun} quotes ${delivered} were read and ${gone} skipped; the last is ${ticks.at(-1)}`)
    await endpoint.close()
    return ticks
  }
}

async function read(feed: Feed, pause: () => Promise<unknown> | undefined): Promise<number[]> {
  const ticks: number[] = []
  for await (const { value } of feed.messages(QUOTE)) {
    ticks.push(value.tick)
    if (value.tick === LAST) break
    await pause()
  }
  feed.unsubscribe()
  return ticks
}

const quick = await Promise.all([1, 2, 3].map(() => subscribe("newest", () => undefined)))
const slow = await subscribe("newest", () => new Promise((resolve) => setTimeout(resolve, 1)))
for (let tick = 0; tick < LAST; tick++) {
  quotes.publish(QUOTE, { tick, bid: 1.08 + tick / 1e6 })
  if (tick % 100 === 0) await turn()
}
const late = await subscribe("last", () => undefined)
quotes.publish(QUOTE, { tick: LAST, bid: 1.1 })

for (const done of quick) assert.equal((await done()).at(-1), LAST)
const missed = await slow()
assert(missed.length < LAST)
assert.equal(missed.at(-1), LAST)
assert.deepEqual(await late(), [LAST - 1, LAST])
await exchange.close()
