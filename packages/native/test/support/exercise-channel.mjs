// Exercises channels under a memory checker: valid and arbitrary arguments, many addresses, functions that throw and
// close, full sockets.
import { Worker } from "node:worker_threads"

const ROWS = 1_024
const SLAB_BYTES = 524_288
const REPORT_LENGTH = 195

function crcOf(bytes, crc) {
  let c = ~crc
  for (const byte of bytes) {
    c ^= byte
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0x82f6_3b78 : c >>> 1
  }
  return ~c >>> 0
}

function columns(rows = ROWS) {
  const column = () => new Int32Array(rows)
  const ecn = new Uint8Array(rows)
  return { slab: column(), offset: column(), length: column(), address: column(), sealer: column(), ecn }
}

function create(binding, onEvent) {
  const rows = { slab: new Uint8Array(SLAB_BYTES), verdict: new Uint8Array(ROWS), ecn: new Uint8Array(ROWS) }
  for (const name of ["offset", "length", "address", "opener"]) rows[name] = new Int32Array(ROWS)
  const handle = binding.channelCreate(
    onEvent,
    rows.slab,
    rows.offset,
    rows.length,
    rows.address,
    rows.opener,
    rows.verdict,
    rows.ecn,
  )
  return { handle, rows }
}

const open = (binding) => binding.open(4, "127.0.0.1", 0, true, true, 1 << 20, 0)

/** Calls every function with arguments of all kinds: at worst one may throw. */
export function channelOnce(binding, attempt, mostly, pick, all) {
  const { handle } = create(binding, () => {})
  const own = () => mostly([handle])
  const numbers = [0, 1, 2, 3, 17, 64, 65, 1_023, 1_024, 1 << 24, -1]
  const arrays = [
    new Int32Array(4),
    new Int32Array(ROWS),
    new Int32Array(0),
    new Uint8Array(64),
    new Uint8Array(SLAB_BYTES),
    new Float64Array(8),
  ]
  const anything = () => mostly([...numbers, ...arrays, handle])
  attempt(() =>
    binding.channelCreate(...Array.from({ length: pick([8, 8, 7]) }, () => pick([() => {}, ...arrays, ...all]))),
  )
  attempt(() =>
    binding.channelAdd(own(), mostly(numbers.filter((number) => number < 0 || number > 1_000)), mostly([4, 6])),
  )
  attempt(() =>
    binding.channelSetSlab(own(), mostly(numbers.filter((number) => number < 100)), mostly([null, ...arrays])),
  )
  attempt(() =>
    binding.channelSetAddress(
      own(),
      mostly(numbers.filter((number) => number < 100)),
      mostly([4, 6]),
      mostly(["127.0.0.1", "::1"]),
      mostly([9, 65_535]),
    ),
  )
  attempt(() => binding.channelCheck(own(), mostly([4, 6])))
  attempt(() => binding.channelDrop(own(), mostly([4, 6])))
  attempt(() => binding.channelClearAddress(own(), anything()))
  attempt(() => binding.channelSetSealer(own(), mostly([1, 2, 50]), mostly([true, false]), anything(), anything()))
  const bytes = (length) => mostly([length, length, 0, length + 1].map((size) => new Uint8Array(size)))
  for (let i = 0; i < 3; i++)
    attempt(() =>
      binding.channelSetKey(
        own(),
        mostly([1, 1, 2, 50]),
        bytes(32),
        bytes(12),
        bytes(64),
        mostly([0, 5, 65_535]),
        mostly([0, 12, 2 ** 31 - 1]),
      ),
    )
  attempt(() => binding.channelOpen(own(), anything()))
  attempt(() => binding.channelSource(own(), anything()))
  attempt(() => binding.errorName(anything()))
  attempt(() => binding.crc32c(anything(), anything(), anything(), anything()))
  const int32 = () => mostly([new Int32Array(64), new Int32Array([1, 2, -1, 2 ** 31 - 1]), new Int32Array(64).fill(1)])
  attempt(() =>
    binding.channelSend(
      own(),
      int32(),
      int32(),
      int32(),
      int32(),
      int32(),
      mostly([new Uint8Array(64), new Uint8Array(64).fill(255), new Uint8Array(1)]),
      mostly([0, 0, 1, 60]),
      mostly(numbers),
      mostly([new Int32Array(REPORT_LENGTH)]),
    ),
  )
  binding.channelClose(handle)
  attempt(() => binding.channelClose(handle))
  attempt(() => binding.channelOpen(handle, 1))
}

/** Calls alarms with arguments of all kinds. */
export function alarmOnce(binding, attempt, mostly, all) {
  const alarm = binding.alarmCreate(() => {})
  attempt(() => binding.alarmClose(binding.alarmCreate(mostly(all))))
  attempt(() => binding.alarmSet(mostly([alarm]), mostly([0, 1, 1_000_000, 2 ** 31 - 1, -1])))
  attempt(() => binding.alarmClose(mostly([...all])))
  binding.alarmClose(alarm)
  attempt(() => binding.alarmSet(alarm, 1))
  attempt(() => binding.alarmClose(alarm))
}

/** An alarm that is set again rings once; its function may throw, set the alarm, and close it. */
export async function alarmTrouble(binding) {
  let calls = 0
  const surfaced = new Promise((resolve) => process.once("uncaughtException", resolve))
  await new Promise((resolve) => {
    const alarm = binding.alarmCreate(() => {
      calls++
      binding.alarmSet(alarm, 10)
      if (calls === 1) throw new Error("meant to be thrown")
      binding.alarmClose(alarm)
      globalThis.gc?.()
      resolve()
    })
    binding.alarmSet(alarm, 1)
    binding.alarmSet(alarm, 20)
  })
  if ((await surfaced).message !== "meant to be thrown" || calls !== 2) throw new Error(`the alarm rang ${calls} times`)
}

/** Ways to seal, for both ends: the bytes of a tag, and how short a datagram may be. */
function sealings(binding) {
  const [key, iv, associated] = [new Uint8Array(32).fill(7), new Uint8Array(12).fill(9), new Uint8Array(32).fill(3)]
  const keyed = (clearBytes) => ({
    tagBytes: 16,
    bytesMin: 11,
    give: (channel) => binding.channelSetKey(channel, 1, key, iv, associated, 5, clearBytes),
  })
  const checksum = {
    tagBytes: 4,
    bytesMin: 0,
    give: (channel, seal, open) => binding.channelSetSealer(channel, 1, true, seal, open),
  }
  return binding.aesGcm ? [checksum, keyed(11), keyed(12), keyed(2 ** 31 - 1)] : [checksum]
}

/** Datagrams of all sizes, sealed in each way, arrive unchanged; and the tables agree with a naive one. */
export async function channelTraffic(binding, pick) {
  for (const sealing of sealings(binding)) await sealedTraffic(binding, pick, sealing)
}

async function sealedTraffic(binding, pick, { tagBytes, bytesMin, give }) {
  const received = []
  const [a, b] = [open(binding), open(binding)]
  const sender = create(binding, () => {})
  const receiver = create(binding, (event, count) => {
    if (event !== 0) throw new Error(`event ${event} ${count}`)
    const { rows } = receiver
    for (let row = 0; row < count; row++) {
      if (rows.address[row] === 0 && !binding.channelSource(receiver.handle, row).startsWith(`${a.port} 127.0.0.1`))
        throw new Error("source")
      rows.opener[row] = 1
    }
    binding.channelOpen(receiver.handle, count)
    for (let row = 0; row < count; row++) {
      if (rows.verdict[row] !== 1) throw new Error("verdict")
      const bytes = rows.slab.slice(rows.offset[row], rows.offset[row] + rows.length[row] - tagBytes)
      received.push({ bytes, ecn: rows.ecn[row] })
    }
  })
  binding.channelAdd(sender.handle, a.fd, 4)
  const hasMarks = (binding.channelAdd(receiver.handle, b.fd, 4) & 4) !== 0
  // Twice: the second replaces the first.
  for (let i = 0; i < 2; i++) {
    give(sender.handle, 12_345, -1)
    give(receiver.handle, -1, 12_345)
  }
  const slab = new Uint8Array(1 << 20).map((_, i) => (i * 31 + (i >>> 8)) & 255)
  binding.channelSetSlab(sender.handle, 1, slab)
  // Many addresses come and go; the one that is used is set last, after others had its number and its place.
  for (let i = 0; i < 3_000; i++) {
    const number = 1 + (i % 700)
    binding.channelSetAddress(sender.handle, number, 4, `10.${i % 7}.${i % 251}.1`, 1 + (i % 60_000))
    if (i % 3 === 0) binding.channelClearAddress(sender.handle, 1 + ((i * 7) % 700))
  }
  binding.channelSetAddress(sender.handle, 5, 4, "127.0.0.1", b.port)
  const sent = []
  const rows = columns(64)
  const report = new Int32Array(REPORT_LENGTH)
  for (let round = 0; round < 30; round++) {
    const count = 1 + pick([0, 1, 7, 40, 63])
    const size = pick([0, 1, 40, 100, 1_400, 9_000])
    for (let row = 0; row < count; row++) {
      rows.slab[row] = 1
      rows.offset[row] = row * 16_384
      rows.length[row] = Math.max(bytesMin, row === count - 1 ? size >> 1 : size)
      rows.address[row] = 5
      rows.sealer[row] = 1
      // Runs of the same mark are sent as one, and each mark has to arrive.
      rows.ecn[row] = round % 3 === 0 ? 2 : round % 3 === 1 ? 0 : row & 3
    }
    const expected = Array.from({ length: count }, (_, row) => ({
      bytes: slab.slice(rows.offset[row], rows.offset[row] + rows.length[row]),
      ecn: hasMarks ? rows.ecn[row] : 0,
    }))
    const taken = binding.channelSend(
      sender.handle,
      rows.slab,
      rows.offset,
      rows.length,
      rows.address,
      rows.sealer,
      rows.ecn,
      0,
      count,
      report,
    )
    if (taken !== count || report[0] !== 0) throw new Error(`taken ${taken} of ${count}, refused ${report[0]}`)
    sent.push(...expected)
    while (received.length < sent.length) await new Promise((resolve) => setImmediate(resolve))
  }
  for (const [i, { bytes, ecn }] of sent.entries()) {
    if (Buffer.compare(bytes, received[i].bytes) !== 0) throw new Error(`datagram ${i} is another`)
    if (ecn !== received[i].ecn) throw new Error(`datagram ${i} was sent with mark ${ecn}, not ${received[i].ecn}`)
  }
  for (const length of [0, 1, 7, 8, 255, 768, 769, 12_287, 12_288, 12_289, 100_000]) {
    const bytes = slab.subarray(3, 3 + length)
    if (binding.crc32c(slab, 3, 3 + length, 7) !== crcOf(bytes, 7)) throw new Error(`crc32c of ${length}`)
  }
  binding.channelClose(sender.handle)
  binding.channelClose(receiver.handle)
}

/** An error in a function is an uncaught exception, and a function that closes the channel leaves nothing behind. */
export async function channelTrouble(binding) {
  const [a, b] = [open(binding), open(binding)]
  const sender = create(binding, () => {})
  let calls = 0
  let wasClosed
  const closed = new Promise((resolve) => (wasClosed = resolve))
  const receiver = create(binding, () => {
    if (++calls === 1) throw new Error("meant to be thrown")
    binding.channelClose(receiver.handle)
    globalThis.gc?.()
    wasClosed()
  })
  binding.channelAdd(sender.handle, a.fd, 4)
  binding.channelAdd(receiver.handle, b.fd, 4)
  binding.channelSetSlab(sender.handle, 1, new Uint8Array(64))
  binding.channelSetAddress(sender.handle, 1, 4, "127.0.0.1", b.port)
  const surfaced = new Promise((resolve) => process.once("uncaughtException", resolve))
  const row = columns(1)
  row.slab[0] = row.address[0] = 1
  row.length[0] = 10
  const report = new Int32Array(REPORT_LENGTH)
  const send = () =>
    binding.channelSend(sender.handle, row.slab, row.offset, row.length, row.address, row.sealer, row.ecn, 0, 1, report)
  send()
  const error = await surfaced
  if (error.message !== "meant to be thrown") throw error
  send()
  await closed
  send()
  await new Promise((resolve) => setImmediate(resolve))
  if (calls !== 2) throw new Error("called after it was closed")
  binding.channelClose(sender.handle)
}

/** A thread that ends, or is terminated, while its sockets are being read. */
export async function channelThreads(file) {
  for (const way of ["exit", "terminate"]) {
    const text = `
      const { parentPort, workerData } = require("node:worker_threads")
      const binding = require(workerData.file)
      const column = () => new Int32Array(${ROWS})
      const channel = binding.channelCreate(() => {}, new Uint8Array(${SLAB_BYTES}), column(), column(), column(), column(), new Uint8Array(${ROWS}), new Uint8Array(${ROWS}))
      binding.channelAdd(channel, binding.open(4, "127.0.0.1", 0, true, true, 0, 0).fd, 4)
      binding.channelSetSlab(channel, 1, new Uint8Array(4096))
      if (binding.aesGcm) binding.channelSetKey(channel, 1, new Uint8Array(32), new Uint8Array(12), new Uint8Array(0), 5, 12)
      const alarm = binding.alarmCreate(() => binding.alarmSet(alarm, 50))
      binding.alarmSet(alarm, 50)
      parentPort.postMessage("ready")
      if (workerData.way === "exit") process.exit(0)`
    const worker = new Worker(text, { eval: true, workerData: { file, way } })
    const ended = new Promise((resolve) => worker.once("exit", resolve))
    await new Promise((resolve) => worker.once("message", resolve))
    if (way === "terminate") await worker.terminate()
    await ended
  }
}
