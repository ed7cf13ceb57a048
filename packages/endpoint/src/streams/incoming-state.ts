/**
 * A stream that a peer opened to us: what of it came, what won't, and what its consumer has room for.
 *
 * @module
 */

import type { Assembler } from "@x/fragment"
import type { ReceiveStream } from "@x/stream"
import { Stopping } from "./stopping.ts"

/** All streams of the peer, as one of them sees them. */
export interface IncomingOwner {
  /** Packets of a stream from the oldest missing to the newest. */
  readonly spreadPackets: number
  /** Bytes of a packet's payload, at most. */
  readonly payloadBytesMax: number
  /** There may be something to say of the stream. */
  report(state: IncomingState): void
  /** The edge passed packets that won't come. `begun`: messages begun below it; −1: unknown. */
  skip(state: IncomingState, begun: number): void
  /** Its sender gave up a message half sent. */
  abandoned(state: IncomingState): void
  /** The memory with the rest of a packet is gone. */
  lose(state: IncomingState): void
  /** Nothing more of it is wanted. */
  stop(state: IncomingState, reason: number): void
  closeIfComplete(state: IncomingState): void
}

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
  readonly owner: IncomingOwner
  /** What its consumer is told by. */
  consumer: unknown = undefined
  metadata: Uint8Array = new Uint8Array(0)
  priority = 0
  isAnnounced = false
  /** Messages handed over; that won't come; and that are known to have been begun, where there is an order. */
  delivered = 0
  gone = 0
  begun = 0
  /** What its consumer has room for, once it was behind: the consumer's to change, which then says `roomChanged`. */
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
  /** And is done with what came: it counts as one of the peer's streams until then. */
  isRead = false
  isRemoved = false
  /** Messages of a gap that was not told yet. */
  untold = 0
  readonly stopping: Stopping = new Stopping()

  constructor(owner: IncomingOwner, stream: ReceiveStream, assembler: Assembler) {
    this.owner = owner
    this.id = stream.id
    this.stream = stream
    this.assembler = assembler
  }

  /** This many messages came in so many packets: what follows will be alike, or smaller and more of it. */
  note(messages: number, packets: number, bytes: number): void {
    this.messagesPerPacket = recentMost(this.messagesPerPacket, messages / packets)
    this.bytesPerPacket = recentMost(this.bytesPerPacket, bytes / packets)
  }

  /** This many messages were begun, where there is an order: those that nobody saw won't come. */
  noteBegun(begun: number): void {
    this.untold += Math.max(0, begun - this.begun)
    this.begun = Math.max(this.begun, begun)
  }

  /** When a status or a stop is due. */
  get sayMs(): number {
    return Math.min(this.stream.nextTimeoutMs, this.stopping.dueMs)
  }

  /** Packets that messages under way still want. */
  get begunPackets(): number {
    const { assembler } = this
    return assembler.count === 0 ? 0 : Math.ceil(assembler.missingBytes / this.#packetBytes)
  }

  /** What the consumer has room for has changed: that is told at once where it is a quarter of its queue more. */
  limitRoom(room: ConsumerRoom): void {
    this.isBlocked = room.isFull
    const packetsMax = Math.min(room.messagesMax / (this.messagesPerPacket || 1), room.bytesMax / this.#packetBytes)
    this.#limit(room, Math.max(1, Math.floor(packetsMax / 4)), room.isWaiting)
  }

  /** What the next status tells of room: it may be less than when that was last told. */
  tellRoom(): void {
    if (this.room !== undefined) this.#limit(this.room, Infinity, false)
    this.stream.letFinish(this.begunPackets)
  }

  #limit(room: ConsumerRoom, stepPackets: number, isWaiting: boolean): void {
    // Those of what is under way may lie behind what is refused for want of their memory: nothing comes while they
    // don't.
    const hiddenPackets = room.isWaiting ? this.begunPackets : 0
    this.stream.limit(this.#roomPackets(room), stepPackets, isWaiting, hiddenPackets)
  }

  /** Packets that its consumer has room for: the rest of what is under way, and what follows as it lately was. */
  #roomPackets(room: ConsumerRoom): number {
    const { assembler } = this
    if (this.isBlocked) return 0
    const begun = this.begunPackets
    if (room.messages <= 0 || room.bytes <= 0) return begun
    const messages = Math.floor((room.messages - assembler.count) / (this.messagesPerPacket || 1))
    const bytes = Math.floor((room.bytes - assembler.bytes) / this.#packetBytes)
    return Math.max(1, begun + Math.max(0, Math.min(messages, bytes)))
  }

  get #packetBytes(): number {
    return this.bytesPerPacket || this.owner.payloadBytesMax
  }
}

/** The most of late: goes up at once, and down slowly. */
function recentMost(before: number, now: number): number {
  return Math.max(now, before + (now - before) / 8)
}
