/**
 * Writes messages into the packets of a stream: small ones back to back, where the packet is being built; large ones
 * cut into pieces.
 *
 * @module
 */

import {
  FORM,
  PIECE_HEADER_BYTES,
  wholeHeaderBytes,
  writeAbandoned,
  writeFirstHeader,
  writeLastHeader,
  writeMiddleHeader,
  writeWholeHeader,
  double,
} from "@x/wire"

/** The packet that small messages are written to, one after the other; the `openPacket` of a `SendStream` is one. */
export interface MessageSink {
  /** The memory that the offsets below refer to. It may be replaced by each call. */
  readonly slab: Uint8Array
  /** A view of all of `slab`. */
  readonly view: DataView
  /**
   * An offset in `slab` for this many bytes of whole messages in the open packet; −1: no packet is open, or it has no
   * room.
   */
  roomBehind(bytes: number): number
  /** This many bytes were written at the last offset: one whole message. */
  commit(bytes: number): void
}

/** V8 looks `set` up anew in each call on a typed array: 31 ns for 64 B, 22 this way. */
// oxlint-disable-next-line typescript/unbound-method -- It is always called on an array.
const { set } = Uint8Array.prototype

/** Where payloads are built; a `SendStream` of `@x/stream` is one. */
export interface PayloadSink extends MessageSink {
  /** Bytes of the largest payload. */
  readonly payloadBytesMax: number
  /** Messages begun so far. */
  readonly begun: number
  /** Packets that could be begun now. */
  readonly roomPackets: number
  /** An offset in `slab` for whole messages of this many bytes, or −1: no room now. */
  reserve(bytes: number): number
  /** An offset in `slab` for a packet of its own, or −1. `bytes`: no more will be written, `payloadBytesMax` at most. */
  reservePiece(bytes?: number): number
  /** This many bytes were written at the last offset: a piece of this form, one of `FORM`. */
  commitPiece(form: number, bytes: number): void
}

/**
 * The most pieces of one message: the widest spread. At the datagram floor that is more than 16 MiB (PROTOCOL.md §12).
 */
export const PIECES_MAX = 65_536

/** Bytes of the largest message that payloads of this size can carry. */
export function messageBytesLimit(payloadBytesMax: number): number {
  return Math.min(PIECES_MAX * (payloadBytesMax - PIECE_HEADER_BYTES.middle), 0xffff_ffff)
}

/** Whether a message fits one payload together with its header. */
export function fitsWhole(bytes: number, payloadBytesMax: number): boolean {
  return wholeHeaderBytes(bytes) + bytes <= payloadBytesMax
}

/** The most packets that a message needs, when the open packet has no room for it. */
export function packetsNeeded(bytes: number, payloadBytesMax: number): number {
  return fitsWhole(bytes, payloadBytesMax) ? 1 : Math.ceil(bytes / (payloadBytesMax - PIECE_HEADER_BYTES.middle))
}

/**
 * Appends a whole message to the open packet; `false`: no packet is open, or it has no room. Most small messages go
 * this way.
 */
export function appendWhole(sink: MessageSink, type: number, bytes: Uint8Array): boolean {
  const { length } = bytes
  const size = wholeHeaderBytes(length) + length
  const offset = sink.roomBehind(size)
  if (offset < 0) return false
  set.call(sink.slab, bytes, writeWholeHeader(sink.view, offset, type, length))
  sink.commit(size)
  return true
}

/** Writes a whole message; `false`: no room now, nothing was written. */
export function writeWhole(sink: PayloadSink, type: number, bytes: Uint8Array): boolean {
  const at = reserveWhole(sink, type, bytes.length)
  if (at < 0) return false
  set.call(sink.slab, bytes, at)
  sink.commit(wholeHeaderBytes(bytes.length) + bytes.length)
  return true
}

/**
 * Writes the header of a whole message and returns the offset in `sink.slab` for its bytes, or −1: no room now. The
 * caller writes exactly `length` bytes there and then calls `sink.commit(wholeHeaderBytes(length) + length)`. Until it
 * does, nothing has happened.
 */
export function reserveWhole(sink: PayloadSink, type: number, length: number): number {
  const offset = sink.reserve(wholeHeaderBytes(length) + length)
  return offset < 0 ? -1 : writeWholeHeader(sink.view, offset, type, length)
}

/** Tells the receiver that no more of a message will come; `false`: no room now. */
export function abandonMessage(sink: PayloadSink, message: number): boolean {
  const offset = sink.reservePiece(PIECE_HEADER_BYTES.abandoned)
  if (offset < 0) return false
  sink.commitPiece(FORM.abandoned, writeAbandoned(sink.view, offset, message) - offset)
  return true
}

const EMPTY = new Uint8Array(0)

/**
 * A message larger than a packet, and how much of it is in the stream. Writing can stop at any packet and go on later.
 */
export class LargeMessage {
  /** The application's type of message, 0 to 65,535. */
  readonly type: number
  /** Bytes of the whole message. */
  readonly length: number
  #bytes: Uint8Array
  /** Whether nobody else uses its memory. */
  #isSole = false
  #written = 0
  #pieces = 0
  #message = double(-1)

  constructor(type: number, bytes: Uint8Array) {
    this.type = type
    this.length = bytes.length
    // Nothing is read of an empty message, so its memory doesn't matter.
    this.#bytes = bytes.length === 0 ? EMPTY : bytes
  }

  /** Its bytes: the caller's own memory, until `keep`. */
  get bytes(): Uint8Array {
    return this.#bytes.length === this.length ? this.#bytes : this.#bytes.subarray(0, this.length)
  }

  /**
   * Whether all of its bytes are still there: the caller's memory may have been transferred, or have shrunk. Then none
   * of the message can be written.
   */
  get isIntact(): boolean {
    return this.#bytes.length >= this.length
  }

  /** Copies the bytes, so that the caller may use its memory again. */
  keep(): void {
    // Not `slice`: on a Buffer that makes a view.
    this.#bytes = new Uint8Array(this.#bytes)
    this.#isSole = true
  }

  /** The same bytes lie in this memory now, which the caller won't use. */
  adopt(bytes: Uint8Array): void {
    this.#bytes = bytes
    this.#isSole = true
  }

  /** Its bytes, for somebody who goes on using them. */
  share(): Uint8Array {
    this.#isSole = false
    return this.bytes
  }

  /**
   * Its memory, if it is the message's own and nobody else uses it; only once, and only after the message was written:
   * it has no bytes afterwards.
   */
  takeMemory(): Uint8Array | undefined {
    if (!this.#isSole) return undefined
    const bytes = this.#bytes
    this.#bytes = EMPTY
    this.#isSole = false
    return bytes
  }

  /** Bytes of it that are in the stream. */
  get written(): number {
    return this.#written
  }

  /** Packets of its own that it takes in the stream so far; 0: it shares one, or none of it is there. */
  get pieces(): number {
    return this.#pieces
  }

  /** Whether any piece of it is in the stream. */
  get isBegun(): boolean {
    return this.#written > 0
  }

  /** The number of the message in its stream, from 0; −1 while none of it is there. */
  get number(): number {
    return this.#message
  }

  /** Whether all of it is in the stream. */
  get isDone(): boolean {
    return this.#written === this.length
  }

  /**
   * Writes as many pieces as there is room for; returns whether all are written. Writes none if the message isn't
   * intact.
   */
  write(sink: PayloadSink): boolean {
    if (!this.isIntact) return false
    while (!this.isDone) {
      const left = this.length - this.#written
      const offset = sink.reservePiece(Math.min(sink.payloadBytesMax, left + PIECE_HEADER_BYTES.middle))
      if (offset < 0) return false
      this.#writePiece(sink, offset)
    }
    return true
  }

  /** Writes it as a small message, after others; `false`: no room now. */
  writeWhole(sink: PayloadSink): boolean {
    const number = sink.begun
    if (!writeWhole(sink, this.type, this.bytes)) return false
    this.#message = number
    return true
  }

  /** Ends a begun message that won't be completed; `false`: no room now. */
  abandon(sink: PayloadSink): boolean {
    return abandonMessage(sink, this.#message)
  }

  #writePiece(sink: PayloadSink, offset: number): void {
    const total = this.length
    const left = total - this.#written
    let at: number
    let form: number
    let room: number
    if (this.#written === 0) {
      form = FORM.first
      this.#message = sink.begun
      at = writeFirstHeader(sink.view, offset, this.type, this.#message, total)
      // A first piece is shorter than the message, even where the whole message would fit after this header.
      room = Math.min(offset + sink.payloadBytesMax - at, left - 1)
    } else if (left <= sink.payloadBytesMax - PIECE_HEADER_BYTES.last) {
      form = FORM.last
      at = writeLastHeader(sink.view, offset, this.#message, total)
      room = left
    } else {
      form = FORM.middle
      at = writeMiddleHeader(sink.view, offset, this.#message, total, this.#written)
      // A middle piece doesn't touch the end.
      room = Math.min(offset + sink.payloadBytesMax - at, left - 1)
    }
    sink.slab.set(this.#bytes.subarray(this.#written, this.#written + room), at)
    this.#written += room
    this.#pieces++
    sink.commitPiece(form, at + room - offset)
  }
}
