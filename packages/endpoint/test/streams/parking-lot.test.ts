import { LargeMessage, type PayloadSink } from "@x/fragment"
import { FORM } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { type ParkedMessage, ParkingLot } from "../../src/streams/parking-lot.ts"
import type { SendCall } from "../../src/streams/send-call.ts"

const MESSAGES_MAX = 4
const BYTES_MAX = 1_000

/** A window: what is written into it is recorded, one payload of 100 bytes for each packet. */
class Window implements PayloadSink {
  readonly slab = new Uint8Array(100)
  readonly view = new DataView(this.slab.buffer)
  readonly payloadBytesMax = 100
  readonly forms: number[] = []
  begun = 0
  roomPackets = 0

  roomBehind(): number {
    return -1
  }

  reserve(): number {
    return this.roomPackets > 0 ? 0 : -1
  }

  reservePiece(): number {
    return this.reserve()
  }

  commit(): void {
    this.commitPiece(FORM.whole)
  }

  commitPiece(form: number): void {
    this.roomPackets--
    if (form === FORM.whole || form === FORM.first) this.begun++
    this.forms.push(form)
  }
}

class World {
  readonly lot = new ParkingLot(MESSAGES_MAX, BYTES_MAX)
  readonly window = new Window()

  park(bytes: number, parts: Partial<ParkedMessage> = {}): ParkedMessage {
    const parked = { message: new LargeMessage(1, new Uint8Array(bytes)), deadlineMs: Infinity, ...parts }
    this.lot.park(parked)
    return parked
  }

  /** There is room for so many packets more: the messages that leave by that, and how. */
  feed(packets: number): [ParkedMessage, string][] {
    this.window.roomPackets += packets
    const all: [ParkedMessage, string][] = []
    for (let left = this.lot.feed(this.window); left !== undefined; left = this.lot.feed(this.window))
      all.push([left.parked, left.how])
    return all
  }
}

const call = (): SendCall => ({ deadlineMs: Infinity })

test("messages go into the window in their order, as far as there is room; the first may be half there", () => {
  const it = new World()
  const [large, small, last] = [it.park(250), it.park(50), it.park(50)]
  expect([it.lot.messages, it.lot.unbegun, it.lot.bytes]).toEqual([3, 3, 350])
  expect([it.feed(1), it.lot.messages, it.lot.unbegun]).toEqual([[], 3, 2])
  expect(it.lot.bytes).toBe(350 - large.message.written)
  expect(it.feed(3)).toEqual([
    [large, "written"],
    [small, "written"],
  ])
  expect([it.lot.newest, it.lot.entered, it.lot.left]).toEqual([last, 3, 2])
  expect(it.window.forms).toEqual([FORM.first, FORM.middle, FORM.last, FORM.whole])
})

test("a message finds room up to the most messages and the most bytes that may wait", () => {
  const it = new World()
  it.park(600)
  expect([it.lot.hasRoom(400), it.lot.hasRoom(401)]).toEqual([true, false])
  for (let i = 1; i < MESSAGES_MAX; i++) it.park(0)
  expect(it.lot.hasRoom(0)).toBe(false)
})

test("a message that is taken out half sent is ended before what is behind it goes on, and waits for nobody", () => {
  const it = new World()
  const large = call()
  it.park(250, { call: large })
  const next = it.park(50)
  it.feed(1)
  expect([it.lot.isAwaited, it.lot.cancel(large), it.lot.cancel(large), it.lot.isAwaited]).toEqual([
    ...[true, true, false, false],
  ])
  expect([it.lot.messages, it.lot.bytes, it.lot.dropped]).toEqual([2, 50, 0])
  expect(it.feed(2).map(([parked, how]) => [parked === next, how])).toEqual([
    [false, "abandoned"],
    [true, "written"],
  ])
  expect(it.window.forms).toEqual([FORM.first, FORM.abandoned, FORM.whole])
})

test("a message whose memory is gone is told, and ended if a part of it was sent", () => {
  for (const isBegun of [false, true]) {
    const it = new World()
    const bytes = new Uint8Array(250)
    const gone = it.park(0, { message: new LargeMessage(1, bytes) })
    if (isBegun) it.feed(1)
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
    const hows = it.feed(3).map(([parked, how]) => [parked, how])
    expect(hows).toEqual([[gone, "bytes-gone"], ...(isBegun ? [[gone, "abandoned"]] : [])])
    expect([it.lot.isEmpty, it.lot.bytes, it.lot.dropped]).toEqual([true, 0, isBegun ? 0 : 1])
  }
})

test("a message leaves at its deadline and not before, wherever it stands; the next deadline is known", () => {
  const it = new World()
  const [late, kept, later] = [10, Infinity, 20].map((deadlineMs) => it.park(50, { deadlineMs }))
  expect([it.lot.deadlineMs, it.lot.expire(9), it.lot.expire(10)]).toEqual([10, [], [late]])
  expect([it.lot.deadlineMs, it.lot.expire(20), it.lot.expired, it.lot.dropped]).toEqual([20, [later], 2, 2])
  expect([it.lot.deadlineMs, it.feed(3)]).toEqual([Infinity, [[kept, "written"]]])
})

test("a lot that is cleared returns what waited, without a message that was taken out half sent", () => {
  const it = new World()
  const large = call()
  it.park(250, { call: large })
  const rest = [it.park(50), it.park(50)]
  it.feed(1)
  it.lot.cancel(large)
  expect(it.lot.clear()).toEqual(rest)
  expect([it.lot.isEmpty, it.lot.bytes, it.lot.dropped, it.lot.left]).toEqual([true, 0, 2, 3])
  // And the next message is not taken for it.
  const next = it.park(50)
  expect(it.feed(1)).toEqual([[next, "written"]])
})

const bytes = fc.integer({ min: 0, max: 400 })
const step = fc.oneof(
  fc.record({ kind: fc.constant("park" as const), bytes, lifeMs: fc.constantFrom(1, 5, 20, Infinity) }),
  fc.record({ kind: fc.constant("feed" as const), packets: fc.nat({ max: 4 }) }),
  fc.record({ kind: fc.constant("wait" as const), ms: fc.nat({ max: 8 }) }),
  fc.record({ kind: fc.constant("cancel" as const), at: fc.nat({ max: 8 }) }),
)

test("whatever is parked, fed, taken out and late: each message leaves once, in order, and what is left is counted", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50, size: "max" }), (steps) => {
      const it = new World()
      const { lot } = it
      /** What waits, and the one message that was taken out half sent. */
      let waiting: ParkedMessage[] = []
      let half: ParkedMessage | undefined
      let [nowMs, entered, dropped, expired] = [0, 0, 0, 0]
      const give = (parked: ParkedMessage): void => {
        waiting = waiting.filter((other) => other !== parked)
        if (parked.message.isBegun) half = parked
        else dropped++
      }
      for (const given of steps) {
        if (given.kind === "park" && lot.hasRoom(given.bytes)) {
          waiting.push(it.park(given.bytes, { deadlineMs: nowMs + given.lifeMs, call: call() }))
          entered++
        } else if (given.kind === "feed") {
          for (const [parked, how] of it.feed(given.packets)) {
            expect(how).toBe(parked === half ? "abandoned" : "written")
            if (parked === half) half = undefined
            else expect(waiting.shift()).toBe(parked)
          }
        } else if (given.kind === "wait") {
          nowMs += given.ms
          const late = waiting.filter(({ deadlineMs }) => deadlineMs <= nowMs)
          expect(lot.expire(nowMs)).toEqual(late)
          expired += late.length
          for (const parked of late) give(parked)
          expect(lot.deadlineMs).toBeGreaterThan(nowMs)
        } else if (given.kind === "cancel" && waiting.length > 0) {
          const parked = waiting[given.at % waiting.length]!
          expect(lot.cancel(parked.call!)).toBe(true)
          give(parked)
        }
        const first = waiting[0]
        expect([lot.messages, lot.entered, lot.dropped, lot.expired]).toEqual([
          ...[waiting.length + (half === undefined ? 0 : 1), entered, dropped, expired],
        ])
        expect(lot.bytes).toBe(waiting.reduce((sum, { message }) => sum + message.length - message.written, 0))
        expect(lot.unbegun).toBe(waiting.length - (first?.message.isBegun === true ? 1 : 0))
        expect(lot.isAwaited).toBe(waiting.length > 0)
        expect(lot.deadlineMs).toBeLessThanOrEqual(Math.min(...waiting.map(({ deadlineMs }) => deadlineMs)))
        lot.assertInvariants()
      }
    }),
    { numRuns: runs(200) },
  )
})
