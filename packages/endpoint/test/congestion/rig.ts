/**
 * Flows over one bottleneck, without streams and bytes: each has a controller behind its gate and pacer, as a path has
 * them, and a receiver that sends feedback as a peer does. Some million datagrams a second, in virtual time.
 */

import { RttEstimator } from "@x/stream"
import { createFeedback } from "@x/wire"
import { type CongestionFactory, createDeliverySample } from "../../src/congestion/controller.ts"
import { FeedbackOwed } from "../../src/peer/feedback-owed.ts"
import { SendGate } from "../../src/path/send-gate.ts"
import { SentDatagrams } from "../../src/path/sent-datagrams.ts"

const DATAGRAM_BYTES = 1_200
/** Headers of UDP and IPv4 and of Ethernet. */
const AROUND_BYTES = 46
const FEEDBACK_BYTES = 60
const STATUS_DELAY_MS = 25

/** Uniform in [0, 1), by seed. */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

export interface RigOptions {
  readonly seed: number
  /** Of the bottleneck, Mbit/s, by time. */
  readonly mbits: number | ((nowMs: number) => number)
  /** Round trip without queue. */
  readonly rttMs: number
  /** The queue of the bottleneck; default: 256 KiB. */
  readonly queueBytes?: number
  readonly queuePackets?: number
  /** Loss each way, before the bottleneck. */
  readonly lossRate?: number
  /** Up to this much more delay on the way there, in order. */
  readonly jitterMs?: number | ((random: () => number) => number)
  /** The bottleneck serves what has come only at each multiple of this time. */
  readonly aggregationMs?: number
  /** Datagrams that waited longer than this in the queue are marked; default: none. */
  readonly markMs?: number
  /** Nothing gets through meanwhile. */
  readonly hole?: readonly [number, number]
  readonly flows: readonly FlowOptions[]
}

export interface FlowOptions {
  readonly congestion: CongestionFactory
  readonly startMs?: number
  /** Sends until so many datagrams have arrived; default: no end. */
  readonly datagrams?: number
  /** Sends one datagram each so many milliseconds; default: always has more. */
  readonly everyMs?: number
}

type Event = { atMs: number; order: number; run: () => void }

/** A binary heap. */
class Events {
  readonly #heap: Event[] = []
  #order = 0
  nowMs = 0

  at(atMs: number, run: () => void): void {
    const heap = this.#heap
    const event = { atMs: Math.max(atMs, this.nowMs), order: this.#order++, run }
    let i = heap.length
    heap.push(event)
    while (i > 0) {
      const up = (i - 1) >> 1
      if (!isBefore(event, heap[up]!)) break
      heap[i] = heap[up]!
      i = up
    }
    heap[i] = event
  }

  run(untilMs: number): void {
    const heap = this.#heap
    while (heap.length > 0 && heap[0]!.atMs <= untilMs) {
      const event = heap[0]!
      const last = heap.pop()!
      if (heap.length > 0) {
        let i = 0
        for (;;) {
          let down = 2 * i + 1
          if (down >= heap.length) break
          if (down + 1 < heap.length && isBefore(heap[down + 1]!, heap[down]!)) down++
          if (!isBefore(heap[down]!, last)) break
          heap[i] = heap[down]!
          i = down
        }
        heap[i] = last
      }
      this.nowMs = event.atMs
      event.run()
    }
    this.nowMs = untilMs
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

/** The bottleneck: a queue that is served at a rate. */
class Bottleneck {
  waitingBytes = 0
  waitingPackets = 0
  dropped = 0
  readonly #events: Events
  readonly #options: RigOptions
  #freeMs = 0

  constructor(events: Events, options: RigOptions) {
    this.#events = events
    this.#options = options
  }

  /** `left` is called when it has left; `false`: there was no room. */
  take(bytes: number, left: (waitedMs: number) => void): boolean {
    const { queueBytes = Infinity, queuePackets = Infinity, mbits, aggregationMs } = this.#options
    const most = queueBytes === Infinity && queuePackets === Infinity ? 262_144 : queueBytes
    if (this.waitingBytes + bytes > most || this.waitingPackets + 1 > queuePackets) {
      this.dropped++
      return false
    }
    const events = this.#events
    const { nowMs } = events
    this.waitingBytes += bytes
    this.waitingPackets++
    const start = Math.max(this.#freeMs, nowMs)
    const rate = typeof mbits === "number" ? mbits : mbits(start)
    this.#freeMs = start + ((bytes + AROUND_BYTES) * 8) / (rate * 1_000)
    const leavesMs =
      aggregationMs === undefined ? this.#freeMs : Math.ceil(this.#freeMs / aggregationMs) * aggregationMs
    events.at(leavesMs, () => {
      this.waitingBytes -= bytes
      this.waitingPackets--
      left(events.nowMs - nowMs)
    })
    return true
  }
}

export class Flow {
  readonly gate: SendGate
  readonly sent = new SentDatagrams()
  readonly rtt = new RttEstimator()
  /** Bytes that arrived, in steps of a hundred milliseconds. */
  readonly arrivedBytes: number[] = []
  /** Waiting times in the queue, and round trips, by the time they ended. */
  readonly waits: [number, number][] = []
  readonly rtts: [number, number][] = []
  doneMs = Infinity
  lastArrivalMs = 0
  datagramsSent = 0
  arrived = 0
  /** Bytes that came marked, and those of which the controller was told. */
  markedBytes = 0
  readonly #told = { ectSent: 0, markedBytes: 0 }
  #counter = 0
  #offered = 0
  readonly #sample = createDeliverySample()
  readonly #owed = new FeedbackOwed()
  readonly #feedback = createFeedback()
  #highestMs = 0
  #received = 0
  #wakeMs = Infinity
  #probeMs = Infinity
  #lastArrivedMs = 0
  readonly #events: Events
  readonly #link: Bottleneck
  readonly #random: () => number
  readonly #rig: RigOptions
  readonly #options: FlowOptions

  constructor(events: Events, link: Bottleneck, rig: RigOptions, options: FlowOptions, seed: number) {
    this.#events = events
    this.#link = link
    this.#rig = rig
    this.#options = options
    this.#random = random(seed)
    const size = { heldBytesMax: Infinity, payloadBytesMax: DATAGRAM_BYTES, datagramBytesMax: DATAGRAM_BYTES }
    this.gate = new SendGate(options.congestion(DATAGRAM_BYTES, random(seed + 7)), size as never, 0.01, this.rtt)
    events.at(options.startMs ?? 0, () => this.#start())
  }

  #start(): void {
    const { everyMs } = this.#options
    // The join has shown the round trip.
    this.rtt.addSample(this.#rig.rttMs, this.#events.nowMs - this.#rig.rttMs, this.#events.nowMs)
    if (everyMs === undefined) return this.send()
    const tick = (): void => {
      this.#offered++
      this.send()
      this.#events.at(this.#events.nowMs + everyMs, tick)
    }
    tick()
  }

  get #left(): number {
    const { datagrams = Infinity, everyMs } = this.#options
    if (everyMs !== undefined) return this.#offered - this.datagramsSent
    return datagrams - this.arrived - Math.floor(this.sent.inFlightBytes / DATAGRAM_BYTES)
  }

  send(): void {
    const { nowMs } = this.#events
    this.gate.begin(this.sent, nowMs)
    while (this.#left > 0 && this.gate.mayGo(DATAGRAM_BYTES)) {
      this.datagramsSent++
      this.#post(DATAGRAM_BYTES, true)
      this.gate.spend(DATAGRAM_BYTES)
    }
    this.gate.end(this.#left > 0, false)
    const due = Math.min(this.#left > 0 ? this.gate.paceDueMs : Infinity, this.#probeDueMs())
    if (due >= this.#wakeMs && this.#wakeMs > nowMs) return
    this.#wakeMs = due
    if (due !== Infinity)
      this.#events.at(due, () => {
        if (this.#wakeMs !== due) return
        this.#wakeMs = Infinity
        this.#probe()
        this.send()
      })
  }

  /** A window that stays shut, or data that nobody answers for, is asked about by a datagram of control. */
  #probeDueMs(): number {
    const usual = Math.min(this.rtt.ptoMs + STATUS_DELAY_MS, Math.max(100, 2 * this.rtt.minMs))
    return this.sent.inFlightBytes > 0
      ? Math.max(this.#lastArrivedMs, this.#probeMs === Infinity ? 0 : this.#probeMs) + usual
      : Infinity
  }

  #probe(): void {
    if (this.#events.nowMs + 1e-9 < this.#probeDueMs()) return
    this.#probeMs = this.#events.nowMs
    this.gate.shutProbed(this.#events.nowMs)
    this.#post(FEEDBACK_BYTES, false)
  }

  #post(bytes: number, isData: boolean): void {
    const events = this.#events
    const counter = ++this.#counter
    this.sent.add(counter, bytes, isData, events.nowMs, this.#told)
    if (this.#isLost()) return
    const { jitterMs = 0, rttMs, markMs = Infinity } = this.#rig
    this.#link.take(bytes, (waitedMs) => {
      this.waits.push([events.nowMs, waitedMs])
      const laterMs = typeof jitterMs === "number" ? jitterMs * this.#random() : jitterMs(this.#random)
      const arrives = Math.max(this.lastArrivalMs, events.nowMs + rttMs / 2 + laterMs)
      this.lastArrivalMs = arrives
      events.at(arrives, () => {
        if (waitedMs > markMs) this.markedBytes += bytes
        this.#arrive(counter, bytes, isData)
      })
    })
  }

  #isLost(): boolean {
    const { hole, lossRate = 0 } = this.#rig
    const { nowMs } = this.#events
    return this.#random() < lossRate || (hole !== undefined && nowMs >= hole[0] && nowMs < hole[1])
  }

  #arrive(counter: number, bytes: number, isData: boolean): void {
    const { nowMs } = this.#events
    this.#received += bytes
    if (isData) this.arrived++
    if (counter > this.#feedback.counter) {
      this.#feedback.counter = counter
      this.#highestMs = nowMs
    }
    if (isData) {
      const slot = Math.floor(nowMs / 100)
      while (this.arrivedBytes.length <= slot) this.arrivedBytes.push(0)
      this.arrivedBytes[slot]! += bytes
      if (this.arrived >= (this.#options.datagrams ?? Infinity)) this.doneMs = Math.min(this.doneMs, nowMs)
    }
    this.#owed.heard(nowMs)
    const delay = isData ? Math.min(STATUS_DELAY_MS, Math.max(1, this.rtt.srttMs / 4)) : 0
    this.#owed.within(delay, nowMs)
    const { dueMs } = this.#owed
    this.#events.at(dueMs, () => {
      if (this.#owed.dueMs <= this.#events.nowMs) this.#answer()
    })
  }

  #answer(): void {
    const events = this.#events
    this.#owed.said(events.nowMs)
    const { counter } = this.#feedback
    const bytes = this.#received
    const { markedBytes } = this
    const holdUs = (events.nowMs - this.#highestMs) * 1_000
    if (this.#isLost()) return
    events.at(events.nowMs + this.#rig.rttMs / 2, () => {
      const { nowMs } = events
      this.#lastArrivedMs = nowMs
      this.#probeMs = Infinity
      const sample = this.#sample
      if (this.sent.handleFeedback({ ...this.#feedback, counter, bytes, holdUs }, this.rtt.srttMs, nowMs, sample)) {
        if (sample.rttMs >= 0) {
          this.rtt.addSample(sample.rttMs, sample.sentMs, nowMs)
          this.rtts.push([nowMs, sample.rttMs])
        }
        sample.srttMs = this.rtt.srttMs
        sample.minRttMs = this.rtt.minMs
        sample.markedBytes = markedBytes - this.#told.markedBytes
        this.#told.markedBytes = markedBytes
        sample.markedSinceSentBytes = sample.rttMs < 0 ? 0 : markedBytes - this.sent.markedBytesAt(counter)
        this.gate.handleFeedback(sample)
      }
      this.send()
    })
  }

  /** Mbit/s that arrived, headers of the link included, in a time. */
  mbits(fromMs: number, toMs: number): number {
    let bytes = 0
    for (let slot = Math.floor(fromMs / 100); slot < Math.floor(toMs / 100); slot++)
      bytes += this.arrivedBytes[slot] ?? 0
    return (bytes * (DATAGRAM_BYTES + AROUND_BYTES) * 8) / DATAGRAM_BYTES / ((toMs - fromMs) * 1_000)
  }
}

export interface Rig {
  readonly flows: readonly Flow[]
  readonly link: Bottleneck
  readonly nowMs: number
  run(untilMs: number): void
}

export function makeRig(options: RigOptions): Rig {
  const events = new Events()
  const link = new Bottleneck(events, options)
  const flows = options.flows.map((flow, at) => new Flow(events, link, options, flow, options.seed * 1_000 + at))
  return {
    flows,
    link,
    get nowMs() {
      return events.nowMs
    },
    run: (untilMs) => events.run(untilMs),
  }
}

/** The value below which this part of those after `fromMs` lies. */
export function quantile(values: readonly [number, number][], part: number, fromMs = 0): number {
  const sorted = values
    .filter(([atMs]) => atMs >= fromMs)
    .map(([, value]) => value)
    .sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0
}
