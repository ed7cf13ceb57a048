/**
 * One incarnation of a peer: composes its path, its streams in both directions, and the machines that know whether it
 * is alive and what is due. The file is long, but one thing: a third of it makes the machines in an order in which each
 * knows those before it, and the rest are short methods, each of which tells the machines what has come or is due.
 *
 * @module
 */

import { GRANULARITY_MS, RepeatPace, RttEstimator, type StreamOptions } from "@x/stream"
import type { Due } from "@x/transport/host"
import * as wire from "@x/wire"
import { spreadOf } from "../settings.ts"
import type { Association } from "../path/association.ts"
import { CONTROL_ROOM_BYTES, metadataBytesMax } from "../datagram/control-writer.ts"
import { IncomingStreams } from "../streams/incoming-streams.ts"
import { isLoopback } from "../path/loopback.ts"
import { Path } from "../path/path.ts"
import { RateCaps } from "../path/rate-caps.ts"
import type { Session } from "../path/session.ts"
import { FairTurn } from "../schedule/fair-queue.ts"
import type { Account } from "../schedule/accounts.ts"
import type { Charges } from "../schedule/ledger.ts"
import type { SendLimit } from "../path/limiting.ts"
import type { OutgoingState } from "../streams/outgoing-state.ts"
import { OutgoingStreams } from "../streams/outgoing-streams.ts"
import { Claims } from "./claims.ts"
import { ConnectionControl } from "./connection-control.ts"
import { ControlDatagrams } from "./control-datagrams.ts"
import { FeedbackOwed } from "./feedback-owed.ts"
import { Goodbye } from "./goodbye.ts"
import { Liveness, type LivenessState } from "./liveness.ts"
import { Moves } from "./moves.ts"
import type { PeerContext } from "./peer-context.ts"
import { type Ping, Pings } from "./pings.ts"
import { PathAnswers } from "./path-answers.ts"
import { Presence } from "./presence.ts"
import { ReceiveCap } from "./receive-cap.ts"
import { Retiring } from "./retiring.ts"
import { StreamSettings } from "./stream-settings.ts"
import { Timers } from "./timers.ts"

export class PeerState implements Due {
  /** The session of all its associations. */
  readonly session: Session
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
  readonly #context: PeerContext<PeerState>
  /** Its share in what the process sends: higher priority goes first, weight counts among equals. */
  priority = 128
  weight = 1
  /** Its place among those that wait for the cap of all together. */
  readonly turn: FairTurn = new FairTurn()
  /** Whether it is there. */
  readonly presence: Presence<PeerState>
  readonly claims: Claims
  /** Heartbeats that ask. */
  readonly pings: Pings = new Pings()
  /** How fast it may send to us. */
  readonly receiveCap: ReceiveCap
  readonly #feedback = new FeedbackOwed()
  readonly #retiring = new Retiring()
  readonly #timers: Timers
  readonly #streamSettings: StreamSettings
  /** Where it is, on the association in use. */
  readonly moves: Moves
  readonly #control: ControlDatagrams

  /** `identity`: for whom what is lent to it counts, with what is lent to others of the same. */
  constructor(context: PeerContext<PeerState>, session: Session, identity: string) {
    const nowMs = session.beganMs
    this.#context = context
    this.session = session
    const { settings, transport, scratch, control, outbox } = context
    this.path = new Path({
      settings,
      ...{ limits: session.limits, rtt: new RttEstimator() },
      timerMs: transport.capabilities.timerMs,
      random: () => context.random(),
      isLocal: (address) => isLoopback(transport.addressOf(address).host),
      hasMarks: () => transport.capabilities.ecn,
      caps: new RateCaps(settings.sendRateBytesPerSecondPerPeer / 1_000, context.sharedPace),
    })
    this.#streamSettings = new StreamSettings(context.settings, session.limits)
    const [liveness, goodbye] = [new Liveness(context.settings), new Goodbye()]
    this.receiveCap = new ReceiveCap(() => void (this.association !== undefined && context.wake(this)))
    this.claims = new Claims(this, {
      profile: settings.profile,
      scratch,
      wakeForData: () => context.wakeForData(this),
      drop: (reason) => context.drop(reason),
    })
    const [pings, feedback, { asked: rate }] = [this.pings, this.#feedback, this.receiveCap]
    this.pace = new RepeatPace(nowMs)
    this.account = context.accounts.open(identity)
    const signals = {
      wake: (): void => context.wake(this),
      wakeForData: (): void => context.wakeForData(this),
      hasten: (deadlineMs: number): void => context.hasten(this, deadlineMs),
      refute: (nowMs: number): void => this.claims.refute("not-sent", nowMs),
      progress: (stream: OutgoingState): void => context.events.push({ kind: "progress", peer: this, stream }),
    }
    this.outgoing = new OutgoingStreams(this, context, signals, nowMs)
    this.incoming = new IncomingStreams(this, context, nowMs)
    const timers = (this.#timers = new Timers({
      liveness,
      ...{ goodbye, pings, feedback, rate },
      ...{ retiring: this.#retiring, outgoing: this.outgoing, incoming: this.incoming, limits: session.limits },
    }))
    const answers = new PathAnswers(transport)
    this.presence = new Presence<PeerState>(this, context, { liveness, goodbye, timers, answers })
    this.moves = new Moves(this, {
      outbox,
      addressOf: (address: number) => transport.addressOf(address),
      redirected: (sinceMs, at) => {
        this.outgoing.resendSince(sinceMs, at)
        this.incoming.handleReachable(at, sinceMs)
        this.#feedback.owe(at)
      },
      moved: (from, address) => {
        context.moved(this, from)
        if (this.isAnnounced) context.events.push({ kind: "moved", peer: this, from: address })
      },
    })
    const connection = new ConnectionControl(this, control, { timers, goodbye, pings, rate })
    this.#control = new ControlDatagrams(this, {
      outbox,
      ...{ control, timers, feedback, moves: this.moves, answers, connection },
    })
    this.receiveCap.limit(settings.receiveRateBytesPerSecondPerPeer, nowMs)
  }

  /** The memory that is charged to it, bytes. */
  get charges(): Charges<number> {
    return this.#context.ledger.of(this.account, this.liveness !== "left")
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
    return this.presence.state
  }

  /** The estimate of the round trip. */
  get rtt(): RttEstimator {
    return this.path.rtt
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
    this.pings.restart()
    this.presence.revive(nowMs)
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
    this.incoming.heard(nowMs)
    if (this.path.gate.isRestless(nowMs)) this.#feedback.keepOn(this.#silenceMs(), nowMs)
    this.presence.heard(nowMs)
  }

  /** A datagram with data came: if nothing else is sent for a while, feedback is. */
  handleData(nowMs: number): void {
    const { statusDelayMs } = this.#context.settings
    const delayMs = Math.min(statusDelayMs, Math.max(GRANULARITY_MS, this.rtt.srttMs / 4))
    this.#feedback.within(delayMs, nowMs, this.#silenceMs())
  }

  /** After this time without a datagram of a flow, our last answer may not have come to where the peer hears. */
  #silenceMs(): number {
    return 1.25 * this.rtt.srttMs + GRANULARITY_MS
  }

  handleHeartbeat(wanted: boolean): void {
    if (wanted) {
      this.pings.isEchoOwed = true
      return this.#context.wake(this)
    }
    for (const ping of this.pings.answered(this.association?.sent.heardCounter ?? 0))
      this.#context.events.push({ kind: "answered", peer: this, ping })
  }

  /** From which address the peer asks. */
  handlePathChallenge(data: Uint8Array, address: number, nowMs: number): void {
    this.path.gate.challenged(nowMs)
    this.#control.answers.challenged(data, address)
    this.#context.wake(this)
  }

  handleMtuProbe(probe: wire.MtuProbe): void {
    this.#control.answers.probed(probe)
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

  /** Asks for a heartbeat's answer, which `answered` reports. */
  ping(): Ping {
    this.#context.wake(this)
    return this.pings.add()
  }

  /** Our sockets are others: a heartbeat that asks tells it so. */
  rebound(nowMs: number): void {
    if (this.association === undefined || !this.presence.isThere) return
    this.moves.rebound(this.association, nowMs)
    this.pings.add()
    this.#context.wake(this)
  }

  /** Says goodbye until it is answered; the streams close at once. */
  leave(reason: number, text: string, nowMs: number): void {
    if (!this.presence.isThere) return
    // Handed-over messages are acknowledged now: after the goodbye that is impossible.
    this.acknowledge(nowMs)
    this.presence.leave({ reason, text }, nowMs)
  }

  /** Something other than data: its next turn handles everything that may be due. */
  disturb(): void {
    this.#timers.isUncertain = true
  }

  /** A turn begins. Returns whether it handles everything that may be due, or data alone. */
  beginTurn(nowMs: number): boolean {
    return this.#timers.begin(this.path, this.association, nowMs)
  }

  /** Handles liveness and control packets, as far as the socket allows. */
  pollControl(nowMs: number, mayJudge: boolean): void {
    const { association } = this.path
    if (association === undefined) return
    // The peer may have moved to another path.
    if (this.path.resize()) this.outgoing.handlePathSize(nowMs)
    if (mayJudge) this.presence.judge(association, nowMs)
    // The peer has confirmed no newer key for so long that it is gone, or never existed.
    if (association.isExhausted) this.presence.end(wire.REASON.protocolError, "the keys are used up", nowMs)
    if (this.liveness === "left") return
    this.#control.write(association, nowMs)
  }

  /** Sends data, up to a quantum and as far as window, pace and socket allow. Returns whether more might go now. */
  pollData(quantumBytes: number, nowMs: number): boolean {
    const { association, gate } = this.path
    if (association === undefined || this.liveness !== "joined") return false
    gate.begin(association.sent, nowMs)
    this.outgoing.pollData(association, quantumBytes, nowMs)
    const { hasData, isFull } = this.outgoing
    this.path.endTurn(hasData || isFull, this.outgoing.takeFull(), nowMs)
    this.path.limiting.set(this.#limit(), nowMs)
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

  /** It asks us to send no faster, or has answered that; `false`: we didn't ask. */
  handleRate(rate: wire.Rate, wanted: boolean): boolean {
    if (!wanted) return this.receiveCap.asked.answered(rate)
    const bytesPerSecond = this.receiveCap.asked.take(rate)
    if (bytesPerSecond !== undefined) this.path.caps.askedBytesPerMs = bytesPerSecond / 1_000
    this.#context.wake(this)
    return true
  }

  #limit(): SendLimit {
    if (this.#context.outbox.isBlocked) return "socket"
    return this.path.gate.limit ?? this.outgoing.limit
  }

  /** Whether data waits for feedback or for the socket: until the next turn none can go. */
  get isHeldBack(): boolean {
    return this.path.gate.isShut || this.#context.outbox.isBlocked
  }

  /** What has come of it on the associations that it has, bytes. */
  get bytesReceived(): number {
    return this.associations.reduce((total, { bytesReceived }) => total + bytesReceived, 0)
  }

  /**
   * Sends now, as far as the socket allows, what its streams haven't acknowledged: soon nothing more may be sent for
   * them.
   */
  acknowledge(nowMs: number): void {
    this.#control.acknowledge(this.association, nowMs)
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
    const { association } = this
    association?.addresses.assertInvariants()
    if (association !== undefined && !this.isAwake && this.presence.isThere && association.roomBytes === Infinity)
      this.#timers.assertStated(this.path, association, this.dueMs)
    this.outgoing.assertInvariants()
    this.incoming.assertInvariants()
  }
}
