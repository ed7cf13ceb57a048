/**
 * From packets to messages: hands over the messages of a stream one at a time, when asked. One object for all peers,
 * since one packet is in hand at a time. Between two messages the application may do anything, so each step checks the
 * stream anew.
 *
 * @module
 */

import type { Assembly } from "@x/fragment"
import * as wire from "@x/wire"
import { double } from "@x/wire"
import type { Scratch } from "../datagram/scratch.ts"
import type { IncomingMessage } from "./incoming-message.ts"
import type { IncomingState } from "./incoming-state.ts"

/** What messages of all streams share. */
export interface DispatchContext {
  readonly scratch: Scratch
  /** Whether memory for waiting messages may be short: then a message needs a place before its packet is taken. */
  readonly queues: { readonly isTight: boolean }
  drop(reason: wire.PacketDropReason): void
}

/** The next step with the packet in hand. */
const STEP = { none: 0, offer: 1, apply: 2, messages: 3, assembled: 4, recycle: 5, next: 6 } as const
type Step = (typeof STEP)[keyof typeof STEP]

const NO_BYTES = new Uint8Array(0)
const NO_VIEW = new DataView(NO_BYTES.buffer)
/** The number of a packet from the pool: on ordered streams nothing depends on it. */
const NO_NUMBER = -1

export class Dispatch {
  readonly message: IncomingMessage
  readonly #context: DispatchContext
  readonly #cursor: wire.MessageCursor
  /** Streams whose consumers have room again for packets that the pool keeps. */
  readonly #resumed: IncomingState[] = []
  #step: Step = STEP.none
  /** The packet in hand: its stream, where its payload lies, its form and its number. */
  #state!: IncomingState
  #view: DataView = NO_VIEW
  #bytes: Uint8Array = NO_BYTES
  #offset = 0
  #end = 0
  #form = 0
  #number = double(NO_NUMBER)
  /** Where its next message begins, and how many were handed over. */
  #at = 0
  #messages = 0
  /** The assembled message in hand. */
  #completed: Assembly | undefined

  constructor(context: DispatchContext) {
    this.#context = context
    this.#cursor = context.scratch.messages
    const place = { type: 0, bytes: NO_BYTES, view: NO_VIEW, offset: 0, length: 0 }
    this.message = { stream: undefined as unknown as IncomingState, ...place, isOffer: false, isWelcome: false }
  }

  /** Whether there may be a message in hand, or a stream that goes on. */
  get isBusy(): boolean {
    return this.#step !== STEP.none || this.#resumed.length > 0
  }

  /** A packet has come that is next, or on an unordered stream; {@link Dispatch.begin} hands over its messages. */
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

  /** Packets that waited for others, which have come or are gone, are next. */
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

  /** Takes one step; `true`: there is a message, in `message`. */
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

  /**
   * Memory for waiting messages is short: asks for each message of the packet whether it could be handed over or kept.
   */
  #offer(nowMs: number): boolean {
    if (!this.#isOffered()) return false
    let type = -1
    if (this.#form === wire.FORM.whole) {
      if (this.#cursor.next()) type = this.#cursor.type
    } else {
      const { piece } = this.#context.scratch
      wire.readPiece(this.#view, this.#offset, this.#end, this.#form, piece)
      type = this.#form === wire.FORM.first ? piece.type : this.#state.assembler.typeCompletedBy(piece)
      // A piece begins or completes at most one message.
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

  /** Whether everything offered so far has a place, and is still wanted. */
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
      // Only a newer message than all before counts; older messages under way are over.
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
   * The fast path for small messages that follow one another in a packet: moves to the next one; `false`: there is
   * none, `poll` decides what is next. The application may have stopped the stream, left the peer or transferred the
   * memory since the last message.
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
    state.note(this.#messages, 1, this.#end - this.#offset)
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
      // A piece names its message: earlier messages that never began here were skipped.
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

  /** Without an order each packet is independent: one that has no room waits, later ones don't. */
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
      // There is no memory for it.
      stream.refuse(number, piece.message)
      this.#context.drop("no-room")
      this.#finish(false)
    } else
      this.#violate(verdict === "message-too-large" ? wire.REASON.messageTooLarge : wire.REASON.protocolError, verdict)
    return false
  }

  /** Packets below this number come although earlier ones are missing; at the edge, all packets of a message do. */
  #reach({ form }: wire.Piece, number: number | undefined): number {
    const { stream, owner } = this.#state
    const isFirst = number === undefined || (number === stream.cumulative && form === wire.FORM.first)
    return isFirst ? Infinity : stream.cumulative + owner.spreadPackets
  }

  /** The piece was taken: its message may be complete, or over. */
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
    // Done before it is handed over: its consumer may close the stream, and with it the assembler.
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

  /** Consumers that keep a message have a copy. */
  #recycle(): void {
    const state = this.#state
    const completed = this.#completed!
    const { length } = completed.bytes
    this.#completed = undefined
    state.assembler.recycle(completed)
    state.note(1, Math.ceil(length / state.owner.payloadBytesMax), length)
    this.#finish(true)
  }

  /** Its consumer has no room for the packet. */
  #hold(): void {
    const { stream } = this.#state
    stream.hold(stream.traits.isOrdered ? undefined : this.#number)
    this.#context.drop("no-room")
    this.#finish(false)
  }

  /** The peer broke a promise without which a reliable stream can't go on. */
  #violate(reason: number, drop: wire.PacketDropReason): void {
    const state = this.#state
    this.#context.drop(drop)
    state.owner.stop(state, reason)
    this.#finish(false)
  }

  /** The packet is done. `mayGoOn`: it was taken, so the next one may follow. */
  #finish(mayGoOn: boolean): void {
    const state = this.#state
    const { stream } = state
    const { isOrdered, isNewestOnly } = stream.traits
    const isInTurn = isOrdered && !isNewestOnly
    this.#step = mayGoOn && isInTurn && stream.hasMore && stream.state === "open" ? STEP.next : STEP.none
    if (this.#step === STEP.none) state.owner.closeIfComplete(state)
  }
}
