import type { IncomingStream } from "./incoming-stream.ts"
import type { Codec, MessageType, WritingCodec } from "./message-type.ts"
import type { SendOptions } from "./sending.ts"
import type { Peer } from "./peer.ts"

/**
 * A message as a handler sees it: one object, reused, valid during the synchronous call only. What is needed longer is
 * copied: `copy()`, or the fields of interest.
 */
export class Message {
  /** Within its handler's call. */
  #isLent = false
  #type = 0
  #peer: Peer | undefined
  #stream: IncomingStream | undefined
  #bytes: Uint8Array = EMPTY
  #view: DataView = EMPTY_VIEW
  #offset = 0
  #length = 0

  /** 0 to 65,535; what it means is the application's. */
  get type(): number {
    return this.#isLent ? this.#type : gone()
  }

  /** Who sent it. */
  get peer(): Peer {
    return this.#isLent ? this.#peer! : gone()
  }

  /** The stream that it came on. */
  get stream(): IncomingStream {
    return this.#isLent ? this.#stream! : gone()
  }

  /**
   * The memory the message lies in: its bytes are `[offset, offset + length)`. Reading fields here allocates nothing.
   * Other messages lie there too: to `postMessage` give a `copy()`, its buffer is not to be transferred.
   */
  get view(): DataView {
    return this.#isLent ? this.#view : gone()
  }

  /** Where its bytes begin in `view`. */
  get offset(): number {
    return this.#isLent ? this.#offset : gone()
  }

  /** How many bytes it has, from 0. */
  get length(): number {
    return this.#isLent ? this.#length : gone()
  }

  /** The bytes without a copy; overwritten after the call. */
  get bytes(): Uint8Array {
    return this.#isLent ? this.#bytes.subarray(this.#offset, this.#offset + this.#length) : gone()
  }

  /** The bytes to keep. */
  copy(): Uint8Array {
    return this.#isLent ? new Uint8Array(this.bytes) : gone()
  }

  /**
   * Answers who sent it, over the one `reliable` stream that there is for all answers to a peer, `peer.replies`: as
   * `send` of that, but the bytes are borrowed during the call only, so they may be the message's own. Settles when the
   * answer is in the window, or acknowledged; rejects as `send` does: `not-joined` where the peer has left, `refused`
   * where too many answers wait. During the handler's call only, as everything here: for later take `const { replies }
   * = message.peer`.
   */
  reply(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  reply<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
  reply(type: number | MessageType<unknown>, value: unknown, options?: SendOptions): Promise<void> {
    return this.peer.replies.send(type, value, options, true)
  }

  /** @internal */
  set(
    type: number,
    peer: Peer,
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
    // Most messages lie in the packet of the one before.
    if (this.#view === view && this.#stream === stream) return
    this.#peer = peer
    this.#stream = stream
    this.#bytes = bytes
    this.#view = view
  }

  /** @internal The call is over: whoever still reads is told instead of shown another's bytes. */
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
export class ReceivedMessage {
  /** 0 to 65,535; what it means is the application's. */
  readonly type: number
  /** Its bytes, a copy that is the receiver's own. */
  readonly bytes: Uint8Array
  /** Who sent it. */
  readonly peer: Peer
  /** The stream that it came on. */
  readonly stream: IncomingStream

  /** @internal */
  constructor(type: number, bytes: Uint8Array, peer: Peer, stream: IncomingStream) {
    this.type = type
    this.bytes = bytes
    this.peer = peer
    this.stream = stream
  }

  /** As `reply` of the message that a handler gets, at any time. */
  reply(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  reply<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
  reply(type: number | MessageType<unknown>, value: unknown, options?: SendOptions): Promise<void> {
    return this.peer.replies.send(type, value, options, true)
  }
}

/** A message of a defined type to keep: what `messages(TYPE)` gives. */
export class ReceivedValue<T> extends ReceivedMessage {
  readonly #codec: Codec<T> | WritingCodec<T>
  #decoded: { readonly value: T } | undefined

  /** @internal */
  constructor({ type, bytes, peer, stream }: ReceivedMessage, codec: Codec<T> | WritingCodec<T>) {
    super(type, bytes, peer, stream)
    this.#codec = codec
  }

  /**
   * What the bytes stand for, decoded when it is first asked for. Throws what the codec throws for bytes that stand for
   * nothing: the sender's mistake.
   */
  get value(): T {
    return (this.#decoded ??= { value: this.#codec.decode(this.bytes) }).value
  }
}
