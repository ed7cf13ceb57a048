/**
 * Requests between two processes on real sockets, 64 B each way: how many a second with 256 outstanding, beside a bare
 * map of promises over two streams, which is the least that can be done; and how long one takes, beside a ping-pong of
 * messages. All in the same run, in turn; medians of the rounds.
 *
 * `node requests.bench.js ROUNDS MS` takes other numbers than 5 rounds of 1,500 ms each.
 */
import { bytes, Endpoint, type OutgoingStream, type Peer } from "@x/endpoint"
import { defineRequest, Rpc } from "@x/rpc"
import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

const BYTES = 64
const OUTSTANDING = 256
const BARE = 1
const LOOPBACK = { v4: "127.0.0.1", v6: false } as const
const AT_ONCE = defineRequest(1, bytes, bytes)
const BY_PROMISE = defineRequest(2, bytes, bytes)

if (process.argv[2] === "serve") await serve()
else await measure(Number(process.argv[2] ?? 5), Number(process.argv[3] ?? 1_500))

async function serve(): Promise<void> {
  const endpoint = await Endpoint.bind(LOOPBACK)
  const rpc = new Rpc(endpoint)
  rpc.answer(AT_ONCE, (question) => question)
  rpc.answer(BY_PROMISE, async (question) => question)
  const streams = new Map<Peer, OutgoingStream>()
  endpoint.handle(BARE, ({ peer, bytes: question }) => {
    let stream = streams.get(peer)
    if (stream === undefined) streams.set(peer, (stream = peer.open({ delivery: "reliable-unordered" })))
    stream.trySend(BARE, question)
  })
  process.on("disconnect", () => process.exit())
  process.send!(endpoint.port)
}

/** Asks and waits for the answer. */
type Ask = (question: Uint8Array) => Promise<Uint8Array>

async function measure(rounds: number, ms: number): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), ["serve"])
  const [port] = (await once(child, "message")) as [number]
  const endpoint = await Endpoint.bind(LOOPBACK)
  const rpc = new Rpc(endpoint)
  const peer = await endpoint.join(`127.0.0.1:${port}`)
  try {
    const bare = bareOf(endpoint, peer)
    const many: Record<string, { ask: Ask; rates: number[]; cpuUs: number[] }> = {
      "a bare map": { ask: bare, rates: [], cpuUs: [] },
      "requests, answered at once": { ask: (question) => rpc.request(peer, AT_ONCE, question), rates: [], cpuUs: [] },
      "requests, answered by a promise": {
        ask: (question) => rpc.request(peer, BY_PROMISE, question),
        rates: [],
        cpuUs: [],
      },
    }
    const one: Record<string, { ask: Ask; p50: number[] }> = {
      "ping-pong": { ask: bare, p50: [] },
      "a request, answered at once": { ask: (question) => rpc.request(peer, AT_ONCE, question), p50: [] },
      "a request, answered by a promise": { ask: (question) => rpc.request(peer, BY_PROMISE, question), p50: [] },
    }
    for (const { ask } of Object.values(many)) await rateOf(ask, ms)
    for (let round = 0; round < rounds; round++) {
      for (const it of Object.values(many)) {
        const { rate, cpuUs } = await rateOf(it.ask, ms)
        it.rates.push(rate)
        it.cpuUs.push(cpuUs)
      }
      for (const it of Object.values(one)) it.p50.push(await p50Of(it.ask, ms))
    }
    const least = median(many["a bare map"]!.rates)
    for (const [name, { rates, cpuUs }] of Object.entries(many)) {
      const rate = median(rates)
      console.log(
        `${name}, ${OUTSTANDING} outstanding: ${(rate / 1_000).toFixed(0)} k/s (${spread(rates, 1_000, 0)}), ${(rate / least).toFixed(2)} of the bare map; ${median(cpuUs).toFixed(2)} us of CPU here for each`,
      )
    }
    const ping = median(one["ping-pong"]!.p50)
    for (const [name, { p50 }] of Object.entries(one)) {
      console.log(
        `${name}, one outstanding: p50 ${median(p50).toFixed(1)} us (${spread(p50, 1, 1)}), ${(median(p50) / ping).toFixed(2)} of ping-pong`,
      )
    }
    const { outstanding, dropped } = rpc.stats()
    if (outstanding > 0 || dropped.asking["unknown-answer"] > 0) throw new Error("requests were left over")
  } finally {
    await endpoint.close()
    child.disconnect()
  }
}

/** The least that asks and answers: a number before each message, a map of promises by number. */
function bareOf(endpoint: Endpoint, peer: Peer): Ask {
  const waiting = new Map<number, (answer: Uint8Array) => void>()
  endpoint.handle(BARE, (message) => {
    const id = message.view.getUint32(message.offset, true)
    const resolve = waiting.get(id)
    waiting.delete(id)
    resolve?.(message.copy())
  })
  const stream = peer.open({ delivery: "reliable-unordered" })
  const buffer = new Uint8Array(4 + BYTES)
  const view = new DataView(buffer.buffer)
  let next = 0
  return (question) =>
    new Promise((resolve, reject) => {
      const id = next++ & 0x3fff_ffff
      waiting.set(id, resolve)
      view.setUint32(0, id, true)
      buffer.set(question, 4)
      if (stream.trySend(BARE, buffer) !== "sent") reject(new Error("there is no room"))
    })
}

/** Answers a second, and the CPU time of this process for each, microseconds. */
async function rateOf(ask: Ask, ms: number): Promise<{ rate: number; cpuUs: number }> {
  const question = new Uint8Array(BYTES).fill(7)
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  const endMs = startMs + ms
  let answers = 0
  const lane = async (): Promise<void> => {
    do {
      await ask(question)
      answers++
    } while ((answers & 63) !== 0 || performance.now() < endMs)
  }
  await Promise.all(Array.from({ length: OUTSTANDING }, lane))
  const { user, system } = process.cpuUsage(cpu)
  return { rate: (1_000 * answers) / (performance.now() - startMs), cpuUs: (user + system) / answers }
}

/** Microseconds until the answer. */
async function p50Of(ask: Ask, ms: number): Promise<number> {
  const question = new Uint8Array(BYTES).fill(7)
  const took: number[] = []
  const endMs = performance.now() + ms
  for (let startMs = performance.now(); startMs < endMs;) {
    await ask(question)
    const nowMs = performance.now()
    took.push(1_000 * (nowMs - startMs))
    startMs = nowMs
  }
  return median(took)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}

function spread(values: readonly number[], unit: number, digits: number): string {
  return `${(Math.min(...values) / unit).toFixed(digits)} to ${(Math.max(...values) / unit).toFixed(digits)}`
}
