/**
 * What sending is told, and what it answers.
 *
 * @module
 */

import type { SentMessages } from "@x/stream"
import { ABORT_SIGNAL, check, checkType, FLAG, type Kinds, TIMEOUT } from "../errors/check.ts"
import { isMessageType, type MessageType } from "./message-type.ts"

/** What became of a message that was offered. But for the first two nothing of it is kept. */
export type SendResult =
  /** It is in the window; on `latest` in place of any before it that is unsent. */
  | "sent"
  /** It was copied, and will follow. */
  | "parked"
  /** There was no room, on a stream that doesn't wait. */
  | "dropped"
  /** Window and parking lot are full: try after `drain`. */
  | "refused"
  /** The peer has left. */
  | "not-joined"
  /** The stream was ended, reset or stopped. */
  | "closed"
  /** It has more bytes than `messageBytesMax` of the stream. */
  | "too-large"

/** What a stream to a peer tells, and with what. */
export interface OutgoingStreamEvents {
  /**
   * After a message was parked or refused: the parking lot is empty, and the window has room. Not where the stream
   * closes first: that is `closed`.
   */
  drain: () => void
  /** Once: nothing is taken or delivered any more. */
  closed: (end: OutgoingEnd) => void
}

/** How a stream to a peer ended. */
export interface OutgoingEnd {
  /**
   * It was ended, and the peer acknowledged each message that was accepted; where nothing acknowledges, that none was.
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

/** How long `send` waits, and for what. */
export interface SendOptions {
  /**
   * Gives the message up: taken out of the queue, also half sent. One that waits for its receipt was sent, and may be
   * delivered all the same.
   */
  readonly signal?: AbortSignal
  /** After so long it is given up in the same way: `timeout`. Milliseconds; default: `Infinity`, it waits for ever. */
  readonly timeoutMs?: number
  /**
   * Settle when the peer's stream acknowledged the message, not when it is in the window. Not where nothing
   * acknowledges: `latest`, `fire-and-forget`.
   */
  readonly receipt?: boolean
}

export const SEND_OPTIONS: Kinds<SendOptions> = { signal: ABORT_SIGNAL, timeoutMs: TIMEOUT, receipt: FLAG }

/** How long a message waits that `trySend` had to park. */
export interface TrySendOptions {
  /** Parked, a message is given up after so long. Milliseconds; default: `Infinity`, never. */
  readonly timeoutMs?: number
}

const TRY_SEND_OPTIONS: Kinds<TrySendOptions> = { timeoutMs: TIMEOUT }

export const SIGNAL_OPTIONS: Kinds<{ readonly signal?: AbortSignal }> = { signal: ABORT_SIGNAL }

/** What most calls come with isn't looked at. */
export const NO_OPTIONS: SendOptions = {}

/** What a stream that isn't there yet is given. */
export function checkTrySendOptions(options: TrySendOptions): void {
  check.options("trySend", options, TRY_SEND_OPTIONS)
}

export function checkSendOptions(options: SendOptions): void {
  check.options("send", options, SEND_OPTIONS)
}

/** Many messages may have a time-out: most of those take the short way. */
export function timeoutOf(options: TrySendOptions): number {
  let names = 0
  for (const name in options) names += name === "timeoutMs" ? 1 : 2
  if (names === 1 && TIMEOUT.has(options.timeoutMs)) return options.timeoutMs
  return check.options("trySend", options, TRY_SEND_OPTIONS).timeoutMs ?? Infinity
}

/** What a stream that isn't there yet is given: a value is seen once it is. */
export function checkMessage(type: number | MessageType<unknown>, value: unknown): void {
  if (isMessageType(type)) return
  checkType(type)
  checkBytes(value)
}

export function checkBytes(bytes: unknown): asserts bytes is Uint8Array {
  if (!(bytes instanceof Uint8Array))
    throw new TypeError("a message is a Uint8Array; encode text and other values first, or define a message type")
  if (bytes.length > 0) return
  try {
    // One whose memory is gone is empty too, but can't be read.
    new Uint8Array(bytes)
  } catch (cause) {
    throw new TypeError("the buffer of the message was transferred, or has shrunk: there is nothing of it to send", {
      cause,
    })
  }
}
