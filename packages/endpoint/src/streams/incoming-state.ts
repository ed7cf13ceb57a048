/**
 * A stream that a peer opened to us: which messages came, which won't, and how much room its consumer has.
 *
 * @module
 */

import type { Assembler } from "@x/fragment"
import type { ReceiveStream } from "@x/stream"
import { double, PIECE_HEADER_BYTES, ZERO } from "@x/wire"
import { Stopping } from "./stopping.ts"

const UNKNOWN = double(-1)
const NO_BYTES = new Uint8Array(0)

/** All streams of the peer, as one of them sees them. */
export interface IncomingOwner {
  /** Packets of a stream from the oldest missing to the newest. */
  readonly spreadPackets: number
  /** The largest payload of a packet, bytes. */
  readonly payloadBytesMax: number
  /** There may be something to report of the stream. */
  report(state: IncomingState): void
  /** The edge passed packets that won't come. `begun`: messages begun below it; −1: unknown. */
  skip(state: IncomingState, begun: number): void
  /** Its sender gave up a message half sent. */
  abandoned(state: IncomingState): void
  /** The memory of the rest of a packet is gone. */
  lose(state: IncomingState): void
  /** The stream is no longer wanted. */
  stop(state: IncomingState, reason: number): void
  closeIfComplete(state: IncomingState): void
}

/** The room of a consumer. */
export interface ConsumerRoom {
  messages: number
  bytes: number
  /** With an empty queue; the sender is told again once there is a quarter of this more. */
  messagesMax: number
  bytesMax: number
  /** Messages that still come are refused. */
  isFull: boolean
  /** It has nothing to do. */
  isWaiting: boolean
}

/** A stream from the peer. */
export class IncomingState {
  readonly id: number
  readonly stream: ReceiveStream
  readonly assembler: Assembler
  readonly owner: IncomingOwner
  /** The object that its consumer is told through. */
  consumer: unknown = undefined
  metadata: Uint8Array = NO_BYTES
  priority = 0
  isAnnounced = false
  /** Messages handed over; messages that won't come; and, on ordered streams, messages known to have been begun. */
  delivered: number = ZERO
  gone: number = ZERO
  begun: number = ZERO
  /** The room of a consumer that was behind: the consumer changes it, and then calls `roomChanged`. */
  room: ConsumerRoom | undefined = undefined
  /** The consumer has no room: reliable packets are refused. */
  isBlocked = false
  /** Packets that were refused before it had room again are taken at the next poll. */
  isResumed = false
  /** The recent maximum of messages in a packet, and of bytes; 0: none came. */
  messagesPerPacket: number = ZERO
  bytesPerPacket: number = ZERO
  /** Whether it is to be looked at for a status or a stop; and else when it is. */
  isReporting = false
  dueMs: number = Infinity
  heapIndex: number = -1
  /** Messages begun in all, once the sender has announced it. */
  finalBegun: number = UNKNOWN
  /** Its consumer was told that no more messages will come. */
  isOver = false
  /** And is done with the messages that came: until then the stream counts as one of the peer's. */
  isRead = false
  isRemoved = false
  /** Messages of a gap that was not reported yet. */
  untold = 0
  readonly stopping: Stopping = new Stopping()

  constructor(owner: IncomingOwner, stream: ReceiveStream, assembler: Assembler) {
    this.owner = owner
    this.id = stream.id
    this.stream = stream
    this.assembler = assembler
  }

  /** This many messages came in this many packets: the next ones will be alike, or smaller and more. */
  note(messages: number, packets: number, bytes: number): void {
    this.messagesPerPacket = recentMost(this.messagesPerPacket, messages / packets)
    this.bytesPerPacket = recentMost(this.bytesPerPacket, bytes / packets)
  }

  /** This many messages were begun, on an ordered stream: those that never began here won't come. */
  noteBegun(begun: number): void {
    this.untold += Math.max(0, begun - this.begun)
    this.begun = Math.max(this.begun, begun)
  }

  /** When a status or a stop is due. */
  get sayMs(): number {
    return Math.min(this.stream.nextTimeoutMs, this.stopping.dueMs)
  }

  /**
   * Packets that messages under way still need, as if each brought as much as a packet can: one packet too many would
   * begin another message, whose packets would then count too.
   */
  get begunPackets(): number {
    const { assembler, owner } = this
    if (assembler.count === 0) return 0
    return Math.ceil(assembler.missingBytes / (owner.payloadBytesMax - PIECE_HEADER_BYTES.last))
  }

  /** The room of the consumer has changed: the sender is told at once if there is a quarter of its queue more. */
  limitRoom(room: ConsumerRoom): void {
    this.isBlocked = room.isFull
    const packetsMax = Math.min(room.messagesMax / (this.messagesPerPacket || 1), room.bytesMax / this.#packetBytes())
    this.#limit(room, Math.max(1, Math.floor(packetsMax / 4)), room.isWaiting)
  }

  /** The room that the next status announces: it may be less than was last announced. */
  tellRoom(): void {
    if (this.room !== undefined) this.#limit(this.room, Infinity, false)
    this.stream.letFinish(this.begunPackets)
  }

  #limit(room: ConsumerRoom, stepPackets: number, isWaiting: boolean): void {
    // Packets of messages under way may lie after packets that are refused until those messages give back memory:
    // nothing would come if the limit excluded them.
    const hiddenPackets = room.isWaiting ? this.begunPackets : 0
    this.stream.limit(this.#roomPackets(room), stepPackets, isWaiting, hiddenPackets)
  }

  /** Packets that its consumer has room for: the rest of messages under way, and later ones of the recent size. */
  #roomPackets(room: ConsumerRoom): number {
    const { assembler } = this
    if (this.isBlocked) return 0
    const begun = this.begunPackets
    if (room.messages <= 0 || room.bytes <= 0) return begun
    const messages = Math.floor((room.messages - assembler.count) / (this.messagesPerPacket || 1))
    const bytes = Math.floor((room.bytes - assembler.bytes) / this.#packetBytes())
    return Math.max(1, begun + Math.max(0, Math.min(messages, bytes)))
  }

  #packetBytes(): number {
    return this.bytesPerPacket || this.owner.payloadBytesMax
  }
}

/** The recent maximum: rises at once, and falls slowly. */
function recentMost(before: number, now: number): number {
  return Math.max(now, before + (now - before) / 8)
}
