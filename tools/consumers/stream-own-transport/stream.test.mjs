// Two streams, one each way, over a transport of ten lines: a datagram is one packet of @x/wire, without prefix and
// tag.
import assert from "node:assert/strict"
import { createSocket } from "node:dgram"
import { test } from "node:test"
import {
  createKeptPacket,
  createOutgoingPacket,
  PacketPool,
  ReceiveStream,
  RttEstimator,
  SendStream,
  streamOptions,
} from "@x/stream"
import {
  checkSequenced,
  checkStatus,
  createStatus,
  createSync,
  FLAG_WANTED,
  KIND,
  kindOf,
  MessageCursor,
  MODE,
  readEnd,
  readOpen,
  readPacketNumber,
  readSequencedDelivery,
  readStatus,
  readSync,
  SEQUENCED_HEADER_BYTES,
  wholeHeaderBytes,
  writeEnd,
  writeOpen,
  writeSequencedHeader,
  writeStatus,
  writeSync,
  writeWholeHeader,
} from "@x/wire"

const MESSAGES = 20_000
const HEADER_BYTES = 1 + SEQUENCED_HEADER_BYTES

/** A UDP socket on this machine that loses one datagram in ten, by a seed. */
async function bindTransport(seed, onDatagram) {
  const socket = createSocket("udp4", onDatagram)
  await new Promise((resolve) => socket.bind(0, "127.0.0.1", resolve))
  let state = seed
  const send = (bytes) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    if (state / 2 ** 32 > 0.1) socket.send(bytes)
  }
  return {
    port: socket.address().port,
    connect: (port) => socket.connect(port, "127.0.0.1"),
    send,
    close: () => socket.close(),
  }
}

/** One end: sends numbers on its own stream, and receives those of the other's. */
class End {
  received = []
  #options = streamOptions()
  #rtt = new RttEstimator(10)
  #pool = new PacketPool({ slotBytes: this.#options.payloadBytesMax })
  #shared = { id: 1, mode: MODE.reliable, options: this.#options, rtt: this.#rtt }
  sender = new SendStream(this.#shared)
  receiver = new ReceiveStream({ ...this.#shared, pool: this.#pool })
  #offered = 0
  #out = createOutgoingPacket()
  #kept = createKeptPacket()
  #status = createStatus()
  #sync = createSync()
  #cursor = new MessageCursor()
  #scratch = new Uint8Array(2_000)
  #timer

  async open(seed) {
    this.transport = await bindTransport(seed, (bytes) => this.#take(bytes))
    this.sender.open(performance.now())
  }

  /** Offers messages while there is room, sends what is due, and runs again at the next deadline. */
  pump() {
    const { sender, receiver } = this
    const now = performance.now()
    while (this.#offered < MESSAGES && this.#write(this.#offered)) this.#offered++
    if (this.#offered === MESSAGES) sender.end(now)
    sender.closePacket()
    const open = sender.pollOpen(now)
    if (open !== undefined) this.#control(KIND.open, writeOpen, open)
    while (sender.take(now, this.#out)) {
      const { number, delivery, wanted, bytes, view, offset, length } = this.#out
      writeSequencedHeader(view, offset - HEADER_BYTES, wanted, sender.id, number, delivery)
      this.transport.send(bytes.slice(offset - HEADER_BYTES, offset + length))
    }
    const end = sender.pollClose(now)
    if (end !== undefined) this.#control(KIND.end, writeEnd, end)
    if (sender.pollSync(now, this.#sync)) this.#control(KIND.sync | FLAG_WANTED, writeSync, this.#sync)
    if (receiver.pollStatus(now, this.#status)) this.#control(KIND.status, writeStatus, this.#status)
    const nextMs = Math.min(sender.nextTimeoutMs, receiver.nextTimeoutMs)
    clearTimeout(this.#timer)
    if (nextMs < Infinity) this.#timer = setTimeout(() => this.pump(), Math.max(0, nextMs - now))
  }

  #write(value) {
    const offset = this.sender.reserve(wholeHeaderBytes(4) + 4)
    if (offset < 0) return false
    this.sender.view.setUint32(writeWholeHeader(this.sender.view, offset, 1, 4), value)
    this.sender.commit(wholeHeaderBytes(4) + 4)
    return true
  }

  #control(flags, write, packet) {
    const view = new DataView(this.#scratch.buffer)
    view.setUint8(0, flags)
    this.transport.send(this.#scratch.slice(0, write(view, 1, packet)))
  }

  #take(bytes) {
    const { sender, receiver } = this
    const now = performance.now()
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const wanted = (bytes[0] & FLAG_WANTED) !== 0
    switch (kindOf(bytes[0])) {
      case KIND.open:
        receiver.handleOpen(readOpen(view, 1, bytes.length).first, now)
        break
      case KIND.end:
        receiver.handleEnd(readEnd(view, 1).final)
        break
      case KIND.sync:
        readSync(view, 1, this.#sync)
        receiver.handleSync(this.#sync, wanted, now)
        break
      case KIND.status:
        assert.equal(checkStatus(view, 1, bytes.length), undefined)
        readStatus(view, 1, this.#status)
        assert.equal(sender.handleStatus(this.#status, now), undefined)
        break
      case KIND.sequenced: {
        assert.equal(checkSequenced(view, 1, bytes.length), undefined)
        const length = bytes.length - HEADER_BYTES
        const verdict = receiver.handlePacket(
          readPacketNumber(view, 1),
          readSequencedDelivery(view, 1),
          wanted,
          bytes,
          HEADER_BYTES,
          length,
          now,
        )
        if (verdict === "deliver") this.#deliver(view, HEADER_BYTES, length)
        while (receiver.peekKept(this.#kept)) this.#deliver(this.#kept.view, this.#kept.offset, this.#kept.length)
      }
    }
    this.pump()
  }

  #deliver(view, offset, length) {
    this.#cursor.start(view, offset, offset + length)
    while (this.#cursor.next()) this.received.push(view.getUint32(this.#cursor.offset))
    this.receiver.advance()
  }

  get isOver() {
    return this.sender.state === "closed" && this.receiver.isComplete
  }

  close() {
    clearTimeout(this.#timer)
    this.transport.close()
  }
}

test("two streams over a lossy transport: everything arrives, once and in order", { timeout: 60_000 }, async () => {
  const ends = [new End(), new End()]
  await Promise.all(ends.map((end, i) => end.open(i + 1)))
  ends.forEach((end, i) => end.transport.connect(ends[1 - i].transport.port))
  await new Promise((resolve) => setTimeout(resolve, 10))
  for (const end of ends) end.pump()
  while (!ends.every((end) => end.isOver)) await new Promise((resolve) => setTimeout(resolve, 5))
  for (const end of ends) {
    end.sender.assertInvariants()
    assert.deepEqual(
      end.received,
      Array.from({ length: MESSAGES }, (_, i) => i),
    )
    assert(end.sender.resentPackets > 0)
    end.close()
  }
})
