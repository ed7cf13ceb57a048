/**
 * Messages as their consumers get them: lent for a call, or copied to keep. `set` takes the seven properties of a
 * message as arguments: an object for each would cost more than all that is done with it.
 *
 * @module
 */

import type { IncomingStream, Message, Peer, ReceivedMessage, ReceivedValue, Replies } from "./handles.ts"
import { decodeValue, type MessageType } from "./message-type.ts"
import type { SendOptions } from "./sending.ts"

/** A peer that can be answered. */
export interface ReplyingPeer extends Peer {
  readonly replies: Replies & {
    /** Like `send`, but the bytes are valid only during the call. */
    sendLent(type: number | MessageType<unknown>, value: unknown, options?: SendOptions): Promise<void>
  }
}

/**
 * A message as a handler sees it: one reused object, valid only during the synchronous call. To keep it longer, use
 * `copy()`, or copy the fields of interest.
 */
export class LentMessage implements Message {
  /** Whether its handler is being called. */
  #isLent = false
  #type = 0
  #peer: ReplyingPeer | undefined
  #stream: IncomingStream | undefined
  #bytes: Uint8Array = EMPTY
  #view: DataView = EMPTY_VIEW
  #offset = 0
  #length = 0

  get type(): number {
    return this.#isLent ? this.#type : gone()
  }

  get peer(): ReplyingPeer {
    return this.#isLent ? this.#peer! : gone()
  }

  get stream(): IncomingStream {
    return this.#isLent ? this.#stream! : gone()
  }

  get view(): DataView {
    return this.#isLent ? this.#view : gone()
  }

  get offset(): number {
    return this.#isLent ? this.#offset : gone()
  }

  get length(): number {
    return this.#isLent ? this.#length : gone()
  }

  get bytes(): Uint8Array {
    return this.#isLent ? this.#bytes.subarray(this.#offset, this.#offset + this.#length) : gone()
  }

  copy(): Uint8Array {
    return this.#isLent ? new Uint8Array(this.bytes) : gone()
  }

  reply(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  reply<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
  reply(type: number | MessageType<unknown>, value: unknown, options?: SendOptions): Promise<void> {
    return this.peer.replies.sendLent(type, value, options)
  }

  set(
    type: number,
    peer: ReplyingPeer,
    stream: IncomingStream,
    bytes: Uint8Array,
    view: DataView,
    offset: number,
    length: number,
  ): void {
    this.#isLent = true
    this.#type = type
    this.#offset = offset
    this.#length = length
    // Most messages lie in the same packet as the one before.
    if (this.#view === view && this.#stream === stream) return
    this.#peer = peer
    this.#stream = stream
    this.#bytes = bytes
    this.#view = view
  }

  /** The call is over: later reads throw, instead of showing the bytes of another message. */
  clear(): void {
    this.#isLent = false
  }
}

const EMPTY = new Uint8Array(0)
const EMPTY_VIEW = new DataView(EMPTY.buffer)

function gone(): never {
  throw new Error(
    "a message is valid only during its handler's call; keep what you need with copy(), and message.peer to answer later",
  )
}

/** A message to keep. */
export class MessageCopy implements ReceivedMessage {
  readonly type: number
  readonly bytes: Uint8Array
  readonly peer: ReplyingPeer
  readonly stream: IncomingStream

  constructor(type: number, bytes: Uint8Array, peer: ReplyingPeer, stream: IncomingStream) {
    this.type = type
    this.bytes = bytes
    this.peer = peer
    this.stream = stream
  }

  reply(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  reply<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
  reply(type: number | MessageType<unknown>, value: unknown, options?: SendOptions): Promise<void> {
    return this.peer.replies.sendLent(type, value, options)
  }
}

/** A message of a defined type to keep, as `messages(TYPE)` yields it. */
export class ValueCopy<T> extends MessageCopy implements ReceivedValue<T> {
  readonly value: T

  /** Throws `Undecodable`. */
  constructor({ type, bytes, peer, stream }: MessageCopy, defined: MessageType<T>) {
    super(type, bytes, peer, stream)
    this.value = decodeValue(defined, bytes)
  }
}
