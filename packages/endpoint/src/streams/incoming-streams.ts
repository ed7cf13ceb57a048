/**
 * The streams that a peer opened to us: takes in their packets, hands over their messages, and says what they have and
 * miss. Composes the receiving machines of `@x/stream` and `@x/fragment`.
 *
 * @module
 */

import { Assembler, AssemblyBudget } from "@x/fragment"
import { PoolShare, ReceiveStream } from "@x/stream"
import * as wire from "@x/wire"
import type { ControlWriter } from "../datagram/control-writer.ts"
import type { Dispatch } from "./dispatch.ts"
import { type IncomingOwner, IncomingState } from "./incoming-state.ts"
import { NumberSet } from "./number-set.ts"
import type { PeerContext, PeerState } from "../peer/peer-state.ts"

/** Finished ids are kept in so many ranges; past that the oldest hole counts as finished. */
const FINISHED_RANGES_MAX = 1_024
/** Answers that wait for room in the socket, at most. */
const FINISHED_ANSWERS_MAX = 16_384
/** A stop is said this often by itself, and then only when something of its stream comes. */
const STOPS_MAX = 8
/** Then it is at least a second apart, twice as long each time, up to this many doublings. */
const STOP_DOUBLINGS_MAX = 6

export class IncomingStreams implements IncomingOwner {
  readonly spreadPackets: number
  /** When a message last came. */
  lastDataMs: number
  readonly #peer: PeerState
  readonly #context: PeerContext
  readonly #budget: AssemblyBudget
  readonly #pool: PoolShare
  readonly #dispatch: Dispatch
  readonly #streams = new Map<number, IncomingState>()
  /** Streams that are over for their senders, and whose consumers aren't done. */
  #unread = 0
  readonly #finished = new NumberSet()
  /** Streams with a status or a stop to come: the others cost nothing. */
  readonly #reporting: IncomingState[] = []
  /** Id and final number of finished streams whose end is to be answered (again). */
  readonly #finishedAnswers = new Map<number, number>()

  constructor(peer: PeerState, context: PeerContext, nowMs: number) {
    this.#peer = peer
    this.#context = context
    this.spreadPackets = peer.spreadPackets
    this.#budget = new AssemblyBudget(context.quota.assembly.share(), context.budget)
    const { quota } = context
    const slots = quota.early.share()
    this.#pool = new PoolShare(
      context.pool,
      slots,
      () => void (slots.isFull(1) ? quota.poolShares++ : quota.poolLoans++),
    )
    this.lastDataMs = nowMs
    this.#dispatch = context.dispatch
  }

  get payloadBytesMax(): number {
    return this.#peer.payloadBytesMax
  }

  get count(): number {
    return this.#streams.size
  }

  all(): Iterable<IncomingState> {
    return this.#streams.values()
  }

  /** Whether one is open. Those that were stopped only wait for their senders to know. */
  get isUsed(): boolean {
    for (const { stream } of this.#streams.values()) if (stream.state === "open") return true
    return false
  }

  handleSequenced(view: DataView, bytes: Uint8Array, body: number, end: number, wanted: boolean, nowMs: number): void {
    const id = wire.readStream(view, body)
    const delivery = wire.readSequencedDelivery(view, body)
    const mode = wire.modeOf(delivery)
    const state = this.#incomingFor(id, mode)
    if (state === undefined) return
    const payload = body + wire.SEQUENCED_HEADER_BYTES
    const number = wire.readPacketNumber(view, body)
    const verdict = state.stream.handlePacket(number, delivery, wanted, bytes, payload, end - payload, nowMs)
    if (verdict === "stream-closed") this.#remind(state, nowMs)
    this.report(state)
    this.lastDataMs = nowMs
    this.#peer.handleData(nowMs)
    if (verdict === "kept") return
    if (verdict !== "deliver") return this.#context.drop(verdict)
    this.#dispatch.take(state, view, bytes, payload, end)
    this.#dispatch.begin(wire.formOf(delivery), number, nowMs)
  }

  /** The message under way is over, and so are those that nobody saw begin. */
  skip(state: IncomingState, begun: number): void {
    state.untold += state.assembler.dropBelow(Infinity)
    if (begun < 0) return
    state.noteBegun(begun)
    this.#tellGap(state)
  }

  abandoned(state: IncomingState): void {
    state.untold++
    this.#tellGap(state)
  }

  /** A stream that promised what is lost can't go on without it. */
  lose(state: IncomingState): void {
    if (state.stream.traits.waits) this.stop(state, wire.REASON.unspecified)
  }

  /** Messages that were handed over to a consumer, and that it has dropped. */
  drop(state: IncomingState, messages: number): void {
    state.delivered -= messages
    state.gone += messages
  }

  #tellGap(state: IncomingState): void {
    const { untold } = state
    if (untold === 0) return
    state.untold = 0
    state.gone += untold
    this.#context.events.push({ kind: "gap", peer: this.#peer, stream: state, messages: untold })
  }

  /** A consumer that was behind has more room, or less. */
  roomChanged(state: IncomingState): void {
    const { stream, room } = state
    if (room === undefined || stream.state === "closed") return
    state.isBlocked = room.isFull
    const packetsMax = Math.min(
      room.messagesMax / (state.messagesPerPacket || 1),
      room.bytesMax / this.#bytesPerPacket(state),
    )
    stream.limit(
      this.#roomPackets(state),
      Math.max(1, Math.floor(packetsMax / 4)),
      room.isWaiting,
      this.#hiddenPackets(state),
    )
    if (!state.isBlocked && stream.kept > 0 && !state.isResumed) {
      this.#dispatch.resume(state)
      this.#context.wake(this.#peer)
    }
    if (stream.nextTimeoutMs === -Infinity) this.report(state)
  }

  /** Packets that a consumer has room for: the rest of what is under way, and what follows as it lately was. */
  #roomPackets(state: IncomingState): number {
    const { room, assembler } = state
    if (room === undefined) return Infinity
    if (state.isBlocked) return 0
    const perPacket = this.#bytesPerPacket(state)
    const begun = this.#begunPackets(state)
    if (room.messages <= 0 || room.bytes <= 0) return begun
    const messages = Math.floor((room.messages - assembler.count) / (state.messagesPerPacket || 1))
    const bytes = Math.floor((room.bytes - assembler.bytes) / perPacket)
    return Math.max(1, begun + Math.max(0, Math.min(messages, bytes)))
  }

  /** Packets that messages under way still want. */
  #begunPackets(state: IncomingState): number {
    const { assembler } = state
    return assembler.count === 0 ? 0 : Math.ceil(assembler.missingBytes / this.#bytesPerPacket(state))
  }

  /** Those of them that may lie behind what is refused for want of their memory: nothing comes while they don't. */
  #hiddenPackets(state: IncomingState): number {
    return state.room?.isWaiting === true ? this.#begunPackets(state) : 0
  }

  #bytesPerPacket({ bytesPerPacket }: IncomingState): number {
    return bytesPerPacket || this.#peer.payloadBytesMax
  }

  /** There is memory for a message of the stream that was refused: its sender is told at once. */
  #handleRoom(state: IncomingState): void {
    state.stream.hasRoom()
    this.report(state)
  }

  handleFireAndForget(view: DataView, bytes: Uint8Array, body: number, end: number, nowMs: number): void {
    const state = this.#incomingFor(wire.readStream(view, body), wire.MODE["fire-and-forget"])
    if (state === undefined) return
    if (state.stream.state === "closed") {
      this.#remind(state, nowMs)
      return this.#context.drop("stream-closed")
    }
    this.lastDataMs = nowMs
    this.#peer.handleData(nowMs)
    this.#context.wake(this.#peer)
    this.report(state)
    this.#dispatch.take(state, view, bytes, body + wire.FIRE_AND_FORGET_HEADER_BYTES, end)
    this.#dispatch.begin(wire.formOf(wire.readFireAndForgetDelivery(view, body)), 0, nowMs)
  }

  /** The stream of an incoming packet, made if this is its first; `undefined`: dropped and counted. */
  #incomingFor(id: number, mode: wire.Mode): IncomingState | undefined {
    const known = this.#streams.get(id)
    if (known !== undefined) {
      if (known.stream.mode === mode) return known
      this.#context.drop("mode-changed")
      return undefined
    }
    if (this.#finished.has(id)) {
      this.#context.drop("stream-closed")
      return undefined
    }
    const { settings, quota } = this.#context
    if (this.#streams.size + this.#unread >= settings.streamsMax || !quota.takeStream(this.#peer.streamShare)) {
      this.#context.drop("streams-full")
      return undefined
    }
    const options = this.#peer.receiveOptions
    const stream = new ReceiveStream({ id, mode, options, rtt: this.#peer.rtt, pool: this.#pool })
    const { isResent: isReliable } = stream.traits
    // Where nothing is resent, pieces may be missing: others come in their place.
    const isOrdered = isReliable && stream.traits.isOrdered
    const { messageBytesMax } = settings
    const onRoom = (): void => this.#handleRoom(state)
    const state: IncomingState = new IncomingState(
      this,
      stream,
      new Assembler({ budget: this.#budget, messageBytesMax, isOrdered, isReliable, onRoom }),
    )
    this.#streams.set(id, state)
    this.#context.events.push({ kind: "stream-begun", peer: this.#peer, stream: state })
    return state
  }

  report(state: IncomingState): void {
    if (!state.isReporting) {
      state.isReporting = true
      this.#reporting.push(state)
    }
    this.#context.wake(this.#peer)
  }

  handleOpen(open: wire.Open, nowMs: number): void {
    if (this.#isFinished(open.stream)) return
    const state = this.#incomingFor(open.stream, open.mode)
    if (state === undefined) return
    this.#remind(state, nowMs)
    state.stream.handleOpen(open.first, nowMs)
    this.report(state)
    if (state.isAnnounced || state.isOver) return
    state.isAnnounced = true
    state.metadata = open.metadata
    state.priority = open.priority
    this.#context.events.push({ kind: "stream-opened", peer: this.#peer, stream: state })
  }

  handleEnd(end: wire.End, nowMs: number): void {
    const state = this.#streams.get(end.stream)
    if (state === undefined) {
      // An end that overtook its opening will be said again.
      if (this.#finished.has(end.stream)) this.#answerFinished(end)
      else this.#context.drop("not-open")
      return
    }
    const reason = state.stream.handleEnd(end.final)
    if (reason !== undefined) this.#context.drop(reason)
    else state.finalBegun = end.begun
    this.#remind(state, nowMs)
    this.report(state)
    this.closeIfComplete(state)
  }

  handleReset(reset: wire.Reset): void {
    const state = this.#streams.get(reset.stream)
    if (state !== undefined) {
      state.finalBegun = reset.begun
      this.#over(state, false, reset.reason)
      this.#remove(state)
    }
    this.#answerFinished(reset)
  }

  /** A finished stream's end or reset is answered from the packet itself: there is no state left. */
  #answerFinished(end: wire.End): void {
    this.#finish(end.stream)
    this.#answer(end.stream, end.final)
    this.#context.wake(this.#peer)
  }

  closeIfComplete(state: IncomingState): void {
    const { stream, assembler } = state
    if (stream.state !== "open" || !stream.isComplete) return
    const isReliable = stream.traits.isResent
    // A piece that nobody promised may never come. One that was promised and isn't among all that were sent breaks the
    // promise.
    const isWhole = !isReliable || assembler.count === 0
    if (!isWhole) this.#context.drop("piece-conflict")
    this.#answer(state.id, stream.traits.isNumbered ? Math.max(stream.cumulative, stream.final) : 0)
    this.#over(state, isReliable && isWhole, isWhole ? wire.REASON.unspecified : wire.REASON.protocolError)
    this.#remove(state)
  }

  /**
   * No more messages come of it, which its consumer is told. `isComplete`: the sender ended it, and all that it didn't
   * give up was delivered.
   */
  #over(state: IncomingState, isComplete: boolean, reason: number): void {
    if (state.isOver) return
    state.isOver = true
    state.stream.close()
    state.assembler.close()
    // What was begun and isn't accounted for won't come any more.
    state.untold = Math.max(0, state.finalBegun - state.delivered - state.gone)
    this.#tellGap(state)
    const isWhole = isComplete && state.gone === 0
    this.#context.events.push({ kind: "stream-closed", peer: this.#peer, stream: state, isComplete: isWhole, reason })
  }

  /** The sender knows that it is over, or is gone itself: only its number is remembered. */
  #remove(state: IncomingState): void {
    state.stopping.stop()
    this.#streams.delete(state.id)
    if (state.isReporting) this.#reporting.splice(this.#reporting.indexOf(state), 1)
    state.isReporting = false
    state.isRemoved = true
    if (state.isRead) this.#peer.streamShare.give(1)
    else this.#unread++
    this.#finish(state.id)
    this.#context.wake(this.#peer)
  }

  /** The consumer of a stream that is over is done with what came of it. */
  read(state: IncomingState): void {
    if (state.isRead) return
    state.isRead = true
    if (!state.isRemoved) return
    this.#unread--
    this.#peer.streamShare.give(1)
  }

  /** A hole that was filled to make the set smaller may hold a stream that lives. */
  #isFinished(id: number): boolean {
    return !this.#streams.has(id) && this.#finished.has(id)
  }

  #answer(id: number, final: number): void {
    // Whoever asks for more at once asks again.
    if (this.#finishedAnswers.size < FINISHED_ANSWERS_MAX) this.#finishedAnswers.set(id, final)
  }

  #finish(id: number): void {
    this.#finished.add(id)
    // An honest peer leaves no more holes than it may have streams open: none of them is filled before its stream has
    // come.
    while (this.#finished.ranges > Math.max(FINISHED_RANGES_MAX, this.#context.settings.streamsMax + 1))
      this.#finished.fillLowestHole()
  }

  /**
   * Asks the sender to stop; what comes in the meantime is dropped. It is over here at once, whatever the sender does.
   */
  stop(state: IncomingState, reason: number): void {
    if (state.stream.state === "closed") return
    state.stopReason = reason
    state.stopping.start(-Infinity)
    this.#over(state, false, reason)
    this.report(state)
  }

  /**
   * Something of a stream that was stopped came: its sender hasn't heard, or doesn't listen. It is told again, less and
   * less often.
   */
  #remind(state: IncomingState, nowMs: number): void {
    if (!state.isOver || state.stopping.isActive || nowMs < state.stopQuietMs) return
    state.stopping.start(-Infinity)
    this.report(state)
  }

  handleSync(view: DataView, body: number, wanted: boolean, nowMs: number): void {
    const { sync } = this.#context.scratch
    wire.readSync(view, body, sync)
    const { stream: id, mode, high } = sync
    if (this.#isFinished(id)) {
      // Its end was answered, but the sender hasn't heard: it hears it again.
      this.#answer(id, high)
      return this.#context.wake(this.#peer)
    }
    const state = this.#incomingFor(id, mode)
    if (state === undefined) return
    this.#remind(state, nowMs)
    if (state.room !== undefined) this.#context.events.push({ kind: "room-asked", peer: this.#peer, stream: state })
    // Memory may be free again that others gave back: that is tried, at most as often as syncs come.
    if (!state.isBlocked) state.stream.hasRoom()
    const reason = state.stream.handleSync(sync, wanted, nowMs)
    if (reason !== undefined) this.#context.drop(reason)
    this.report(state)
    // What was refused may lie in the pool: it won't come again by itself.
    this.#dispatch.goOn(state)
  }

  /**
   * Says now what of all streams isn't acknowledged yet: nothing may be said of them any more soon. As far as the
   * socket allows.
   */
  acknowledge(nowMs: number): void {
    for (const { stream } of this.#reporting) stream.hurry()
    this.#peer.writeReports(nowMs)
  }

  /** Ends all: the peer is gone. */
  close(reason: number): void {
    for (const state of [...this.#streams.values()]) {
      this.#over(state, false, reason)
      this.#remove(state)
    }
  }

  /** Streams that may have something to say again. */
  get repeating(): number {
    return this.#reporting.length
  }

  /** The peer is heard again: what wasn't said meanwhile is. */
  handleReachable(nowMs: number): void {
    for (const state of this.#streams.values()) {
      if (state.stopping.isActive) state.stopping.start(nowMs)
      state.stopsSaid = 0
      state.stopQuietMs = -Infinity
      this.report(state)
    }
  }

  /** Writes the statuses and stops that are due; `false`: the socket is full. */
  compose(control: ControlWriter, nowMs: number): boolean {
    if (this.#finishedAnswers.size > 0 && !this.#composeAnswers(control)) return false
    for (const state of this.#reporting) {
      if (!control.hasRoom()) return false
      this.#composeReport(state, control, nowMs)
    }
    return true
  }

  #composeAnswers(control: ControlWriter): boolean {
    for (const [id, final] of this.#finishedAnswers) {
      if (!control.hasRoom()) return false
      this.#finishedAnswers.delete(id)
      this.#composeFinished(id, final, control)
    }
    return true
  }

  #composeFinished(id: number, final: number, control: ControlWriter): void {
    const { status } = this.#context.scratch
    status.cumulative = final
    status.stream = id
    status.state = wire.STATUS.closed
    status.received.count = status.missing.count = 0
    control.finish(wire.writeStatus(control.view, control.begin(wire.KIND.status, wire.statusBytes(status)), status))
  }

  #composeReport(state: IncomingState, control: ControlWriter, nowMs: number): void {
    const { id, stream, stopping, stopReason: reason } = state
    if (stopping.dueMs <= nowMs) {
      control.finish(
        wire.writeStop(control.view, control.begin(wire.KIND.stop, wire.STOP_BYTES), { stream: id, reason }),
      )
      stopping.said(nowMs, this.#peer.rtt.ptoMs, this.#peer.pace)
      if (++state.stopsSaid >= STOPS_MAX) {
        stopping.stop()
        state.stopQuietMs = nowMs + (1_000 << Math.min(state.stopsSaid - STOPS_MAX, STOP_DOUBLINGS_MAX))
      }
    }
    // What it has room for may be less than when it was last told.
    if (state.room !== undefined && stream.state === "open")
      stream.limit(this.#roomPackets(state), Infinity, false, this.#hiddenPackets(state))
    stream.letFinish(this.#begunPackets(state))
    const { status } = this.#context.scratch
    const rangesMax = Math.floor((control.bodyBytesMax - wire.STATUS_HEADER_BYTES) / wire.RANGE_BYTES)
    if (stream.state === "open" && stream.pollStatus(nowMs, status, rangesMax)) {
      control.finish(wire.writeStatus(control.view, control.begin(wire.KIND.status, wire.statusBytes(status)), status))
    }
  }

  /** Gives up unreliable messages without progress. */
  handleTimeout(nowMs: number): void {
    for (const { assembler } of this.#reporting) if (assembler.nextTimeoutMs <= nowMs) assembler.handleTimeout(nowMs)
  }

  /** When there is something to say or to give up; streams without are looked at no more until a packet comes. */
  nextTimeoutMs(): number {
    const reporting = this.#reporting
    let next = Infinity
    let kept = 0
    for (let i = 0; i < reporting.length; i++) {
      const state = reporting[i]!
      const due = Math.min(this.#peer.pace.isPaused ? Infinity : state.sayMs, state.assembler.nextTimeoutMs)
      if (due === Infinity) {
        state.isReporting = false
        continue
      }
      next = Math.min(next, due)
      reporting[kept++] = state
    }
    if (kept < reporting.length) reporting.length = kept
    return next
  }

  assertInvariants(): void {
    for (const { stream } of this.#streams.values()) stream.assertInvariants()
  }
}
