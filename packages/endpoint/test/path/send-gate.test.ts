import { expect, test } from "vitest"
import { fixed } from "@x/endpoint"
import { settingsOf } from "../../src/api/options.ts"
import { createDeliverySample } from "../../src/congestion/controller.ts"
import { PathSize } from "../../src/path/path-size.ts"
import { RateCaps, SharedPace } from "../../src/path/rate-caps.ts"
import { SendGate } from "../../src/path/send-gate.ts"
import { SentDatagrams } from "../../src/path/sent-datagrams.ts"
import { LIMITS } from "../peer/limits.ts"

function makeGate(
  windowBytes: number,
  paceBytesPerMs = Infinity,
  caps = new RateCaps(),
): { gate: SendGate; sent: SentDatagrams; send: (bytes: number) => void } {
  const size = new PathSize(settingsOf({}), LIMITS)
  const controller = fixed({ windowBytes, paceBytesPerMs })(size.datagramBytesMax, Math.random)
  const gate = new SendGate(controller, size, 1, { ptoMs: 100 }, caps)
  const sent = new SentDatagrams()
  let counter = 0
  const send = (bytes: number): void => {
    sent.add(++counter, bytes, true, 0)
    gate.spend(bytes)
  }
  return { gate, sent, send }
}

test("data goes until the window is full, and the sender is told that it was the window", () => {
  const { gate, sent, send } = makeGate(2_500)
  gate.begin(sent, 0)
  let packets = 0
  for (; gate.mayGo(1_000); packets++) send(1_000)
  gate.end(true, false)
  expect(packets).toBe(2)
  expect([gate.isOpen, gate.isShut, gate.paceDueMs]).toEqual([false, true, Infinity])
})

test("beside what the peer's socket holds, what is on the way may be in flight", () => {
  const { gate, sent } = makeGate(Infinity, 1_000)
  const heldBytes = new PathSize(settingsOf({}), LIMITS).heldBytesMax
  const sample = { ...createDeliverySample(), rttMs: 50, nowMs: 50 }
  gate.begin(sent, 0)
  expect(gate.windowBytes).toBe(heldBytes)
  gate.handleFeedback(sample)
  // A queue on the way isn't the path.
  gate.handleFeedback({ ...sample, rttMs: 80, nowMs: 80 })
  expect(gate.windowBytes).toBe(heldBytes + 50_000)
  gate.restart(90)
  expect(gate.windowBytes).toBe(heldBytes)
  // Without a pace nothing is known of the way.
  const { gate: unpaced } = makeGate(Infinity)
  unpaced.handleFeedback(sample)
  expect(unpaced.windowBytes).toBe(heldBytes)
})

test("something always goes where nothing is under way, however small the window", () => {
  const { gate, sent } = makeGate(1)
  gate.begin(sent, 0)
  expect(gate.mayGo(1_000)).toBe(true)
})

test("what the sender says it spent is what the pace waits for", () => {
  const { gate, sent, send } = makeGate(1_000_000, 1_000)
  gate.begin(sent, 0)
  let bytes = 0
  for (; gate.mayGo(1_000); bytes += 1_000) send(1_000)
  gate.end(true, false)
  expect(gate.isOpen).toBe(false)
  const dueMs = gate.paceDueMs
  expect(dueMs).toBeGreaterThan(0)
  gate.begin(sent, dueMs)
  expect(gate.mayGo(1_000)).toBe(true)
})

test.each([
  ["the controller's pace", 100, new RateCaps(200), "pace", false],
  ["our cap", 200, new RateCaps(100), "cap", true],
  ["what the peer asked for", 200, Object.assign(new RateCaps(150), { askedBytesPerMs: 100 }), "cap", true],
  ["the cap of all peers together", 200, new RateCaps(Infinity, new SharedPace(100, 1)), "cap", true],
] as const)(
  "the least of them is the limit: %s; only a cap counts as the application's, not the path's",
  (_, paceBytesPerMs, caps, limit, isApplicationLimited) => {
    const { gate, sent, send } = makeGate(1_000_000, paceBytesPerMs, caps)
    const told: boolean[] = []
    sent.limitByApplication = (isIdle) => void told.push(isIdle)
    gate.begin(sent, 0)
    while (gate.mayGo(1_000)) send(1_000)
    gate.end(true, false)
    expect([gate.limit, gate.isOpen, told]).toEqual([limit, false, [isApplicationLimited]])
    const { shared } = caps
    expect([gate.isSharedFull, gate.paceDueMs === Infinity]).toEqual([shared !== undefined, shared !== undefined])
    const dueMs = shared?.dueMs ?? gate.paceDueMs
    gate.begin(sent, dueMs)
    expect([gate.mayGo(1_000), gate.limit]).toEqual([true, undefined])
  },
)

test("the controller hears of a turn once, with all of its bytes", () => {
  const told: number[] = []
  const size = new PathSize(settingsOf({}), LIMITS)
  const controller = {
    windowBytes: 10_000,
    paceBytesPerMs: Infinity,
    onSent: (bytes: number) => void told.push(bytes),
    onFeedback: () => {},
  }
  const gate = new SendGate(controller, size, 1, { ptoMs: 100 })
  gate.begin(new SentDatagrams(), 0)
  gate.spend(700)
  gate.spend(800)
  gate.end(false, false)
  gate.begin(new SentDatagrams(), 1)
  gate.end(false, false)
  expect(told).toEqual([1_500])
})

test("a window that stays shut is probed, each time later, and opens with feedback", () => {
  const { gate, sent, send } = makeGate(1_500)
  gate.begin(sent, 0)
  while (gate.mayGo(1_000)) send(1_000)
  gate.end(true, false)
  expect(gate.shutDueMs(100)).toBe(100)
  gate.shutProbed(100)
  expect(gate.shutDueMs(100)).toBe(300)
  gate.shutProbed(300)
  expect(gate.shutDueMs(100)).toBe(700)
  gate.handleFeedback(createDeliverySample())
  expect(gate.shutDueMs(100)).toBe(Infinity)
})

test("an application that waited for room is idle only once it has had time to write on", () => {
  const { gate, sent, send } = makeGate(10_000)
  const told: boolean[] = []
  sent.limitByApplication = (isIdle) => void told.push(isIdle)
  const turn = (nowMs: number, bytes: number, hasMore: boolean): boolean[] => {
    gate.begin(sent, nowMs)
    if (bytes > 0) send(bytes)
    gate.end(hasMore, true)
    return told.splice(0)
  }
  expect(turn(0, 1_000, false)).toEqual([false])
  // It wrote at once, and waits again.
  expect(turn(0.5, 1_000, true)).toEqual([false])
  expect(turn(20, 0, false)).toEqual([false])
  // It had time, and has nothing more.
  expect(turn(22, 0, false)).toEqual([true, false])
})

test("what an address without proof holds back is no sign of the path, nor a window that is shut", () => {
  const { gate, sent, send } = makeGate(100_000)
  gate.begin(sent, 0)
  send(1_000)
  gate.cap()
  gate.end(true, false)
  expect([gate.isOpen, gate.isShut, sent.isApplicationLimited]).toEqual([false, false, true])
  gate.begin(sent, 0)
  expect(gate.isOpen).toBe(true)
})

test("after a challenge a window that stays shut is probed at short intervals of changing length, for a while", () => {
  const { gate, sent, send } = makeGate(1_000)
  gate.begin(sent, 0)
  send(1_000)
  gate.mayGo(1_000)
  gate.end(true, false)
  gate.challenged(0)
  const waits: number[] = []
  for (let nowMs = 0; nowMs < 9_000; waits.push(gate.shutDueMs(100) - nowMs), nowMs = gate.shutDueMs(100)) {
    if (nowMs > 0) gate.shutProbed(nowMs)
  }
  expect(waits.slice(0, 5)).toEqual([100, 125, 150, 175, 100])
  expect([waits.at(-1), gate.isRestless(4_999), gate.isRestless(5_000)]).toEqual([1_000, true, false])
})
