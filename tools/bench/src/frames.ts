/**
 * Messages over a stream of bytes: length prefixes, and one write for everything that a turn sends. This is the best
 * form of the usual framing over TCP.
 */

import { type Link, LARGE_BYTES, type MessageHandler } from "./link.ts"

const CHUNK_BYTES = 65_536
const PREFIX_BYTES = 4

/** The part of a stream that is used, be it Node's or not. Written bytes belong to the stream. */
export interface ByteStream {
  write(bytes: Uint8Array): boolean
  on(event: "data", listener: (data: Uint8Array) => void): unknown
  on(event: "drain", listener: () => void): unknown
}

/**
 * `isCoalesced`: writes chunks of 64 KiB, the last of a turn possibly shorter; otherwise one write for each message.
 */
export class FramedLink implements Link {
  readonly #stream: ByteStream
  readonly #isCoalesced: boolean
  #handler: MessageHandler = () => {}
  #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  #view = viewOf(this.#chunk)
  #used = 0
  #isScheduled = false
  #isOpen = true
  /** The bytes received of a message whose end hasn't come. */
  #rest: Uint8Array | undefined
  #restBytes = 0

  constructor(stream: ByteStream, isCoalesced: boolean) {
    this.#stream = stream
    this.#isCoalesced = isCoalesced
    stream.on("data", (data: Uint8Array) => this.#receive(data))
  }

  send(bytes: Uint8Array): boolean {
    const { length } = bytes
    if (length >= LARGE_BYTES) return this.#sendLarge(bytes)
    if (this.#used + PREFIX_BYTES + length > CHUNK_BYTES) this.#flush()
    this.#view.setUint32(this.#used, length, true)
    this.#chunk.set(bytes, this.#used + PREFIX_BYTES)
    this.#used += PREFIX_BYTES + length
    if (!this.#isCoalesced) this.#flush()
    else if (!this.#isScheduled) {
      this.#isScheduled = true
      setImmediate(() => {
        this.#isScheduled = false
        this.#flush()
      })
    }
    return this.#isOpen
  }

  onMessage(handler: MessageHandler): void {
    this.#handler = handler
  }

  onWritable(writable: () => void): void {
    this.#stream.on("drain", () => {
      this.#isOpen = true
      writable()
    })
  }

  #sendLarge(bytes: Uint8Array): boolean {
    this.#flush()
    const prefix = Buffer.allocUnsafe(PREFIX_BYTES)
    prefix.writeUInt32LE(bytes.length)
    this.#stream.write(prefix)
    this.#isOpen = this.#stream.write(bytes)
    return this.#isOpen
  }

  /**
   * A written chunk belongs to the stream. A chunk less than half full is copied, so that its memory can be used again.
   */
  #flush(): void {
    if (this.#used === 0) return
    const used = this.#chunk.subarray(0, this.#used)
    this.#used = 0
    if (used.length <= CHUNK_BYTES / 2) {
      this.#isOpen = this.#stream.write(Buffer.from(used))
      return
    }
    this.#isOpen = this.#stream.write(used)
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
    this.#view = viewOf(this.#chunk)
  }

  #receive(data: Uint8Array): void {
    let at = 0
    if (this.#rest !== undefined) {
      at = this.#complete(data)
      if (this.#rest !== undefined) return
    }
    const view = viewOf(data)
    while (data.length - at >= PREFIX_BYTES) {
      const length = view.getUint32(at, true)
      if (data.length - at - PREFIX_BYTES < length) break
      this.#handler(view, at + PREFIX_BYTES, length)
      at += PREFIX_BYTES + length
    }
    if (at === data.length) return
    const left = data.length - at
    const size = left >= PREFIX_BYTES ? PREFIX_BYTES + view.getUint32(at, true) : PREFIX_BYTES
    this.#rest = new Uint8Array(size)
    this.#rest.set(data.subarray(at))
    this.#restBytes = left
  }

  /** Adds to the message that has begun; returns how much of the data it took. */
  #complete(data: Uint8Array): number {
    let at = 0
    for (;;) {
      const rest = this.#rest!
      const taken = Math.min(rest.length - this.#restBytes, data.length - at)
      rest.set(data.subarray(at, at + taken), this.#restBytes)
      this.#restBytes += taken
      at += taken
      if (this.#restBytes < rest.length) return at
      const view = viewOf(rest)
      const length = view.getUint32(0, true)
      if (rest.length === PREFIX_BYTES && length > 0) {
        this.#rest = new Uint8Array(PREFIX_BYTES + length)
        this.#rest.set(rest)
        continue
      }
      this.#rest = undefined
      this.#handler(view, PREFIX_BYTES, length)
      return at
    }
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
