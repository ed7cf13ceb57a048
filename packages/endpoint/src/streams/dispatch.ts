/**
 * From packets to messages: what has come on a stream is handed over one message at a time, to whoever asks. One for
 * all peers, since one packet is in hand at a time; between two messages the application may do anything, so that each
 * step looks at the stream anew.
 *
 * @module
 */

import type { Assembly } from "@x/fragment"
import * as wire from "@x/wire"
import type { Scratch } from "../datagram/scratch.ts"
import type { IncomingMessage } from "./incoming-message.ts"
import type { IncomingState } from "./incoming-state.ts"

/** What the messages of all streams have in common. */
export interface DispatchContext {
  readonly scratch: Scratch
  /**
   * Whether memory for messages that wait may be short: then there has to be a place for one before its packet is
   * taken.
   */
  readonly queues: { readonly isTight: boolean }
  drop(reason: wire.PacketDropReason): void
}

/** What is to be done next with the packet in hand. */
const STEP = { none: 0, offer: 1, apply: 2, messages: 3, assembled: 4, recycle: 5, next: 6 } as const
type Step = (typeof STEP)[keyof typeof STEP]

const NO_BYTES = new Uint8Array(0)
const NO_VIEW = new DataView(NO_BYTES.buffer)
/** Of a packet that lay in the pool: where there is an order nothing goes by its number. */
const NO_NUMBER = -1

export class Dispatch {
  readonly message: IncomingMessage
  readonly #context: DispatchContext
  readonly #cursor: wire.MessageCursor
  /** Streams whose consumers have room again for what the pool keeps. */
  readonly #resumed: IncomingState[] = []
  #step: Step = STEP.none
  /** The packet in hand: its stream, where its payload lies, its form and its number. */
  #state!: IncomingState
  #view: DataView = NO_VIEW
  #bytes: Uint8Array = NO_BYTES
  #offset = 0
  #end = 0
  #form = 0
  #number = NO_NUMBER
  /** Where the next of its messages begins, and how many were handed over. */
  #at = 0
  #messages = 0
  /** The message of many packets that is in hand. */
  #completed: Assembly | undefined

  constructor(context: DispatchContext) {
    this.#context = context
    this.#cursor = context.scratch.messages
    const place = { type: 0, bytes: NO_BYTES, view: NO_VIEW, offset: 0, length: 0 }
    this.message = { stream: undefined as unknown as IncomingState, ...place, isOffer: false, isWelcome: false }
  }

  /** There may be a message in hand, or a stream that goes on. */
  get isBusy(): boolean {
    return this.#step !== STEP.none || this.#resumed.length > 0
  }

  /** A packet has come whose turn it is, or that needs none; {@link Dispatch.begin} hands over what it holds. */
  take(state: IncomingState, view: DataView, bytes: Uint8Array, offset: number, end: number): void {
    this.#state = state
    this.#view = view
    this.#bytes = bytes
    this.#offset = offset
    this.#end = end
  }

  begin(form: number, number: number, nowMs: number): void {
    this.#form = form
    this.#number = number
    const { isBlocked, stream } = this.#state
    const isWaiting = stream.traits.waits
    if (isWaiting && isBlocked) return this.#hold()
    if (!isWaiting || !this.#context.queues.isTight || form === wire.FORM.abandoned) return this.#apply(nowMs)
    this.message.isWelcome = true
    this.#cursor.start(this.#view, this.#offset, this.#end)
    this.#step = STEP.offer
  }

  /** What waited for packets that have come or are gone is next. */
  goOn(state: IncomingState): void {
    this.#state = state
    this.#step = STEP.next
  }

  /** A stream has packets in the pool, and its consumer has room again. */
  resume(state: IncomingState): void {
    if (state.isResumed) return
    state.isResumed = true
    this.#resumed.push(state)
  }

  /** Goes a step on; `true`: there is a message, in `message`. */
  poll(nowMs: number): boolean {
    switch (this.#step) {
      case STEP.messages:
        return this.next() || this.#endMessages()
      case STEP.assembled:
        return this.#nextAssembled()
      case STEP.offer:
        return this.#offer(nowMs)
      case STEP.apply:
        if (this.#isOffered()) this.#apply(nowMs)
        return false
      case STEP.recycle:
        this.#recycle()
        return false
      case STEP.next:
        this.#nextKept(nowMs)
        return false
      default:
        this.#takeResumed()
        return false
    }
  }

  #takeResumed(): void {
    const state = this.#resumed.shift()
    if (state === undefined) return
    state.isResumed = false
    if (state.stream.state === "closed") return
    state.owner.report(state)
    this.goOn(state)
  }

  #nextKept(nowMs: number): void {
    const state = this.#state
    const { kept, skipped } = this.#context.scratch
    if (state.stream.skip(skipped)) return state.owner.skip(state, skipped.begun)
    if (!state.stream.peekKept(kept)) return this.#finish(false)
    this.take(state, kept.view, kept.bytes, kept.offset, kept.offset + kept.length)
    this.begin(wire.formOf(kept.delivery), NO_NUMBER, nowMs)
  }

  /** Memory for what waits is short: asks of each message in the packet whether it could be handed over or kept. */
  #offer(nowMs: number): boolean {
    if (!this.#isOffered()) return false
    let type = -1
    if (this.#form === wire.FORM.whole) {
      if (this.#cursor.next()) type = this.#cursor.type
    } else {
      const { piece } = this.#context.scratch
      wire.readPiece(this.#view, this.#offset, this.#end, this.#form, piece)
      type = this.#form === wire.FORM.first ? piece.type : this.#state.assembler.typeCompletedBy(piece)
      // One is all that a piece may begin or complete.
      this.#step = STEP.apply
    }
    if (type < 0) {
      this.#apply(nowMs)
      return false
    }
    const { message } = this
    message.stream = this.#state
    message.type = type
    message.isOffer = true
    message.isWelcome = false
    return true
  }

  /** Whether all that was offered so far has a place, and is still wanted. */
  #isOffered(): boolean {
    if (this.#state.stream.state !== "open") this.#finish(false)
    else if (this.message.isWelcome) return true
    else this.#hold()
    return false
  }

  #apply(nowMs: number): void {
    const { stream, assembler } = this.#state
    const { isNumbered, isOrdered, isNewestOnly } = stream.traits
    if (this.#form !== wire.FORM.whole) return this.#applyPiece(nowMs)
    if (isNewestOnly) {
      // Only what is newer than all before counts; messages under way that are older are over.
      stream.pass(this.#number)
      assembler.dropBelow(this.#number)
    } else if (isNumbered && !isOrdered) {
      stream.accept(this.#number, nowMs)
    } else if (isNumbered) {
      if (assembler.count > 0) return this.#violate(wire.REASON.protocolError, "piece-conflict")
      stream.advance()
    }
    this.#cursor.start(this.#view, this.#offset, this.#end)
    this.#at = this.#offset
    this.#messages = 0
    const { message } = this
    message.stream = this.#state
    message.bytes = this.#bytes
    message.view = this.#view
    message.isOffer = false
    this.#step = STEP.messages
  }

  /**
   * Most messages are small, and follow one another in a packet: moves to the next one; `false`: there is none, `poll`
   * says what is. The application may have stopped the stream, left the peer or given away the memory since the
   * message before.
   */
  next(): boolean {
    if (this.#step !== STEP.messages || this.#at >= this.#end) return false
    const state = this.#state
    if (state.stream.state !== "open" || this.#bytes.length === 0) return false
    const cursor = this.#cursor
    cursor.next()
    this.#at = cursor.offset + cursor.length
    this.#messages++
    state.delivered++
    state.begun++
    const { message } = this
    message.type = cursor.type
    message.offset = cursor.offset
    message.length = cursor.length
    return true
  }

  #endMessages(): false {
    const state = this.#state
    if (this.#at < this.#end && state.stream.state === "open") state.owner.lose(state)
    if (state.room !== undefined) state.note(this.#messages, 1, this.#end - this.#offset)
    this.#finish(true)
    return false
  }

  #applyPiece(nowMs: number): void {
    const { isNumbered, isOrdered, isNewestOnly } = this.#state.stream.traits
    const { piece } = this.#context.scratch
    wire.readPiece(this.#view, this.#offset, this.#end, this.#form, piece)
    if (!isNumbered) this.#applyUnpromised(nowMs)
    else if (isNewestOnly) this.#applyLatest(nowMs)
    else if (isOrdered) this.#applyOrdered(nowMs)
    else this.#applyUnordered(nowMs)
  }

  #applyOrdered(nowMs: number): void {
    const state = this.#state
    const { stream, assembler } = state
    const { piece } = this.#context.scratch
    const isFirst = this.#form === wire.FORM.first
    if (stream.traits.givesUp && assembler.count === 0) {
      // A piece tells which message it is of: those before it that nobody saw begin were skipped.
      state.noteBegun(isFirst ? piece.message : piece.message + 1)
      // The rest of a message whose beginning was skipped.
      if (!isFirst) {
        stream.advance()
        return this.#finish(true)
      }
    }
    if (!this.#takePiece(nowMs)) return
    if (isFirst) state.begun++
    stream.advance()
    this.#finishPiece()
  }

  /** Without an order each packet stands for itself: what has no room waits, what follows doesn't. */
  #applyUnordered(nowMs: number): void {
    const { stream, assembler } = this.#state
    const { message } = this.#context.scratch.piece
    const { count } = assembler
    if (!this.#takePiece(nowMs)) return
    stream.accept(this.#number, nowMs)
    if (assembler.count > count) stream.hasBegun(message)
    assembler.settleBelow(stream.cumulative)
    this.#finishPiece()
  }

  #applyLatest(nowMs: number): void {
    const { stream, assembler } = this.#state
    const verdict = assembler.handlePiece(this.#context.scratch.piece, this.#bytes, nowMs, this.#number)
    if (verdict !== "complete") {
      if (verdict !== "taken") this.#context.drop(verdict)
      return this.#finish(false)
    }
    const { highest } = assembler.completed
    stream.pass(highest)
    assembler.dropBelow(highest)
    this.#step = STEP.assembled
  }

  #applyUnpromised(nowMs: number): void {
    const verdict = this.#state.assembler.handlePiece(this.#context.scratch.piece, this.#bytes, nowMs)
    if (verdict === "complete") this.#step = STEP.assembled
    else {
      if (verdict !== "taken") this.#context.drop(verdict)
      this.#finish(false)
    }
  }

  /** Puts the piece in the scratch into its message; `false`: it can't be taken now, or the stream is over. */
  #takePiece(nowMs: number): boolean {
    const { stream, assembler } = this.#state
    const number = stream.traits.isOrdered ? undefined : this.#number
    const { piece } = this.#context.scratch
    const verdict = assembler.handlePiece(piece, this.#bytes, nowMs, number, this.#reach(piece, number))
    if (verdict === "taken" || verdict === "complete") return true
    if (verdict === "no-room") {
      // Nobody has memory for it.
      stream.refuse(number, piece.message)
      this.#context.drop("no-room")
      this.#finish(false)
    } else
      this.#violate(verdict === "message-too-large" ? wire.REASON.messageTooLarge : wire.REASON.protocolError, verdict)
    return false
  }

  /** Packets below this come although others before them are missing; of what begins at the edge all do. */
  #reach({ form }: wire.Piece, number: number | undefined): number {
    const { stream, owner } = this.#state
    const isFirst = number === undefined || (number === stream.cumulative && form === wire.FORM.first)
    return isFirst ? Infinity : stream.cumulative + owner.spreadPackets
  }

  /** The piece was taken: its message may be whole, or over. */
  #finishPiece(): void {
    const state = this.#state
    if (state.assembler.hasCompleted) {
      this.#step = STEP.assembled
      return
    }
    if (this.#form === wire.FORM.abandoned) state.owner.abandoned(state)
    this.#finish(true)
  }

  #nextAssembled(): boolean {
    const state = this.#state
    if (state.stream.state !== "open") {
      this.#finish(true)
      return false
    }
    const { completed } = state.assembler
    const { type, bytes } = completed
    // Before it is handed over: whoever gets it may close the stream, and everything of it with it.
    state.assembler.release()
    state.delivered++
    this.#completed = completed
    const { message } = this
    message.stream = state
    message.type = type
    message.bytes = bytes
    message.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    message.offset = 0
    message.length = bytes.length
    message.isOffer = false
    this.#step = STEP.recycle
    return true
  }

  /** Whoever keeps a message has a copy. */
  #recycle(): void {
    const state = this.#state
    const completed = this.#completed!
    const { length } = completed.bytes
    this.#completed = undefined
    state.assembler.recycle(completed)
    if (state.room !== undefined) state.note(1, Math.ceil(length / state.owner.payloadBytesMax), length)
    this.#finish(true)
  }

  /** Its consumer has no room for the packet. */
  #hold(): void {
    const { stream } = this.#state
    stream.hold(stream.traits.isOrdered ? undefined : this.#number)
    this.#context.drop("no-room")
    this.#finish(false)
  }

  /** The peer broke a promise that a reliable stream can't go on without. */
  #violate(reason: number, drop: wire.PacketDropReason): void {
    const state = this.#state
    this.#context.drop(drop)
    state.owner.stop(state, reason)
    this.#finish(false)
  }

  /** The packet is done with. `mayGoOn`: it was taken, so the one behind it may be next. */
  #finish(mayGoOn: boolean): void {
    const state = this.#state
    const { traits, state: is } = state.stream
    const isInTurn = traits.isOrdered && !traits.isNewestOnly
    this.#step = mayGoOn && isInTurn && is === "open" ? STEP.next : STEP.none
    if (this.#step === STEP.none) state.owner.closeIfComplete(state)
  }
}
