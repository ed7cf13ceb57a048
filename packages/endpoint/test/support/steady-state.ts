/**
 * Two endpoints in one process that send each other messages, without a kernel: until the engine has compiled what is
 * used, and then as many again. Run by `steady-state.test.ts`, which reads what V8 says meanwhile.
 */
import { setImmediate as turn } from "node:timers/promises"
import { makeDirectPair } from "../../bench/direct-host.ts"

const TYPE = 1
/** Bytes sent between two looks at what has come: less than the window takes. */
const PER_PUMP_BYTES = 32_768
/** Bytes until all that is used was compiled, and bytes in which nothing of it is to be compiled again. */
const WARM_BYTES = 256_000_000
const STEADY_BYTES = 256_000_000

const { a, b, pump } = await makeDirectPair()
let received = 0
b.handle(TYPE, (message) => void (received += message.length === 0 ? 0 : 1))
const joining = a.join("10.0.0.2:1")
for (let i = 0; i < 50; i++) {
  pump()
  await turn()
}
const stream = (await joining).open()

function send(message: Uint8Array, bytes: number): void {
  for (let sent = 0; sent < bytes; sent += PER_PUMP_BYTES) {
    for (let i = 0; i < PER_PUMP_BYTES; i += message.length)
      if (stream.trySend(TYPE, message) !== "sent") throw new Error("the window is shut")
    pump()
  }
}

for (const length of [64, 1_024]) {
  const message = new Uint8Array(length).fill(1)
  send(message, WARM_BYTES)
  console.log(`steady: ${length} B`)
  const before = received
  send(message, STEADY_BYTES)
  console.log(`end: ${length * (received - before)} bytes`)
}
process.exit(0)
