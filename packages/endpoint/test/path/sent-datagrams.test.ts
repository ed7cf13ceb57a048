import { FixedAllowance } from "@x/stream"
import fc from "fast-check"
import { expect, test } from "vitest"
import { createDeliverySample, type DeliverySample } from "../../src/congestion/controller.ts"
import { SentDatagrams } from "../../src/path/sent-datagrams.ts"

const DATAGRAM = 1_200

test("feedback tells round trips, what is in flight, and what was lost; reordering isn't loss", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("arrives", "late", "lost"), { minLength: 1, maxLength: 200 }), (fates) => {
      const sent = new SentDatagrams()
      const sample = createDeliverySample()
      const feedback = { counter: 0, holdUs: 0, bytes: 0 }
      const late: number[] = []
      let delivered = 0
      let lost = 0
      const arrive = (counter: number, nowMs: number): void => {
        delivered++
        feedback.counter = Math.max(feedback.counter, counter)
        feedback.bytes = delivered * DATAGRAM
        // A datagram that overtook no other shows the path's round trip; a late one shows its own.
        if (sent.handleFeedback(feedback, 20, nowMs, sample) && sample.rttMs >= 0)
          expect(sample.rttMs).toBeGreaterThanOrEqual(10)
      }
      for (const [i, fate] of fates.entries()) {
        const counter = i + 1
        sent.add(counter, DATAGRAM, true, i)
        // Two later ones come before it.
        if (late[0] !== undefined && late[0] <= counter - 2) arrive(late.shift()!, i + 10)
        if (fate === "arrives") arrive(counter, i + 10)
        else if (fate === "late") late.push(counter)
        else lost++
        expect(sent.inFlightBytes).toBe((counter - delivered) * DATAGRAM - sent.lostBytes)
        expect(sent.lostBytes).toBeLessThanOrEqual(lost * DATAGRAM)
      }
      for (const counter of late.splice(0)) arrive(counter, fates.length + 12)
      // Some more that arrive, far enough apart: then everything missing is lost.
      for (let i = 0; i < 5; i++) {
        const nowMs = fates.length + 100 * (i + 1)
        sent.add(fates.length + i + 1, DATAGRAM, true, nowMs)
        arrive(fates.length + i + 1, nowMs + 10)
      }
      expect([sent.lostBytes, sent.inFlightBytes, sent.deliveredBytes]).toEqual([
        lost * DATAGRAM,
        0,
        delivered * DATAGRAM,
      ])
    }),
  )
})

/** Datagrams 1 to 10, of which feedback has reported the first two. */
function tenSent(): { sent: SentDatagrams; hear: (counter: number, arrived: number) => DeliverySample } {
  const sent = new SentDatagrams()
  const sample = createDeliverySample()
  const feedback = { counter: 0, holdUs: 0, bytes: 0 }
  let nowMs = 100
  const hear = (counter: number, arrived: number): DeliverySample => {
    Object.assign(feedback, { counter, bytes: arrived * DATAGRAM })
    sent.handleFeedback(feedback, 20, (nowMs += 100), sample)
    return sample
  }
  for (let counter = 1; counter <= 10; counter++) sent.add(counter, DATAGRAM, true, counter)
  hear(2, 2)
  return { sent, hear }
}

test("what was in flight when datagrams went elsewhere is neither in flight nor lost, whether it arrives or not", () => {
  for (const arrived of [0, 3, 8]) {
    const { sent, hear } = tenSent()
    sent.stray()
    expect(sent.inFlightBytes).toBe(0)
    if (arrived > 0) hear(2 + arrived, 2 + arrived)
    expect([sent.inFlightBytes, sent.lostBytes]).toEqual([0, 0])
    for (let counter = 11; counter <= 15; counter++) sent.add(counter, DATAGRAM, true, 500)
    expect(sent.inFlightBytes).toBe(5 * DATAGRAM)
    const { deliveredBytes, lostBytes } = hear(15, 2 + arrived + 5)
    expect([deliveredBytes, lostBytes, sent.inFlightBytes, sent.lostBytes]).toEqual([5 * DATAGRAM, 0, 0, 0])
  }
})

test("what is lost after that counts", () => {
  const { sent, hear } = tenSent()
  sent.stray()
  for (let counter = 11; counter <= 20; counter++) sent.add(counter, DATAGRAM, true, 500)
  hear(11, 3)
  hear(14, 5)
  // Of 11 to 20 three are missing.
  for (const more of [20, 21, 22, 23]) {
    if (more > 20) sent.add(more, DATAGRAM, true, 500 + more)
    hear(more, 2 + 7 + (more - 20))
  }
  expect([sent.lostBytes, sent.inFlightBytes]).toEqual([3 * DATAGRAM, 0])
})

test("a probe is excused once feedback has passed it, and not before: until then it hides no other loss", () => {
  const sent = new SentDatagrams()
  const sample = createDeliverySample()
  const hear = (counter: number, bytes: number): number => {
    sent.handleFeedback({ counter, holdUs: 0, bytes }, 20, 100 + counter, sample)
    return sent.missingBytes
  }
  sent.add(1, 1_000, true, 0)
  // It is lost.
  sent.add(2, 999, true, 1)
  sent.add(3, 100, false, 2)
  sent.add(4, 1_200, false, 3)
  sent.excuse(1_200)
  sent.add(5, 548, false, 3)
  sent.excuse(548)
  expect(hear(3, 1_100)).toBe(999)
  // The smaller one has come, as the peer says and then its feedback.
  sent.retract(548)
  sent.add(6, 100, false, 4)
  expect(hear(6, 1_748)).toBe(999)
  // In the other order too.
  sent.add(7, 548, false, 5)
  sent.excuse(548)
  sent.add(8, 100, false, 6)
  expect(hear(8, 2_396)).toBe(451)
  sent.retract(548)
  expect(sent.missingBytes).toBe(999)
})

test("a table grows with what is in flight as far as it may, is charged, and shrinks again", () => {
  const sample = createDeliverySample()
  const tables = new FixedAllowance(60_000)
  const sent = new SentDatagrams()
  sent.charge(tables)
  for (let counter = 1; counter <= 1_000; counter++) sent.add(counter, DATAGRAM, true, counter)
  // 8 rows come with it, and 1,016 more would be more than there is.
  expect([60_000 - tables.room, sent.sentMsOf(489), sent.sentMsOf(488)]).toEqual([(512 - 8) * 96, 489, -Infinity])
  // Small again: the newest are still known.
  sent.handleFeedback({ counter: 1_000, holdUs: 0, bytes: 1_000 * DATAGRAM }, 20, 1_010, sample)
  for (let counter = 1_001; counter <= 1_040; counter++) {
    sent.add(counter, DATAGRAM, true, 1_000 * counter)
    expect(sent.sentBytesBy(counter - 1)).toBe((counter - 1) * DATAGRAM)
    const heard = { counter, holdUs: 0, bytes: counter * DATAGRAM }
    expect(sent.handleFeedback(heard, 20, 1_000 * counter + 10, sample)).toBe(true)
  }
  expect(tables.room).toBe(60_000)
  for (let counter = 1_041; counter <= 1_100; counter++) sent.add(counter, DATAGRAM, true, 1_041_000)
  expect(tables.room).toBe(60_000 - 56 * 96)
  sent.release()
  expect(tables.room).toBe(60_000)
})
