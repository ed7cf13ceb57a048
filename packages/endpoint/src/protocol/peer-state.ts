/**
 * One incarnation of a peer: its association, its streams in both directions, and whether it is alive. Composes the machines of `@x/stream`
 * and `@x/fragment`; what they leave open is decided here.
 *
 * @module
 */

import { Assembler, AssemblyBudget } from "@x/fragment"
import {
  createKeptPacket,
  createOutgoingPacket,
  type PacketPool,
  ReceiveStream,
  Repeater,
  RttEstimator,
  SendStream,
  type StreamOptions,
  streamOptions,
} from "@x/stream"
import type { Transport } from "@x/transport/host"
import * as wire from "@x/wire"
import type { Settings } from "../options.ts"
import type { Association } from "./association.ts"
import type { CongestionController } from "./congestion.ts"
import type { Due } from "./due-queue.ts"
import type { ProtocolListener } from "./listener.ts"
import { NumberSet } from "./number-set.ts"
import type { Outbox } from "./outbox.ts"

/** Bytes of a datagram around the payload of a lone sequenced packet, prefix and tag not counted. */
const SEQUENCED_OVERHEAD_BYTES = wire.PACKET_OVERHEAD_BYTES + wire.SEQUENCED_HEADER_BYTES
const FIRE_AND_FORGET_OVERHEAD_BYTES = wire.PACKET_OVERHEAD_BYTES + wire.FIRE_AND_FORGET_HEADER_BYTES
/** Room before a payload for prefix and header, on a word. */
const HEAD_ROOM_BYTES = 24
/** Finished ids are kept in so many ranges; past that the oldest hole counts as finished. */
const FINISHED_RANGES_MAX = 1_024
/** Heartbeats without an answer before a join asks who is there. */
const SILENT_HEARTBEATS_MAX = 3
/** A goodbye is repeated for so long, milliseconds. */
const GOODBYE_MS = 1_000
/** Heartbeats come this many times further apart on an association that has been idle this many intervals. */
const IDLE_FACTOR = 3
const IDLE_INTERVALS = 10

const NONE: readonly Association[] = []

/** The process's share in what a peer needs. */
export interface PeerContext {
  readonly settings: Settings
  readonly transport: Transport
  readonly outbox: Outbox
  readonly pool: PacketPool
  readonly budget: AssemblyBudget
  readonly listener: ProtocolListener
  readonly controller: (peer: PeerState) => CongestionController
  /** Counts a packet that was dropped. */
  drop(reason: wire.PacketDropReason): void
  /** The peer has something to send now. */
  wake(peer: PeerState): void
}

/** A stream towards the peer. */
export class OutgoingState {
  readonly stream: SendStream
  /** Who tells the application of it; set by the shell. */
  owner: unknown = undefined
  slab: number
  slabVersion = 0
  constructor(stream: SendStream, slab: number) {
    this.stream = stream
    this.slab = slab
  }
}

/** A stream from the peer. */
export class IncomingState {
  readonly id: number
  readonly stream: ReceiveStream
  readonly assembler: Assembler
  owner: unknown = undefined
  metadata: Uint8Array = new Uint8Array(0)
  priority = 0
  isAnnounced = false
  /** Messages handed over. */
  delivered = 0
  readonly stopping: Repeater = new Repeater()
  stopReason: number = wire.REASON.unspecified
  constructor(stream: ReceiveStream, assembler: Assembler) {
    this.id = stream.id
    this.stream = stream
    this.assembler = assembler
  }
}

export type Liveness = "joined" | "unreachable" | "leaving" | "left"

export class PeerState implements Due {
  readonly unique: Uint8Array
  readonly localSession: Uint8Array
  /** Zero until the peer told it. */
  remoteSession: Uint8Array
  readonly rtt: RttEstimator = new RttEstimator()
  readonly outgoing: Map<number, OutgoingState> = new Map()
  readonly incoming: Map<number, IncomingState> = new Map()
  /** Who tells the application of it; set by the shell. */
  owner: unknown = undefined
  dueMs: number = Infinity
  heapIndex = -1
  limits: wire.Limits
  /** Round trips measured by heartbeats that asked for an answer: told to whoever waits. */
  onEcho: (() => void) | undefined
  naksReceived = 0
  packetsSent = 0
  packetsResent = 0
  /** Asks the protocol for a join to this peer's address, to learn who is there. */
  isProbeWanted = false
  readonly #context: PeerContext
  readonly #budget: AssemblyBudget
  readonly #controller: CongestionController
  readonly #finished = new NumberSet()
  readonly #retiring: Association[] = []
  #association: Association | undefined
  #streamOptions: StreamOptions | undefined
  #liveness: Liveness = "joined"
  #nextId = 1
  #inFlightBytes = 0
  /** Streams that may have something to send or to repeat, and those with a status to come: the others cost nothing. */
  readonly #sending = new Set<OutgoingState>()
  readonly #reporting = new Set<IncomingState>()
  #lastDataMs: number
  #isEchoWanted = false
  #isEchoOwed = false
  #probedMs = -Infinity
  readonly #goodbye = new Repeater()
  #goodbyeReason = 0
  #goodbyeText = ""
  #goodbyeEndMs = Infinity
  #isGoodbyeOwed = false
  readonly #pathResponses: Uint8Array[] = []
  /** Whether a control datagram is being composed. */
  #isComposing = false
  #probeAnswer: wire.MtuProbe | undefined
  /** Id and final number of finished streams whose end is to be answered (again). */
  readonly #finishedAnswers: number[] = []
  readonly #served: OutgoingState[] = []
  readonly #packet = createOutgoingPacket()
  readonly #kept = createKeptPacket()
  readonly #piece = wire.createPiece()
  readonly #messages = new wire.MessageCursor()
  readonly #status = wire.createStatus()
  readonly #sync = wire.createSync()
  readonly #feedback = wire.createFeedback()

  constructor(context: PeerContext, unique: Uint8Array, localSession: Uint8Array, limits: wire.Limits, nowMs: number) {
    this.#context = context
    this.unique = unique
    this.localSession = localSession
    this.remoteSession = new Uint8Array(wire.IDENTITY_BYTES)
    this.limits = limits
    this.#budget = new AssemblyBudget(context.settings.assemblyBytesPerPeer, context.budget)
    this.#controller = context.controller(this)
    this.#lastDataMs = nowMs
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

  get inFlightBytes(): number {
    return this.#inFlightBytes
  }

  get assemblyBytes(): number {
    return this.#budget.used
  }

  /** Bytes of the largest message both ends take. */
  get messageBytesMax(): number {
    return Math.min(this.#context.settings.messageBytesMax, this.limits.messageBytes)
  }

  get #datagramBytesMax(): number {
    return Math.min(this.#context.settings.datagramBytes, this.limits.datagramBytes)
  }

  get payloadBytesMax(): number {
    const { profile } = this.#context.settings
    return this.#datagramBytesMax - wire.PREFIX_BYTES[profile]! - wire.TAG_BYTES[profile]! - SEQUENCED_OVERHEAD_BYTES
  }

  /** Takes an association into use; another one takes datagrams for 3 PTO more. */
  use(association: Association, nowMs: number): void {
    const before = this.#association
    this.#association = association
    if (before !== undefined && before !== association) this.retire(before, nowMs)
    this.#revive()
  }

  retire(association: Association, nowMs: number): void {
    association.retiresMs = nowMs + 3 * this.rtt.ptoMs
    this.#retiring.push(association)
    this.#context.wake(this)
  }

  // Streams towards the peer.

  open(mode: wire.Mode, priority: number, metadata: Uint8Array, first: number, nowMs: number): OutgoingState | undefined {
    if (this.outgoing.size >= this.limits.streams) return undefined
    this.#streamOptions ??= this.#makeStreamOptions()
    const stream = new SendStream({ id: this.#nextId++, mode, options: this.#streamOptions, rtt: this.rtt, first, priority, metadata })
    const state = new OutgoingState(stream, this.#context.transport.registerSlab(stream.slab))
    this.outgoing.set(stream.id, state)
    stream.open(nowMs)
    this.touch(state)
    return state
  }

  /** A stream was written to, ended or reset: it has something to send. */
  touch(state: OutgoingState): void {
    this.#sending.add(state)
    this.#context.wake(this)
  }

  #makeStreamOptions(): StreamOptions {
    const { settings } = this.#context
    const spreadPackets = Math.min(settings.spreadPackets, this.limits.spread)
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

  #closeOutgoing(state: OutgoingState): void {
    // Rows of the batch may still name its slab.
    this.#context.outbox.flush()
    this.#inFlightBytes -= state.stream.inFlightBytes
    this.outgoing.delete(state.stream.id)
    this.#sending.delete(state)
    this.#context.transport.releaseSlab(state.slab)
    this.#context.listener.onProgress(this, state)
  }

  // Packets of the peer.

  /** Any genuine datagram shows that the peer lives. */
  heard(): void {
    this.#probedMs = -Infinity
    this.#revive()
  }

  #revive(): void {
    if (this.#liveness !== "unreachable") return
    this.#liveness = "joined"
    for (const state of this.outgoing.values()) this.touch(state)
    this.#context.listener.onReachable(this, true)
  }

  handleSequenced(view: DataView, bytes: Uint8Array, body: number, end: number, wanted: boolean, nowMs: number): void {
    const id = wire.readStream(view, body)
    const delivery = wire.readSequencedDelivery(view, body)
    const state = this.#incomingFor(id, wire.modeOf(delivery))
    if (state === undefined) return
    const payload = body + wire.SEQUENCED_HEADER_BYTES
    const verdict = state.stream.handlePacket(wire.readPacketNumber(view, body), delivery, wanted, bytes, payload, end - payload, nowMs)
    this.#report(state)
    this.#lastDataMs = nowMs
    if (verdict === "kept") return
    if (verdict !== "deliver") return this.#context.drop(verdict)
    if (this.#dispatch(state, view, bytes, payload, end, wire.formOf(delivery), nowMs)) this.#dispatchKept(state, nowMs)
    this.#closeIfComplete(state)
  }

  #dispatchKept(state: IncomingState, nowMs: number): void {
    const kept = this.#kept
    while (state.stream.peekKept(kept)) {
      if (!this.#dispatch(state, kept.view, kept.bytes, kept.offset, kept.offset + kept.length, wire.formOf(kept.delivery), nowMs)) return
    }
  }

  /** Hands over what the packet at the edge holds; `false`: it can't be taken now, or the stream is over. */
  #dispatch(state: IncomingState, view: DataView, bytes: Uint8Array, offset: number, end: number, form: number, nowMs: number): boolean {
    if (form !== wire.FORM.whole) return this.#dispatchPiece(state, view, bytes, offset, end, form, nowMs)
    if (state.assembler.count > 0) return this.#violates(state, wire.REASON.protocolError, "piece-conflict")
    state.stream.advance()
    this.#deliverWhole(state, view, bytes, offset, end)
    return state.stream.state === "open"
  }

  #deliverWhole(state: IncomingState, view: DataView, bytes: Uint8Array, offset: number, end: number): void {
    const cursor = this.#messages
    // A handler may send and so come back here for another stream: the cursor is read before it is called.
    let at = offset
    // It may also stop the stream or leave the peer: then the rest is not handed over.
    while (at < end && state.stream.state === "open") {
      cursor.start(view, at, end)
      cursor.next()
      at = cursor.offset + cursor.length
      state.delivered++
      this.#context.listener.onMessage(this, state, cursor.type, bytes, view, cursor.offset, cursor.length)
    }
  }

  #dispatchPiece(
    state: IncomingState,
    view: DataView,
    bytes: Uint8Array,
    offset: number,
    end: number,
    form: number,
    nowMs: number,
  ): boolean {
    wire.readPiece(view, offset, end, form, this.#piece)
    const verdict = state.assembler.handlePiece(this.#piece, bytes, nowMs)
    if (verdict === "no-room") {
      state.stream.refuse()
      this.#context.drop("no-room")
      return false
    }
    if (verdict === "message-too-large") return this.#violates(state, wire.REASON.messageTooLarge, verdict)
    if (verdict !== "taken" && verdict !== "complete") return this.#violates(state, wire.REASON.protocolError, verdict)
    state.stream.advance()
    if (verdict === "complete") this.#deliverAssembled(state)
    return state.stream.state === "open"
  }

  #deliverAssembled(state: IncomingState): void {
    const { type, bytes } = state.assembler.completed
    state.delivered++
    this.#context.listener.onMessage(
      this,
      state,
      type,
      bytes,
      new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      0,
      bytes.length,
    )
    state.assembler.release()
    // Memory is free again: whoever was refused may try.
    for (const other of this.incoming.values()) {
      other.stream.hasRoom()
      this.#report(other)
    }
  }

  /** The peer broke a promise that a reliable stream can't go on without. */
  #violates(state: IncomingState, reason: number, drop: wire.PacketDropReason): boolean {
    this.#context.drop(drop)
    this.stop(state, reason)
    return false
  }

  handleFireAndForget(view: DataView, bytes: Uint8Array, body: number, end: number, nowMs: number): void {
    const state = this.#incomingFor(wire.readStream(view, body), wire.MODE["fire-and-forget"])
    if (state === undefined) return
    if (state.stream.state === "closed") return this.#context.drop("stream-closed")
    this.#lastDataMs = nowMs
    const form = wire.formOf(wire.readFireAndForgetDelivery(view, body))
    const payload = body + wire.FIRE_AND_FORGET_HEADER_BYTES
    if (form === wire.FORM.whole) return this.#deliverWhole(state, view, bytes, payload, end)
    wire.readPiece(view, payload, end, form, this.#piece)
    const verdict = state.assembler.handlePiece(this.#piece, bytes, nowMs)
    if (verdict === "complete") this.#deliverAssembled(state)
    else if (verdict !== "taken") this.#context.drop(verdict)
    this.#report(state)
  }

  /** The stream of an incoming packet, made if this is its first; `undefined`: dropped and counted. */
  #incomingFor(id: number, mode: wire.Mode): IncomingState | undefined {
    const known = this.incoming.get(id)
    if (known !== undefined) {
      if (known.stream.mode === mode) return known
      this.#context.drop("mode-changed")
      return undefined
    }
    if (this.#finished.has(id)) {
      this.#context.drop("stream-closed")
      return undefined
    }
    const { settings, pool } = this.#context
    if (this.incoming.size >= settings.streamsMax) {
      this.#context.drop("streams-full")
      return undefined
    }
    this.#streamOptions ??= this.#makeStreamOptions()
    const options = { ...this.#streamOptions, spreadPackets: settings.spreadPackets }
    const stream = new ReceiveStream({ id, mode, options, rtt: this.rtt, pool })
    const isOrdered = mode === wire.MODE.reliable
    const state = new IncomingState(stream, new Assembler({ budget: this.#budget, messageBytesMax: settings.messageBytesMax, isOrdered }))
    this.incoming.set(id, state)
    return state
  }

  #report(state: IncomingState): void {
    this.#reporting.add(state)
    this.#context.wake(this)
  }

  handleOpen(open: wire.Open, nowMs: number): void {
    if (this.#finished.has(open.stream)) return
    const state = this.#incomingFor(open.stream, open.mode)
    if (state === undefined) return
    state.stream.handleOpen(open.first, nowMs)
    this.#report(state)
    if (state.isAnnounced) return
    state.isAnnounced = true
    state.metadata = open.metadata
    state.priority = open.priority
    this.#context.listener.onStreamOpened(this, state)
  }

  handleEnd(end: wire.End): void {
    const state = this.incoming.get(end.stream)
    if (state === undefined) {
      // An end that overtook its opening will be said again.
      if (this.#finished.has(end.stream)) this.#answerFinished(end)
      else this.#context.drop("not-open")
      return
    }
    const reason = state.stream.handleEnd(end.final)
    if (reason !== undefined) this.#context.drop(reason)
    this.#report(state)
    this.#closeIfComplete(state)
  }

  handleReset(reset: wire.Reset): void {
    const state = this.incoming.get(reset.stream)
    if (state !== undefined) this.#closeIncoming(state, false, reset.reason)
    this.#answerFinished(reset)
  }

  /** A finished stream's end or reset is answered from the packet itself: there is no state left. */
  #answerFinished(end: wire.End): void {
    this.#finish(end.stream)
    this.#finishedAnswers.push(end.stream, end.final)
    this.#context.wake(this)
  }

  #closeIfComplete(state: IncomingState): void {
    const { stream } = state
    if (stream.state === "open" && stream.isComplete && state.assembler.count === 0) {
      this.#finishedAnswers.push(state.id, stream.mode === wire.MODE["fire-and-forget"] ? 0 : stream.cumulative)
      this.#closeIncoming(state, true, wire.REASON.unspecified)
    }
  }

  #closeIncoming(state: IncomingState, isComplete: boolean, reason: number): void {
    state.stream.close()
    state.assembler.close()
    state.stopping.stop()
    this.incoming.delete(state.id)
    this.#reporting.delete(state)
    this.#finish(state.id)
    this.#context.wake(this)
    this.#context.listener.onStreamClosed(this, state, isComplete, reason)
  }

  #finish(id: number): void {
    this.#finished.add(id)
    while (this.#finished.ranges > FINISHED_RANGES_MAX) this.#finished.fillLowestHole()
  }

  /** Asks the sender to stop; what comes in the meantime is dropped. */
  stop(state: IncomingState, reason: number): void {
    if (state.stream.state === "closed") return
    state.stream.close()
    state.assembler.close()
    state.stopReason = reason
    state.stopping.start(-Infinity)
    this.#report(state)
  }

  handleStop(stop: wire.Stop, nowMs: number): void {
    const state = this.outgoing.get(stop.stream)
    if (state === undefined) return
    state.stream.reset(stop.reason, nowMs)
    this.touch(state)
    this.#context.listener.onProgress(this, state)
  }

  handleStatus(view: DataView, body: number, nowMs: number): void {
    wire.readStatus(view, body, this.#status)
    const state = this.outgoing.get(this.#status.stream)
    // The stream may be finished here while the last statuses are still on their way.
    if (state === undefined) {
      if (this.#status.stream >= this.#nextId) this.#context.drop("not-sent")
      return
    }
    const { stream } = state
    const before = stream.inFlightBytes
    const unacked = stream.unackedBytes
    const reason = stream.handleStatus(this.#status, nowMs)
    if (reason !== undefined) return this.#context.drop(reason)
    if (this.#status.missing.count > 0) this.naksReceived++
    if (stream.state !== "closed") this.#inFlightBytes += stream.inFlightBytes - before
    const acknowledged = unacked - stream.unackedBytes
    const lost = before - stream.inFlightBytes - acknowledged
    if (acknowledged > 0) this.#controller.onAcknowledged(acknowledged, this.rtt.srttMs, nowMs)
    if (lost > 0) this.#controller.onLost(lost, nowMs)
    if (stream.state === "closed") {
      this.#inFlightBytes -= before - stream.inFlightBytes
      return this.#closeOutgoing(state)
    }
    this.touch(state)
    if (acknowledged > 0) this.#context.listener.onProgress(this, state)
  }

  handleSync(view: DataView, body: number, wanted: boolean, nowMs: number): void {
    wire.readSync(view, body, this.#sync)
    const { stream: id, mode, high } = this.#sync
    if (this.#finished.has(id)) {
      // Its end was answered, but the sender hasn't heard: it hears it again.
      this.#finishedAnswers.push(id, high)
      return this.#context.wake(this)
    }
    const state = this.#incomingFor(id, mode)
    if (state === undefined) return
    const reason = state.stream.handleSync(this.#sync, wanted, nowMs)
    if (reason !== undefined) this.#context.drop(reason)
    this.#report(state)
  }

  handleFeedback(view: DataView, body: number, association: Association, nowMs: number): void {
    wire.readFeedback(view, body, this.#feedback)
    const rttMs = association.rttOf(this.#feedback, nowMs)
    if (rttMs !== undefined) this.rtt.addSample(rttMs)
  }

  handleHeartbeat(wanted: boolean): void {
    if (wanted) this.#isEchoOwed = true
    else this.onEcho?.()
    this.#context.wake(this)
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

  /** Asks for a heartbeat's answer; `onEcho` is called when it comes. */
  ping(): void {
    this.#isEchoWanted = true
    this.#context.wake(this)
  }

  /** Says goodbye, again and again until it is answered; the streams close at once. */
  leave(reason: number, text: string, nowMs: number): void {
    if (this.#liveness === "leaving" || this.#liveness === "left") return
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
    for (const state of [...this.outgoing.values()]) {
      state.stream.reset(reason, 0)
      this.#closeOutgoing(state)
    }
    for (const state of [...this.incoming.values()]) this.#closeIncoming(state, false, reason)
    this.#inFlightBytes = 0
    this.#context.listener.onLeft(this, reason, text)
  }

  /** What is sent goes through here: liveness, then control, then data as far as window and socket allow. */
  poll(nowMs: number): void {
    const association = this.#association
    if (association === undefined) return
    this.#judge(association, nowMs)
    if (this.#liveness === "left") return
    this.#pollControl(association, nowMs)
    if (this.#liveness === "joined") this.#pollData(association, nowMs)
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
      this.#context.listener.onReachable(this, false)
    }
    if (this.#liveness === "unreachable" && nowMs >= unreachableAtMs + leaveMs) return this.end(wire.REASON.timeout, "")
    if (this.#probeDueMs(association) <= nowMs) {
      this.#probedMs = nowMs
      this.isProbeWanted = true
    }
  }

  /** Heartbeats come further apart once nothing but heartbeats went either way for a while. */
  #heartbeatIntervalMs(association: Association): number {
    const { heartbeatMs } = this.#context.settings
    return association.lastSentMs - this.#lastDataMs > IDLE_INTERVALS * heartbeatMs ? IDLE_FACTOR * heartbeatMs : heartbeatMs
  }

  #heartbeatDueMs(association: Association): number {
    return this.#liveness === "leaving" ? Infinity : association.lastSentMs + this.#heartbeatIntervalMs(association)
  }

  /** After a few heartbeats' silence a join asks who is there, and from then on as often as a peer could become unreachable. */
  #probeDueMs(association: Association): number {
    if (this.#liveness === "leaving") return Infinity
    const silentMs = association.lastReceivedMs + SILENT_HEARTBEATS_MAX * this.#heartbeatIntervalMs(association)
    return Math.max(silentMs, this.#probedMs + this.#context.settings.unreachableMs)
  }

  #pollControl(association: Association, nowMs: number): void {
    this.#isComposing = false
    this.#composeStreams(association, nowMs)
    this.#composeConnection(association, nowMs)
    if (this.#isComposing) this.#context.outbox.post(association, nowMs)
    this.#answerProbe(association, nowMs)
  }

  /** Room for the next control packet, whether it fits the datagram being composed or needs another one; `false`: the socket is full. */
  #hasControlRoom(association: Association, nowMs: number): boolean {
    const { outbox } = this.#context
    if (outbox.rowsLeft >= 2) return !outbox.isBlocked
    if (this.#isComposing) outbox.post(association, nowMs)
    this.#isComposing = false
    return outbox.flush()
  }

  /**
   * Begins a control packet with a body of so many bytes, in a new datagram where it doesn't fit the one being composed; each datagram begins with
   * feedback. The caller has made sure of room. Answers where the body starts.
   */
  #begin(flags: number, bodyBytes: number, association: Association, nowMs: number): number {
    const { outbox } = this.#context
    const { writer } = outbox
    if (this.#isComposing && outbox.composedBytes + writer.cost(bodyBytes) > this.#datagramBytesMax) {
      outbox.post(association, nowMs)
      this.#isComposing = false
    }
    if (!this.#isComposing) {
      outbox.compose()
      association.feedback(nowMs, this.#feedback)
      writer.finish(wire.writeFeedback(writer.view, writer.begin(wire.KIND.feedback), this.#feedback))
      this.#isComposing = true
    }
    return writer.begin(flags)
  }

  /** The answer to a probe of the path's MTU has a datagram to itself. */
  #answerProbe(association: Association, nowMs: number): void {
    const { outbox } = this.#context
    if (this.#probeAnswer === undefined || !outbox.makeRoom()) return
    outbox.compose()
    outbox.writer.finish(wire.writeMtuProbe(outbox.writer.view, outbox.writer.begin(wire.KIND.mtuProbe), this.#probeAnswer))
    outbox.post(association, nowMs)
    this.#probeAnswer = undefined
  }

  #composeStreams(association: Association, nowMs: number): void {
    const { writer } = this.#context.outbox
    const { view } = writer
    const answers = this.#finishedAnswers
    while (answers.length > 0) {
      if (!this.#hasControlRoom(association, nowMs)) return
      this.#status.cumulative = answers.pop()!
      this.#status.stream = answers.pop()!
      this.#status.state = wire.STATUS.closed
      this.#status.received.count = this.#status.missing.count = 0
      const body = this.#begin(wire.KIND.status, wire.statusBytes(this.#status), association, nowMs)
      writer.finish(wire.writeStatus(view, body, this.#status))
    }
    for (const state of this.#reporting) {
      if (!this.#hasControlRoom(association, nowMs)) return
      this.#composeReport(state, association, nowMs)
    }
    for (const { stream } of this.#sending) {
      if (stream.nextTimeoutMs > nowMs) continue
      if (!this.#hasControlRoom(association, nowMs)) return
      const open = stream.pollOpen(nowMs)
      if (open !== undefined) {
        const body = this.#begin(wire.KIND.open, wire.OPEN_HEADER_BYTES + open.metadata.length, association, nowMs)
        writer.finish(wire.writeOpen(view, body, open))
      }
      if (!this.#hasControlRoom(association, nowMs)) return
      this.#composeClose(stream, association, nowMs)
      if (!this.#hasControlRoom(association, nowMs)) return
      if (stream.pollSync(nowMs, this.#sync)) {
        const body = this.#begin(wire.KIND.sync | wire.FLAG_WANTED, wire.syncBytes(this.#sync), association, nowMs)
        writer.finish(wire.writeSync(view, body, this.#sync))
      }
    }
  }

  /** A stop, or a status, of a stream from the peer. */
  #composeReport({ id, stream, stopping, stopReason }: IncomingState, association: Association, nowMs: number): void {
    const { writer } = this.#context.outbox
    if (stopping.dueMs <= nowMs) {
      const body = this.#begin(wire.KIND.stop, wire.STOP_BYTES, association, nowMs)
      writer.finish(wire.writeStop(writer.view, body, { stream: id, reason: stopReason }))
      stopping.said(nowMs, this.rtt.ptoMs, GOODBYE_MS)
    }
    if (stream.state === "open" && stream.pollStatus(nowMs, this.#status)) {
      const body = this.#begin(wire.KIND.status, wire.statusBytes(this.#status), association, nowMs)
      writer.finish(wire.writeStatus(writer.view, body, this.#status))
    }
  }

  #composeClose(stream: SendStream, association: Association, nowMs: number): void {
    const { writer } = this.#context.outbox
    const end = stream.pollClose(nowMs)
    if (end === undefined) return
    if ("reason" in end)
      writer.finish(wire.writeReset(writer.view, this.#begin(wire.KIND.reset, wire.RESET_BYTES, association, nowMs), end))
    else writer.finish(wire.writeEnd(writer.view, this.#begin(wire.KIND.end, wire.END_BYTES, association, nowMs), end))
  }

  #composeConnection(association: Association, nowMs: number): void {
    const { writer } = this.#context.outbox
    while (this.#pathResponses.length > 0) {
      if (!this.#hasControlRoom(association, nowMs)) return
      const body = this.#begin(wire.KIND.pathResponse, wire.PATH_CHALLENGE_BYTES, association, nowMs)
      writer.finish(wire.writePathData(writer.view, body, this.#pathResponses.shift()!))
    }
    const isLeaving = this.#goodbye.dueMs <= nowMs
    if (isLeaving || this.#isGoodbyeOwed) {
      if (!this.#hasControlRoom(association, nowMs)) return
      const body = this.#begin(wire.KIND.goodbye | (isLeaving ? wire.FLAG_WANTED : 0), 2 + wire.TEXT_BYTES_MAX, association, nowMs)
      writer.finish(wire.writeReasonText(writer.view, body, { reason: this.#goodbyeReason, text: isLeaving ? this.#goodbyeText : "" }))
      if (isLeaving) this.#goodbye.said(nowMs, this.rtt.ptoMs, GOODBYE_MS)
      else this.#isGoodbyeOwed = false
    }
    const isDue = this.#heartbeatDueMs(association) <= nowMs
    if (!isDue && !this.#isEchoOwed && !this.#isEchoWanted) return
    if (!this.#hasControlRoom(association, nowMs)) return
    // Without a body it can only be the last of its datagram.
    this.#begin(wire.KIND.heartbeat | (isDue || this.#isEchoWanted ? wire.FLAG_WANTED : 0), 0, association, nowMs)
    this.#isEchoOwed = this.#isEchoWanted = false
  }

  /** One packet of each stream in turn, while the peer may have more in flight. Small ones share datagrams. */
  #pollData(association: Association, nowMs: number): void {
    const { outbox } = this.#context
    const served = this.#served
    let isComposing = false
    let hasSent = true
    pass: while (hasSent) {
      hasSent = false
      for (const state of this.#sending) {
        const bytes = state.stream.peek()
        if (bytes < 0) continue
        if (this.#inFlightBytes > 0 && this.#inFlightBytes + bytes > this.#controller.windowBytes) break pass
        const isShared = bytes <= this.payloadBytesMax / 2
        if (
          isComposing &&
          (!isShared || outbox.composedBytes + outbox.writer.cost(wire.SEQUENCED_HEADER_BYTES + bytes) > this.#datagramBytesMax)
        ) {
          outbox.post(association, nowMs)
          isComposing = false
        }
        if (!isComposing && !outbox.makeRoom()) break pass
        if (isShared && !isComposing) {
          outbox.compose()
          isComposing = true
        }
        this.#take(state, nowMs)
        if (isShared) this.#copyPacket(state.stream)
        else this.#postPacket(state, association, nowMs)
        this.#lastDataMs = nowMs
        hasSent = true
        if (served.at(-1) !== state) served.push(state)
      }
    }
    if (isComposing) outbox.post(association, nowMs)
    // Whoever had a turn goes behind those who had none.
    for (const state of served) {
      this.#sending.delete(state)
      this.#sending.add(state)
    }
    served.length = 0
  }

  /** Takes the next packet of a stream into `#packet`, and counts it. */
  #take({ stream }: OutgoingState, nowMs: number): void {
    const before = stream.inFlightBytes
    stream.take(nowMs, this.#packet)
    this.#inFlightBytes += stream.inFlightBytes - before
    this.packetsSent++
    if (this.#packet.isResend) this.packetsResent++
  }

  /** Copies the packet into the datagram being composed: small as it is, that costs less than a datagram of its own. */
  #copyPacket(stream: SendStream): void {
    const { writer } = this.#context.outbox
    const { number, delivery, wanted, offset, length } = this.#packet
    const isSequenced = stream.mode !== wire.MODE["fire-and-forget"]
    const body = writer.begin((isSequenced ? wire.KIND.sequenced : wire.KIND.fireAndForget) | (wanted ? wire.FLAG_WANTED : 0))
    const payload = isSequenced
      ? wire.writeSequencedBody(writer.view, body, stream.id, number, delivery)
      : wire.writeFireAndForgetBody(writer.view, body, stream.id, wire.formOf(delivery))
    writer.copy(payload, stream.slab, offset, length)
    writer.finish(payload + length)
  }

  /** Sends the packet from where it was written: the headers go into the room before it. */
  #postPacket(state: OutgoingState, association: Association, nowMs: number): void {
    const { stream } = state
    const { outbox, transport } = this.#context
    const { number, delivery, wanted, offset, length } = this.#packet
    if (state.slabVersion !== stream.slabVersion) {
      // Rows of the batch still name the old slab: they go first.
      outbox.flush()
      transport.releaseSlab(state.slab)
      state.slab = transport.registerSlab(stream.slab)
      state.slabVersion = stream.slabVersion
    }
    const { view } = stream
    if (stream.mode === wire.MODE["fire-and-forget"]) {
      const start = offset - FIRE_AND_FORGET_OVERHEAD_BYTES
      view.setUint8(start, wire.KIND.fireAndForget)
      wire.writeFireAndForgetBody(view, start + wire.PACKET_OVERHEAD_BYTES, stream.id, wire.formOf(delivery))
      outbox.postFrom(state.slab, stream.slab, view, start, FIRE_AND_FORGET_OVERHEAD_BYTES + length, association, nowMs)
      return
    }
    const start = offset - SEQUENCED_OVERHEAD_BYTES
    wire.writeSequencedHeader(view, start, wanted, stream.id, number, delivery)
    outbox.postFrom(state.slab, stream.slab, view, start, SEQUENCED_OVERHEAD_BYTES + length, association, nowMs)
  }

  /** The path refuses datagrams of this length. Packets that need one can't be sent smaller yet: their streams end, with the reason. */
  handleTooLong(datagramBytes: number, nowMs: number): void {
    const { profile } = this.#context.settings
    const payloadBytes = datagramBytes - wire.PREFIX_BYTES[profile]! - wire.TAG_BYTES[profile]! - SEQUENCED_OVERHEAD_BYTES
    for (const state of this.outgoing.values()) {
      if (!state.stream.hasUnacked(payloadBytes)) continue
      state.stream.reset(wire.REASON.pathTooSmall, nowMs)
      this.touch(state)
      this.#context.listener.onProgress(this, state)
    }
  }

  /** Closes packets that are being filled: the turn is over. */
  closePackets(): void {
    for (const { stream } of this.#sending) stream.closePacket()
  }

  /** When `poll` has something to do, after one: streams without are looked at no more until touched. */
  nextTimeoutMs(): number {
    const association = this.#association
    if (association === undefined || this.#liveness === "left") return Infinity
    const { unreachableMs, leaveMs } = this.#context.settings
    let next = Math.min(this.#heartbeatDueMs(association), this.#probeDueMs(association), this.#goodbye.dueMs, this.#goodbyeEndMs)
    if (this.#liveness === "joined") next = Math.min(next, association.lastReceivedMs + unreachableMs)
    if (this.#liveness === "unreachable") next = Math.min(next, association.lastReceivedMs + unreachableMs + leaveMs)
    for (const { retiresMs } of this.#retiring) next = Math.min(next, retiresMs)
    for (const state of this.#sending) {
      const { nextTimeoutMs } = state.stream
      if (nextTimeoutMs === Infinity && state.stream.peek() < 0) this.#sending.delete(state)
      else next = Math.min(next, nextTimeoutMs)
    }
    for (const state of this.#reporting) {
      const due = Math.min(state.stream.nextTimeoutMs, state.stopping.dueMs, state.assembler.nextTimeoutMs)
      if (due === Infinity) this.#reporting.delete(state)
      else next = Math.min(next, due)
    }
    return next
  }

  /** Gives up unreliable messages without progress, and names associations that are to be forgotten. */
  handleTimeout(nowMs: number): readonly Association[] {
    for (const { assembler } of this.#reporting) if (assembler.nextTimeoutMs <= nowMs) assembler.handleTimeout(nowMs)
    if (this.#retiring.length === 0) return NONE
    const over = this.#retiring.filter(({ retiresMs }) => retiresMs <= nowMs)
    for (const association of over) this.#retiring.splice(this.#retiring.indexOf(association), 1)
    return over
  }

  assertInvariants(): void {
    let inFlight = 0
    for (const { stream } of this.outgoing.values()) {
      stream.assertInvariants()
      inFlight += stream.inFlightBytes
    }
    if (inFlight !== this.#inFlightBytes) throw new Error(`inFlightBytes is ${this.#inFlightBytes}, counted ${inFlight}`)
    for (const { stream } of this.incoming.values()) stream.assertInvariants()
  }
}
