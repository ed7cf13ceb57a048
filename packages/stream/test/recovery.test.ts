import { createOutgoingPacket, type SendStream } from "@x/stream"
import { createStatus, type Status } from "@x/wire"
import { expect, test } from "vitest"
import { Pair } from "./pair.ts"

const QUIET = { delayMs: 10, lossRate: 0, duplicateRate: 0, reorderRate: 0 }

function quietPair(options = {}): Pair {
  return new Pair({ path: QUIET, random: () => 0.5, options })
}

/** A sender with this many packets to send; `send` returns the number of the next one, and whether it asks for a status. */
function makeSender(packets: number): { sender: SendStream; send: (nowMs: number) => [number, boolean] } {
  const pair = quietPair()
  for (let i = 0; i < packets; i++) {
    pair.send(i)
    pair.sender.closePacket()
  }
  const out = createOutgoingPacket()
  const send = (nowMs: number): [number, boolean] => {
    pair.sender.take(nowMs, out)
    return [out.number, out.wanted]
  }
  return { sender: pair.sender, send }
}

/** A status with this cumulative edge; asks for `[0, missingTo)` if that is given. */
function statusOf(cumulative: number, missingTo = 0): Status {
  const status = createStatus()
  status.stream = 1
  status.cumulative = cumulative
  status.missing.count = missingTo > 0 ? 1 : 0
  status.missing.edges[1] = missingTo
  return status
}

test("a packet lost among others is asked for when three later ones came, and arrives after one more round trip", () => {
  const pair = quietPair()
  pair.drop = (kind, index) => kind === "data" && index === 2
  for (let i = 0; i < 8; i++) {
    pair.send(i, 50)
    pair.sender.closePacket()
  }
  pair.runUntil(() => pair.delivered.length === 8, 1_000)
  expect(pair.now).toBe(3 * QUIET.delayMs)
  expect([pair.sent.resent, pair.receiver.naksSent]).toEqual([1, 1])
})

test("a last packet lost with nothing behind it is found by a sync that follows it, a quarter of a round trip later", () => {
  const pair = quietPair()
  pair.drop = (kind, index) => kind === "data" && index === 0
  pair.send(0)
  expect(pair.runUntil(() => pair.delivered.length === 1, 1_000)).toBe(true)
  expect(pair.sent).toMatchObject({ resent: 1 })
  expect(pair.now).toBeLessThanOrEqual(Math.max(5, pair.rtt.srttMs / 4) + 3 * QUIET.delayMs)
})

test("where that sync is lost too, another finds the packet after a probe timeout", () => {
  const pair = quietPair()
  pair.drop = (kind, index) => kind !== "open" && index === 0
  pair.send(0)
  expect(pair.runUntil(() => pair.delivered.length === 1, 1_000)).toBe(true)
  expect(pair.sent.sync).toBeGreaterThan(1)
  expect(pair.now).toBeLessThanOrEqual(pair.rtt.ptoMs + 25 + 4 * QUIET.delayMs)
})

test("a resend that is lost goes again once a status tells of what was sent a little later, which asks for one", () => {
  const { sender, send } = makeSender(20)
  for (let i = 0; i < 10; i++) send(0)
  // Packet 2 is missing. Then the receiver has more, which was sent at 24, and packet 2 still isn't there.
  const status = statusOf(2)
  status.missing.count = status.received.count = 1
  status.missing.edges.set([2, 3])
  status.received.edges.set([3, 10])
  sender.handleStatus(status, 20, 0)
  expect([20, 21, 24, 25].map(send)).toEqual([
    [2, false],
    [10, false],
    [11, true],
    [12, false],
  ])
  status.missing.count = 0
  status.received.edges[1] = 12
  sender.handleStatus(status, 44, 24)
  expect(send(44)).toEqual([2, false])
  // It is on its way: the same news again changes nothing.
  sender.handleStatus(status, 45, 24)
  expect(send(45)).toEqual([13, false])
})

test("a first flight lost whole, opening and all, arrives later", () => {
  const pair = quietPair()
  pair.drop = (_, index) => pair.now === 0 && index < 1_000
  for (let i = 0; i < 20; i++) pair.send(i, 50)
  expect(pair.runUntil(() => pair.delivered.length === 20, 1_000)).toBe(true)
})

test("data that overtakes a lost opening is asked for once the opening came", () => {
  const pair = quietPair()
  pair.drop = (kind, index) => kind === "open" && index === 0
  for (let i = 0; i < 5; i++) pair.send(i, 50)
  pair.runUntil(() => pair.delivered.length === 5, 1_000)
  // Data, start unknown, opening, NAK, data: five one-way trips.
  expect(pair.now).toBe(5 * QUIET.delayMs)
  expect(pair.pool.used).toBe(0)
})

test("F51 reordering within the grace causes neither a NAK nor a resend", () => {
  const pair = quietPair()
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 3; i++) {
      pair.send(3 * round + i, 50)
      pair.sender.closePacket()
    }
    pair.runUntil(() => pair.sender.isDrained, pair.now + 1_000)
  }
  pair.path = { ...QUIET, delayMs: 10 }
  let held = 0
  pair.drop = () => false
  const before = pair.sent.resent
  // Two packets swap places: the first waits 1 ms longer than the second.
  for (let round = 0; round < 50; round++) {
    pair.path = { ...QUIET, delayMs: 11 }
    pair.send(1_000 + held++, 50)
    pair.flush()
    pair.path = { ...QUIET, delayMs: 10 }
    pair.send(1_000 + held++, 50)
    pair.flush()
    pair.runUntil(() => pair.sender.isDrained, pair.now + 1_000)
  }
  expect(pair.sent.naks).toBe(0)
  expect(pair.sent.resent).toBe(before)
})

test("F53 a NAK repeated a thousand times resends a packet once per round trip", () => {
  const pair = quietPair()
  for (let i = 0; i < 3; i++) {
    pair.send(i, 50)
    pair.sender.closePacket()
  }
  pair.drop = () => true
  pair.flush()
  pair.now = 20
  const status = statusOf(0, 3)
  for (let i = 0; i < 1_000; i++) {
    pair.now = 20 + i / 10
    pair.sender.handleStatus(status, pair.now)
    pair.flush()
  }
  // 100 ms, at an RTT of 21 ms: the first report, then one each RTT.
  expect(pair.sent.resent).toBe(3 * 5)
})

test("F15 a status about packets never sent is refused and changes nothing", () => {
  const pair = quietPair()
  pair.send(0)
  pair.flush()
  const status = statusOf(2)
  expect(pair.sender.handleStatus(status, 1)).toBe("not-sent")
  expect(pair.sender.unackedPackets).toBe(1)
})

test("F17 an edge that goes backwards changes nothing", () => {
  const pair = quietPair()
  for (let i = 0; i < 4; i++) pair.send(i, 50)
  pair.runUntil(() => pair.sender.isDrained, 1_000)
  const low = pair.sender.low
  const status = statusOf(0)
  expect(pair.sender.handleStatus(status, pair.now)).toBeUndefined()
  expect(pair.sender.low).toBe(low)
})

test("a packet number beyond the spread is dropped, not made room for", () => {
  const pair = quietPair({ spreadPackets: 64, windowPackets: 64 })
  pair.receiver.handleOpen(0, 0)
  const bytes = new Uint8Array(10)
  expect(pair.receiver.handlePacket(64, 3, false, bytes, 0, 10, 0)).toBe("beyond-spread")
  expect(pair.receiver.handlePacket(2 ** 40, 3, false, bytes, 0, 10, 0)).toBe("beyond-spread")
  expect(pair.receiver.handlePacket(63, 3, false, bytes, 0, 10, 0)).toBe("kept")
  expect(pair.receiver.handlePacket(63, 3, false, bytes, 0, 10, 0)).toBe("duplicate-packet")
  pair.receiver.assertInvariants()
})

test("a packet asked for that is acknowledged already is answered by a sync at once", () => {
  const pair = quietPair()
  for (let i = 0; i < 4; i++) pair.send(i, 50)
  pair.runUntil(() => pair.sender.isDrained, 1_000)
  const { low } = pair.sender
  const status = statusOf(0, low)
  const before = pair.sent.sync
  pair.sender.handleStatus(status, pair.now)
  expect(pair.sender.nextTimeoutMs).toBeLessThanOrEqual(pair.now)
  pair.flush()
  expect([pair.sent.sync - before, pair.sent.resent]).toEqual([1, 0])
})

test("the packet that completes an ended stream is answered at once, though no status is wanted and the delay isn't over", () => {
  const pair = quietPair()
  pair.receiver.handleOpen(0, 0)
  pair.receiver.handleEnd(2)
  const status = createStatus()
  pair.receiver.pollStatus(0, status)
  const bytes = new Uint8Array(4)
  for (const number of [0, 1]) {
    expect(pair.receiver.nextTimeoutMs).toBeGreaterThan(0)
    expect(pair.receiver.handlePacket(number, 3, false, bytes, 0, 4, 0)).toBe("deliver")
    pair.receiver.advance()
  }
  expect(pair.receiver.pollStatus(0, status)).toBe(true)
  expect([status.cumulative, status.state & 2]).toEqual([2, 2])
})

test("what was asked for where the sender isn't is asked for again once it is found, not only when it would be its turn", () => {
  const pair = quietPair()
  pair.send(0, 50)
  pair.sender.closePacket()
  pair.runUntil(() => pair.delivered.length === 1, 1_000)
  pair.drop = (kind) => kind === "data"
  pair.send(1, 50)
  pair.sender.closePacket()
  pair.flush()
  const strayMs = pair.now
  pair.drop = (kind) => kind === "status"
  pair.send(2, 50)
  pair.sender.closePacket()
  pair.runUntil(() => false, 4_000)
  expect(pair.delivered).toHaveLength(1)
  pair.drop = () => false
  pair.receiver.hurry(strayMs)
  const fromMs = pair.now
  expect(pair.runUntil(() => pair.delivered.length === 3, 6_000)).toBe(true)
  expect(pair.now - fromMs).toBeLessThanOrEqual(2 * QUIET.delayMs + 1)
})

test("what may have gone where the receiver isn't goes again at once, and what went before doesn't", () => {
  const pair = quietPair()
  pair.send(0, 50)
  pair.sender.closePacket()
  pair.runUntil(() => pair.delivered.length === 1, 1_000)
  pair.drop = (kind) => kind === "data" || kind === "status"
  const strayMs = pair.now
  for (let i = 1; i < 4; i++) {
    pair.send(i, 50)
    pair.sender.closePacket()
  }
  pair.flush()
  pair.drop = () => false
  pair.sender.resendSince(strayMs)
  pair.sender.assertInvariants()
  const fromMs = pair.now
  expect(pair.runUntil(() => pair.delivered.length === 4, 1_000)).toBe(true)
  expect(pair.now - fromMs).toBeLessThanOrEqual(QUIET.delayMs + 1)
  expect(pair.sent).toMatchObject({ resent: 3, naks: 0 })
})
