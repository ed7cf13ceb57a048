/**
 * The streams that we opened to a peer: what is sent of them, in which order, and what becomes of it. Composes the sending machines of
 * `@x/stream`.
 *
 * @module
 */

import { createOutgoingPacket, SendStream } from "@x/stream"
import * as wire from "@x/wire"
import type { Association } from "./association.ts"
import type { CongestionController } from "./congestion.ts"
import type { ControlWriter } from "./control-writer.ts"
import type { PeerContext, PeerState } from "./peer-state.ts"

/** Bytes of a datagram around the payload of a lone packet, prefix and tag not counted. */
export const SEQUENCED_OVERHEAD_BYTES: number = wire.PACKET_OVERHEAD_BYTES + wire.SEQUENCED_HEADER_BYTES
const FIRE_AND_FORGET_OVERHEAD_BYTES: number = wire.PACKET_OVERHEAD_BYTES + wire.FIRE_AND_FORGET_HEADER_BYTES

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

export class OutgoingStreams {
  /** By id. */
  readonly #streams = new Map<number, OutgoingState>()
  /** When a message was last sent. */
  lastDataMs: number
  naksReceived = 0
  packetsSent = 0
  packetsResent = 0
  readonly #peer: PeerState
  readonly #context: PeerContext
  readonly #controller: CongestionController
  /** Streams that may have something to send or to repeat: the others cost nothing. */
  readonly #sending = new Set<OutgoingState>()
  readonly #served: OutgoingState[] = []
  #nextId = 1
  #inFlightBytes = 0
  readonly #packet = createOutgoingPacket()
  readonly #status = wire.createStatus()
  readonly #sync = wire.createSync()

  constructor(peer: PeerState, context: PeerContext, nowMs: number) {
    this.#peer = peer
    this.#context = context
    this.#controller = context.controller(peer)
    this.lastDataMs = nowMs
  }

  get count(): number {
    return this.#streams.size
  }

  get inFlightBytes(): number {
    return this.#inFlightBytes
  }

  all(): Iterable<OutgoingState> {
    return this.#streams.values()
  }

  open(mode: wire.Mode, priority: number, metadata: Uint8Array, first: number, nowMs: number): OutgoingState | undefined {
    if (this.#streams.size >= this.#peer.limits.streams) return undefined
    const stream = new SendStream({
      id: this.#nextId++,
      mode,
      options: this.#peer.sendOptions,
      rtt: this.#peer.rtt,
      first,
      priority,
      metadata,
    })
    const state = new OutgoingState(stream, this.#context.transport.registerSlab(stream.slab))
    this.#streams.set(stream.id, state)
    stream.open(nowMs)
    this.touch(state)
    return state
  }

  /** A stream was written to, ended or reset: it has something to send. */
  touch(state: OutgoingState): void {
    this.#sending.add(state)
    this.#context.wake(this.#peer)
  }

  handleStop(stop: wire.Stop, nowMs: number): void {
    const state = this.#streams.get(stop.stream)
    if (state === undefined) return
    state.stream.reset(stop.reason, nowMs)
    this.touch(state)
    this.#context.listener.onProgress(this.#peer, state)
  }

  handleStatus(view: DataView, body: number, nowMs: number): void {
    wire.readStatus(view, body, this.#status)
    const state = this.#streams.get(this.#status.stream)
    // The stream may be finished here while the last statuses are still on their way.
    if (state === undefined) {
      if (this.#status.stream >= this.#nextId) this.#context.drop("not-sent")
      return
    }
    const { stream } = state
    const before = stream.inFlightBytes
    const unacked = stream.unackedBytes
    const { low } = stream
    const reason = stream.handleStatus(this.#status, nowMs)
    if (reason !== undefined) return this.#context.drop(reason)
    if (this.#status.missing.count > 0) this.naksReceived++
    if (stream.state !== "closed") this.#inFlightBytes += stream.inFlightBytes - before
    const acknowledged = unacked - stream.unackedBytes
    const lost = before - stream.inFlightBytes - acknowledged
    if (acknowledged > 0) this.#controller.onAcknowledged(acknowledged, this.#peer.rtt.srttMs, nowMs)
    if (lost > 0) this.#controller.onLost(lost, nowMs)
    if (stream.state === "closed") {
      this.#inFlightBytes -= before - stream.inFlightBytes
      return this.#remove(state)
    }
    this.touch(state)
    // The edge may pass packets that were reported as received before.
    if (acknowledged > 0 || stream.low > low) this.#context.listener.onProgress(this.#peer, state)
  }

  /** The peer is silent, or back: then everything may have something to send again. */
  handleReachable(isReachable: boolean, nowMs: number): void {
    for (const state of this.#streams.values()) {
      state.stream.handleReachable(isReachable, nowMs)
      this.touch(state)
    }
  }

  /** Ends all: the peer is gone. */
  close(reason: number, nowMs: number): void {
    for (const state of [...this.#streams.values()]) {
      state.stream.reset(reason, nowMs)
      this.#remove(state)
    }
  }

  #remove(state: OutgoingState): void {
    // Rows of the batch may still name its slab.
    this.#context.outbox.flush()
    this.#inFlightBytes -= state.stream.inFlightBytes
    this.#streams.delete(state.stream.id)
    this.#sending.delete(state)
    this.#context.transport.releaseSlab(state.slab)
    this.#context.listener.onProgress(this.#peer, state)
  }

  /** Writes the opens, ends, resets and syncs that are due; `false`: the socket is full. */
  compose(control: ControlWriter, nowMs: number): boolean {
    for (const { stream } of this.#sending) {
      if (stream.nextTimeoutMs > nowMs) continue
      if (!control.hasRoom()) return false
      this.#composeOpen(stream, control, nowMs)
      if (!control.hasRoom()) return false
      this.#composeClose(stream, control, nowMs)
      if (!control.hasRoom()) return false
      this.#composeSync(stream, control, nowMs)
    }
    return true
  }

  #composeOpen(stream: SendStream, control: ControlWriter, nowMs: number): void {
    const open = stream.pollOpen(nowMs)
    if (open === undefined) return
    const body = control.begin(wire.KIND.open, wire.OPEN_HEADER_BYTES + open.metadata.length)
    control.finish(wire.writeOpen(control.view, body, open))
  }

  #composeClose(stream: SendStream, control: ControlWriter, nowMs: number): void {
    const end = stream.pollClose(nowMs)
    if (end === undefined) return
    if ("reason" in end) control.finish(wire.writeReset(control.view, control.begin(wire.KIND.reset, wire.RESET_BYTES), end))
    else control.finish(wire.writeEnd(control.view, control.begin(wire.KIND.end, wire.END_BYTES), end))
  }

  #composeSync(stream: SendStream, control: ControlWriter, nowMs: number): void {
    const sync = this.#sync
    if (!stream.pollSync(nowMs, sync)) return
    const body = control.begin(wire.KIND.sync | wire.FLAG_WANTED, wire.syncBytes(sync))
    control.finish(wire.writeSync(control.view, body, sync))
  }

  /** One packet of each stream in turn, while the peer may have more in flight. Small ones share datagrams. */
  pollData(association: Association, nowMs: number): void {
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
        const isShared = bytes <= this.#peer.payloadBytesMax / 2
        if (
          isComposing &&
          (!isShared || outbox.composedBytes + outbox.writer.cost(wire.SEQUENCED_HEADER_BYTES + bytes) > this.#peer.datagramBytesMax)
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
        this.lastDataMs = nowMs
        hasSent = true
        if (served.at(-1) !== state) served.push(state)
      }
    }
    if (isComposing) outbox.post(association, nowMs)
    // Whoever had a turn goes behind those who had none.
    for (const state of served) {
      this.#sending.delete(state)
      this.#sending.add(state)
      // Nothing acknowledges these: having been sent is all that can be waited for.
      if (state.stream.mode === wire.MODE["fire-and-forget"]) this.#context.listener.onProgress(this.#peer, state)
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

  /** The path carries less than it did. Packets and openings that need more can't be sent smaller: their streams end, with the reason. */
  handlePathLimit(nowMs: number): void {
    const { payloadBytesMax, metadataBytesMax } = this.#peer
    for (const state of this.#streams.values()) {
      const { stream } = state
      if (!stream.hasUnacked(payloadBytesMax + 1) && (stream.isOpenAnswered || stream.metadata.length <= metadataBytesMax)) continue
      state.stream.reset(wire.REASON.pathTooSmall, nowMs)
      this.touch(state)
      this.#context.listener.onProgress(this.#peer, state)
    }
  }

  /** Closes packets that are being filled: the turn is over. */
  closePackets(): void {
    for (const { stream } of this.#sending) stream.closePacket()
  }

  /** When there is something to repeat or to probe; streams with nothing to send are looked at no more until touched. */
  nextTimeoutMs(): number {
    let next = Infinity
    for (const state of this.#sending) {
      const { nextTimeoutMs } = state.stream
      if (nextTimeoutMs === Infinity && state.stream.peek() < 0) this.#sending.delete(state)
      else next = Math.min(next, nextTimeoutMs)
    }
    return next
  }

  assertInvariants(): void {
    let inFlight = 0
    for (const { stream } of this.#streams.values()) {
      stream.assertInvariants()
      inFlight += stream.inFlightBytes
    }
    if (inFlight !== this.#inFlightBytes) throw new Error(`inFlightBytes is ${this.#inFlightBytes}, counted ${inFlight}`)
  }
}
