/**
 * The options of sending, and its results.
 *
 * @module
 */

import type { SentMessages } from "@x/stream"
import { ABORT_SIGNAL, check, checkType, FLAG, type Kinds, TIMEOUT } from "../errors/check.ts"
import { EndpointError } from "../errors/endpoint-error.ts"
import { isMessageType, type MessageType } from "./message-type.ts"
import { isWholeBuffer } from "./take-over.ts"

/** What became of a message that was offered. Except for the first two, no part of it is kept. */
export type SendResult =
  /** It is in the window; on `latest` in place of unsent messages before it. */
  | "sent"
  /** It was copied, or taken over, and is sent later. */
  | "parked"
  /** There was no room, on a stream that doesn't wait. */
  | "dropped"
  /** Window and parking lot are full: try again after `drain`. */
  | "refused"
  /** The peer has left. */
  | "not-joined"
  /** The stream was ended, reset or stopped. */
  | "closed"
  /** It is larger than `messageBytesMax` of the stream. */
  | "too-large"

/** The events of a stream to a peer, with their arguments. */
export interface OutgoingStreamEvents {
  /**
   * After a message was parked or refused: the parking lot is empty, and the window has room: for eight packets, or an
   * eighth of those under way, if that is less. Not if the stream closes first: then it is `closed`.
   */
  drain: () => void
  /** Once: nothing is accepted or delivered any more. */
  closed: (end: OutgoingEnd) => void
}

/** How a stream to a peer ended. */
export interface OutgoingEnd {
  /**
   * Whether it was ended and the peer acknowledged each accepted message; in modes without acknowledgements, whether it
   * was ended without any message.
   */
  readonly isComplete: boolean
  /**
   * Why it was reset, by either side: one of `REASON`, or the application's. `REASON.unspecified` if it wasn't, or
   * nothing was said.
   */
  readonly reason: number
  /** What became of its messages; nothing is pending. */
  readonly account: SentMessages
}

/** How long `send` waits, and for what event. */
export interface SendOptions {
  /**
   * Gives the message up: it is taken out of the queue, even half sent. A message that waits for its receipt was sent,
   * and may still be delivered.
   */
  readonly signal?: AbortSignal
  /**
   * Gives the message up in the same way after this time: `timeout`. Milliseconds; default: `Infinity`, it waits for
   * ever.
   */
  readonly timeoutMs?: number
  /**
   * Settle when the peer's stream has acknowledged the message, not when it is in the window. Not available without
   * acknowledgements: `latest`, `fire-and-forget`.
   */
  readonly receipt?: boolean
}

export const SEND_OPTIONS: Kinds<SendOptions> = { signal: ABORT_SIGNAL, timeoutMs: TIMEOUT, receipt: FLAG }

/** How long a message waits if `trySend` had to park it, and whose its memory is. */
export interface TrySendOptions {
  /** A parked message is given up after this time. Milliseconds; default: `Infinity`, never. */
  readonly timeoutMs?: number
  /**
   * The memory goes with the message: if it is `sent` or `parked`, its buffer is detached, empty for the caller, and
   * nothing is copied that waits; after any other result it is as it was. The bytes have to be all of an `ArrayBuffer`
   * of a fixed length. It saves the copy of a large message that finds the window full, 0.1 ms for 1 MiB, and costs some
   * 10 µs. On this machine's own host the memory is free again as soon as the message is in the window, not once garbage
   * is collected: the next large message is made in it. Default: `false`.
   */
  readonly transfer?: boolean
}

const TRY_SEND_OPTIONS: Kinds<TrySendOptions> = { timeoutMs: TIMEOUT, transfer: FLAG }

export const SIGNAL_OPTIONS: Kinds<{ readonly signal?: AbortSignal }> = { signal: ABORT_SIGNAL }

/** The options of most calls; they aren't checked. */
export const NO_OPTIONS: SendOptions = {}

/** Checks what `trySend` is given, for a stream that doesn't exist yet. */
export function checkTrySend(type: number | MessageType<unknown>, value: unknown, options?: TrySendOptions): void {
  checkMessage(type, value)
  if (options === undefined) return
  check.options("trySend", options, TRY_SEND_OPTIONS)
  if (options.transfer === true) checkTransfer(type, value)
}

export function checkSendOptions(options: SendOptions): void {
  check.options("send", options, SEND_OPTIONS)
}

/** Many messages may have a time-out: most of those take the fast path. */
export function timeoutOf(options: TrySendOptions): number {
  let names = 0
  for (const name in options) names += name === "timeoutMs" ? 1 : 2
  if (names === 1 && TIMEOUT.has(options.timeoutMs)) return options.timeoutMs
  return check.options("trySend", options, TRY_SEND_OPTIONS).timeoutMs ?? Infinity
}

/** Checks a message for a stream that doesn't exist yet; a value is checked once it exists. */
export function checkMessage(type: number | MessageType<unknown>, value: unknown): void {
  if (isMessageType(type)) return
  checkType(type)
  checkBytes(value)
}

/** Checks a message whose memory is to change hands. */
export function checkTransfer(type: unknown, bytes: unknown): asserts bytes is Uint8Array {
  if (isMessageType(type))
    throw new EndpointError("invalid-option", "transfer is for bytes: those of a value are its codec's")
  checkBytes(bytes)
  if (!isWholeBuffer(bytes))
    throw new EndpointError(
      "invalid-option",
      "only all of an ArrayBuffer of a fixed length can be transferred, not a part of it, as a small Buffer is: copy the bytes first, by new Uint8Array(bytes), or leave transfer out",
    )
}

export function checkBytes(bytes: unknown): asserts bytes is Uint8Array {
  if (!(bytes instanceof Uint8Array))
    throw new TypeError("a message is a Uint8Array; encode text and other values first, or define a message type")
  if (bytes.length > 0) return
  try {
    // Memory that was transferred seems empty too, but can't be read.
    new Uint8Array(bytes)
  } catch (cause) {
    throw new TypeError("the buffer of the message was transferred, or has shrunk: there is nothing of it to send", {
      cause,
    })
  }
}
