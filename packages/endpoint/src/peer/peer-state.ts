/**
 * One incarnation of a peer: its association, its streams in both directions, and whether it is alive. Composes the machines of `@x/stream`
 * and `@x/fragment`; what they leave open is decided here.
 *
 * @module
 */

import { type AssemblyBudget, messageBytesLimit } from "@x/fragment"
import { GRANULARITY_MS, type PacketPool, Repeater, RepeatPace, RttEstimator, type StreamOptions, streamOptions } from "@x/stream"
import type { Address, Transport } from "@x/transport/host"
import * as wire from "@x/wire"
import { type Settings, spreadOf } from "../settings.ts"
import type { Association } from "../path/association.ts"
import type { CongestionController, CongestionFactory } from "../congestion/controller.ts"
import { AROUND_BODY_BYTES, type ControlWriter } from "../datagram/control-writer.ts"
import type { Due } from "../schedule/due-queue.ts"
import { IncomingStreams } from "../streams/incoming-streams.ts"
import type { EventSink, StreamEvent } from "../streams/stream-events.ts"
import type { Dispatch } from "../streams/dispatch.ts"
import type { Outbox } from "../datagram/outbox.ts"
import { Pacer } from "../path/pacer.ts"
import type { Session } from "../path/session.ts"
import type { Quota } from "../schedule/quota.ts"
import type { Scratch } from "../datagram/scratch.ts"
import type { Share } from "../schedule/shares.ts"
import { OutgoingStreams, SEQUENCED_OVERHEAD_BYTES } from "../streams/outgoing-streams.ts"

/** Room before a payload for prefix and header, on a word. */
export const HEAD_ROOM_BYTES = 24
/** Heartbeats without an answer before a join asks who is there. */
const SILENT_HEARTBEATS_MAX = 3
/** A goodbye is repeated for so long, milliseconds. */
export const GOODBYE_MS = 1_000
const GOODBYE_PACE = new RepeatPace()
/** Heartbeats come this many times further apart on an association that has been idle this many intervals. */
const IDLE_FACTOR = 3
const IDLE_INTERVALS = 10

/** A window that stays shut is probed at least so often, milliseconds. */
const SHUT_PROBE_MS_MAX = 1_000

/** Datagrams, of whatever kind, after which feedback is due: the other side remembers each until then. */
const FEEDBACK_DATAGRAMS = 64

/** Associations that still take datagrams after others took their place. */
const RETIRING_MAX = 4

const NONE: readonly Association[] = []

/** Bytes of the metadata that an opening can carry in a datagram of so many. */
export function metadataBytesMax(profile: wire.Profile, datagramBytes: number): number {
  const around = wire.PREFIX_BYTES[profile]! + wire.TAG_BYTES[profile]! + AROUND_BODY_BYTES + wire.OPEN_HEADER_BYTES
  return Math.min(wire.METADATA_BYTES_MAX, datagramBytes - around)
}

/** The process's share in what a peer needs. */
export interface PeerContext {
  readonly settings: Settings
  readonly transport: Transport
  readonly outbox: Outbox
  readonly pool: PacketPool
  readonly budget: AssemblyBudget
  readonly events: EventSink<PeerEvent | StreamEvent<PeerState>>
  readonly dispatch: Dispatch
  readonly congestion: CongestionFactory
  /** Memory of packets that were written and aren't acknowledged. */
  readonly sendPool: PacketPool
  /** The transport's number for the piece of memory that a slot of it lies in. */
  slabOf(slot: number): number
  /** What all peers share of what is limited for the process. */
  readonly quota: Quota
  readonly control: ControlWriter
  readonly scratch: Scratch
  /** The peer has left, or we have: nothing that is under way may bring it back. */
  forsake(peer: PeerState): void
  /** Counts a packet that was dropped. */
  drop(reason: wire.PacketDropReason): void
  /** The peer has something to send now. */
  wake(peer: PeerState): void
  /** The application waits for something of the peer until then, and for nothing sooner. */
  hasten(peer: PeerState, deadlineMs: number): void
}

/** What happens to a peer. */
export type PeerEvent =
  | { readonly kind: "reachable" | "unreachable"; readonly peer: PeerState }
  /** `address`: where it was reached; `undefined`: nowhere yet. */
  | { readonly kind: "left"; readonly peer: PeerState; readonly why: wire.ReasonText; readonly address: Address | undefined }

export type Liveness = "joined" | "unreachable" | "leaving" | "left"

export class PeerState implements Due {
  /** The one session that all its associations are of. */
  readonly session: Session
  readonly rtt: RttEstimator = new RttEstimator()
  /** How often its streams say things again that it doesn't answer. */
  readonly pace: RepeatPace
  /** Its streams in both directions, among those of all peers. */
  readonly streamShare: Share
  readonly outgoing: OutgoingStreams
  readonly incoming: IncomingStreams
  /** Who tells the application of it; set by the shell. */
  owner: unknown = undefined
  dueMs: number = Infinity
  heapIndex = -1
  /** The application was told of it. */
  isAnnounced = false
  /** Whether the protocol is going to poll it. */
  isAwake = false
  /** Asks the protocol for a join to this peer's address, to learn who is there. */
  isProbeWanted = false
  readonly #context: PeerContext
  readonly #controller: CongestionController
  readonly #pacer = new Pacer()
  /** Share in what the process sends at a time: priority goes first, weight counts among equals. */
  priority = 128
  weight = 1
  /** When feedback is owed for datagrams that nothing else answered; and how many they are. */
  #feedbackDueMs = Infinity
  #unanswered = 0
  /** Since when the window has been shut with data waiting; `Infinity`: it isn't. */
  #shutMs = Infinity
  #shutProbes = 0
  /** Why `pollData` stopped: the window, or the pace. */
  #isShut = false
  #isPaced = false
  #pollMs = 0
  /** Bytes sent that the pacer knows of. */
  #accountedBytes = 0
  readonly #retiring: Association[] = []
  #association: Association | undefined
  #datagramBytesMax = 0
  #payloadBytesMax = 0
  #messageBytesMax = 0
  #inFlightBytesMax = 0
  #sendOptions: StreamOptions | undefined
  #receiveOptions: StreamOptions | undefined
  #liveness: Liveness = "joined"
  /** Who waits for the answer to a heartbeat, and the counter of its datagram; 0: not sent yet. */
  readonly #pings = new Set<{ counter: number; readonly onAnswer: () => void }>()
  /** Either way it may be lost, and who hears heartbeats of the other side in time sends none by itself. */
  readonly #pingAgain = new Repeater()
  #isEchoOwed = false
  #probedMs = -Infinity
  readonly #goodbye = new Repeater()
  #goodbyeReason = 0
  #goodbyeText = ""
  #goodbyeEndMs = Infinity
  #isGoodbyeOwed = false
  readonly #pathResponses: Uint8Array[] = []
  #probeAnswer: wire.MtuProbe | undefined

  constructor(context: PeerContext, session: Session) {
    const nowMs = session.beganMs
    this.#context = context
    this.session = session
    this.#measure(Infinity)
    this.#controller = context.congestion(Math.min(context.settings.datagramBytes, session.limits.datagramBytes))
    this.pace = new RepeatPace(nowMs)
    this.streamShare = context.quota.streams.share()
    this.outgoing = new OutgoingStreams(this, context, nowMs)
    this.incoming = new IncomingStreams(this, context, nowMs)
  }

  get unique(): Uint8Array {
    return this.session.unique
  }

  /** Its static key, where members have some. */
  get publicKey(): Uint8Array | undefined {
    return this.session.publicKey
  }

  /** What it told of itself. */
  get limits(): wire.Limits {
    return this.session.limits
  }

  get liveness(): Liveness {
    return this.#liveness
  }

  /** Where datagrams go; there is one from the first accept on. */
  get association(): Association | undefined {
    return this.#association
  }

  /** All its associations, those that retire too. */
  get associations(): readonly Association[] {
    return this.#association === undefined ? this.#retiring : [this.#association, ...this.#retiring]
  }

  /** Bytes of the largest message both ends take. */
  get messageBytesMax(): number {
    return this.#messageBytesMax
  }

  /** Bytes of a datagram to the peer. */
  get datagramBytesMax(): number {
    return this.#datagramBytesMax
  }

  /** The path doesn't carry datagrams of so many bytes. How many it does is unknown until it is probed: the next lower size that is known to do is used. */
  limitPath(datagramBytes: number): void {
    if (datagramBytes > this.datagramBytesMax) return
    this.#measure(datagramBytes > wire.DATAGRAM_BYTES_BASE ? wire.DATAGRAM_BYTES_BASE : wire.DATAGRAM_BYTES_FLOOR)
    this.#sendOptions = undefined
  }

  /** A datagram of so many bytes came through as the peer joined: a join without its padding shows that more doesn't. */
  showPath(datagramBytes: number): void {
    if (datagramBytes < wire.DATAGRAM_BYTES_BASE) this.limitPath(wire.DATAGRAM_BYTES_BASE)
  }

  /** What follows from both ends' limits and from what the path carries: asked for each packet, so it is kept. */
  #measure(pathBytes: number): void {
    const { settings } = this.#context
    const { profile } = settings
    this.#datagramBytesMax = Math.min(settings.datagramBytes, this.limits.datagramBytes, pathBytes)
    this.#payloadBytesMax = this.#datagramBytesMax - wire.PREFIX_BYTES[profile]! - wire.TAG_BYTES[profile]! - SEQUENCED_OVERHEAD_BYTES
    this.#messageBytesMax = Math.min(settings.messageBytesMax, this.limits.messageBytes, messageBytesLimit(this.#payloadBytesMax))
    this.#inFlightBytesMax = this.limits.inFlight * this.#datagramBytesMax
  }

  /** Bytes of the metadata that an opening can carry. */
  get metadataBytesMax(): number {
    return metadataBytesMax(this.#context.settings.profile, this.datagramBytesMax)
  }

  get payloadBytesMax(): number {
    return this.#payloadBytesMax
  }

  /** Takes an association into use; another one takes datagrams for 3 PTO more. */
  use(association: Association, nowMs: number): void {
    const before = this.#association
    this.#association = association
    if (before !== undefined && before !== association) this.retire(before, nowMs)
    // Counters begin anew: what was asked on another association is asked again.
    for (const ping of this.#pings) ping.counter = 0
    this.#revive(nowMs)
  }

  retire(association: Association, nowMs: number): void {
    association.retiresMs = nowMs + 3 * this.rtt.ptoMs
    this.#retiring.push(association)
    // Datagrams of more than a few can't be on their way.
    if (this.#retiring.length > RETIRING_MAX) this.#retiring[this.#retiring.length - 1 - RETIRING_MAX]!.retiresMs = nowMs
    this.#context.wake(this)
  }

  /** Packets from a stream's edge on that its sender goes whatever is missing: both ends have announced as many. */
  get spreadPackets(): number {
    return Math.min(spreadOf(this.#context.settings), this.limits.spread)
  }

  /** Of streams to the peer: within its limits. */
  get sendOptions(): StreamOptions {
    this.#sendOptions ??= this.#streamOptions(Math.min(this.#context.settings.spreadPackets, this.limits.spread))
    return this.#sendOptions
  }

  /** Of streams from the peer: within ours. */
  get receiveOptions(): StreamOptions {
    this.#receiveOptions ??= this.#streamOptions(this.#context.settings.spreadPackets)
    return this.#receiveOptions
  }

  #streamOptions(spreadPackets: number): StreamOptions {
    const { settings } = this.#context
    return streamOptions({
      payloadBytesMax: this.payloadBytesMax,
      headRoomBytes: HEAD_ROOM_BYTES,
      tailRoomBytes: wire.TAG_BYTES[settings.profile]!,
      windowPackets: Math.min(settings.windowPackets, spreadPackets),
      windowBytes: settings.windowBytes,
      spreadPackets,
      statusDelayMs: settings.statusDelayMs,
      peerStatusDelayMs: this.limits.statusDelayMs,
    })
  }

  // Packets of the peer.

  /** Any genuine datagram shows that the peer lives. */
  heard(nowMs: number): void {
    this.#probedMs = -Infinity
    this.#unanswered++
    if (this.#unanswered >= FEEDBACK_DATAGRAMS) this.#feedbackDueMs = nowMs
    this.#revive(nowMs)
  }

  #revive(nowMs: number): void {
    if (this.#liveness !== "unreachable") return
    this.#liveness = "joined"
    this.pace.isPaused = false
    this.outgoing.handleReachable(true, nowMs)
    this.incoming.handleReachable(nowMs)
    this.#context.events.push({ kind: "reachable", peer: this })
  }

  handleFeedback(view: DataView, body: number, association: Association, nowMs: number): void {
    const { feedback, sample } = this.#context.scratch
    wire.readFeedback(view, body, feedback)
    if (association.hasSent(feedback.counter)) association.protection.heard(feedback.counter, nowMs)
    if (!association.hasSent(feedback.counter) || !association.sent.handleFeedback(feedback, this.rtt.srttMs, nowMs, sample)) return
    if (sample.rttMs >= 0) this.rtt.addSample(sample.rttMs, sample.sentMs, nowMs)
    if (association !== this.#association) return
    sample.srttMs = this.rtt.srttMs
    sample.minRttMs = this.rtt.minMs
    this.#controller.onFeedback(sample)
    this.#shutMs = Infinity
    this.#shutProbes = 0
    if (this.outgoing.hasData) this.#context.wake(this)
  }

  /** A datagram with data came: if nothing else is said for a while, feedback is. */
  handleData(nowMs: number): void {
    if (this.#feedbackDueMs === Infinity)
      this.#feedbackDueMs = nowMs + Math.min(this.#context.settings.statusDelayMs, Math.max(GRANULARITY_MS, this.rtt.srttMs / 4))
  }

  handleHeartbeat(wanted: boolean): void {
    if (wanted) {
      this.#isEchoOwed = true
      return this.#context.wake(this)
    }
    // An answer to an earlier heartbeat doesn't tell of a later one: what it acknowledges does.
    const acknowledgedCounter = this.#association?.sent.heardCounter ?? 0
    for (const ping of this.#pings) {
      if (ping.counter === 0 || ping.counter > acknowledgedCounter) continue
      this.#endPing(ping)
      ping.onAnswer()
    }
  }

  handlePathChallenge(data: Uint8Array): void {
    // Many at once are an attack: the last few are answered.
    if (this.#pathResponses.length >= 4) this.#pathResponses.shift()
    this.#pathResponses.push(data)
    this.#context.wake(this)
  }

  handleMtuProbe(probe: wire.MtuProbe): void {
    this.#probeAnswer = probe
    this.#context.wake(this)
  }

  handleGoodbye({ reason, text }: wire.ReasonText, wanted: boolean, nowMs: number): void {
    if (wanted) this.#isGoodbyeOwed = true
    if (this.#liveness === "leaving") {
      this.#goodbye.stop()
      // Stays long enough to answer a goodbye that crossed ours.
      this.#goodbyeEndMs = Math.min(this.#goodbyeEndMs, nowMs + 3 * this.rtt.ptoMs)
    } else if (this.#liveness !== "left") {
      this.#leave(reason, text)
      this.#liveness = "leaving"
      this.#goodbyeEndMs = nowMs + 3 * this.rtt.ptoMs
    }
    this.#context.wake(this)
  }

  // Life.

  /** Asks for a heartbeat's answer; `onAnswer` is called when it comes. Returns what cancels that. */
  ping(onAnswer: () => void): () => void {
    const ping = { counter: 0, onAnswer }
    this.#pings.add(ping)
    this.#context.wake(this)
    return () => this.#endPing(ping)
  }

  #endPing(ping: { counter: number; readonly onAnswer: () => void }): void {
    this.#pings.delete(ping)
    if (this.#pings.size === 0) this.#pingAgain.stop()
  }

  #isEchoWanted(nowMs: number): boolean {
    if (this.#pingDueMs() <= nowMs) return true
    for (const { counter } of this.#pings) if (counter === 0) return true
    return false
  }

  #pingDueMs(): number {
    return this.#liveness === "joined" ? this.#pingAgain.dueMs : Infinity
  }

  /** Says goodbye, again and again until it is answered; the streams close at once. */
  leave(reason: number, text: string, nowMs: number): void {
    if (this.#liveness === "leaving" || this.#liveness === "left") return
    // What was handed over is acknowledged: after the goodbye it couldn't be any more.
    this.incoming.acknowledge(nowMs)
    this.#leave(reason, text)
    this.#liveness = "leaving"
    this.#goodbyeReason = reason
    this.#goodbyeText = text
    this.#goodbyeEndMs = nowMs + GOODBYE_MS
    this.#goodbye.start(nowMs)
    this.#context.wake(this)
  }

  /** Ends without a word: the peer is gone, or another state takes its place. */
  end(reason: number, text: string): void {
    if (this.#liveness !== "left" && this.#liveness !== "leaving") this.#leave(reason, text)
    this.#liveness = "left"
  }

  #leave(reason: number, text: string): void {
    this.#liveness = "left"
    this.#context.forsake(this)
    this.outgoing.close(reason, 0)
    this.incoming.close(reason)
    if (!this.isAnnounced) return
    const { transport, events } = this.#context
    // Its number may be another's by the time it is told.
    const address = this.#association && transport.addressOf(this.#association.address)
    events.push({ kind: "left", peer: this, why: { reason, text }, address })
  }

  get windowBytes(): number {
    return Math.min(this.#controller.windowBytes, this.#inFlightBytesMax)
  }

  get paceBytesPerMs(): number {
    return this.#controller.paceBytesPerMs
  }

  /** Liveness and control packets, as far as the socket allows. */
  pollControl(nowMs: number, mayJudge: boolean): void {
    const association = this.#association
    if (association === undefined) return
    if (mayJudge) this.#judge(association, nowMs)
    // The peer has taken no newer key for so long that it isn't there any more, or never was.
    if (association.isExhausted) this.end(wire.REASON.protocolError, "the keys are used up")
    if (this.#liveness === "left") return
    this.#writeControl(association, nowMs)
  }

  /** Sends data, up to a quantum and as far as window, pace and socket allow. Answers whether there is more that might go now. */
  pollData(quantumBytes: number, nowMs: number): boolean {
    const association = this.#association
    if (association === undefined || this.#liveness !== "joined") return false
    const { sent, bytesSent } = association
    const before = sent.inFlightBytes
    this.#pollMs = nowMs
    this.#accountedBytes = bytesSent
    this.#isPaced = this.#isShut = false
    // What follows is limited by the path if something is left over.
    sent.isApplicationLimited = false
    this.outgoing.pollData(association, quantumBytes, nowMs)
    this.#pacer.spend(association.bytesSent - this.#accountedBytes)
    sent.isApplicationLimited = !this.outgoing.hasData
    if (association.bytesSent > bytesSent) this.#controller.onSent(association.bytesSent - bytesSent, sent.inFlightBytes, nowMs)
    if (!this.#isShut) this.#shutMs = Infinity
    else if (this.#shutMs === Infinity || sent.inFlightBytes > before) this.#shutMs = nowMs
    return this.outgoing.hasData && !this.#isShut && !this.#isPaced && !this.#context.outbox.isBlocked
  }

  /** Whether window and pace let a packet of so many bytes go now. Asked by `outgoing` during `pollData`. */
  mayGo(association: Association, bytes: number): boolean {
    this.#pacer.spend(association.bytesSent - this.#accountedBytes)
    this.#accountedBytes = association.bytesSent
    const { inFlightBytes } = association.sent
    this.#isShut = inFlightBytes > 0 && inFlightBytes + bytes > this.windowBytes
    if (this.#isShut) return false
    this.#isPaced = !this.#pacer.isOpen(this.#controller.paceBytesPerMs, this.#pollMs)
    return !this.#isPaced
  }

  /** Whether a packet of so many bytes leaves no room in the window for another full one. */
  isFilledBy(association: Association, bytes: number): boolean {
    return association.sent.inFlightBytes + bytes + this.payloadBytesMax > this.windowBytes
  }

  /** The window has been shut for so long that all which is under way may be lost: a heartbeat asks. */
  #shutDueMs(): number {
    if (this.#liveness !== "joined") return Infinity
    const usual = this.rtt.ptoMs + this.limits.statusDelayMs
    return this.#shutMs + Math.min(usual * (1 << Math.min(this.#shutProbes, 10)), SHUT_PROBE_MS_MAX)
  }

  /** Whether nothing more is to be said: the goodbye was answered, or there is nobody to answer it. */
  get isSettled(): boolean {
    return this.#liveness === "left" || (this.#liveness === "leaving" && !this.#goodbye.isActive)
  }

  /** Whether the goodbye is over: the protocol forgets the peer. */
  isGone(nowMs: number): boolean {
    return this.#liveness === "left" || (this.#liveness === "leaving" && nowMs >= this.#goodbyeEndMs)
  }

  #judge(association: Association, nowMs: number): void {
    const { unreachableMs, leaveMs } = this.#context.settings
    const unreachableAtMs = association.lastReceivedMs + unreachableMs
    if (this.#liveness === "joined" && nowMs >= unreachableAtMs) {
      this.#liveness = "unreachable"
      this.pace.isPaused = true
      this.outgoing.handleReachable(false, nowMs)
      this.#context.events.push({ kind: "unreachable", peer: this })
    }
    if (this.#liveness === "unreachable" && nowMs >= unreachableAtMs + leaveMs) return this.end(wire.REASON.timeout, "")
    if (this.#probeDueMs(association) <= nowMs) {
      this.#probedMs = nowMs
      this.isProbeWanted = true
    }
  }

  /** So much of its silence is our own absence. */
  excuse(absentMs: number, nowMs: number): void {
    for (const association of this.associations) association.lastReceivedMs = Math.min(nowMs, association.lastReceivedMs + absentMs)
  }

  /** Heartbeats come further apart once nothing but heartbeats went either way for a while. */
  #heartbeatIntervalMs(association: Association): number {
    const { heartbeatMs } = this.#context.settings
    const idleMs = association.lastSentMs - Math.max(this.outgoing.lastDataMs, this.incoming.lastDataMs)
    // Whether it is back is asked by nothing else.
    return this.#liveness !== "unreachable" && idleMs > IDLE_INTERVALS * heartbeatMs ? IDLE_FACTOR * heartbeatMs : heartbeatMs
  }

  #heartbeatDueMs(association: Association): number {
    if (this.#liveness === "leaving") return Infinity
    return Math.min(association.lastSentMs + this.#heartbeatIntervalMs(association), this.#shutDueMs())
  }

  /**
   * After a few heartbeats' silence a join asks who is there, and from then on as often as a peer could become unreachable. Where there are keys no hint tells that we
   * are not known any more: so it asks by when the peer counts as unreachable, and again as soon as the join before is over.
   */
  #probeDueMs(association: Association): number {
    if (this.#liveness === "leaving") return Infinity
    const { profile, unreachableMs, joinTimeoutMs } = this.#context.settings
    const silenceMs = SILENT_HEARTBEATS_MAX * this.#heartbeatIntervalMs(association)
    if (profile < wire.PROFILE.mac) return Math.max(association.lastReceivedMs + silenceMs, this.#probedMs + unreachableMs)
    return Math.max(
      association.lastReceivedMs + Math.min(silenceMs, unreachableMs),
      this.#probedMs + Math.min(joinTimeoutMs, unreachableMs),
    )
  }

  /** Statuses that are due, before anything else is. */
  writeReports(nowMs: number): void {
    const { control } = this.#context
    if (this.#association === undefined) return
    control.start(this.#association, this.datagramBytesMax, nowMs)
    this.incoming.compose(control, nowMs)
    control.post()
  }

  #writeControl(association: Association, nowMs: number): void {
    const { control } = this.#context
    control.start(association, this.datagramBytesMax, nowMs)
    this.pace.share(this.outgoing.repeating + this.incoming.repeating)
    // Who is silent gets one datagram now and then, however many streams it has.
    if (this.#liveness === "unreachable") {
      if (this.#heartbeatDueMs(association) <= nowMs) this.outgoing.composeProbe(control, nowMs)
      this.#composeConnection(association, nowMs)
    } else if (this.incoming.compose(control, nowMs) && this.outgoing.compose(control, nowMs)) {
      this.#composeConnection(association, nowMs)
    }
    if (this.#feedbackDueMs <= nowMs && !control.hasBegun && control.hasRoom()) control.beginDatagram()
    control.post()
    if (control.hasBegun) {
      this.#feedbackDueMs = Infinity
      this.#unanswered = 0
    }
    this.#answerProbe(association, nowMs)
  }

  /** The answer to a probe of the path's MTU has a datagram to itself. */
  #answerProbe(association: Association, nowMs: number): void {
    const { outbox } = this.#context
    if (this.#probeAnswer === undefined || !outbox.makeRoom()) return
    outbox.compose()
    outbox.writer.finish(wire.writeMtuProbe(outbox.writer.view, outbox.writer.begin(wire.KIND.mtuProbe), this.#probeAnswer))
    outbox.post(association, false, nowMs)
    this.#probeAnswer = undefined
  }

  #composeConnection(association: Association, nowMs: number): void {
    const { control } = this.#context
    while (this.#pathResponses.length > 0) {
      if (!control.hasRoom()) return
      const body = control.begin(wire.KIND.pathResponse, wire.PATH_CHALLENGE_BYTES)
      control.finish(wire.writePathData(control.view, body, this.#pathResponses.shift()!))
    }
    const isLeaving = this.#goodbye.dueMs <= nowMs
    if (isLeaving || this.#isGoodbyeOwed) {
      if (!control.hasRoom()) return
      const body = control.begin(wire.KIND.goodbye | (isLeaving ? wire.FLAG_WANTED : 0), 2 + wire.TEXT_BYTES_MAX)
      control.finish(wire.writeReasonText(control.view, body, { reason: this.#goodbyeReason, text: isLeaving ? this.#goodbyeText : "" }))
      if (isLeaving) this.#goodbye.said(nowMs, this.rtt.ptoMs, GOODBYE_PACE)
      else this.#isGoodbyeOwed = false
    }
    const isWanted = this.#heartbeatDueMs(association) <= nowMs || this.#isEchoWanted(nowMs)
    if (!isWanted && !this.#isEchoOwed) return
    if (!control.hasRoom()) return
    // Without a body it can only be the last of its datagram.
    control.begin(wire.KIND.heartbeat | (isWanted ? wire.FLAG_WANTED : 0), 0)
    this.#isEchoOwed = false
    // One that only answers asks nothing.
    if (isWanted && this.#shutMs !== Infinity) {
      this.#shutMs = nowMs
      this.#shutProbes++
    }
    for (const ping of this.#pings) if (ping.counter === 0) ping.counter = association.nextCounter
    if (!isWanted || this.#pings.size === 0) return
    if (!this.#pingAgain.isActive) this.#pingAgain.start(nowMs)
    this.#pingAgain.said(nowMs, this.rtt.ptoMs + this.limits.statusDelayMs, this.pace)
  }

  /** When `poll` has something to do, after one. */
  nextTimeoutMs(): number {
    const association = this.#association
    if (association === undefined || this.#liveness === "left") return Infinity
    const { unreachableMs, leaveMs } = this.#context.settings
    let next = Math.min(this.#heartbeatDueMs(association), this.#probeDueMs(association), this.#goodbye.dueMs, this.#goodbyeEndMs)
    if (this.#liveness === "joined") next = Math.min(next, association.lastReceivedMs + unreachableMs)
    if (this.#liveness === "unreachable") next = Math.min(next, association.lastReceivedMs + unreachableMs + leaveMs)
    for (const { retiresMs } of this.#retiring) next = Math.min(next, retiresMs)
    next = Math.min(next, this.#pingDueMs(), this.#feedbackDueMs, this.outgoing.nextTimeoutMs(), this.incoming.nextTimeoutMs())
    if (this.#isPaced && this.#liveness === "joined" && this.outgoing.hasData)
      next = Math.min(next, this.#pacer.nextMs(this.#controller.paceBytesPerMs, this.#context.transport.capabilities.timerMs))
    return next
  }

  /** Gives up unreliable messages without progress, and names associations that are to be forgotten. */
  handleTimeout(nowMs: number): readonly Association[] {
    this.incoming.handleTimeout(nowMs)
    this.outgoing.handleTimeout(nowMs)
    if (this.#retiring.length === 0) return NONE
    const over = this.#retiring.filter(({ retiresMs }) => retiresMs <= nowMs)
    for (const association of over) this.#retiring.splice(this.#retiring.indexOf(association), 1)
    return over
  }

  assertInvariants(): void {
    this.outgoing.assertInvariants()
    this.incoming.assertInvariants()
  }
}
