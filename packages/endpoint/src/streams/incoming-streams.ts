/**
 * The streams that a peer opened to us: takes in their packets, hands over their messages, and reports what arrived and
 * what is missing. Composes the receiving machines of `@x/stream` and `@x/fragment`. The file is long, but one thing:
 * whatever comes of a stream, or is done to it, may end it, and each end does the same things in the same order. A packet
 * is passed as its six properties: no object is made for a packet.
 *
 * @module
 */

import { ReceiveStream, type Verdict } from "@x/stream"
import * as wire from "@x/wire"
import type { ControlWriter } from "../datagram/control-writer.ts"
import type { Dispatch } from "./dispatch.ts"
import { FinishedStreams } from "./finished-streams.ts"
import type { IncomingContext, IncomingPeer } from "./incoming-context.ts"
import { IncomingMemory } from "./incoming-memory.ts"
import { IncomingReports } from "./incoming-reports.ts"
import { IncomingParts } from "./incoming-parts.ts"
import { type IncomingOwner, IncomingState } from "./incoming-state.ts"

export class IncomingStreams<Peer extends IncomingPeer> implements IncomingOwner {
  readonly spreadPackets: number
  /** When a message last came. */
  lastDataMs: number
  readonly #peer: Peer
  readonly #context: IncomingContext<Peer>
  #payloadBytes = 0
  readonly #memory: IncomingMemory
  readonly #parts: IncomingParts
  readonly #dispatch: Dispatch
  readonly #streams = new Map<number, IncomingState>()
  /** Streams that are over for their senders, and whose consumers aren't done. */
  #unread = 0
  readonly #finished: FinishedStreams
  readonly #reports: IncomingReports

  constructor(peer: Peer, context: IncomingContext<Peer>, nowMs: number) {
    this.#peer = peer
    this.#context = context
    this.spreadPackets = peer.spreadPackets
    this.#memory = new IncomingMemory(context, peer.account)
    this.#parts = new IncomingParts(this.#memory.slots)
    this.#finished = new FinishedStreams(context.settings.streamsMax, this.#memory.rows)
    this.#reports = new IncomingReports(peer)
    this.lastDataMs = nowMs
    this.#dispatch = context.dispatch
  }

  /** The payload of full packets, as they came last: the peer's datagrams may be larger than ours. */
  get payloadBytesMax(): number {
    return this.#payloadBytes || this.#peer.payloadBytesMax
  }

  get count(): number {
    return this.#streams.size
  }

  all(): Iterable<IncomingState> {
    return this.#streams.values()
  }

  /** Whether one is open. Stopped streams only wait until their senders know. */
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
    if (wire.formOf(delivery) === wire.FORM.middle) this.#payloadBytes = end - payload
    this.#handleData(state, verdict, nowMs)
    if (verdict !== "deliver") return
    this.#dispatch.take(state, view, bytes, payload, end)
    this.#dispatch.begin(wire.formOf(delivery), number, nowMs)
  }

  /** Something of a stream came: `verdict` says whether it was taken, or why not. */
  #handleData(state: IncomingState, verdict: Verdict, nowMs: number): void {
    if (verdict === "stream-closed") this.#remind(state, nowMs)
    this.report(state)
    this.lastDataMs = nowMs
    this.#peer.handleData(nowMs)
    if (verdict !== "kept" && verdict !== "deliver") this.#context.drop(verdict)
  }

  /** A part of a packet that is too long for the path: the packet comes once all of it is there. */
  handlePart(view: DataView, bytes: Uint8Array, body: number, end: number, nowMs: number): void {
    const delivery = wire.readSequencedDelivery(view, body)
    const number = wire.readPacketNumber(view, body)
    const state = this.#incomingFor(wire.readStream(view, body), wire.modeOf(delivery))
    if (state === undefined) return
    const { stream } = state
    this.#parts.forgetPassed()
    const whole =
      stream.refusal(number, nowMs) ??
      this.#parts.take(state, {
        number,
        ...{ delivery, partOffset: wire.readPartOffset(view, body), total: wire.readPartTotal(view, body) },
        bytes: bytes.subarray(body + wire.PART_HEADER_BYTES, end),
      })
    if (typeof whole !== "object") return this.#handleData(state, whole ?? "kept", nowMs)
    const { bytes: at, view: atView, offset, total } = whole
    this.#parts.drop(whole)
    const form = wire.formOf(delivery)
    // No sender makes such a packet, and without it the stream can't go on.
    if (wire.checkPayload(atView, offset, offset + total, form) !== undefined) {
      this.#context.drop("piece-conflict")
      return this.stop(state, wire.REASON.protocolError)
    }
    const verdict = stream.handlePacket(number, delivery, false, at, offset, total, nowMs)
    this.#handleData(state, verdict, nowMs)
    if (verdict !== "deliver") return
    this.#dispatch.take(state, atView, at, offset, offset + total)
    this.#dispatch.begin(form, number, nowMs)
  }

  /** The message under way is over, and so are those that never began here. */
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

  /** A stream that promised the lost messages can't go on without them. */
  lose(state: IncomingState): void {
    if (state.stream.traits.waits) this.stop(state, wire.REASON.unspecified)
  }

  /** Messages that were handed over to a consumer, which has dropped them. */
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
    state.limitRoom(room)
    if (!state.isBlocked && stream.kept > 0 && !state.isResumed) {
      this.#dispatch.resume(state)
      this.#context.wake(this.#peer)
    }
    if (stream.isStatusWanted) this.report(state)
  }

  /** There is memory for a message of the stream that was refused: its sender is told at once. */
  #handleRoom(state: IncomingState): void {
    state.stream.hasRoom()
    this.report(state)
  }

  /** A message that it promised stood still for long, and others needed its memory. */
  #giveUp(state: IncomingState): void {
    this.#context.drop("no-room")
    this.stop(state, wire.REASON.aborted)
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

  /** The stream of an incoming packet, made for its first one; `undefined`: the packet was dropped and counted. */
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
    if (this.#streams.size + this.#unread >= settings.streamsMax || !quota.takeStream(this.#peer.account.streams)) {
      this.#context.drop("streams-full")
      return undefined
    }
    const { rtt, receiveOptions: options } = this.#peer
    const { slots: pool, rows } = this.#memory
    const stream = new ReceiveStream({ id, mode, options, rtt, pool, rows })
    const onGivenUp = (): void => this.#giveUp(state)
    const assembler = this.#memory.assembler(stream.traits, () => this.#handleRoom(state), onGivenUp)
    const state: IncomingState = new IncomingState(this, stream, assembler)
    this.#streams.set(id, state)
    this.#context.events.push({ kind: "stream-begun", peer: this.#peer, stream: state })
    return state
  }

  report(state: IncomingState): void {
    this.#reports.add(state)
    this.#context.wakeForData(this.#peer)
  }

  handleOpen(open: wire.Open, nowMs: number): void {
    if (this.#isFinished(open.stream)) return
    const state = this.#incomingFor(open.stream, open.mode)
    if (state === undefined) return
    this.#remind(state, nowMs)
    const isNew = !state.isAnnounced && !state.isOver
    const { metadata } = open
    // It is repeated until there is memory for what it carries.
    if (isNew && metadata.length > 0 && !this.#peer.account.labels.take(metadata.length))
      return this.#context.drop("streams-full")
    state.stream.handleOpen(open.first, nowMs)
    this.report(state)
    if (!isNew) return
    state.isAnnounced = true
    // Most streams have none: then they share it.
    if (metadata.length > 0) state.metadata = metadata
    state.priority = open.priority
    this.#context.events.push({ kind: "stream-opened", peer: this.#peer, stream: state })
  }

  handleEnd(end: wire.End, nowMs: number): void {
    const state = this.#streams.get(end.stream)
    if (state === undefined) {
      // An end that overtook its opening will be repeated.
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
    this.#finished.add(end.stream)
    this.#finished.answer(end.stream, end.final)
    this.#context.wake(this.#peer)
  }

  closeIfComplete(state: IncomingState): void {
    const { stream, assembler } = state
    if (stream.state !== "open" || !stream.isComplete) return
    const isReliable = stream.traits.isResent
    // Pieces without a promise may never come. A promised one that isn't among the packets sent breaks the promise.
    const isWhole = !isReliable || assembler.count === 0
    if (!isWhole) this.#context.drop("piece-conflict")
    this.#finished.answer(state.id, stream.traits.isNumbered ? Math.max(stream.cumulative, stream.final) : 0)
    this.#over(state, isReliable && isWhole, isWhole ? wire.REASON.unspecified : wire.REASON.protocolError)
    this.#remove(state)
  }

  /**
   * No more messages will come, and its consumer is told. `isComplete`: the sender ended it, and every message that it
   * didn't give up was delivered.
   */
  #over(state: IncomingState, isComplete: boolean, reason: number): void {
    if (state.isOver) return
    state.isOver = true
    state.stream.close()
    state.assembler.close()
    this.#parts.forget(state)
    // Messages that were begun and aren't counted yet won't come any more.
    state.untold = Math.max(0, state.finalBegun - state.delivered - state.gone)
    this.#tellGap(state)
    const isWhole = isComplete && state.gone === 0
    this.#context.events.push({ kind: "stream-closed", peer: this.#peer, stream: state, isComplete: isWhole, reason })
  }

  /** The sender knows that it is over, or is gone itself: only its id is remembered. */
  #remove(state: IncomingState): void {
    state.stopping.end()
    this.#streams.delete(state.id)
    this.#reports.delete(state)
    state.isRemoved = true
    if (state.isRead) this.#free(state)
    else this.#unread++
    this.#finished.add(state.id)
    this.#context.wake(this.#peer)
  }

  /** The consumer of a stream that is over is done with its messages. */
  read(state: IncomingState): void {
    if (state.isRead) return
    state.isRead = true
    if (!state.isRemoved) return
    this.#unread--
    this.#free(state)
  }

  #free({ metadata }: IncomingState): void {
    const { streams, labels } = this.#peer.account
    streams.give(1)
    if (metadata.length > 0) labels.give(metadata.length)
  }

  /** A hole that was filled to make the set smaller may belong to a live stream. */
  #isFinished(id: number): boolean {
    return !this.#streams.has(id) && this.#finished.has(id)
  }

  /**
   * Asks the sender to stop; messages that come meanwhile are dropped. The stream is over here at once, whatever its
   * sender does.
   */
  stop(state: IncomingState, reason: number): void {
    if (state.stream.state === "closed") return
    state.stopping.begin(reason)
    this.#over(state, false, reason)
    this.report(state)
  }

  /** A packet of a stream came: if the stream is over its sender may have to be told again. */
  #remind(state: IncomingState, nowMs: number): void {
    if (state.isOver && state.stopping.remind(nowMs)) this.report(state)
  }

  handleSync(view: DataView, body: number, wanted: boolean, nowMs: number): void {
    const { sync } = this.#context.scratch
    wire.readSync(view, body, sync)
    const { stream: id, mode, high } = sync
    if (this.#isFinished(id)) {
      // Its end was answered, but the sender hasn't received that: it is answered again.
      this.#finished.answer(id, high)
      return this.#context.wake(this.#peer)
    }
    const state = this.#incomingFor(id, mode)
    if (state === undefined) return
    this.#remind(state, nowMs)
    if (state.room !== undefined) this.#context.events.push({ kind: "room-asked", peer: this.#peer, stream: state })
    state.stream.tryRoom(nowMs)
    const reason = state.stream.handleSync(sync, wanted, nowMs)
    if (reason !== undefined) this.#context.drop(reason)
    this.report(state)
    // Refused packets may lie in the pool: they won't come again by themselves.
    this.#dispatch.goOn(state)
  }

  /** Packets that aren't acknowledged yet are acknowledged in the next datagrams. */
  hurry(): void {
    this.#reports.hurry()
  }

  /** Ends all: the peer is gone. */
  close(reason: number): void {
    for (const state of [...this.#streams.values()]) {
      this.#over(state, false, reason)
      this.#remove(state)
    }
    this.#finished.close()
  }

  /** Streams that may have something to repeat. */
  get repeating(): number {
    return this.#reports.count
  }

  /**
   * The peer is heard again: whatever wasn't sent meanwhile is sent, and again what was sent at `strayMs` or later, where
   * the peer wasn't.
   */
  handleReachable(nowMs: number, strayMs: number = Infinity): void {
    for (const state of this.#streams.values()) {
      state.stopping.handleReachable(nowMs)
      state.stream.hurry(strayMs)
      this.report(state)
    }
  }

  /** A datagram came from the peer: reports to it cost as much as that allows. */
  heard(nowMs: number): void {
    this.#reports.heard(nowMs)
  }

  /**
   * Writes the answers, statuses and stops that are due; `false`: the socket is full. `isLast`: all of them, since there
   * may be no other time.
   */
  compose(control: ControlWriter, nowMs: number, isLast: boolean = false): boolean {
    const { status } = this.#context.scratch
    return this.#finished.compose(control, status) && this.#reports.compose(control, status, nowMs, isLast)
  }

  /** Gives up unreliable messages without progress. */
  handleTimeout(nowMs: number): void {
    if (this.#parts.count > 0) this.#parts.forgetPassed()
    this.#reports.handleTimeout(nowMs)
  }

  /** When there is something to report or to give up. */
  nextTimeoutMs(): number {
    return this.#reports.nextTimeoutMs()
  }

  assertInvariants(): void {
    for (const { stream } of this.#streams.values()) stream.assertInvariants()
  }
}
