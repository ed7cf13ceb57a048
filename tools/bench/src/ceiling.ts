/**
 * One of the two processes of a run with the bare helper: datagrams with their CRC as fast as they go, without
 * acknowledgements and without layers above.
 */

import { canBatch, openChannel, openSocket, reason, SEND_ROWS_MAX } from "@x/native"
import { Content } from "./content.ts"
import { countFromNow, tell } from "./measure.ts"
import type { Task } from "./run.ts"

const HOST = "127.0.0.1"
const FAMILY = 4
const NUMBER = 1
const TAG_BYTES = 4
const SEEDS = { sealSeed: 1, openSeed: 1 }
/** Calls in one turn: few enough that timers run. */
const CALLS = 16

const [role, text] = process.argv.slice(2)
const job = JSON.parse(text!) as Task
const settings = `${SEND_ROWS_MAX} datagrams a call, CRC-32C made and checked, what the receiver's socket has no room for is lost`
if (!canBatch) tell({ missing: reason ?? "datagrams don't go in batches here" })
else if (role === "receive") tell({ port: receive(), settings })
else send(job.port!)

function receive(): number {
  let received = 0
  const channel = openChannel({
    received(count) {
      const { opener, verdict, length } = channel.rows
      opener.fill(NUMBER, 0, count)
      channel.open(count)
      for (let row = 0; row < count; row++)
        if (verdict[row] !== 1 || length[row] !== job.bytes)
          throw new Error(`a datagram of ${job.bytes} B came as another`)
      if (received === 0) countFromNow(job, () => received)
      received += count
    },
    writable() {},
    failed: (errno) => fail(errno),
  })
  channel.setSealer(NUMBER, SEEDS)
  const { fd, port } = openSocket({ family: FAMILY, host: HOST, receiveBufferBytes: 8 << 20 })
  channel.add(fd, FAMILY)
  return port
}

function send(port: number): void {
  const column = (value: number): Int32Array => new Int32Array(SEND_ROWS_MAX).fill(value)
  const offset = column(0).map((_, row) => row * job.bytes)
  const rows = {
    slab: column(NUMBER),
    offset,
    length: column(job.bytes - TAG_BYTES),
    address: column(NUMBER),
    sealer: column(NUMBER),
    ecn: new Uint8Array(SEND_ROWS_MAX),
  }
  const channel = openChannel({ received() {}, writable: () => turn(), failed: (errno) => fail(errno) })
  channel.setSealer(NUMBER, SEEDS)
  channel.setSlab(NUMBER, new Content(SEND_ROWS_MAX * job.bytes).bytes)
  channel.setAddress(NUMBER, FAMILY, HOST, port)
  channel.add(openSocket({ family: FAMILY, host: HOST, sendBufferBytes: 8 << 20 }).fd, FAMILY)
  let sent = 0
  countFromNow(job, () => sent)
  const turn = (): void => {
    for (let i = 0; i < CALLS; i++) {
      const taken = channel.send(rows, 0, SEND_ROWS_MAX)
      sent += taken
      if (channel.report.refused.length > 0) fail(channel.report.refused[1]!)
      if (taken < SEND_ROWS_MAX) return
    }
    setImmediate(turn)
  }
  turn()
}

function fail(errno: number): never {
  throw new Error(`the system refused a datagram: errno ${errno}`)
}
