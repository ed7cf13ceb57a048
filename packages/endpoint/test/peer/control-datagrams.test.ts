import type { RepeatPace } from "@x/stream"
import { expect, test } from "vitest"
import type { ControlWriter } from "../../src/datagram/control-writer.ts"
import type { Outbox } from "../../src/datagram/outbox.ts"
import { Association } from "../../src/path/association.ts"
import type { Path } from "../../src/path/path.ts"
import {
  ControlDatagrams,
  type ControlDatagramsParts,
  type ControlDatagramsPeer,
} from "../../src/peer/control-datagrams.ts"
import type { FeedbackOwed } from "../../src/peer/feedback-owed.ts"
import type { PathAnswers } from "../../src/peer/path-answers.ts"
import type { Timer } from "../../src/peer/timers.ts"
import { LIMITS } from "./limits.ts"

/** Machines that note what they are asked, in order; the writer begins a datagram when the test says so. */
class World {
  readonly log: string[] = []
  readonly due = new Set<Timer>()
  liveness: ControlDatagramsPeer["liveness"] = "joined"
  /** Whether the socket takes what the streams from the peer have to say. */
  hasRoom = true
  hasBegun = false
  datagramBytesMax = 9_000
  readonly association = new Association({
    ...{ slot: 1, remoteSlot: 1, address: 1, isOurs: true, order: 0, inFlightMax: 64, nowMs: 0 },
  })
  readonly datagrams: ControlDatagrams

  constructor() {
    const note = (text: string): void => void this.log.push(text)
    const hasBegun = (): boolean => this.hasBegun
    const bytesMax = (): number => this.datagramBytesMax
    const livenessOf = (): ControlDatagramsPeer["liveness"] => this.liveness
    const control = {
      get hasBegun() {
        return hasBegun()
      },
      largestBytes: 0,
      hasRoom: () => true,
      start: (_: Association, bytes: number) => note(`start ${bytes}`),
      beginDatagram: () => {
        this.hasBegun = true
        note("begin")
      },
      post: () => note("post"),
    } as unknown as ControlWriter
    const streams = (name: string): object => ({
      repeating: 2,
      compose: () => {
        note(name)
        return this.hasRoom
      },
      composeProbe: () => note("probe"),
      hurry: () => note("hurry"),
    })
    const peer = {
      path: {
        size: {
          get datagramBytesMax() {
            return bytesMax()
          },
        },
        gate: { isRestless: () => false },
        handleSent: () => note("sent"),
      } as unknown as Path,
      pace: { share: (count: number) => note(`repeats ${count}`) } as unknown as RepeatPace,
      ...{ rtt: undefined, limits: LIMITS, outgoing: streams("outgoing"), incoming: streams("incoming") },
      get liveness() {
        return livenessOf()
      },
    } as unknown as ControlDatagramsPeer
    const parts: ControlDatagramsParts = {
      ...{ outbox: {} as Outbox, control },
      timers: { isDue: (timer) => this.due.has(timer) },
      feedback: { said: () => note("said") } as unknown as FeedbackOwed,
      moves: { compose: () => note("challenges") },
      answers: {
        postResponses: () => note("responses"),
        postProbeAnswers: () => note("probe answers"),
      } as unknown as PathAnswers,
      connection: { compose: () => note("connection") },
    }
    this.datagrams = new ControlDatagrams(peer, parts)
  }

  write(): string[] {
    this.datagrams.write(this.association, 0)
    return this.log.splice(0)
  }
}

const BEFORE = ["challenges", "responses", "start 1200", "repeats 4"]
const AFTER = ["post", "sent", "probe answers"]

test("what is asked of the path goes first, then what streams say, then the connection", () => {
  expect(new World().write()).toEqual([...BEFORE, "incoming", "outgoing", "connection", ...AFTER])
})

test("once the socket is full nothing more is written", () => {
  const it = new World()
  it.hasRoom = false
  expect(it.write()).toEqual([...BEFORE, "incoming", ...AFTER])
})

test("a silent peer gets one packet of a stream at most, and only with a heartbeat", () => {
  const it = new World()
  it.liveness = "unreachable"
  expect(it.write()).toEqual([...BEFORE, "connection", ...AFTER])
  it.due.add("heartbeat")
  expect(it.write()).toEqual([...BEFORE, "probe", "connection", ...AFTER])
})

test("feedback has a datagram of its own if no other carries it", () => {
  const it = new World()
  it.due.add("feedback")
  expect(it.write()).toEqual([
    ...BEFORE,
    "incoming",
    "outgoing",
    "connection",
    "begin",
    "post",
    "said",
    ...AFTER.slice(1),
  ])
  // A datagram has begun: it carries feedback.
  expect(it.write()).not.toContain("begin")
})

test("control packets never need a larger path than any has to be", () => {
  const it = new World()
  it.datagramBytesMax = 700
  expect(it.write()).toContain("start 700")
})

test("what is handed over is acknowledged at once, without anything else; a peer never reached hears nothing", () => {
  const it = new World()
  it.datagrams.acknowledge(it.association, 0)
  expect(it.log.splice(0)).toEqual(["hurry", "start 1200", "incoming", "post"])
  it.datagrams.acknowledge(undefined, 0)
  expect(it.log).toEqual(["hurry"])
})
