import type { IncomingStream } from "./incoming-stream.ts"
import type { Peer } from "./peer.ts"

/**
 * A message as a handler sees it: one object, reused, valid during the synchronous call only. What is needed longer is copied: `copy()`, or the
 * fields of interest.
 */
export class Message {
  #type = 0
  #peer: Peer | undefined
  #stream: IncomingStream | undefined
  #bytes: Uint8Array = EMPTY
  #view: DataView = EMPTY_VIEW
  #offset = 0
  #length = 0

  /** 0 to 65,535; what it means is the application's. */
  get type(): number {
    return this.#peer === undefined ? gone() : this.#type
  }

  get peer(): Peer {
    return this.#peer ?? gone()
  }

  get stream(): IncomingStream {
    return this.#stream ?? gone()
  }

  /**
   * The memory the message lies in: its bytes are `[offset, offset + length)`. Reading fields here allocates nothing. Other messages lie there too: to
   * `postMessage` give a `copy()`, its buffer is not to be transferred.
   */
  get view(): DataView {
    return this.#peer === undefined ? gone() : this.#view
  }

  get offset(): number {
    return this.#peer === undefined ? gone() : this.#offset
  }

  get length(): number {
    return this.#peer === undefined ? gone() : this.#length
  }

  /** The bytes without a copy; overwritten after the call. */
  get bytes(): Uint8Array {
    return this.#peer === undefined ? gone() : this.#bytes.subarray(this.#offset, this.#offset + this.#length)
  }

  /** The bytes to keep. */
  copy(): Uint8Array {
    return this.#peer === undefined ? gone() : new Uint8Array(this.bytes)
  }

  /** @internal */
  set(type: number, peer: Peer, stream: IncomingStream, bytes: Uint8Array, view: DataView, offset: number, length: number): void {
    this.#type = type
    this.#peer = peer
    this.#stream = stream
    this.#bytes = bytes
    this.#view = view
    this.#offset = offset
    this.#length = length
  }

  /** @internal The call is over: whoever still reads is told instead of shown another's bytes. */
  clear(): void {
    this.#peer = undefined
    this.#stream = undefined
    this.#bytes = EMPTY
    this.#view = EMPTY_VIEW
    this.#offset = this.#length = 0
  }
}

const EMPTY = new Uint8Array(0)
const EMPTY_VIEW = new DataView(EMPTY.buffer)

function gone(): never {
  throw new Error("a message is valid only during its handler's call; keep what you need with copy()")
}

/** A message to keep. */
export interface ReceivedMessage {
  readonly type: number
  readonly bytes: Uint8Array
  readonly peer: Peer
  readonly stream: IncomingStream
}
