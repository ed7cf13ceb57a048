/**
 * A model of the path: how much it delivers and how long it takes without a queue. What is sent follows from both, not
 * from single losses. The state machine is BBRv3's (draft-ietf-ccwg-bbr-06), section numbers below are its. It says
 * nothing of marks (ECN); here they count as losses, but never as chance. Four things are ours, since the draft loses
 * its rate where 5 % are lost by chance or a radio link falls back and recovers, and gives way to full queues or takes
 * them all:
 *
 *     ChanceLoss   losses without a queue are learned, and sent on top
 *     test         a queue that stands is drained: if it goes, it was ours, and the path carries less than before
 *     Sharing      if it stays it is of others, who fill it: then the window follows CUBIC until it is gone
 *     Swings       a rate that changes faster than it can be probed is followed by the window, not by the model
 *
 * The file is one state machine: its states, what leads out of each, and what window and pace follow.
 *
 * @module
 */

import { double, ZERO } from "@x/wire"
import {
  type CongestionController,
  type CongestionFactory,
  type DeliverySample,
  firstWindowBytes,
  own,
} from "../controller.ts"
import { regainMs } from "../cubic-curve.ts"
import { RoundCount } from "../round-count.ts"
import { Bandwidth } from "./bandwidth.ts"
import { ChanceLoss, LOSS_SLACK } from "./chance-loss.ts"
import { ExtraDelivered } from "./extra-delivered.ts"
import { FullPipe } from "./full-pipe.ts"
import { LeastRtt } from "./least-rtt.ts"
import { LineRate } from "./line-rate.ts"
import { type QueueSigns, queueSigns } from "./queue-signs.ts"
import { RecentRate } from "./recent-rate.ts"
import { Round } from "./round.ts"
import { Sharing } from "./sharing.ts"
import { Swings } from "./swings.ts"

/** What the controller is doing. */
export type BbrState = "start" | "drain" | "down" | "cruise" | "refill" | "up" | "probe-rtt" | "sharing"

/** The window before anything is known, datagrams (RFC 9002 §7.2), and the round trip that its pace is made for. */
const START_DATAGRAMS = 10
const START_RTT_MS = 1
/** The least window, datagrams (§2.7, BBR.MinPipeCwnd). */
const DATAGRAMS_MIN = 4

/** Pace and window over what the model says, in each state (§5.1.1). */
const PACE_GAIN = { start: 2.77, drain: 0.5, down: 0.9, cruise: 1, refill: 1, up: 1.25, "probe-rtt": 1, sharing: 1 }
const WINDOW_GAIN = 2
const UP_WINDOW_GAIN = 2.25
const PROBE_RTT_WINDOW_GAIN = 0.5
/** CUBIC's window is paced a little faster than it opens. */
const SHARING_PACE_GAIN = 1.25
/** Sent below what the path delivers, so that its queue shrinks (§2.5, BBR.PacingMarginPercent). */
const MARGIN = 0.01
/**
 * A path whose round trip is shorter than timers are precise, milliseconds, is paced this much faster: there the window
 * is bound enough, and what is measured is how fast processes are.
 */
const SHORT_RTT_MS = 1
const SHORT_PACE_GAIN = 2
/** What is lost by chance is sent on top, up to this part. */
const CHANCE_MAX = 0.2
/** A probe that has grown the rate for two rounds doubles it: the path may carry much more than before. */
const UP_FAST_GAIN = 2
/** A probe adds at most this much to a queue in its first round, milliseconds: on long paths a quarter is too much. */
const UP_QUEUE_MS = 60
/** What is left after a loss, of rate and window (§2.7, BBR.Beta), and what is kept free for others (BBR.Headroom). */
const REDUCTION = 0.7
const HEADROOM = 0.15
/** Below the bound that a probe has found, but never less than the path needs with a few datagrams for timers. */
const CRUISE_LEAST = 1.1

/** Time between two probes for more, milliseconds, drawn between both (§5.3.3.5.3), or this many rounds. */
const PROBE_MS_MIN = 2_000
const PROBE_MS_MAX = 3_000
const PROBE_ROUNDS_MAX = 63
/**
 * After a test it is as many round trips as there are datagrams in flight, up to this many milliseconds: a probe adds a
 * part of what a flow has, so that each adds as much in the same time, and those with more come down to the others.
 */
const AFTER_TEST_MS_MAX = 15_000
/**
 * After a test of a queue that came without a probe, others are believed to be there for this long, milliseconds. What
 * they leave free for a moment is no reason to double a rate.
 */
const COMPANY_MS = 30_000
/** On long paths the time is at least this many round trips: a probe would otherwise never be over. */
const PROBE_RTTS = 12
/** A probe whose rate is limited by the application for this many rounds finds nothing. */
const UP_LIMITED_ROUNDS = 4
/**
 * A probe for the least round trip takes this many round trips, but so long, milliseconds: at most as in §2.15
 * (BBR.ProbeRTTDuration). On a short path a queue is gone much sooner.
 */
const PROBE_RTT_RTTS = 2
const PROBE_RTT_MS_MIN = 10
const PROBE_RTT_MS_MAX = 200
/** Drain may last this many rounds, unless it is a test. */
const DRAIN_ROUNDS = 3
/** A queue that stands for this many rounds is tested: once what a probe has added had this many to drain. */
const QUEUED_ROUNDS = 2
const DOWN_ROUNDS = 8
/** A short queue that never was empty for this many rounds, and overflows, is full; with this part of the path it is ours. */
const FULL_ROUNDS = 3
const MOST_PART = 0.5
/**
 * Where the rate is unsteady, as much is in flight as was delivered just now, within this many round trips and
 * milliseconds: enough to follow a rise within a few round trips, and a short queue when it falls.
 */
const UNSTEADY_RTTS = 1.5
const UNSTEADY_QUEUE_MS = 10
/** And at most this many products of the line rate, so that a fall from there leaves no long queue; more in a probe. */
const UNSTEADY_GAIN = 2
const UNSTEADY_UP_GAIN = 2.75
const UNSTEADY_DATAGRAMS_MIN = 16
const UNSTEADY_RTT_MS_MAX = 20
/** Rounds without a queue after which losses are chance. */
const QUIET_ROUNDS = 3
/** A path with a round trip from this on is long, milliseconds. */
const LONG_RTT_MS = 250
/** A rate below this part of what was expected, with a queue, is a drop; below this one, a deep one. */
const DROP_PART = 0.85
const DEEP_DROP_PART = 0.6

/**
 * Keeps its rate under losses that come by chance, keeps queues short, and shares with TCP: for the internet, radio
 * links and long paths. A model of the path in the manner of BBRv3 (draft-ietf-ccwg-bbr-06), which learns what is lost
 * by chance and follows CUBIC where others fill the queue.
 */
export function bbr(): CongestionFactory {
  return own((datagramBytes, random) => new Bbr(datagramBytes, random))
}

export class Bbr implements CongestionController {
  readonly answersMarks = true
  windowBytes: number
  paceBytesPerMs: number
  #state: BbrState = "start"
  #datagramBytes: number
  readonly #random: () => number
  readonly #rounds = new RoundCount()
  readonly #round = new Round()
  #model = new Model()
  #srttMs = double(START_RTT_MS)
  #inFlightBytes = ZERO
  #totalDeliveredBytes = ZERO
  /** Bounds: what was in flight when a probe lost too much; and until the next probe, what losses leave. */
  #inFlightMaxBytes = Infinity
  #shortRate = Infinity
  #shortInFlightBytes = Infinity
  /** Rounds in the present state, and since the last probe; when that was over, and how long the next one waits. */
  #stateRounds = 0
  #probeRounds = 0
  #probedMs = ZERO
  #waitMs = ZERO
  /** What a probe measured counts for the next cycle; and by how many datagrams a round its bound grows. */
  #isProbeCounted = true
  #upDatagrams = 1
  /** Rounds in which a queue stood although no more was sent than delivered; without any; and with any, however short. */
  #queuedRounds = 0
  #quietRounds = 0
  #fullRounds = 0
  /** A test whether a queue is ours; the datagrams in flight before it; and whether the rate had dropped far. */
  #isTesting = false
  #testedDatagrams = ZERO
  #hasDropped = false
  /** Others were seen on the path not long ago: until when that counts. */
  #companyUntilMs = -Infinity
  #isInCompany = false
  /** The rate of the path goes up and down faster than it can be probed. */
  #isUnsteady = false
  /** Of a probe for the least round trip: when it ends (0: it isn't drained yet), and what it interrupted. */
  #probeRttEndsMs = ZERO
  #wasSharing = false
  /** Whether the queue that it shares is short. */
  #isShort = false

  constructor(datagramBytes: number, random: () => number) {
    this.#datagramBytes = datagramBytes
    this.#random = random
    this.windowBytes = firstWindowBytes(START_DATAGRAMS, datagramBytes)
    this.paceBytesPerMs = (PACE_GAIN.start * this.windowBytes) / START_RTT_MS
  }

  /** What it is doing. */
  get state(): BbrState {
    return this.#state
  }

  /** The rate that the path is believed to deliver, bytes a millisecond; 0: unknown. */
  get rateBytesPerMs(): number {
    return Math.min(this.#model.bandwidth.most, this.#shortRate)
  }

  /** The part of the datagrams that is believed to be lost by chance. */
  get chanceLossRate(): number {
    return this.#model.chance.rate
  }

  onSent(): void {}

  onDatagramBytes(datagramBytes: number): void {
    this.#datagramBytes = datagramBytes
    this.windowBytes = Math.max(this.windowBytes, DATAGRAMS_MIN * datagramBytes)
  }

  onIdle(): void {
    this.#model.recent.restart()
  }

  /** Nothing is known of the new path: all begins anew. */
  onPathChange(): void {
    this.#model = new Model()
    this.#round.clear()
    this.#liftShortBounds()
    this.#inFlightMaxBytes = Infinity
    this.#isTesting = false
    this.#isUnsteady = false
    this.#isProbeCounted = true
    this.windowBytes = firstWindowBytes(START_DATAGRAMS, this.#datagramBytes)
    this.paceBytesPerMs = (PACE_GAIN.start * this.windowBytes) / this.#srttMs
    this.#enter("start")
  }

  onFeedback(sample: DeliverySample): void {
    this.#isInCompany = sample.nowMs < this.#companyUntilMs
    const isRound = this.#rounds.handleFeedback(sample)
    this.#measure(sample, isRound)
    if (isRound) this.#endRound(sample)
    this.#checkStart(sample, isRound)
    this.#checkDrop(sample)
    this.#step(sample, isRound)
    if (sample.rttMs >= 0) this.#model.least.handleRtt(sample.rttMs, this.#isSharing(), sample.nowMs)
    this.#checkLeastRtt(sample)
    if (isRound) this.#beginRound(sample)
    this.#control()
  }

  // What is measured.

  #measure(sample: DeliverySample, isRound: boolean): void {
    const { nowMs, rttMs, srttMs, deliveredBytes, rateBytesPerMs: rate, isApplicationLimited } = sample
    const { bandwidth, extra, line } = this.#model
    // The first pace was a guess.
    if (bandwidth.most === 0 && rttMs >= 0) this.paceBytesPerMs = (PACE_GAIN.start * this.windowBytes) / srttMs
    this.#srttMs = srttMs
    this.#inFlightBytes = sample.inFlightBytes
    this.#totalDeliveredBytes = sample.totalDeliveredBytes
    if (isRound) {
      this.#stateRounds++
      this.#probeRounds++
      line.handleRound(this.rateBytesPerMs, nowMs)
    }
    if (rate > 0) {
      this.#round.handleRate(rate, sample.totalDeliveredBytes - sample.sentDeliveredBytes)
      bandwidth.handleRate(rate, isApplicationLimited)
    }
    this.#round.add(sample.lostBytes, deliveredBytes, sample.markedBytes)
    if (rttMs >= 0) this.#round.handleRtt(rttMs)
    extra.handleFeedback(deliveredBytes, this.rateBytesPerMs, this.windowBytes, isRound, nowMs)
  }

  #signs(): QueueSigns {
    const { least, line } = this.#model
    const { rateBytesPerMs: rate } = this
    // A test of a path that seems slower than it was.
    const lineRate = this.#isTesting && this.#hasDropped ? rate : Math.max(rate, line.rate)
    return queueSigns(least.ms, this.#datagramBytes / Math.max(lineRate, 1))
  }

  #isSharing(): boolean {
    return this.#state === "sharing"
  }

  /** Whether no more is sent than the path was seen to deliver. */
  #isSteady(): boolean {
    return this.#state === "cruise" || this.#state === "down"
  }

  /** Whether this flow has most of the path: others have no reason to give way to it. */
  #hasMost(): boolean {
    return this.rateBytesPerMs > MOST_PART * this.#model.line.rate
  }

  /** Bytes in flight that fill the path, times a factor. */
  #pipeBytes(gain = 1): number {
    const { least } = this.#model
    if (least.ms === Infinity) return firstWindowBytes(START_DATAGRAMS, this.#datagramBytes)
    return Math.max(DATAGRAMS_MIN * this.#datagramBytes, gain * this.rateBytesPerMs * least.ms)
  }

  // Once a round.

  #endRound(sample: DeliverySample): void {
    const { chance, sharing } = this.#model
    const round = this.#round
    const signs = this.#signs()
    const isQuiet = round.leastMs <= signs.quietMs
    const hasQueue = round.leastMs > signs.queuedMs
    this.#quietRounds = isQuiet && round.mostMs <= signs.calmMs ? this.#quietRounds + 1 : 0
    const mayLearn = this.#isSteady() && this.#quietRounds >= QUIET_ROUNDS
    chance.handleRound(round, mayLearn, this.#datagramBytes)
    const isShort = !isQuiet && round.mostMs <= signs.droppedMs
    this.#fullRounds = isShort && this.#hasMost() ? this.#fullRounds + 1 : 0
    const isFull = hasQueue || (this.#isSharing() ? isShort && this.#isShort : this.#fullRounds >= FULL_ROUNDS)
    const explained = chance.explains(round.recentSentBytes, isFull ? 0 : LOSS_SLACK, this.#datagramBytes)
    const isLossy = round.recentCongestedBytes > explained
    if (this.#isSharing()) {
      if (sharing.handleRound(isLossy, isQuiet)) this.#endSharing(sample.nowMs)
    } else if (this.#isSteady()) this.#judgeRound(sample, hasQueue, isLossy)
  }

  /** A round is over in which no more was sent than the path was seen to deliver. */
  #judgeRound({ isApplicationLimited }: DeliverySample, hasQueue: boolean, isLossy: boolean): void {
    // What a probe has added takes a while to drain.
    const isSettled = this.#state === "cruise" || this.#stateRounds > DOWN_ROUNDS
    // Losses of the first round were sent before it, and before chance is known nothing follows from them. Nothing is
    // marked by chance.
    const isTelling = this.#round.markedBytes > 0 || this.#model.chance.isKnown
    const isCongested = isLossy && isTelling && this.#stateRounds >= 2
    if (isSettled) {
      this.#queuedRounds = hasQueue ? this.#queuedRounds + 1 : 0
      // A short queue is full long before it takes time.
      if ((hasQueue || this.#fullRounds >= FULL_ROUNDS) && isCongested) {
        this.#share(true)
        this.#isShort = !hasQueue
        return
      }
      if (hasQueue && this.#queuedRounds >= QUEUED_ROUNDS && !this.#isUnsteady && !isApplicationLimited) {
        if (this.#isTesting) this.#share(false)
        else this.#test(this.#round.rate)
        return
      }
    }
    if (!hasQueue && this.#state === "cruise") this.#endTest()
    if (!hasQueue && isCongested) this.#giveWay()
  }

  #beginRound({ rateBytesPerMs, totalDeliveredBytes, sentDeliveredBytes }: DeliverySample): void {
    this.#round.clear()
    this.#round.handleRate(rateBytesPerMs, totalDeliveredBytes - sentDeliveredBytes)
  }

  /** Losses that chance doesn't explain: until the next probe less is sent (§5.5.10.3). */
  #giveWay(): void {
    const { bandwidth, chance } = this.#model
    const rate = Math.min(this.#shortRate, bandwidth.most)
    const inFlightBytes = Math.min(this.#shortInFlightBytes, this.windowBytes)
    this.#shortRate = Math.max(this.#round.rate / (1 - chance.rate), REDUCTION * rate)
    this.#shortInFlightBytes = Math.max(this.#round.burstBytes, REDUCTION * inFlightBytes)
  }

  #liftShortBounds(): void {
    this.#shortRate = this.#shortInFlightBytes = Infinity
  }

  // Whose queue it is.

  /** A queue stands: only as much is sent as was delivered, and less, until what is ours of the queue is gone. */
  #test(rate: number): void {
    this.#hasDropped = rate < DEEP_DROP_PART * this.rateBytesPerMs
    this.#model.bandwidth.replace(Math.max(rate, 1))
    this.#liftShortBounds()
    this.#testedDatagrams = Math.max(this.#inFlightBytes, this.windowBytes / 2) / this.#datagramBytes
    this.#isTesting = true
    this.#queuedRounds = 0
    this.#enter("drain")
  }

  /** The queue was ours. If the path carries far less than before it may change back at any time. */
  #endTest(): void {
    if (this.#isTesting && this.#hasDropped) {
      this.#waitMs = 0
      this.#model.line.forget()
    }
    this.#isTesting = false
  }

  /** A path that suddenly carries less shows it by its queue. */
  #checkDrop(sample: DeliverySample): void {
    const { recent, least, bandwidth, line, swings } = this.#model
    if (!recent.handleFeedback(sample, least.ms, this.#datagramBytes)) return
    const isOwn = this.#state === "start" || this.#state === "probe-rtt"
    // Among many, a small part of the path comes and goes. A few datagrams fill a short path: there jitter swings.
    const isPart = !this.#hasMost() && recent.rate <= MOST_PART * line.rate
    const isShort = line.rate * least.ms < UNSTEADY_DATAGRAMS_MIN * this.#datagramBytes
    // What takes longer can't be followed.
    const isLong = least.ms > UNSTEADY_RTT_MS_MAX
    if (!sample.isApplicationLimited && !isOwn && !isPart && !isShort && !isLong)
      swings.handleRate(recent.rate, recent.rttMs > this.#signs().queuedMs, sample.nowMs)
    this.#isUnsteady = swings.isUnsteady(sample.nowMs)
    if (this.#isUnsteady) return
    const isDrop = recent.rate < DROP_PART * this.rateBytesPerMs && recent.rttMs !== Infinity
    if (!isDrop || recent.rttMs <= this.#signs().droppedMs || sample.isApplicationLimited) return
    if (this.#state === "drain") bandwidth.replace(Math.max(recent.rate, 1))
    else if (this.#isSteady() || this.#state === "refill" || this.#state === "up") {
      if (this.#isTesting) this.#share(false)
      else this.#test(recent.rate)
    }
  }

  /** The queue is of others. `isLossy`: it has overflown. */
  #share(isLossy: boolean): void {
    this.#isShort = false
    const inFlight = this.#inFlightBytes / this.#datagramBytes
    this.#model.sharing.begin(Math.max(DATAGRAMS_MIN, inFlight, isLossy ? 0 : this.#testedDatagrams), isLossy)
    this.#enter("sharing")
  }

  #endSharing(nowMs: number): void {
    const { bandwidth, sharing } = this.#model
    const { datagrams } = sharing
    bandwidth.replace(Math.max(bandwidth.latest, 1))
    this.#liftShortBounds()
    this.#inFlightMaxBytes = Math.max(this.#inFlightMaxBytes, datagrams * this.#datagramBytes)
    this.#isTesting = false
    this.#goDown(nowMs)
    // The others have lost what they need time to get back.
    this.#waitMs = Math.max(this.#waitMs, regainMs(datagrams / REDUCTION))
    this.#enter("cruise")
  }

  // States.

  #enter(state: BbrState): void {
    this.#state = state
    this.#stateRounds = 0
  }

  /** Leaves "start" once the path is full (§5.3.1). */
  #checkStart({ isApplicationLimited }: DeliverySample, isRound: boolean): void {
    if (this.#state !== "start" || !isRound) return
    const { bandwidth, pipe, chance, least } = this.#model
    pipe.handleRound(bandwidth.most, !isApplicationLimited)
    const round = this.#round
    const explained = chance.explains(round.sentBytes, LOSS_SLACK, this.#datagramBytes)
    const hasOverflown = round.congestedBytes > explained && round.leastMs > this.#signs().queuedMs
    if (hasOverflown) this.#inFlightMaxBytes = Math.max(bandwidth.most * least.ms, round.burstBytes)
    // On a long path each round that it takes to be sure is a round of queue.
    const isQueued = least.ms >= LONG_RTT_MS && pipe.rounds >= 1 && round.leastMs > this.#signs().queuedMs
    if (!pipe.isFull && !hasOverflown && !isQueued) return
    this.#enter("drain")
  }

  #step(sample: DeliverySample, isRound: boolean): void {
    const { nowMs, inFlightBytes } = sample
    switch (this.#state) {
      case "drain": {
        const isLongEnough = !this.#isTesting && this.#stateRounds >= DRAIN_ROUNDS
        if (inFlightBytes <= this.#pipeBytes() || isLongEnough) this.#goDown(nowMs)
        return
      }
      case "down":
        if (isRound && this.#stateRounds >= 1) this.#countProbe(sample)
        if (this.#isProbeDue(nowMs)) this.#refill()
        else if (inFlightBytes <= Math.min(this.#cruiseBytes(), this.#pipeBytes())) this.#enter("cruise")
        return
      case "cruise":
        if (this.#isProbeDue(nowMs)) this.#refill()
        return
      case "refill":
        if (isRound && this.#stateRounds >= 1) this.#goUp()
        return
      case "up":
        return this.#probe(sample, isRound)
      case "sharing":
        return this.#stepSharing(sample, isRound)
      default:
    }
  }

  #stepSharing(sample: DeliverySample, isRound: boolean): void {
    const { nowMs, srttMs, deliveredBytes, lostBytes, markedBytes } = sample
    const { bandwidth, sharing } = this.#model
    if (lostBytes === 0 && markedBytes === 0) sharing.grow(deliveredBytes / this.#datagramBytes, srttMs, nowMs)
    if (isRound && this.#stateRounds % 8 === 0) bandwidth.advance(bandwidth.latest)
  }

  /** After a probe, or anything else that filled a queue: a little less is sent, until it is gone (§5.3.3.1). */
  #goDown(nowMs: number): void {
    this.#probeRounds = 0
    this.#probedMs = nowMs
    this.#waitMs = PROBE_MS_MIN + this.#random() * (PROBE_MS_MAX - PROBE_MS_MIN)
    this.#isProbeCounted = false
    if (this.#isTesting) this.#beginVerdict(nowMs)
    this.#enter("down")
  }

  /** A test has drained what was ours: what is measured from now on decides. */
  #beginVerdict(nowMs: number): void {
    if (!this.#hasDropped) {
      this.#companyUntilMs = nowMs + COMPANY_MS
      const datagrams = this.#pipeBytes() / this.#datagramBytes
      this.#waitMs = Math.min(AFTER_TEST_MS_MAX, Math.max(this.#waitMs, datagrams * this.#model.least.ms))
    }
    this.#rounds.begin(this.#totalDeliveredBytes)
    this.#round.clear()
    this.#model.recent.restart()
  }

  /** The round after a probe still measures it; then the cycle is over (§5.5.6). */
  #countProbe({ rateBytesPerMs, isApplicationLimited }: DeliverySample): void {
    if (this.#isProbeCounted || isApplicationLimited) return
    this.#isProbeCounted = true
    this.#model.bandwidth.advance(rateBytesPerMs)
  }

  #isProbeDue(nowMs: number): boolean {
    const elapsedMs = nowMs - this.#probedMs
    // What others need to get back what they lost.
    if (this.#waitMs > PROBE_MS_MAX) return elapsedMs >= this.#waitMs
    if (this.#probeRounds >= Math.min(this.#pipeBytes() / this.#datagramBytes, PROBE_ROUNDS_MAX)) return true
    return elapsedMs >= (this.#waitMs === 0 ? 0 : Math.max(this.#waitMs, PROBE_RTTS * this.#model.least.ms))
  }

  /** Fills the path before it is probed for more (§5.3.3.3). */
  #refill(): void {
    this.#liftShortBounds()
    this.#enter("refill")
  }

  #goUp(): void {
    this.#model.pipe.begin(this.#model.bandwidth.most)
    this.#upDatagrams = 1
    // From here on a queue may be ours again.
    this.#isTesting = false
    this.#enter("up")
  }

  /** Sends more than was delivered, to see whether that is delivered too (§5.3.3.4). */
  #probe(sample: DeliverySample, isRound: boolean): void {
    const { nowMs, rttMs, inFlightBytes, rateBytesPerMs, isApplicationLimited } = sample
    const { pipe } = this.#model
    if (this.#isTooMuch(sample)) {
      if (!isApplicationLimited) this.#inFlightMaxBytes = Math.max(sample.sentInFlightBytes, this.#pipeBytes())
      return this.#goDown(nowMs)
    }
    if (isRound) {
      this.#upDatagrams = Math.min(2 * this.#upDatagrams, 1 << 20)
      pipe.handleRound(rateBytesPerMs, !isApplicationLimited)
    }
    // As it was before this feedback: a window of a few datagrams is never full after one.
    if (inFlightBytes + sample.deliveredBytes > 0.95 * this.#inFlightMaxBytes)
      this.#inFlightMaxBytes += (sample.deliveredBytes * this.#upDatagrams * this.#datagramBytes) / this.windowBytes
    const isFilled = this.#stateRounds >= 1 && pipe.rounds >= 1 && rttMs > this.#signs().filledMs
    const isIdle = isApplicationLimited && this.#stateRounds >= UP_LIMITED_ROUNDS
    if (isFilled || pipe.isFull || isIdle) this.#goDown(nowMs)
  }

  /**
   * Whether more was lost or marked, of what was in flight with the newest datagram, than chance and slack explain
   * (§5.5.10.2).
   */
  #isTooMuch({ rttMs, lostSinceSentBytes, markedSinceSentBytes, sentInFlightBytes }: DeliverySample): boolean {
    const congestedBytes = lostSinceSentBytes + markedSinceSentBytes
    const explained = this.#model.chance.explains(sentInFlightBytes, LOSS_SLACK, this.#datagramBytes)
    return rttMs >= 0 && congestedBytes > Math.max(explained, 2 * this.#datagramBytes)
  }

  /** Probes for the least round trip: little is in flight for a moment (§5.3.4). */
  #checkLeastRtt({ nowMs, inFlightBytes }: DeliverySample): void {
    if (this.#state !== "probe-rtt") {
      // "drain" shows it too, and what was sent before it waited in the queue.
      const isProbing = this.#state !== "start" && this.#state !== "drain"
      // Where the rate swings, what seems a queue of others may be the path's.
      const isDoubtful = this.#isSharing() && this.#model.swings.areMany(nowMs)
      if ((this.#model.least.isProbeDue || isDoubtful) && isProbing) this.#beginProbeRtt()
    } else if (this.#probeRttEndsMs === 0) {
      if (inFlightBytes > this.#pipeBytes(PROBE_RTT_WINDOW_GAIN) + this.#datagramBytes) return
      const probeMs = Math.max(PROBE_RTT_MS_MIN, PROBE_RTT_RTTS * this.#model.least.ms)
      this.#probeRttEndsMs = nowMs + Math.min(PROBE_RTT_MS_MAX, probeMs)
      // What was sent before waited in the queue.
      this.#stateRounds = 0
    } else if (nowMs >= this.#probeRttEndsMs && this.#stateRounds >= 1) this.#endProbeRtt(nowMs)
  }

  #beginProbeRtt(): void {
    this.#wasSharing = this.#isSharing()
    this.#probeRttEndsMs = 0
    this.#testedDatagrams = Math.max(this.#inFlightBytes, this.windowBytes / 2) / this.#datagramBytes
    this.#enter("probe-rtt")
  }

  #endProbeRtt(nowMs: number): void {
    if (
      this.#model.least.endProbe(this.#signs().queuedMs + this.#datagramBytes / Math.max(1, this.rateBytesPerMs), nowMs)
    ) {
      this.#model.swings.forget()
      if (this.#wasSharing) {
        this.#model.sharing.resume()
        this.#enter("sharing")
      } else this.#share(false)
      return
    }
    this.#goDown(nowMs)
    this.#enter("cruise")
  }

  // What follows: window and pace.

  #control(): void {
    const datagram = this.#datagramBytes
    if (this.#isSharing()) {
      this.windowBytes = Math.max(DATAGRAMS_MIN, this.#model.sharing.datagrams) * datagram
      this.paceBytesPerMs = (SHARING_PACE_GAIN * this.windowBytes) / this.#srttMs
      return
    }
    this.#setPace()
    if (this.#isUnsteady && this.#state !== "start" && this.#state !== "probe-rtt") {
      // A model that follows each rise and fall is always late.
      const { recent, least, line } = this.#model
      const ms = UNSTEADY_RTTS * least.ms + UNSTEADY_QUEUE_MS
      const most = (this.#state === "up" ? UNSTEADY_UP_GAIN : UNSTEADY_GAIN) * line.rate * least.ms
      this.windowBytes = Math.max(DATAGRAMS_MIN * datagram, Math.min(recent.rate * ms, most))
      this.paceBytesPerMs = Math.max(this.paceBytesPerMs, line.rate)
      return
    }
    const usual = this.#pipeBytes(this.#windowGain()) + this.#model.extra.bytes + 3 * datagram
    const wanted = this.#state === "start" ? Math.max(usual, this.windowBytes) : usual
    this.windowBytes = Math.max(DATAGRAMS_MIN * datagram, Math.min(wanted, this.#boundBytes()))
  }

  #setPace(): void {
    const rate = this.rateBytesPerMs
    if (rate === 0) return
    const isStarting = this.#state === "start"
    const sentOnTop = isStarting ? 1 : 1 / (1 - Math.min(CHANCE_MAX, this.#model.chance.rate))
    const shortGain = this.#model.least.ms < SHORT_RTT_MS ? SHORT_PACE_GAIN : 1
    const pace = this.#paceGain() * rate * sentOnTop * (1 - MARGIN) * shortGain
    this.paceBytesPerMs = isStarting ? Math.max(pace, this.paceBytesPerMs) : pace
  }

  #paceGain(): number {
    if (this.#state !== "up") return PACE_GAIN[this.#state]
    const isGrowing = this.#model.pipe.rounds === 0
    if (this.#stateRounds >= 3 && isGrowing && !this.#isInCompany) return UP_FAST_GAIN
    if (this.#stateRounds >= 2 && isGrowing) return PACE_GAIN.up
    return 1 + Math.min(PACE_GAIN.up - 1, UP_QUEUE_MS / this.#model.least.ms)
  }

  #windowGain(): number {
    if (this.#state === "up") return Math.max(UP_WINDOW_GAIN, 1 + this.#paceGain())
    return this.#state === "probe-rtt" ? PROBE_RTT_WINDOW_GAIN : WINDOW_GAIN
  }

  /** The most that may be in flight in this state. */
  #boundBytes(): number {
    if (this.#isSteady()) return Math.min(this.#cruiseBytes(), this.#shortInFlightBytes)
    if (this.#state !== "probe-rtt") return this.#inFlightMaxBytes
    return Math.min(this.#cruiseBytes(), this.#shortInFlightBytes, this.#pipeBytes(PROBE_RTT_WINDOW_GAIN))
  }

  /** Room is left below what a probe has found, for others to grow into. */
  #cruiseBytes(): number {
    const most = this.#inFlightMaxBytes
    if (most === Infinity) return most
    const { chance, extra } = this.#model
    // What is lost counts as in flight until that is known; and such a path bounds nothing by its losses.
    const least = this.#pipeBytes(CRUISE_LEAST / (1 - chance.rate)) + (chance.rate > 0 ? extra.bytes : 0)
    return Math.max(most - Math.max(this.#datagramBytes, HEADROOM * most), least)
  }
}

/** What is known of a path. */
class Model {
  readonly bandwidth = new Bandwidth()
  readonly least = new LeastRtt()
  readonly line = new LineRate()
  readonly chance = new ChanceLoss()
  readonly extra = new ExtraDelivered()
  readonly recent = new RecentRate()
  readonly pipe = new FullPipe()
  readonly sharing = new Sharing()
  readonly swings = new Swings()
}
