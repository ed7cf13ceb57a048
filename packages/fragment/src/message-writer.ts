/**
 * Messages into the packets of a stream: small ones packed back to back where the packet is being built, large ones cut
 * into pieces.
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
} from "@x/wire"

/** The packet that small messages are written to, one behind the other; the `openPacket` of a `SendStream` is one. */
export interface MessageSink {
  /** Where the offsets of the calls below are; another after each of them, maybe. */
  readonly slab: Uint8Array
  /** A view of `slab`, whole. */
  readonly view: DataView
  /**
   * An offset in `slab` for so many bytes of whole messages in the packet that is open, or −1: none is, or it has no
   * room.
   */
  roomBehind(bytes: number): number
  /** So many bytes were written at the last offset: one whole message. */
  commit(bytes: number): void
}

/** Where payloads are built; a `SendStream` of `@x/stream` is one. */
export interface PayloadSink extends MessageSink {
  /** Bytes of the largest payload. */
  readonly payloadBytesMax: number
  /** Messages begun so far. */
  readonly begun: number
  /** Packets that could be begun now. */
  readonly roomPackets: number
  /** An offset in `slab` for whole messages of so many bytes, or −1: no room now. */
  reserve(bytes: number): number
  /** An offset in `slab` for a packet of its own, or −1. */
  reservePiece(): number
  /** So many bytes were written at the last offset: a piece of this form, one of `FORM`. */
  commitPiece(form: number, bytes: number): void
}

/**
 * Pieces of one message, at most: as many as the widest spread; at the datagram floor that is more than 16 MiB
 * (PROTOCOL.md §12).
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

/** Packets that a message needs at most, when the open packet has no room for it. */
export function packetsNeeded(bytes: number, payloadBytesMax: number): number {
  return fitsWhole(bytes, payloadBytesMax) ? 1 : Math.ceil(bytes / (payloadBytesMax - PIECE_HEADER_BYTES.middle))
}

/**
 * Writes a whole message behind others in the packet that is open; `false`: none is, or it has no room. The way that
 * most small messages go.
 */
export function appendWhole(sink: MessageSink, type: number, bytes: Uint8Array): boolean {
  const { length } = bytes
  const size = wholeHeaderBytes(length) + length
  const offset = sink.roomBehind(size)
  if (offset < 0) return false
  sink.slab.set(bytes, writeWholeHeader(sink.view, offset, type, length))
  sink.commit(size)
  return true
}

/** Writes a whole message; `false`: no room now, nothing was written. */
export function writeWhole(sink: PayloadSink, type: number, bytes: Uint8Array): boolean {
  const at = reserveWhole(sink, type, bytes.length)
  if (at < 0) return false
  sink.slab.set(bytes, at)
  sink.commit(wholeHeaderBytes(bytes.length) + bytes.length)
  return true
}

/**
 * Room for the bytes of a whole message whose header is already written: an offset in `sink.slab`, or −1. The caller
 * writes exactly `length` bytes there and then calls `sink.commit(wholeHeaderBytes(length) + length)`; until it does,
 * nothing has happened.
 */
export function reserveWhole(sink: PayloadSink, type: number, length: number): number {
  const offset = sink.reserve(wholeHeaderBytes(length) + length)
  return offset < 0 ? -1 : writeWholeHeader(sink.view, offset, type, length)
}

/** Says that no more of a message will come; `false`: no room now. */
export function abandonMessage(sink: PayloadSink, message: number): boolean {
  const offset = sink.reservePiece()
  if (offset < 0) return false
  sink.commitPiece(FORM.abandoned, writeAbandoned(sink.view, offset, message) - offset)
  return true
}

const EMPTY = new Uint8Array(0)

/**
 * A message that is larger than a packet, and how much of it is in the stream: it can stop at any packet and go on
 * later.
 */
export class LargeMessage {
  /** The application's type of message, 0 to 65,535. */
  readonly type: number
  /** Bytes of all of it, as long as it is. */
  readonly length: number
  #bytes: Uint8Array
  #written = 0
  #message = -1

  constructor(type: number, bytes: Uint8Array) {
    this.type = type
    this.length = bytes.length
    // Of an empty one nothing is read: whatever becomes of that memory.
    this.#bytes = bytes.length === 0 ? EMPTY : bytes
  }

  /** Its bytes: the caller's own, until `keep`. */
  get bytes(): Uint8Array {
    return this.#bytes.length === this.length ? this.#bytes : this.#bytes.subarray(0, this.length)
  }

  /**
   * Whether all of its bytes are there: memory that belongs to somebody else may have been transferred, or have shrunk.
   * Then nothing of it can be written.
   */
  get isIntact(): boolean {
    return this.#bytes.length >= this.length
  }

  /** Copies the bytes, so that the caller gets his back. */
  keep(): void {
    // Not `slice`: that of a Buffer is a view.
    this.#bytes = new Uint8Array(this.#bytes)
  }

  /** Bytes that are in the stream. */
  get written(): number {
    return this.#written
  }

  /** Whether a piece of it is in the stream. */
  get isBegun(): boolean {
    return this.#written > 0
  }

  /** Which message of its stream it is, counted from 0; −1 while nothing of it is there. */
  get number(): number {
    return this.#message
  }

  /** Whether all of it is. */
  get isDone(): boolean {
    return this.#written === this.length
  }

  /**
   * Writes as many pieces as there is room for; answers whether all are written. None once the message isn't intact.
   */
  write(sink: PayloadSink): boolean {
    if (!this.isIntact) return false
    while (!this.isDone) {
      const offset = sink.reservePiece()
      if (offset < 0) return false
      this.#writePiece(sink, offset)
    }
    return true
  }

  /** Writes it as a small one, behind others; `false`: no room now. */
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
      // A first piece is shorter than the message, even where all of it would fit behind this header.
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
    sink.commitPiece(form, at + room - offset)
  }
}
