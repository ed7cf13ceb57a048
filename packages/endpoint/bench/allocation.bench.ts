/**
 * What the fast path allocates: 10^7 reliable messages of 64 B from one endpoint to another, sender and receiver
 * together, without a collection in the measured window. An empty loop of the same shape is subtracted.
 */
import { PerformanceObserver } from "node:perf_hooks"
import { setImmediate as turn } from "node:timers/promises"
import { makeDirectPair } from "./direct-host.ts"

const MESSAGES = 10_000_000
const PER_PUMP = 512
const TYPE = 1

/** When each collection began. They are reported some turns later. */
const collections: number[] = []
new PerformanceObserver((list) => collections.push(...list.getEntries().map(({ startTime }) => startTime))).observe({
  entryTypes: ["gc"],
})

const { a, b, pump } = await makeDirectPair()
let received = 0
b.handle(TYPE, (message) => {
  received += message.view.getUint8(message.offset)
})
const joining = a.join("10.0.0.2:1")
for (let i = 0; i < 50; i++) {
  pump()
  await turn()
}
const stream = (await joining).open()
const bytes = new Uint8Array(64).fill(1)

function send(messages: number): void {
  for (let sent = 0; sent < messages; sent += PER_PUMP) {
    for (let i = 0; i < PER_PUMP; i++)
      if (stream.trySend(TYPE, bytes) !== "sent")
        throw new Error("the window is shut: the bench offers too much at once")
    pump()
  }
}

function empty(messages: number): void {
  for (let sent = 0; sent < messages; sent += PER_PUMP) pump()
}

async function measure(
  run: (messages: number) => void,
): Promise<{ bytesPerMessage: number; collections: number; ms: number }> {
  globalThis.gc?.()
  await turn()
  await turn()
  const heap = process.memoryUsage().heapUsed
  const startMs = performance.now()
  run(MESSAGES)
  const ms = performance.now() - startMs
  const used = process.memoryUsage().heapUsed - heap
  for (let i = 0; i < 10; i++) await turn()
  return {
    bytesPerMessage: used / MESSAGES,
    collections: collections.filter((at) => at >= startMs && at < startMs + ms).length,
    ms,
  }
}

send(2_000_000)
const base = await measure(empty)
const start = received
const full = await measure(send)
if (received - start < MESSAGES) throw new Error(`${received - start} of ${MESSAGES} messages came`)
console.log(
  `allocation per 64 B message, sender + receiver: ${(full.bytesPerMessage - base.bytesPerMessage).toFixed(2)} B (${full.collections} collections in the window; ${(MESSAGES / full.ms / 1_000).toFixed(2)} M messages/s through both endpoints in one thread)`,
)
process.exit(full.collections === 0 ? 0 : 1)
