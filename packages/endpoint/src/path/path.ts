/**
 * The way to a peer, apart from its streams: the association in use and with it the address, the round trip, how large
 * datagrams may be, and how much may be in flight. A peer has one path at a time. Another may replace it; the streams
 * go on.
 *
 * @module
 */

import type { RttEstimator } from "@x/stream"
import { DATAGRAM_BYTES_BASE, type Feedback, type Limits, type MtuProbe } from "@x/wire"
import type { DeliverySample } from "../congestion/controller.ts"
import { expectedBytesOf, type Settings } from "../settings.ts"
import type { Association } from "./association.ts"
import { Limiting } from "./limiting.ts"
import { MtuDiscovery } from "./mtu-discovery.ts"
import { PathSize } from "./path-size.ts"
import { RateCaps } from "./rate-caps.ts"
import { SendGate } from "./send-gate.ts"

/** A test whether marks get through takes this many PTOs at most (RFC 9000 §13.4.2). */
const MARK_TEST_PTOS = 3
/** A process that is busy may hold feedback for this much longer than it announced, milliseconds. */
const HOLD_SLACK_MS = 25

export interface PathParts {
  readonly settings: Settings
  /** What the peer announced of itself. */
  readonly limits: Limits
  /** The resolution of timers, milliseconds. */
  readonly timerMs: number
  /** The estimate of the peer, which its streams read: it begins anew with each path. */
  readonly rtt: RttEstimator
  /** Numbers from 0 to below 1, for the controller and for probes. */
  readonly random: () => number
  /** The caps of the peer's rate; default: none. */
  readonly caps?: RateCaps
  /** Whether our sockets, as they are now, send and tell marks. */
  readonly hasMarks: () => boolean
  /** Whether datagrams to an address stay on this machine. */
  readonly isLocal: (address: number) => boolean
}

export class Path {
  readonly rtt: RttEstimator
  readonly size: PathSize
  readonly mtu: MtuDiscovery
  readonly gate: SendGate
  readonly caps: RateCaps
  readonly limiting: Limiting = new Limiting()
  /** The association that datagrams go to; there is one from the first accept on. */
  association: Association | undefined
  /** Samples of datagrams sent before are of another path. */
  #beganMs = -Infinity
  readonly #hasMarks: () => boolean
  readonly #isLocal: (address: number) => boolean
  /** How long the peer holds its feedback back, as it announced. */
  readonly #statusDelayMs: number

  constructor({ settings, limits, timerMs, rtt, random, caps = new RateCaps(), hasMarks, isLocal }: PathParts) {
    this.#hasMarks = hasMarks
    this.#isLocal = isLocal
    this.#statusDelayMs = limits.statusDelayMs
    this.rtt = rtt
    this.caps = caps
    this.size = new PathSize(settings, limits)
    this.mtu = new MtuDiscovery(this.size.boundBytes, random)
    const controller = settings.congestion(this.size.datagramBytesMax, random)
    this.gate = new SendGate(controller, this.size, timerMs, rtt, caps)
  }

  /** Takes an association into use. Returns the one before. */
  use(association: Association, nowMs: number): Association | undefined {
    const before = this.association
    this.association = association
    if (before !== association) {
      this.mtu.recount()
      this.testMarks()
    }
    if (before === undefined) this.#findSize(nowMs)
    else if (before.address !== association.address) this.#restart(nowMs)
    return before
  }

  /**
   * The peer has proved an address of another host: nothing is known of the path there. Datagrams that were sent before
   * `sinceMs` took the path before.
   */
  renew(sinceMs: number, nowMs: number): void {
    this.#beganMs = sinceMs
    this.rtt.restart()
    this.testMarks()
    this.#restart(nowMs)
  }

  #restart(nowMs: number): void {
    this.mtu.restart()
    this.#findSize(nowMs)
    // The window that the controller begins with depends on the size.
    const { datagramBytes } = this.mtu
    if (datagramBytes !== this.size.datagramBytesMax) this.gate.controller.onDatagramBytes?.(datagramBytes)
    this.gate.restart(nowMs)
  }

  /** Whether marks get through isn't known any more: datagrams go another way than those before. */
  testMarks(): void {
    const { association } = this
    if (association === undefined) return
    const isWanted = this.gate.controller.answersMarks === true && this.#hasMarks()
    association.ecn.begin(isWanted, MARK_TEST_PTOS * this.rtt.ptoMs, association.nextCounter - 1)
  }

  /** Between processes of one machine nothing but its own limit bounds a datagram, and probes cost no path anything. */
  #findSize(nowMs: number): void {
    const { mtu, association } = this
    const { boundBytes } = this.size
    const isLocal = association !== undefined && this.#isLocal(association.address)
    mtu.expect(isLocal ? boundBytes : expectedBytesOf(boundBytes))
    if (isLocal) mtu.begin(nowMs)
  }

  /** Uses the size of datagrams that was found. Returns whether it is another one. */
  resize(): boolean {
    const { datagramBytes } = this.mtu
    if (!this.size.set(datagramBytes)) return false
    this.gate.controller.onDatagramBytes?.(datagramBytes)
    return true
  }

  /** The system refused a datagram of this size as too long. Returns whether another size is used now. */
  limit(datagramBytes: number, nowMs: number): boolean {
    this.mtu.handleTooLong(datagramBytes, nowMs)
    return this.resize()
  }

  /**
   * A datagram of this size came through when the peer joined: a join without its padding shows that the path carries
   * no more. Returns whether another size is used now.
   */
  show(datagramBytes: number, nowMs: number): boolean {
    if (datagramBytes < DATAGRAM_BYTES_BASE) this.mtu.handleNarrowJoin(nowMs)
    return this.resize()
  }

  /** The peer answered a probe. Returns whether we asked. */
  handleMtuAnswer(answer: MtuProbe, nowMs: number): boolean {
    const bytes = this.mtu.handleAnswer(answer, nowMs)
    this.association?.sent.retract(bytes)
    return bytes > 0
  }

  /** A turn is over, see {@link SendGate.end}. */
  endTurn(hasMore: boolean, wasFull: boolean, nowMs: number): void {
    const { gate } = this
    gate.end(hasMore, wasFull)
    this.handleSent(gate.spentBytes, gate.largestBytes, nowMs)
  }

  /** So many bytes were sent, the largest datagram with so many. */
  handleSent(bytes: number, largestBytes: number, nowMs: number): void {
    const { association } = this
    if (largestBytes === 0 || association === undefined) return
    const { missingBytes } = association.sent
    this.mtu.handleSent({ bytes, largestBytes, counter: association.nextCounter - 1, missingBytes }, nowMs)
  }

  /** Takes in the peer's feedback on our datagrams, which {@link Association.refutes} didn't refute; `false`: nothing new about the association in use. */
  handleFeedback(feedback: Feedback, association: Association, sample: DeliverySample, nowMs: number): boolean {
    const { deliveries, sent } = association
    if (!deliveries.take(feedback, sent)) return false
    association.protection.heard(feedback.counter, nowMs)
    const { rtt } = this
    if (!sent.handleFeedback(deliveries, rtt.srttMs, nowMs, sample)) return false
    this.#boundHold(feedback, sample)
    if (sample.rttMs >= 0 && sample.sentMs >= this.#beganMs) rtt.addSample(sample.rttMs, sample.sentMs, nowMs)
    if (association !== this.association) return false
    this.mtu.handleFeedback(sent)
    sample.srttMs = rtt.srttMs
    sample.minRttMs = rtt.minMs
    association.ecn.handleFeedback(feedback, sent, sample)
    this.gate.handleFeedback(sample)
    return true
  }

  /** A peer that says it held its feedback for longer than it announced can't make the path look shorter by that. */
  #boundHold({ holdUs }: Feedback, sample: DeliverySample): void {
    if (holdUs <= 1_000 * (this.#statusDelayMs + HOLD_SLACK_MS)) return
    const { minMs } = this.rtt
    sample.rttMs = minMs < Infinity && sample.rttMs >= 0 ? Math.max(sample.rttMs, minMs) : -1
  }
}
