/**
 * One incarnation of a peer: composes its path, its streams in both directions, and the machines that know whether it
 * is alive and what is due.
 *
 * @module
 */

import { GRANULARITY_MS, RepeatPace, RttEstimator, type StreamOptions } from "@x/stream"
import * as wire from "@x/wire"
import { spreadOf } from "../settings.ts"
import type { Association } from "../path/association.ts"
import { CONTROL_ROOM_BYTES, metadataBytesMax } from "../datagram/control-writer.ts"
import type { Due } from "../schedule/due-queue.ts"
import { IncomingStreams } from "../streams/incoming-streams.ts"
import { isLoopback } from "../path/loopback.ts"
import { Path } from "../path/path.ts"
import { RateCaps } from "../path/rate-caps.ts"
import type { Session } from "../path/session.ts"
import { FairTurn } from "../schedule/fair-queue.ts"
import type { RateClaim } from "../schedule/rate-shares.ts"
import type { Account } from "../schedule/accounts.ts"
import type { Charges } from "../schedule/ledger.ts"
import type { SendLimit } from "../path/limiting.ts"
import type { OutgoingState } from "../streams/outgoing-state.ts"
import { OutgoingStreams } from "../streams/outgoing-streams.ts"
import { ConnectionControl } from "./connection-control.ts"
import { FeedbackOwed } from "./feedback-owed.ts"
import { Goodbye } from "./goodbye.ts"
import { Liveness, type LivenessState } from "./liveness.ts"
import { Moves } from "./moves.ts"
import type { PeerContext } from "./peer-context.ts"
import { type Ping, Pings } from "./pings.ts"
import { postMtuProbes } from "./mtu-probes.ts"
import { PathAnswers } from "./path-answers.ts"
import { RateAsked } from "./rate-asked.ts"
import { Retiring } from "./retiring.ts"
import { StreamSettings } from "./stream-settings.ts"
import { type Timer, Timers } from "./timers.ts"

export class PeerState implements Due {
  /** The session of all its associations. */
  readonly session: Session
  readonly rtt: RttEstimator = new RttEstimator()
  /** The present path: another one may replace it. */
  path: Path
  /** How often its streams repeat what it doesn't answer. */
  readonly pace: RepeatPace
  /** Its shares of what all peers share. */
  readonly account: Account
  readonly outgoing: OutgoingStreams
  readonly incoming: IncomingStreams<PeerState>
  /** The application's object for the peer; set by the shell. */
  owner: unknown = undefined
  dueMs: number = Infinity
  heapIndex = -1
  /** Whether the application was told of it. */
  isAnnounced = false
  /** Whether the protocol is going to poll it. */
  isAwake = false
  /** Asks the protocol for a join to this peer's address, to learn which incarnation is there. */
  isProbeWanted = false
  readonly #context: PeerContext<PeerState>
  /** Its share in what the process sends: higher priority goes first, weight counts among equals. */
  priority = 128
  weight = 1
  /** Its place among those that wait for the cap of all together. */
  readonly turn: FairTurn = new FairTurn()
  readonly #liveness: Liveness
  readonly #goodbye = new Goodbye()
  readonly #pings = new Pings()
  readonly #rate = new RateAsked()
  /** Caps of what it sends to us: of its own, and its part of that of all; bytes a second. And what it has sent. */
  readonly #receiving = { ownBytesPerSecond: Infinity, shareBytesPerSecond: Infinity, bytes: 0 }
  readonly #feedback = new FeedbackOwed()
  readonly #retiring = new Retiring()
  readonly #timers: Timers
  readonly #streamSettings: StreamSettings
  readonly #pathAnswers: PathAnswers
  /** Where it is, on the association in use. */
  readonly moves: Moves
  readonly #control: ConnectionControl

  /** `identity`: for whom what is lent to it counts, with what is lent to others of the same. */
  constructor(context: PeerContext<PeerState>, session: Session, identity: string) {
    const nowMs = session.beganMs
    this.#context = context
    this.session = session
    const { settings, transport } = context
    const { timerMs } = transport.capabilities
    this.path = new Path({
      ...{ settings, limits: session.limits, timerMs, rtt: this.rtt },
      random: () => context.random(),
      isLocal: (address) => isLoopback(transport.addressOf(address).host),
      hasMarks: () => transport.capabilities.ecn,
      caps: new RateCaps(settings.sendRateBytesPerSecondPerPeer / 1_000, context.sharedPace),
    })
    this.#streamSettings = new StreamSettings(context.settings, session.limits)
    this.#liveness = new Liveness(context.settings)
    this.pace = new RepeatPace(nowMs)
    this.account = context.accounts.open(identity)
    const signals = {
      wake: (): void => context.wake(this),
      hasten: (deadlineMs: number): void => context.hasten(this, deadlineMs),
      refute: (nowMs: number): void => this.#refute("not-sent", nowMs),
      progress: (stream: OutgoingState): void => context.events.push({ kind: "progress", peer: this, stream }),
    }
    this.outgoing = new OutgoingStreams(this, context, signals, nowMs)
    this.incoming = new IncomingStreams(this, context, nowMs)
    this.#timers = new Timers({
      ...{ liveness: this.#liveness, goodbye: this.#goodbye, pings: this.#pings, feedback: this.#feedback },
      rate: this.#rate,
      ...{ retiring: this.#retiring, outgoing: this.outgoing, incoming: this.incoming, limits: session.limits },
    })
    this.#pathAnswers = new PathAnswers(context.transport)
    this.moves = new Moves(this, {
      outbox: context.outbox,
      redirected: (sinceMs, at) => {
        this.outgoing.resendSince(sinceMs, at)
        this.incoming.handleReachable(at, sinceMs)
        this.#feedback.owe(at)
      },
      addressOf: (address) => context.transport.addressOf(address),
      moved: (from, address) => {
        context.moved(this, from)
        if (this.isAnnounced) context.events.push({ kind: "moved", peer: this, from: address })
      },
    })
    this.#control = new ConnectionControl(this, context.control, {
      ...{ timers: this.#timers, goodbye: this.#goodbye, pings: this.#pings, rate: this.#rate },
    })
    this.limitReceiving(settings.receiveRateBytesPerSecondPerPeer, nowMs)
  }

  /** The memory that is charged to it, bytes. */
  get charges(): Charges<number> {
    return this.#context.ledger.of(this.account)
  }

  get unique(): Uint8Array {
    return this.session.unique
  }

  /** Its static key, where members have one. */
  get publicKey(): Uint8Array | undefined {
    return this.session.publicKey
  }

  /** What it announced of itself. */
  get limits(): wire.Limits {
    return this.session.limits
  }

  get liveness(): LivenessState {
    return this.#liveness.state
  }

  /** The association in use; there is one from the first accept on. */
  get association(): Association | undefined {
    return this.path.association
  }

  /** All its associations, including retiring ones. */
  get associations(): readonly Association[] {
    const { association } = this.path
    return association === undefined ? this.#retiring.all : [association, ...this.#retiring.all]
  }

  /** The largest message that both ends accept, bytes. */
  get messageBytesMax(): number {
    return this.path.size.messageBytesMax
  }

  /** The largest datagram to the peer, bytes. */
  get datagramBytesMax(): number {
    return this.path.size.datagramBytesMax
  }

  get payloadBytesMax(): number {
    return this.path.size.payloadBytesMax
  }

  /** Bytes of metadata that an opening can carry. */
  get metadataBytesMax(): number {
    return metadataBytesMax(this.#context.settings.profile, this.datagramBytesMax)
  }

  /** Takes an association into use; the one before accepts datagrams for 3 PTO more. */
  use(association: Association, nowMs: number): void {
    const before = this.path.use(association, nowMs)
    if (this.path.resize()) this.outgoing.handlePathSize(nowMs)
    if (before !== undefined && before !== association) {
      this.moves.noteReplaced(before)
      this.retire(before, nowMs)
    }
    // Counters begin anew: pings sent on another association are sent again.
    this.#pings.restart()
    if (this.#liveness.revive()) this.#revived(nowMs)
  }

  retire(association: Association, nowMs: number): void {
    this.#retiring.add(association, 3 * this.rtt.ptoMs, nowMs)
    this.#context.wake(this)
  }

  /** How far a sender goes beyond a stream's edge whatever is missing, packets: both ends announced at least this. */
  get spreadPackets(): number {
    return Math.min(spreadOf(this.#context.settings), this.limits.spread)
  }

  /** Options of streams to the peer, within its limits. */
  get sendOptions(): StreamOptions {
    return this.#streamSettings.sending(this.payloadBytesMax)
  }

  /** Options of streams from the peer, within ours. */
  get receiveOptions(): StreamOptions {
    return this.#streamSettings.receiving(this.payloadBytesMax)
  }

  /** Any genuine datagram shows that the peer lives. */
  heard(nowMs: number): void {
    this.#feedback.heard(nowMs)
    if (this.path.gate.isRestless(nowMs)) this.#feedback.keepOn(this.#silenceMs, nowMs)
    if (this.#liveness.heard()) this.#revived(nowMs)
  }

  #revived(nowMs: number): void {
    this.pace.isPaused = false
    this.outgoing.handleReachable(true, nowMs)
    this.incoming.handleReachable(nowMs)
    this.#context.events.push({ kind: "reachable", peer: this })
  }

  /**
   * Feedback came on this association. Returns when the newest datagram was sent that it reports; −Infinity: unknown.
   */
  handleFeedback(view: DataView, body: number, end: number, association: Association, nowMs: number): number {
    const { feedback, sample } = this.#context.scratch
    wire.readFeedback(view, body, end, feedback)
    const reason = association.refutes(feedback)
    if (reason !== undefined) {
      this.#refute(reason, nowMs)
      return -Infinity
    }
    if (this.path.handleFeedback(feedback, association, sample, nowMs)) {
      const { outgoing, path } = this
      if (outgoing.isFull) outgoing.growWindows(path.gate.windowBytes, nowMs)
      if (outgoing.hasData) this.#context.wake(this)
      if (association.ecn.takeImpossible()) this.#context.drop("not-sent")
    }
    return association.sent.sentMsOf(feedback.counter)
  }

  /** It acknowledges what can't have come. Where bits may flip on the way, that shows nothing of the peer. */
  #refute(reason: wire.PacketDropReason, nowMs: number): void {
    this.#context.drop(reason)
    if (this.#context.settings.profile === wire.PROFILE.none) return
    this.leave(wire.REASON.falseAcknowledgement, "it acknowledged what never came", nowMs)
  }

  /** A datagram with data came: if nothing else is sent for a while, feedback is. */
  handleData(nowMs: number): void {
    const { statusDelayMs } = this.#context.settings
    const delayMs = Math.min(statusDelayMs, Math.max(GRANULARITY_MS, this.rtt.srttMs / 4))
    this.#feedback.within(delayMs, nowMs, this.#silenceMs)
  }

  /** After this time without a datagram of a flow, our last answer may not have come to where the peer hears. */
  get #silenceMs(): number {
    return 1.25 * this.rtt.srttMs + GRANULARITY_MS
  }

  handleHeartbeat(wanted: boolean): void {
    if (wanted) {
      this.#pings.isEchoOwed = true
      return this.#context.wake(this)
    }
    for (const ping of this.#pings.answered(this.association?.sent.heardCounter ?? 0))
      this.#context.events.push({ kind: "answered", peer: this, ping })
  }

  /** From which address the peer asks. */
  handlePathChallenge(data: Uint8Array, address: number, nowMs: number): void {
    this.path.gate.challenged(nowMs)
    this.#pathAnswers.challenged(data, address)
    this.#context.wake(this)
  }

  handleMtuProbe(probe: wire.MtuProbe): void {
    this.#pathAnswers.probed(probe)
    this.#context.wake(this)
  }

  /** Returns whether we asked. */
  handleMtuAnswer(answer: wire.MtuProbe, nowMs: number): boolean {
    const isOurs = this.path.handleMtuAnswer(answer, nowMs)
    if (this.path.resize()) this.outgoing.handlePathSize(nowMs)
    return isOurs
  }

  /** The system refused a datagram of this size as too long for the path. */
  handleTooLong(datagramBytes: number, nowMs: number): void {
    if (this.path.limit(datagramBytes, nowMs)) this.outgoing.handlePathSize(nowMs)
    this.#context.wake(this)
  }

  /** A datagram of this size came through when the peer joined. */
  handleJoined(datagramBytes: number, nowMs: number): void {
    if (this.path.show(datagramBytes, nowMs)) this.outgoing.handlePathSize(nowMs)
  }

  handleGoodbye({ reason, text }: wire.ReasonText, wanted: boolean, nowMs: number): void {
    if (wanted) this.#goodbye.isAnswerOwed = true
    if (this.#liveness.isThere) this.#leave("leaving", reason, text, nowMs)
    // Stays long enough to answer a goodbye that crossed ours.
    if (this.liveness === "leaving") this.#goodbye.heard(3 * this.rtt.ptoMs, nowMs)
    this.#context.wake(this)
  }

  /** Asks for a heartbeat's answer, which `answered` reports. */
  ping(): Ping {
    this.#context.wake(this)
    return this.#pings.add()
  }

  /** Our sockets are others: a heartbeat that asks tells it so. */
  rebound(nowMs: number): void {
    if (this.association === undefined || !this.#liveness.isThere) return
    this.moves.rebound(this.association, nowMs)
    this.#pings.add()
    this.#context.wake(this)
  }

  /** Nothing waits for this answer any more. */
  cancelPing(ping: Ping): void {
    this.#pings.end(ping)
  }

  /** Says goodbye until it is answered; the streams close at once. */
  leave(reason: number, text: string, nowMs: number): void {
    if (!this.#liveness.isThere) return
    // Handed-over messages are acknowledged now: after the goodbye that is impossible.
    this.acknowledge(nowMs)
    this.#leave("leaving", reason, text, nowMs)
    this.#goodbye.begin({ reason, text }, nowMs)
    this.#context.wake(this)
  }

  /** Ends without a goodbye: the peer is gone, or another state replaces it. */
  end(reason: number, text: string, nowMs: number): void {
    if (this.#liveness.isThere) this.#leave("left", reason, text, nowMs)
    else this.#liveness.end()
  }

  #leave(to: "leaving" | "left", reason: number, text: string, nowMs: number): void {
    if (to === "leaving") this.#liveness.leave()
    else this.#liveness.end()
    this.#context.forsake(this, nowMs)
    this.outgoing.close(reason, nowMs)
    this.incoming.close(reason)
    if (!this.isAnnounced) return
    const { transport, events } = this.#context
    // The address's number may have been reused by the time of the event.
    this.#pathAnswers.release()
    const { association } = this.path
    const address = association && transport.addressOf(association.address)
    events.push({ kind: "left", peer: this, why: { reason, text }, address })
  }

  /** Handles liveness and control packets, as far as the socket allows. */
  pollControl(nowMs: number, mayJudge: boolean): void {
    const { association } = this.path
    if (association === undefined) return
    // The peer may have moved to another path.
    if (this.path.resize()) this.outgoing.handlePathSize(nowMs)
    if (mayJudge) this.#judge(association, nowMs)
    // The peer has confirmed no newer key for so long that it is gone, or never existed.
    if (association.isExhausted) this.end(wire.REASON.protocolError, "the keys are used up", nowMs)
    if (this.liveness === "left") return
    this.#writeControl(association, nowMs)
  }

  /** Sends data, up to a quantum and as far as window, pace and socket allow. Returns whether more might go now. */
  pollData(quantumBytes: number, nowMs: number): boolean {
    const { association, gate } = this.path
    if (association === undefined || this.liveness !== "joined") return false
    gate.begin(association.sent, nowMs)
    this.outgoing.pollData(association, quantumBytes, nowMs)
    const { hasData, isFull } = this.outgoing
    this.path.endTurn(hasData || isFull, this.outgoing.takeFull(), nowMs)
    this.path.limiting.set(this.#limit, nowMs)
    return hasData && gate.isOpen && !this.#context.outbox.isBlocked
  }

  /** Whether it has data that only the cap of all peers together holds back, as of the last turn. */
  get isSharedFull(): boolean {
    return this.liveness === "joined" && this.path.gate.isSharedFull && this.outgoing.hasData
  }

  /** Caps what goes to the peer, bytes a second; `Infinity`: no cap. In force at once. */
  limitSending(bytesPerSecond: number): void {
    this.path.caps.ownBytesPerMs = bytesPerSecond / 1_000
    this.#context.wake(this)
  }

  /** Asks it to send no more than this to us, bytes a second; `Infinity`: as much as it likes. */
  limitReceiving(bytesPerSecond: number, nowMs: number): void {
    this.#receiving.ownBytesPerSecond = bytesPerSecond
    this.#askRate(nowMs)
  }

  /** The same for its part of what all peers may send to us. */
  shareReceiving(bytesPerSecond: number, nowMs: number): void {
    this.#receiving.shareBytesPerSecond = bytesPerSecond
    this.#askRate(nowMs)
  }

  #askRate(nowMs: number): void {
    const { ownBytesPerSecond, shareBytesPerSecond } = this.#receiving
    this.#rate.ask(Math.min(ownBytesPerSecond, shareBytesPerSecond), nowMs)
    if (this.association !== undefined) this.#context.wake(this)
  }

  get receiveShareBytesPerSecond(): number {
    return this.#receiving.shareBytesPerSecond
  }

  /** What it has used of its part since this was last asked, so many seconds ago. */
  receiveClaim(seconds: number): RateClaim {
    const receiving = this.#receiving
    const bytes = this.associations.reduce((total, { bytesReceived }) => total + bytesReceived, 0)
    const usedBytesPerSecond = Math.max(0, bytes - receiving.bytes) / seconds
    receiving.bytes = bytes
    return {
      hadBytesPerSecond: receiving.shareBytesPerSecond,
      usedBytesPerSecond,
      mostBytesPerSecond: receiving.ownBytesPerSecond,
    }
  }

  /** It asks us to send no faster, or has answered that; `false`: we didn't ask. */
  handleRate(rate: wire.Rate, wanted: boolean): boolean {
    if (!wanted) return this.#rate.answered(rate)
    const bytesPerSecond = this.#rate.take(rate)
    if (bytesPerSecond !== undefined) this.path.caps.askedBytesPerMs = bytesPerSecond / 1_000
    this.#context.wake(this)
    return true
  }

  get #limit(): SendLimit {
    if (this.#context.outbox.isBlocked) return "socket"
    return this.path.gate.limit ?? this.outgoing.limit
  }

  /** Whether data waits for feedback or for the socket: until the next turn none can go. */
  get isHeldBack(): boolean {
    return this.path.gate.isShut || this.#context.outbox.isBlocked
  }

  /** Whether nothing more has to be sent: the goodbye was answered, or no peer is left to answer it. */
  get isSettled(): boolean {
    return this.liveness === "left" || (this.liveness === "leaving" && !this.#goodbye.isActive)
  }

  /** Whether the goodbye is over: the protocol forgets the peer. */
  isGone(nowMs: number): boolean {
    const { association } = this.path
    if (this.liveness === "left") return true
    return this.liveness === "leaving" && association !== undefined && this.#isDue("forget", association, nowMs)
  }

  #isDue(timer: Timer, association: Association, nowMs: number): boolean {
    return this.#timers.isDue(timer, this.path, association, nowMs)
  }

  #judge(association: Association, nowMs: number): void {
    if (this.#isDue("silence", association, nowMs)) {
      this.#liveness.lose()
      this.pace.isPaused = true
      this.outgoing.handleReachable(false, nowMs)
      // What the path drops now may be what has a mark.
      this.path.testMarks()
      this.#context.events.push({ kind: "unreachable", peer: this })
    }
    if (this.#isDue("absence", association, nowMs)) return this.end(wire.REASON.timeout, "", nowMs)
    if (this.#isDue("probe", association, nowMs)) {
      this.#liveness.probed(nowMs)
      this.isProbeWanted = true
    }
  }

  /** This much of its silence is due to our own absence. */
  excuse(absentMs: number, nowMs: number): void {
    for (const association of this.associations)
      association.lastReceivedMs = Math.min(nowMs, association.lastReceivedMs + absentMs)
  }

  /**
   * Sends now, as far as the socket allows, what its streams haven't acknowledged: soon nothing more may be sent for
   * them.
   */
  acknowledge(nowMs: number): void {
    this.incoming.hurry()
    const { control } = this.#context
    if (this.association === undefined) return
    control.start(this.association, this.#controlBytesMax, nowMs)
    this.incoming.compose(control, nowMs)
    control.post()
  }

  /** Control packets gain nothing from more, and would be lost with a size that the path no longer carries. */
  get #controlBytesMax(): number {
    return Math.min(this.datagramBytesMax, wire.DATAGRAM_BYTES_BASE)
  }

  #writeControl(association: Association, nowMs: number): void {
    const { control, outbox } = this.#context
    this.moves.compose(association, nowMs)
    this.#pathAnswers.postResponses(outbox, association, nowMs)
    control.start(association, this.#controlBytesMax, nowMs)
    this.pace.share(this.outgoing.repeating + this.incoming.repeating)
    // A silent peer gets one datagram now and then, however many streams it has.
    if (this.liveness === "unreachable") {
      if (this.#isDue("heartbeat", association, nowMs)) this.outgoing.composeProbe(control, nowMs)
      this.#control.compose(association, nowMs)
    } else if (this.incoming.compose(control, nowMs) && this.outgoing.compose(control, nowMs)) {
      this.#control.compose(association, nowMs)
    }
    if (this.#isDue("feedback", association, nowMs) && !control.hasBegun && control.hasRoom()) control.beginDatagram()
    control.post()
    if (control.hasBegun) this.#feedback.said(nowMs, this.path.gate.isRestless(nowMs))
    this.path.handleSent(0, control.largestBytes, nowMs)
    this.#pathAnswers.postProbeAnswers(outbox, association, nowMs)
    if (this.#isDue("mtu", association, nowMs)) postMtuProbes(this.path, outbox, association, nowMs)
  }

  /** When `poll` will have something to do, right after a `poll`. */
  nextTimeoutMs(): number {
    const { association } = this.path
    if (association === undefined || this.liveness === "left") return Infinity
    // What waits for room goes on when something comes from the address, or when the challenge is over.
    if (association.roomBytes < CONTROL_ROOM_BYTES) return association.addresses.dueMs
    return this.#timers.nextMs(this.path, association)
  }

  /** Gives up unreliable messages without progress, and returns associations that are to be forgotten. */
  handleTimeout(nowMs: number): readonly Association[] {
    if (this.association !== undefined) this.moves.handleTimeout(this.association, nowMs)
    this.incoming.handleTimeout(nowMs)
    this.outgoing.handleTimeout(nowMs)
    return this.#retiring.takeDue(nowMs)
  }

  assertInvariants(): void {
    this.association?.addresses.assertInvariants()
    this.outgoing.assertInvariants()
    this.incoming.assertInvariants()
  }
}
