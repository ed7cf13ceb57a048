import { PacketPool, RepeatPace, RttEstimator } from "@x/stream"
import { KIND, PacketCursor, PROFILE, readRate, readReasonText } from "@x/wire"
import { expect, test } from "vitest"
import { ControlWriter } from "../../src/datagram/control-writer.ts"
import { Outbox } from "../../src/datagram/outbox.ts"
import { Association } from "../../src/path/association.ts"
import type { Path } from "../../src/path/path.ts"
import { ConnectionControl } from "../../src/peer/connection-control.ts"
import { Goodbye } from "../../src/peer/goodbye.ts"
import { Pings } from "../../src/peer/pings.ts"
import { RateAsked } from "../../src/peer/rate-asked.ts"
import type { Timer, Timers } from "../../src/peer/timers.ts"
import { Tap } from "../datagram/tap.ts"
import { LIMITS } from "./limits.ts"

/** A peer whose timers are due when the test says so. */
class World {
  readonly tap = new Tap()
  readonly due = new Set<Timer>()
  readonly goodbye = new Goodbye()
  readonly pings = new Pings()
  readonly rate = new RateAsked()
  readonly rtt = new RttEstimator()
  readonly association: Association
  /** When a heartbeat asked on behalf of a window that is shut. */
  readonly probedMs: number[] = []
  readonly #control: ConnectionControl
  readonly #writer: ControlWriter
  readonly #outbox: Outbox

  constructor() {
    const pool = new PacketPool({ slotBytes: 1_472, slotsMax: 4 })
    this.#outbox = new Outbox(this.tap.transport, PROFILE.none, 1_472, pool)
    this.#writer = new ControlWriter(this.#outbox)
    const slots = { slot: 1, remoteSlot: 1, address: 1 }
    this.association = new Association({ ...slots, isOurs: true, order: 0, inFlightMax: 64, nowMs: 0 })
    const path = { gate: { shutProbed: (nowMs: number) => void this.probedMs.push(nowMs) } } as unknown as Path
    const timers = { isDue: (timer: Timer) => this.due.has(timer) } as unknown as Timers
    this.#control = new ConnectionControl(
      { path, rtt: this.rtt, pace: new RepeatPace(), limits: LIMITS },
      this.#writer,
      { timers, goodbye: this.goodbye, pings: this.pings, rate: this.rate },
    )
  }

  /** Sends what is due: the packets of each datagram, without the feedback that each begins with. */
  say(nowMs = 0): string[][] {
    const before = this.tap.sent.length
    this.#writer.start(this.association, 1_400, nowMs)
    this.#control.compose(this.association, nowMs)
    this.#writer.post()
    this.#outbox.flush()
    this.due.clear()
    return this.tap.sent.slice(before).map(({ bytes }) => saidIn(bytes))
  }
}

function saidIn(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const cursor = new PacketCursor()
  const said: string[] = []
  cursor.start(view, 0, bytes.length, PROFILE.none)
  while (cursor.next()) {
    const asks = cursor.wanted ? " asks" : ""
    if (cursor.kind === KIND.heartbeat) said.push(`heartbeat${asks}`)
    if (cursor.kind === KIND.rate) {
      const { number, bytesPerSecond } = readRate(view, cursor.body)
      said.push(`rate${asks} ${number} of ${bytesPerSecond}`)
    }
    if (cursor.kind !== KIND.goodbye) continue
    const { reason, text } = readReasonText(view, cursor.body, cursor.end)
    said.push(`goodbye${asks} ${reason} "${text}"`)
  }
  return said
}

test.each<Timer>(["heartbeat", "shut", "ping"])("one heartbeat asks when %s is due, whatever else is", (timer) => {
  const it = new World()
  expect(it.say()).toEqual([])
  for (const due of [timer, "heartbeat"] as const) it.due.add(due)
  it.pings.add()
  expect([it.say(5), it.probedMs, it.say(6)]).toEqual([[["heartbeat asks"]], [5], []])
})

test("a ping is told by the answer to the datagram that its heartbeat was in, and asked again until then", () => {
  const it = new World()
  const firstMs = it.rtt.ptoMs + LIMITS.statusDelayMs
  const ping = it.pings.add()
  const counter = it.association.nextCounter
  expect([it.say(10), it.pings.hasUnsaid, it.pings.dueMs]).toEqual([[["heartbeat asks"]], false, 10 + firstMs])
  expect([it.pings.answered(counter - 1), it.pings.answered(counter)]).toEqual([[], [ping]])
})

test("a heartbeat that only answers asks nothing, and isn't said again", () => {
  const it = new World()
  it.pings.isEchoOwed = true
  expect([it.say(), it.say(), it.probedMs, it.pings.dueMs]).toEqual([[["heartbeat"]], [], [], Infinity])
  // One that asks answers too.
  it.pings.isEchoOwed = true
  it.due.add("heartbeat")
  expect([it.say(), it.say()]).toEqual([[["heartbeat asks"]], []])
})

test("a goodbye asks, with its reason and text; its answer has the reason alone, and asks nothing", () => {
  const it = new World()
  it.goodbye.begin({ reason: 3, text: "done" }, 0)
  it.due.add("goodbye")
  expect([it.say(7), it.goodbye.dueMs]).toEqual([[['goodbye asks 3 "done"']], 7 + it.rtt.ptoMs])
  it.goodbye.isAnswerOwed = true
  expect([it.say(8), it.goodbye.isAnswerOwed, it.say(9)]).toEqual([[['goodbye 3 ""']], false, []])
})

test("a heartbeat is the last packet of its datagram: it has no length", () => {
  const it = new World()
  it.goodbye.isAnswerOwed = true
  it.due.add("heartbeat")
  expect(it.say()).toEqual([['goodbye 0 ""', "heartbeat asks"]])
})

test("while the socket is full nothing counts as said", () => {
  const it = new World()
  it.tap.room = 0
  // Fills the socket.
  it.pings.isEchoOwed = true
  it.say()
  it.goodbye.isAnswerOwed = true
  it.pings.add()
  it.pings.isEchoOwed = true
  expect([it.say(), it.goodbye.isAnswerOwed, it.pings.hasUnsaid, it.pings.isEchoOwed]).toEqual([[], true, true, true])
  it.goodbye.isAnswerOwed = false
  expect([it.say(), it.pings.hasUnsaid, it.pings.isEchoOwed, it.probedMs]).toEqual([[], true, true, []])
})

test("a rate is asked for when that is due; the peer's is answered as it was asked, once", () => {
  const world = new World()
  world.rate.ask(5_000, 0)
  expect(world.say()).toEqual([])
  world.due.add("rate")
  expect(world.say()).toEqual([["rate asks 1 of 5000"]])
  expect([world.rate.dueMs > 0, world.rate.dueMs < Infinity]).toEqual([true, true])
  world.rate.take({ number: 9, bytesPerSecond: 70 })
  expect([world.say(), world.say()]).toEqual([[["rate 9 of 70"]], []])
  world.rate.ask(Infinity, 0)
  world.due.add("rate")
  world.pings.isEchoOwed = true
  expect(world.say()).toEqual([["rate asks 2 of 0", "heartbeat"]])
})
