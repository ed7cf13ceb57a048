/** A place for payloads like a stream, with room for a given number of packets. */
import type { PayloadSink } from "@x/fragment"
import { createPiece, FORM, messagesBegun, type Piece, readPiece } from "@x/wire"

export interface Payload {
  readonly form: number
  readonly bytes: Uint8Array
}

export class TestSink implements PayloadSink {
  readonly payloadBytesMax: number
  readonly slab: Uint8Array
  readonly view: DataView
  readonly payloads: Payload[] = []
  roomPackets: number
  begun = 0
  #open = 0

  constructor(payloadBytesMax: number, roomPackets = Infinity) {
    this.payloadBytesMax = payloadBytesMax
    this.roomPackets = roomPackets
    this.slab = new Uint8Array(payloadBytesMax)
    this.view = new DataView(this.slab.buffer)
  }

  roomBehind(bytes: number): number {
    return this.#open > 0 && this.#open + bytes <= this.payloadBytesMax ? this.#open : -1
  }

  reserve(bytes: number): number {
    if (bytes > this.payloadBytesMax) throw new RangeError("too long")
    if (this.#open > 0 && this.#open + bytes <= this.payloadBytesMax) return this.#open
    if (this.roomPackets === 0) return -1
    this.close()
    return 0
  }

  commit(bytes: number): void {
    if (this.#open === 0) this.roomPackets--
    this.#open += bytes
    this.begun++
  }

  reservePiece(): number {
    if (this.roomPackets === 0) return -1
    this.close()
    return 0
  }

  commitPiece(form: number, bytes: number): void {
    this.roomPackets--
    if (form === FORM.first) this.begun++
    this.payloads.push({ form, bytes: this.slab.slice(0, bytes) })
  }

  close(): void {
    if (this.#open > 0) this.payloads.push({ form: FORM.whole, bytes: this.slab.slice(0, this.#open) })
    this.#open = 0
  }
}

export function pieceOf({ form, bytes }: Payload): Piece {
  const piece = createPiece()
  readPiece(new DataView(bytes.buffer), 0, bytes.length, form, piece)
  return piece
}

export function begunIn({ form, bytes }: Payload): number {
  return messagesBegun(new DataView(bytes.buffer), 0, bytes.length, form)
}
