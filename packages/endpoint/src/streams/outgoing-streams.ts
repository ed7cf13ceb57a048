/**
 * The streams that we opened to a peer: what is sent of them, in which order, and what becomes of it. Composes the
 * sending machines of `@x/stream`. The file is long, but one thing: whatever is done to a stream, heard of it or due for
 * it ends with the same question, which lists it belongs on now.
 *
 * @module
 */

import { SendStream } from "@x/stream"
import * as wire from "@x/wire"
import { ZERO } from "@x/wire"
import type { Association } from "../path/association.ts"
import type { ControlWriter } from "../datagram/control-writer.ts"
import { BusyStreams } from "./busy-streams.ts"
import { FullStreams, type StreamLimit } from "./full-streams.ts"
import { composeStream } from "./outgoing-control.ts"
import type { OutgoingContext, OutgoingPeer, OutgoingSignals } from "./outgoing-context.ts"
import { OutgoingMemory } from "./outgoing-memory.ts"
import { type OpenStream, OutgoingState } from "./outgoing-state.ts"
import { PacketWriter } from "./packet-writer.ts"
import { Sender } from "./sender.ts"
import { StreamTurns } from "./stream-turns.ts"

/** A window holds as many paths: what is in flight, and what waits behind a packet that is sent again. */
const WINDOW_PATHS = 2
/** Streams that say something again to a peer that has been silent for long: no more than fit a datagram. */
const PROBED_STREAMS_MAX = 8

export class OutgoingStreams {
  /** By id. */
  readonly #streams = new Map<number, OutgoingState>()
  /** When a message was last sent. */
  lastDataMs: number
  naksReceived: number = ZERO
  packetsSent = 0
  packetsResent: number = ZERO
  packetsCopied: number = ZERO
  readonly #peer: OutgoingPeer
  readonly #context: OutgoingContext
  readonly #signals: OutgoingSignals
  /** The memory of its packets. */
  readonly memory: OutgoingMemory
  readonly #busy = new BusyStreams()
  /** Those with data. */
  readonly #turns = new StreamTurns()
  readonly #packets: PacketWriter
  /** The earliest deadline of the shell, or one before it. */
  #deadlineMs = Infinity
  /**
   * Streams of which messages were settled as something was sent: where nothing is acknowledged that is all that can be
   * waited for.
   */
  readonly #sent: OutgoingState[] = []
  /** Those with more to send than there is room for. */
  readonly full: FullStreams = new FullStreams()
  #nextId = 1

  constructor(peer: OutgoingPeer, context: OutgoingContext, signals: OutgoingSignals, nowMs: number) {
    this.#peer = peer
    this.#context = context
    this.#signals = signals
    this.memory = new OutgoingMemory(context.quota, context.sendPool, peer.account.sent)
    this.#packets = new PacketWriter(context.outbox, context.scratch.packet, context.slabs)
    this.lastDataMs = nowMs
  }

  get count(): number {
    return this.#streams.size
  }

  all(): Iterable<OutgoingState> {
    return this.#streams.values()
  }

  /** Whether `open` would open one. */
  get hasRoom(): boolean {
    return this.#streams.size < this.#peer.limits.streams && this.#context.quota.hasStream(this.#peer.account.streams)
  }

  /** Whether one is open or being ended. Those that were reset only wait to be forgotten. */
  get isUsed(): boolean {
    for (const { stream } of this.#streams.values()) if (stream.state !== "resetting") return true
    return false
  }

  open({ weight, copies = 0, copySpreadMs = 0, ...asked }: OpenStream, nowMs: number): OutgoingState | undefined {
    const { quota } = this.#context
    if (this.#streams.size >= this.#peer.limits.streams || !quota.takeStream(this.#peer.account.streams))
      return undefined
    const { sendOptions: options, pace, path, account } = this.#peer
    const pool = this.memory.slots(options.spreadPackets)
    const stream = new SendStream({
      id: this.#nextId++,
      ...asked,
      ...{ options, rtt: path.rtt, pool, tables: account.tables, pace, copies, copySpreadMs },
    })
    const state = new OutgoingState(stream, new Sender(stream, this.#context.settings), weight)
    this.#streams.set(stream.id, state)
    stream.open(nowMs)
    this.touch(state)
    return state
  }

  /** A stream was ended or reset, or has another deadline: it may have something to send. */
  touch(state: OutgoingState): void {
    if (this.#rouse(state)) this.#signals.wake()
  }

  /** A stream was written to. */
  written(state: OutgoingState): void {
    if (this.#rouse(state)) this.#signals.wakeForData()
  }

  /** A stream may go on with its data; it has control packets to send only if something of it is due. */
  #goOn(state: OutgoingState, nowMs: number): void {
    if (state.stream.nextTimeoutMs <= nowMs) this.touch(state)
    else this.written(state)
  }

  #rouse(state: OutgoingState): boolean {
    if (state.stream.state === "closed") return false
    if (state.deadlineMs < this.#deadlineMs) {
      this.#deadlineMs = state.deadlineMs
      this.#signals.hasten(state.deadlineMs)
    }
    this.#busy.rouse(state)
    return true
  }

  /** Whether a stream has something to send now. */
  get hasData(): boolean {
    return this.#turns.count > 0
  }

  /** Takes up a stream, if it has something to send: its turn comes behind those that wait already. */
  enlistOne(state: OutgoingState): void {
    this.#turns.enlist(state)
  }

  handleStop(stop: wire.Stop, nowMs: number): void {
    const state = this.#streams.get(stop.stream)
    if (state === undefined) return
    state.stream.reset(stop.reason, nowMs)
    this.touch(state)
    this.#tell(state)
  }

  /** Something of the stream was acknowledged, a deadline has passed, or there is memory: what waits goes on. */
  progress(state: OutgoingState, nowMs: number): void {
    if (state.sender.progress(nowMs)) this.#goOn(state, nowMs)
    this.starve(state)
    this.#tell(state)
  }

  /** Whether the application has more to send than the windows of its streams have room for. */
  get isFull(): boolean {
    return this.full.isFull
  }

  /** What a stream that has more to send waits for; `application`: none has. */
  get limit(): StreamLimit {
    return this.full.limit
  }

  /** Whether that was so at any time since this was last asked. */
  takeFull(): boolean {
    return this.full.takeFull()
  }

  /** The path takes this many bytes: windows of streams that are full grow, so that what is lost doesn't stop them. */
  growWindows(pathBytes: number, nowMs: number): void {
    const bytes = Math.min(WINDOW_PATHS * pathBytes, this.#context.settings.windowGrowthBytesMax)
    for (const state of this.full.all) if (state.stream.growWindow(bytes)) this.progress(state, nowMs)
  }

  /** Where something waits for memory, it goes on once there is some. */
  starve(state: OutgoingState): void {
    this.full.note(state)
    if (!state.sender.isStarved) return
    this.#context.starved.add(state, this)
    if (this.memory.handleLack(this.#peer.path.size)) this.#recut()
  }

  /** Its owner is to know; once is enough until it does. */
  #tell(state: OutgoingState): void {
    if (state.isTold) return
    state.isTold = true
    this.#signals.progress(state)
  }

  /**
   * `heardMs`: when the newest datagram was sent that the peer had by then. `datagram`: the number of the one that the
   * status came in. One for each stream counts: however many there are, they cost no more than all that is in flight.
   */
  handleStatus(view: DataView, body: number, heardMs: number, datagram: number, nowMs: number): void {
    const { status } = this.#context.scratch
    wire.readStatus(view, body, status)
    const state = this.#streams.get(status.stream)
    // The stream may be finished here while the last statuses are still on their way.
    if (state === undefined) {
      if (status.stream >= this.#nextId) this.#signals.refute(nowMs)
      return
    }
    if (state.statusDatagram === datagram) return this.#context.drop("unexpected")
    state.statusDatagram = datagram
    const { stream } = state
    const { low, unackedBytes, lostPackets } = stream
    if (stream.handleStatus(status, nowMs, heardMs) !== undefined) return this.#signals.refute(nowMs)
    if (stream.lostPackets > lostPackets) this.naksReceived++
    if (stream.state === "closed") return this.#remove(state)
    this.full.noteHeld(state)
    this.#goOn(state, nowMs)
    if (this.memory.handleRoom(this.#peer.path.size)) this.#recut()
    // The edge may pass packets that were reported as received before.
    if (stream.unackedBytes < unackedBytes || stream.low > low) this.progress(state, nowMs)
  }

  /** The peer is silent, or back: then everything may have something to send again. */
  handleReachable(isReachable: boolean, nowMs: number): void {
    for (const state of this.#streams.values()) {
      if (isReachable) state.stream.handleReachable(nowMs)
      this.touch(state)
    }
  }

  /** What was sent since then may have gone where the peer isn't: it goes again at once, and so does what isn't answered. */
  resendSince(sentMs: number, nowMs: number): void {
    for (const state of this.#streams.values()) {
      state.stream.resendSince(sentMs)
      state.stream.handleReachable(nowMs)
      this.touch(state)
    }
  }

  /** Streams that may have something to say again. */
  get repeating(): number {
    return this.#busy.count
  }

  /** Ends all: the peer is gone. */
  close(reason: number, nowMs: number): void {
    for (const state of [...this.#streams.values()]) {
      state.stream.reset(reason, nowMs)
      state.isCutOff = true
      this.#remove(state)
    }
  }

  #remove(state: OutgoingState): void {
    this.#streams.delete(state.stream.id)
    this.#context.starved.delete(state)
    this.full.delete(state)
    this.#busy.delete(state)
    this.#turns.remove(state)
    this.#peer.account.streams.give(1)
    this.#tell(state)
  }

  /** Writes the opens, ends, resets and syncs that are due; `false`: the socket is full. */
  compose(control: ControlWriter, nowMs: number): boolean {
    for (const { stream } of this.#busy.all) {
      if (stream.nextTimeoutMs > nowMs) continue
      if (!composeStream(stream, control, this.#context.scratch.sync, nowMs)) return false
    }
    return true
  }

  /**
   * Says what a few streams wait for, with the heartbeat that asks whether a silent peer is back: then they go on at
   * once.
   */
  composeProbe(control: ControlWriter, nowMs: number): void {
    let left = PROBED_STREAMS_MAX
    for (const { stream } of this.#streams.values()) {
      if (left === 0) return
      if (stream.state === "open" && stream.isOpenAnswered && stream.isDrained) continue
      left--
      stream.handleReachable(nowMs)
      if (!composeStream(stream, control, this.#context.scratch.sync, nowMs)) return
    }
  }

  /** Takes up the streams that were touched. Before `pollData`. */
  enlist(): void {
    for (const state of this.#busy.all) this.#turns.enlist(state)
  }

  /**
   * Sends about `quantumBytes`, as far as the peer's window and pace allow. Streams of the highest priority first;
   * among them deficit round robin, each turn a full packet for each unit of weight. Small packets share datagrams.
   */
  pollData(association: Association, quantumBytes: number, nowMs: number): void {
    const { outbox } = this.#context
    const { gate, size } = this.#peer.path
    let left = quantumBytes
    let isComposing = false
    while (left > 0) {
      const state = this.#turns.next(size.payloadBytesMax)
      if (state === undefined) break
      const bytes = state.stream.peek()
      const isShared = bytes <= size.payloadBytesMax / 2 && !state.stream.isInParts
      const cost = outbox.writer.cost(wire.SEQUENCED_HEADER_BYTES + bytes)
      if (isComposing && (!isShared || outbox.composedBytes + cost > size.datagramBytesMax)) {
        gate.spend(outbox.post(association, true, nowMs))
        isComposing = false
      }
      if (association.roomBytes < Infinity) {
        const aroundBytes = isComposing ? outbox.composedBytes : outbox.emptyBytes
        if (association.roomBytes < aroundBytes + cost) {
          gate.cap()
          break
        }
      }
      if (!gate.mayGo(bytes) || (!isComposing && !outbox.makeRoom())) break
      if (isShared && !isComposing) {
        outbox.compose()
        isComposing = true
      }
      const { settledMessages } = state.stream
      this.#take(state.stream, nowMs)
      // A packet that fills the window asks how much of it is free again. Not in modes that give up messages: one half
      // sent would be.
      if (state.stream.traits.waits && gate.isFilledBy(bytes)) this.#context.scratch.packet.wanted = true
      if (isShared) this.#packets.copy(state.stream)
      else gate.spend(this.#packets.post(state.stream, association, nowMs))
      state.deficit -= cost
      left -= cost
      this.lastDataMs = nowMs
      // Sent, where that is all; or older ones were given up, since no more of what was sent is kept.
      if (!state.stream.traits.waits && state.stream.settledMessages > settledMessages && this.#sent.at(-1) !== state)
        this.#sent.push(state)
    }
    if (isComposing) gate.spend(outbox.post(association, true, nowMs))
    if (this.#sent.length > 0) for (const state of this.#sent.splice(0)) this.progress(state, nowMs)
  }

  /** Takes the next packet of a stream into the scratch, and counts it. */
  #take(stream: SendStream, nowMs: number): void {
    const { packet } = this.#context.scratch
    stream.take(nowMs, packet)
    // Of one that goes in parts, only the first.
    if (packet.partOffset > 0) return
    this.packetsSent++
    if (packet.isResend) this.packetsResent++
    if (packet.isCopy) this.packetsCopied++
  }

  /**
   * The path carries less than it did, or more: packets are cut accordingly from now on. An opening that needs more
   * can't be sent at all: its stream ends, with the reason.
   */
  handlePathSize(nowMs: number): void {
    const { metadataBytesMax } = this.#peer
    this.#recut()
    for (const state of this.#streams.values()) {
      const { stream } = state
      if (stream.state === "closed") continue
      if (stream.isOpenAnswered || stream.metadata.length <= metadataBytesMax) continue
      stream.reset(wire.REASON.pathTooSmall, nowMs)
      this.#tell(state)
    }
  }

  #recut(): void {
    const { size } = this.#peer.path
    this.#context.starved.recut()
    for (const state of this.#streams.values()) {
      if (state.stream.state === "closed") continue
      state.stream.setPayloadBytesMax(size.payloadBytesMax)
      this.touch(state)
    }
  }

  /** Closes packets that are being filled: the turn is over. */
  closePackets(): void {
    for (const { stream } of this.#busy.all) stream.closePacket()
  }

  /** Gives up what is too old, lets idle streams give back their memory, and tells the shell of its deadlines. */
  handleTimeout(nowMs: number): void {
    this.#busy.rouseDue(nowMs)
    const sending = this.#busy.all
    for (let i = sending.length - 1; i >= 0; i--) {
      const state = sending[i]
      if (state === undefined) continue
      const { settledMessages } = state.stream
      state.stream.handleTimeout(nowMs)
      if (state.deadlineMs <= nowMs || state.stream.settledMessages > settledMessages) this.progress(state, nowMs)
    }
  }

  /** Tells the shell of its deadlines alone, where nothing can be sent; answers when it is to be told next. */
  expire(nowMs: number): number {
    if (nowMs < this.#deadlineMs) return this.#deadlineMs
    this.#deadlineMs = Infinity
    for (const state of [...this.#streams.values()]) {
      if (state.deadlineMs <= nowMs) this.progress(state, nowMs)
      this.#deadlineMs = Math.min(this.#deadlineMs, state.deadlineMs)
    }
    return this.#deadlineMs
  }

  /**
   * When there is something to repeat, to probe or to give up; streams with nothing to send are looked at no more until
   * then, or until touched.
   */
  nextTimeoutMs(): number {
    return this.#busy.settle()
  }

  assertInvariants(): void {
    for (const { stream, sender } of this.#streams.values()) {
      stream.assertInvariants()
      sender.assertInvariants()
    }
  }
}
