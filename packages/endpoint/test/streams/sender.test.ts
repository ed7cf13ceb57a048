import { LargeMessage, packetsNeeded } from "@x/fragment"
import { createOutgoingPacket, PacketPool, RttEstimator, SendStream, slotBytesOf, streamOptions } from "@x/stream"
import { createStatus, MODE, type Mode } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import type { SendCall } from "../../src/streams/send-call.ts"
import { Sender } from "../../src/streams/sender.ts"

const PAYLOAD_BYTES = 200

/** A stream with a small window, and messages that are offered to it. */
class World {
  readonly stream: SendStream
  readonly sender: Sender
  readonly pool: PacketPool
  readonly #packet = createOutgoingPacket()

  constructor(mode: Mode = MODE.reliable, slotsMax = 64, windowPackets = 4) {
    const options = streamOptions({ payloadBytesMax: PAYLOAD_BYTES, windowPackets, spreadPackets: 64 })
    this.pool = new PacketPool({ slotBytes: slotBytesOf(options), slotsMax })
    this.stream = new SendStream({ id: 1, mode, options, rtt: new RttEstimator(), pool: this.pool })
    this.sender = new Sender(this.stream, { parkedMessagesMax: 3, parkedBytesMax: 2_000 })
  }

  offer(bytes: number, deadlineMs = Infinity): string {
    return this.sender.offer(1, new Uint8Array(bytes), deadlineMs)
  }

  /** Sends everything, and acknowledges it up to a packet. */
  acknowledge(cumulative = Infinity, nowMs = 0): void {
    this.stream.closePacket()
    while (this.stream.peek() >= 0) this.stream.take(nowMs, this.#packet)
    const status = createStatus()
    status.stream = 1
    status.cumulative = Math.min(cumulative, this.stream.high)
    const drop = this.stream.handleStatus(status, nowMs)
    if (drop !== undefined) throw new Error(drop)
    this.sender.progress(nowMs)
    this.sender.assertInvariants()
  }

  /** The calls that have settled since the last call, and how. */
  settled(): [SendCall, string, string][] {
    return this.sender.settled.splice(0).map(({ call, what, outcome }) => [call, what, outcome])
  }
}

const call = (deadlineMs = Infinity): SendCall => ({ deadlineMs })

test("messages go into the window, then wait, then are refused; what waits follows as the window opens", () => {
  const it = new World()
  expect([1, 2, 3, 4].map(() => it.offer(150))).toEqual(["sent", "sent", "sent", "sent"])
  expect([1, 2, 3, 4].map(() => it.offer(150))).toEqual(["parked", "parked", "parked", "refused"])
  expect([it.sender.takeDrain(), it.sender.account]).toMatchObject([false, { accepted: 7, pending: 7 }])
  it.acknowledge()
  expect([it.sender.lot.isEmpty, it.sender.takeDrain(), it.sender.takeDrain()]).toEqual([true, true, false])
  it.acknowledge()
  expect(it.sender.account).toMatchObject({ accepted: 7, acknowledged: 7, pending: 0 })
})

test("where many packets are under way, room is told of once some of them are acknowledged", () => {
  const it = new World(MODE.reliable, 64, 40)
  while (it.offer(150) !== "refused");
  it.acknowledge(6)
  expect([it.sender.lot.isEmpty, it.sender.takeDrain()]).toEqual([true, false])
  it.acknowledge(8)
  expect([it.sender.takeDrain(), it.sender.takeDrain()]).toEqual([true, false])
})

test("a message that takes fewer packets than it needs at most is sent, and doesn't wait once it is in the window", () => {
  const it = new World()
  expect(packetsNeeded(745, PAYLOAD_BYTES)).toBe(5)
  expect([it.offer(745, 0), it.stream.high, it.sender.lot.isEmpty]).toEqual(["sent", 4, true])
  it.acknowledge()
  expect(it.sender.account).toMatchObject({ accepted: 1, acknowledged: 1, pending: 0 })
})

test("a call whose message is parked settles as it goes into the window; with a receipt once it is acknowledged", () => {
  const it = new World()
  for (let i = 0; i < 4; i++) it.offer(150)
  const [sent, received] = [call(), call()]
  for (const [waiting, isReceipted] of [
    [sent, false],
    [received, true],
  ] as const)
    it.sender.park({
      message: new LargeMessage(1, new Uint8Array(150)),
      deadlineMs: Infinity,
      call: waiting,
      isReceipted,
    })
  expect(it.sender.waitsFor).toBe("message")
  it.acknowledge()
  expect(it.settled()).toEqual([[sent, "message", "done"]])
  expect(it.sender.waitsFor).toBe("receipt")
  it.acknowledge()
  expect(it.settled()).toEqual([[received, "receipt", "done"]])
})

test("a flush waits for what was accepted before it, an end for all, and what comes after a flush doesn't hold it up", () => {
  const it = new World()
  for (let i = 0; i < 5; i++) it.offer(150)
  const [flush, end] = [call(), call()]
  it.sender.awaitFlush(flush)
  it.offer(150)
  expect(it.sender.end(0)).toBe(false)
  it.sender.awaitEnd(end)
  it.acknowledge(4)
  expect(it.settled()).toEqual([])
  it.acknowledge(5)
  expect(it.settled()).toEqual([[flush, "flush", "done"]])
  // Nothing is parked any more: the stream has ended by itself.
  expect(it.stream.state).toBe("ending")
  it.stream.handleStatus({ ...createStatus(), stream: 1, cumulative: 6, state: 2 }, 0)
  it.sender.close()
  expect([it.settled(), it.sender.isFlushed]).toEqual([[[end, "end", "done"]], true])
})

test("a deadline takes a parked message out, and a call from what it waits for; both are told late", () => {
  const it = new World()
  for (let i = 0; i < 4; i++) it.offer(150)
  const [parked, flush] = [call(50), call(70)]
  it.sender.park({ message: new LargeMessage(1, new Uint8Array(150)), deadlineMs: 50, call: parked })
  it.sender.awaitFlush(flush)
  expect(it.sender.deadlineMs).toBe(50)
  it.sender.progress(49)
  expect(it.settled()).toEqual([])
  it.sender.progress(50)
  expect([it.settled(), it.sender.deadlineMs, it.sender.account.dropped]).toEqual([
    [[parked, "message", "late"]],
    70,
    1,
  ])
  it.sender.progress(70)
  expect([it.settled(), it.sender.deadlineMs]).toEqual([[[flush, "flush", "late"]], Infinity])
})

test("a call that is cancelled takes its message out, also half sent, and no other gets its place", () => {
  const it = new World()
  const large = call()
  const message = new LargeMessage(1, new Uint8Array(1_200))
  expect(it.sender.write(message)).toBe(false)
  it.sender.park({ message, deadlineMs: Infinity, call: large })
  expect(it.offer(100)).toBe("parked")
  expect([it.sender.cancel(large), it.sender.cancel(large)]).toEqual(["message", undefined])
  it.acknowledge()
  it.acknowledge()
  expect([it.settled(), it.sender.lot.isEmpty]).toEqual([[], true])
  it.sender.assertInvariants()
})

test("memory of a parked message that is gone settles its call, and what is behind it goes on", () => {
  const it = new World()
  for (let i = 0; i < 4; i++) it.offer(150)
  const gone = call()
  const bytes = new Uint8Array(150)
  it.sender.park({ message: new LargeMessage(1, bytes), deadlineMs: Infinity, call: gone })
  it.offer(100)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  it.acknowledge()
  expect([it.settled(), it.sender.lot.isEmpty]).toEqual([[[gone, "message", "bytes-gone"]], true])
})

test("a stream that is reset settles all calls as closed, once", () => {
  const it = new World()
  for (let i = 0; i < 4; i++) it.offer(150)
  const [parked, flush] = [call(), call()]
  it.sender.park({ message: new LargeMessage(1, new Uint8Array(150)), deadlineMs: Infinity, call: parked })
  it.sender.awaitFlush(flush)
  it.stream.reset(5, 0)
  expect(it.sender.progress(0)).toBe(false)
  it.sender.close()
  it.sender.close()
  expect(it.settled()).toEqual([
    [parked, "message", "closed"],
    [flush, "flush", "closed"],
  ])
  expect([it.sender.isFlushed, it.sender.deadlineMs]).toEqual([false, Infinity])
})

test("a stream that doesn't wait sends a message whole or not at all, and says before whether it would", () => {
  const it = new World(MODE["fire-and-forget"])
  expect([it.sender.mayBeTaken(500), it.sender.mayBeTaken(5_000)]).toEqual([true, false])
  expect([it.sender.sendNow(1, new Uint8Array(5_000), 0), it.sender.sendNow(1, new Uint8Array(500), 0)]).toEqual([
    false,
    true,
  ])
  expect([it.sender.refuse(), it.sender.isStarved, it.sender.takeDrain()]).toEqual(["dropped", false, false])
})

test("with an open window and no memory something that waits is starved, and nothing that doesn't", () => {
  const it = new World(MODE.reliable, 2)
  expect([it.offer(150), it.offer(150), it.sender.isStarved]).toEqual(["sent", "sent", false])
  expect([it.offer(150), it.sender.isStarved]).toEqual(["parked", true])
  it.acknowledge()
  expect([it.sender.isStarved, it.sender.lot.isEmpty]).toEqual([false, true])
})

test("whatever is offered, cancelled, acknowledged and late: the account balances, and each call settles once", () => {
  const step = fc.record({ what: fc.nat(5), bytes: fc.integer({ min: 1, max: 900 }), at: fc.nat(30) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const it = new World()
      const waiting = new Set<SendCall>()
      let nowMs = 0
      const settle = (): void => {
        for (const [settled] of it.settled()) expect(waiting.delete(settled)).toBe(true)
      }
      for (const { what, bytes, at } of steps) {
        const own = call(at % 2 === 0 ? nowMs + at : Infinity)
        if (what === 0) it.offer(bytes, own.deadlineMs)
        else if (what === 1) {
          const message = new LargeMessage(1, new Uint8Array(bytes))
          if (!it.sender.write(message) && it.sender.mayPark(message)) {
            it.sender.park({ message, deadlineMs: own.deadlineMs, call: own, isReceipted: at % 3 === 0 })
            waiting.add(own)
          }
        } else if (what === 2) {
          it.sender.awaitFlush(own)
          waiting.add(own)
        } else if (what === 3) {
          const [first] = waiting
          if (first !== undefined && it.sender.cancel(first) !== undefined) waiting.delete(first)
        } else if (what === 4) it.acknowledge(it.stream.low + (at % 5), nowMs)
        else it.sender.progress((nowMs += at))
        settle()
        it.sender.assertInvariants()
      }
      for (let i = 0; i < 80; i++) it.acknowledge(Infinity, nowMs)
      settle()
      expect([waiting.size, it.sender.account.pending]).toEqual([0, 0])
    }),
    { numRuns: runs(300) },
  )
})
