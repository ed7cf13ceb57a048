/**
 * The streams that a peer opened to us: takes in their packets, hands over their messages, and says what they have and miss. Composes the
 * receiving machines of `@x/stream` and `@x/fragment`.
 *
 * @module
 */

import { Assembler, AssemblyBudget } from "@x/fragment"
import { PoolShare, ReceiveStream, Repeater } from "@x/stream"
import * as wire from "@x/wire"
import type { ControlWriter } from "../datagram/control-writer.ts"
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

/** What a consumer has room for. */
export interface ConsumerRoom {
  messages: number
  bytes: number
  /** With nothing in its queue; told again once there is a quarter of it more. */
  messagesMax: number
  bytesMax: number
  /** What comes all the same is refused. */
  isFull: boolean
  /** It has nothing to do. */
  isWaiting: boolean
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
  /** Messages handed over; that won't come; and that are known to have been begun, where there is an order. */
  delivered = 0
  gone = 0
  begun = 0
  /** What its consumer has room for, once it was behind. Set by the shell, which then says `roomChanged`. */
  room: ConsumerRoom | undefined = undefined
  /** It has none: what is reliable is refused. */
  isBlocked = false
  /** Packets that were refused before it had room again are taken at the next poll. */
  isResumed = false
  /** Messages in a packet, and bytes, as they lately were at most; 0: none was seen since its consumer was behind. */
  messagesPerPacket = 0
  bytesPerPacket = 0
  /** Whether a status or a stop may have to be said. */
  isReporting = false
  /** Messages begun in all, once the sender has said it. */
  finalBegun = -1
  /** Its consumer was told that no more will come. */
  isOver = false
  /** And isn't done with what came: it counts as one of the peer's streams until then. Set by the shell. */
  isUnread = false
  isRemoved = false
  /** Messages of a gap that was not told yet. */
  untold = 0
  readonly stopping: Repeater = new Repeater()
  stopReason: number = wire.REASON.unspecified
  stopsSaid = 0
  /** Until then a stop isn't said again, whatever comes. */
  stopQuietMs: number = -Infinity
  constructor(stream: ReceiveStream, assembler: Assembler) {
    this.id = stream.id
    this.stream = stream
    this.assembler = assembler
  }

  /** When a status or a stop is due. */
  get sayMs(): number {
    return Math.min(this.stream.nextTimeoutMs, this.stopping.dueMs)
  }
}

export class IncomingStreams {
  /** When a message last came. */
  lastDataMs: number
  readonly #peer: PeerState
  readonly #context: PeerContext
  readonly #budget: AssemblyBudget
  readonly #pool: PoolShare
  readonly #spreadPackets: number
  readonly #streams = new Map<number, IncomingState>()
  /** Streams that are over for their senders, and whose consumers aren't done. */
  #unread = 0
  readonly #finished = new NumberSet()
  /** Streams with a status or a stop to come: the others cost nothing. */
  readonly #reporting: IncomingState[] = []
  /** Streams whose consumers have room again for what the pool keeps. */
  readonly #resumed: IncomingState[] = []
  /** Id and final number of finished streams whose end is to be answered (again). */
  readonly #finishedAnswers = new Map<number, number>()

  constructor(peer: PeerState, context: PeerContext, nowMs: number) {
    this.#peer = peer
    this.#context = context
    this.#spreadPackets = peer.spreadPackets
    this.#budget = new AssemblyBudget(context.quota.assembly.share(), context.budget)
    const { quota } = context
    const slots = quota.early.share()
    this.#pool = new PoolShare(context.pool, slots, () => void (slots.isFull(1) ? quota.poolShares++ : quota.poolLoans++))
    this.lastDataMs = nowMs
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
    this.#report(state)
    this.lastDataMs = nowMs
    this.#peer.handleData(nowMs)
    if (verdict === "kept") return
    if (verdict !== "deliver") return this.#context.drop(verdict)
    const form = wire.formOf(delivery)
    const { isOrdered, isNewestOnly } = state.stream.traits
    if (!isOrdered) this.#dispatchUnordered(state, view, bytes, payload, end, form, number, nowMs)
    else if (isNewestOnly) this.#dispatchLatest(state, view, bytes, payload, end, form, number, nowMs)
    else if (this.#dispatch(state, view, bytes, payload, end, form, nowMs)) this.#dispatchKept(state, nowMs)
    this.#closeIfComplete(state)
  }

  /** What waited for the packets before it, or for those that are gone. */
  #dispatchKept(state: IncomingState, nowMs: number): void {
    const { kept, skipped } = this.#context.scratch
    const { stream } = state
    for (;;) {
      if (stream.skip(skipped)) {
        this.#skip(state, skipped.begun)
      } else {
        if (!stream.peekKept(kept)) return
        if (!this.#dispatch(state, kept.view, kept.bytes, kept.offset, kept.offset + kept.length, wire.formOf(kept.delivery), nowMs)) return
      }
    }
  }

  /** The edge passed packets that won't come: the message under way is over, and so are those that nobody saw begin. */
  #skip(state: IncomingState, begun: number): void {
    state.untold += state.assembler.dropBelow(Infinity)
    if (begun < 0) return
    state.untold += Math.max(0, begun - state.begun)
    state.begun = Math.max(state.begun, begun)
    this.#tellGap(state)
  }

  #tellGap(state: IncomingState): void {
    const { untold } = state
    if (untold === 0) return
    state.untold = 0
    state.gone += untold
    this.#context.listener.onGap(this.#peer, state, untold)
  }

  /** A consumer that was behind has more room, or less. */
  roomChanged(state: IncomingState): void {
    const { stream, room } = state
    if (room === undefined || stream.state === "closed") return
    state.isBlocked = room.isFull
    const packetsMax = Math.min(room.messagesMax / (state.messagesPerPacket || 1), room.bytesMax / this.#bytesPerPacket(state))
    stream.limit(this.#roomPackets(state), Math.max(1, Math.floor(packetsMax / 4)), room.isWaiting, this.#hiddenPackets(state))
    if (!state.isBlocked && stream.kept > 0 && !state.isResumed) {
      state.isResumed = true
      this.#resumed.push(state)
      this.#context.wake(this.#peer)
    }
    if (stream.nextTimeoutMs === -Infinity) this.#report(state)
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

  /** So much came in so many packets: what follows will be alike, or smaller and more of it. */
  #note(state: IncomingState, messages: number, packets: number, bytes: number): void {
    state.messagesPerPacket = recentMost(state.messagesPerPacket, messages / packets)
    state.bytesPerPacket = recentMost(state.bytesPerPacket, bytes / packets)
  }

  /** The packet can't be taken now: nobody has memory for it. */
  #refuse(state: IncomingState, number?: number): false {
    state.stream.refuse(number, this.#context.scratch.piece.message)
    this.#context.drop("no-room")
    return false
  }

  /** Nor its consumer room. */
  #hold(state: IncomingState, number?: number): false {
    state.stream.hold(number)
    this.#context.drop("no-room")
    return false
  }

  /** Hands over what the packet at the edge holds; `false`: it can't be taken now, or the stream is over. */
  #dispatch(state: IncomingState, view: DataView, bytes: Uint8Array, offset: number, end: number, form: number, nowMs: number): boolean {
    if (state.isBlocked) return this.#hold(state)
    if (this.#context.listener.queues.isTight && !this.#hasPlace(state, view, offset, end, form)) return this.#hold(state)
    if (form !== wire.FORM.whole) return this.#dispatchPiece(state, view, bytes, offset, end, form, nowMs)
    if (state.assembler.count > 0) return this.#violates(state, wire.REASON.protocolError, "piece-conflict")
    state.stream.advance()
    this.#deliverWhole(state, view, bytes, offset, end)
    return state.stream.state === "open"
  }

  /** Memory for what waits is short: whether what a packet holds could be handed over or kept. */
  #hasPlace(state: IncomingState, view: DataView, offset: number, end: number, form: number): boolean {
    if (!state.stream.traits.waits) return true
    const { scratch, listener } = this.#context
    if (form === wire.FORM.whole) {
      const cursor = scratch.messages
      cursor.start(view, offset, end)
      while (cursor.next()) if (!listener.mayTake(this.#peer, state, cursor.type)) return false
      return true
    }
    if (form === wire.FORM.abandoned) return true
    wire.readPiece(view, offset, end, form, scratch.piece)
    const type = form === wire.FORM.first ? scratch.piece.type : state.assembler.typeCompletedBy(scratch.piece)
    return type < 0 || listener.mayTake(this.#peer, state, type)
  }

  #deliverWhole(state: IncomingState, view: DataView, bytes: Uint8Array, offset: number, end: number): void {
    const cursor = this.#context.scratch.messages
    let at = offset
    const { begun } = state
    while (at < end && this.#mayHandOver(state)) {
      if (bytes.length === 0) return this.#lose(state)
      cursor.start(view, at, end)
      cursor.next()
      at = cursor.offset + cursor.length
      state.delivered++
      state.begun++
      this.#context.listener.onMessage(this.#peer, state, cursor.type, bytes, view, cursor.offset, cursor.length)
    }
    if (state.room !== undefined) this.#note(state, state.begun - begun, 1, end - offset)
  }

  /** A handler has transferred the memory with the rest of the packet: a stream that promised it can't go on. */
  #lose(state: IncomingState): void {
    if (state.stream.traits.waits) this.stop(state, wire.REASON.unspecified)
  }

  /** Tells the application what happened before; `false`: it has stopped the stream, or left the peer. */
  #mayHandOver(state: IncomingState): boolean {
    const { listener } = this.#context
    if (listener.news.length > 0) listener.catchUp()
    return state.stream.state === "open"
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
    const { piece } = this.#context.scratch
    wire.readPiece(view, offset, end, form, piece)
    const { stream, assembler } = state
    if (stream.traits.givesUp && assembler.count === 0) {
      // A piece tells which message it is of: those before it that nobody saw begin were skipped.
      const begun = form === wire.FORM.first ? piece.message : piece.message + 1
      state.untold += Math.max(0, begun - state.begun)
      state.begun = Math.max(state.begun, begun)
      // The rest of a message whose beginning was skipped.
      if (form !== wire.FORM.first) {
        stream.advance()
        return true
      }
    }
    if (!this.#takePiece(state, bytes, nowMs)) return false
    if (form === wire.FORM.first) state.begun++
    stream.advance()
    this.#finishPiece(state, form)
    return stream.state === "open"
  }

  /** Puts the piece in the scratch into its message; `false`: it can't be taken now, or the stream is over. `number`: its packet's, where there is no order. */
  #takePiece(state: IncomingState, bytes: Uint8Array, nowMs: number, number?: number): boolean {
    const { piece } = this.#context.scratch
    const verdict = state.assembler.handlePiece(piece, bytes, nowMs, number, this.#reach(state, piece, number))
    if (verdict === "taken" || verdict === "complete") return true
    if (verdict === "message-too-large") return this.#violates(state, wire.REASON.messageTooLarge, verdict)
    if (verdict !== "no-room") return this.#violates(state, wire.REASON.protocolError, verdict)
    return this.#refuse(state, number)
  }

  /** Packets below this come although others before them are missing; of what begins at the edge all do. */
  #reach({ stream }: IncomingState, { form }: wire.Piece, number: number | undefined): number {
    const isFirst = number === undefined || (number === stream.cumulative && form === wire.FORM.first)
    return isFirst ? Infinity : stream.cumulative + this.#spreadPackets
  }

  /** The piece was taken: its message may be whole, or over. */
  #finishPiece(state: IncomingState, form: number): void {
    if (state.assembler.hasCompleted) this.#deliverAssembled(state)
    else if (form === wire.FORM.abandoned) this.#abandoned(state)
  }

  /** Its sender gave up a message half sent. */
  #abandoned(state: IncomingState): void {
    state.untold++
    this.#tellGap(state)
  }

  /** Without an order each packet stands for itself: what has no room waits, what follows doesn't. */
  #dispatchUnordered(
    state: IncomingState,
    view: DataView,
    bytes: Uint8Array,
    offset: number,
    end: number,
    form: number,
    number: number,
    nowMs: number,
  ): void {
    const { stream, assembler } = state
    if (state.isBlocked) return void this.#hold(state, number)
    if (this.#context.listener.queues.isTight && !this.#hasPlace(state, view, offset, end, form)) return void this.#hold(state, number)
    if (form === wire.FORM.whole) {
      stream.accept(number, nowMs)
      return this.#deliverWhole(state, view, bytes, offset, end)
    }
    const { piece } = this.#context.scratch
    wire.readPiece(view, offset, end, form, piece)
    const { count } = assembler
    if (!this.#takePiece(state, bytes, nowMs, number)) return
    stream.accept(number, nowMs)
    if (assembler.count > count) stream.hasBegun(piece.message)
    assembler.settleBelow(stream.cumulative)
    this.#finishPiece(state, form)
  }

  /** Only what is newer than all before counts; messages under way that are older are over. */
  #dispatchLatest(
    state: IncomingState,
    view: DataView,
    bytes: Uint8Array,
    offset: number,
    end: number,
    form: number,
    number: number,
    nowMs: number,
  ): void {
    const { stream, assembler } = state
    if (form === wire.FORM.whole) {
      stream.pass(number)
      assembler.dropBelow(number)
      return this.#deliverWhole(state, view, bytes, offset, end)
    }
    const { piece } = this.#context.scratch
    wire.readPiece(view, offset, end, form, piece)
    const verdict = assembler.handlePiece(piece, bytes, nowMs, number)
    if (verdict !== "taken" && verdict !== "complete") return this.#context.drop(verdict)
    if (verdict !== "complete") return
    const { highest } = assembler.completed
    stream.pass(highest)
    assembler.dropBelow(highest)
    this.#deliverAssembled(state)
  }

  #deliverAssembled(state: IncomingState): void {
    if (!this.#mayHandOver(state)) return
    const { completed } = state.assembler
    const { type, bytes } = completed
    // Before the handler runs: it may close the stream, and everything of it with it.
    state.assembler.release()
    state.delivered++
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#context.listener.onMessage(this.#peer, state, type, bytes, view, 0, bytes.length)
    // Who keeps a message has a copy.
    state.assembler.recycle(completed)
    if (state.room !== undefined) this.#note(state, 1, Math.ceil(bytes.length / this.#peer.payloadBytesMax), bytes.length)
  }

  /** There is memory for a message of the stream that was refused: its sender is told at once. */
  #handleRoom(state: IncomingState): void {
    state.stream.hasRoom()
    this.#report(state)
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
    if (state.stream.state === "closed") {
      this.#remind(state, nowMs)
      return this.#context.drop("stream-closed")
    }
    this.lastDataMs = nowMs
    this.#peer.handleData(nowMs)
    this.#context.wake(this.#peer)
    const form = wire.formOf(wire.readFireAndForgetDelivery(view, body))
    const payload = body + wire.FIRE_AND_FORGET_HEADER_BYTES
    if (form === wire.FORM.whole) return this.#deliverWhole(state, view, bytes, payload, end)
    const { piece } = this.#context.scratch
    wire.readPiece(view, payload, end, form, piece)
    const verdict = state.assembler.handlePiece(piece, bytes, nowMs)
    if (verdict === "complete") this.#deliverAssembled(state)
    else if (verdict !== "taken") this.#context.drop(verdict)
    this.#report(state)
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
      stream,
      new Assembler({ budget: this.#budget, messageBytesMax, isOrdered, isReliable, onRoom }),
    )
    this.#streams.set(id, state)
    return state
  }

  #report(state: IncomingState): void {
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
    this.#report(state)
    if (state.isAnnounced || state.isOver) return
    state.isAnnounced = true
    state.metadata = open.metadata
    state.priority = open.priority
    this.#context.listener.onStreamOpened(this.#peer, state)
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
    this.#report(state)
    this.#closeIfComplete(state)
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

  #closeIfComplete(state: IncomingState): void {
    const { stream, assembler } = state
    if (stream.state !== "open" || !stream.isComplete) return
    const isReliable = stream.traits.isResent
    // A piece that nobody promised may never come. One that was promised and isn't among all that were sent breaks the promise.
    const isWhole = !isReliable || assembler.count === 0
    if (!isWhole) this.#context.drop("piece-conflict")
    this.#answer(state.id, stream.traits.isNumbered ? Math.max(stream.cumulative, stream.final) : 0)
    this.#over(state, isReliable && isWhole, isWhole ? wire.REASON.unspecified : wire.REASON.protocolError)
    this.#remove(state)
  }

  /** No more messages come of it, which its consumer is told. `isComplete`: the sender ended it, and all that it didn't give up was delivered. */
  #over(state: IncomingState, isComplete: boolean, reason: number): void {
    if (state.isOver) return
    state.isOver = true
    state.stream.close()
    state.assembler.close()
    // What was begun and isn't accounted for won't come any more.
    state.untold = Math.max(0, state.finalBegun - state.delivered - state.gone)
    this.#tellGap(state)
    this.#context.listener.onStreamClosed(this.#peer, state, isComplete && state.gone === 0, reason)
  }

  /** The sender knows that it is over, or is gone itself: only its number is remembered. */
  #remove(state: IncomingState): void {
    state.stopping.stop()
    this.#streams.delete(state.id)
    if (state.isReporting) this.#reporting.splice(this.#reporting.indexOf(state), 1)
    state.isReporting = false
    state.isRemoved = true
    if (state.isUnread) this.#unread++
    else this.#peer.streamShare.give(1)
    this.#finish(state.id)
    this.#context.wake(this.#peer)
  }

  /** The consumer of a stream that is over is done with what came of it. */
  read(state: IncomingState): void {
    if (!state.isUnread) return
    state.isUnread = false
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
    // An honest peer leaves no more holes than it may have streams open: none of them is filled before its stream has come.
    while (this.#finished.ranges > Math.max(FINISHED_RANGES_MAX, this.#context.settings.streamsMax + 1)) this.#finished.fillLowestHole()
  }

  /** Asks the sender to stop; what comes in the meantime is dropped. It is over here at once, whatever the sender does. */
  stop(state: IncomingState, reason: number): void {
    if (state.stream.state === "closed") return
    state.stopReason = reason
    state.stopping.start(-Infinity)
    this.#over(state, false, reason)
    this.#report(state)
  }

  /** Something of a stream that was stopped came: its sender hasn't heard, or doesn't listen. It is told again, less and less often. */
  #remind(state: IncomingState, nowMs: number): void {
    if (!state.isOver || state.stopping.isActive || nowMs < state.stopQuietMs) return
    state.stopping.start(-Infinity)
    this.#report(state)
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
    if (state.room !== undefined) this.#context.listener.onRoomAsked(this.#peer, state)
    // Memory may be free again that others gave back: that is tried, at most as often as syncs come.
    if (!state.isBlocked) state.stream.hasRoom()
    const reason = state.stream.handleSync(sync, wanted, nowMs)
    if (reason !== undefined) this.#context.drop(reason)
    this.#report(state)
    // What was refused may lie in the pool: it won't come again by itself.
    this.#dispatchKept(state, nowMs)
    this.#closeIfComplete(state)
  }

  /** Says now what of all streams isn't acknowledged yet: nothing may be said of them any more soon. As far as the socket allows. */
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
      this.#report(state)
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
      control.finish(wire.writeStop(control.view, control.begin(wire.KIND.stop, wire.STOP_BYTES), { stream: id, reason }))
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

  /** Gives up unreliable messages without progress, and takes what consumers have room for again. */
  handleTimeout(nowMs: number): void {
    if (this.#resumed.length > 0) for (const state of this.#resumed.splice(0)) this.#takeKept(state, nowMs)
    for (const { assembler } of this.#reporting) if (assembler.nextTimeoutMs <= nowMs) assembler.handleTimeout(nowMs)
  }

  #takeKept(state: IncomingState, nowMs: number): void {
    state.isResumed = false
    if (state.stream.state === "closed") return
    this.#dispatchKept(state, nowMs)
    this.#closeIfComplete(state)
    this.#report(state)
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

/** The most of late: goes up at once, and down slowly. */
function recentMost(before: number, now: number): number {
  return Math.max(now, before + (now - before) / 8)
}
