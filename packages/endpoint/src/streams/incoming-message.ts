/** The form in which messages leave the protocol. */

import type { IncomingState } from "./incoming-state.ts"

/** A received message, or the question whether one may come. Reused: read it before the next is asked for. */
export interface IncomingMessage {
  /** The stream that it came on. */
  stream: IncomingState
  /** 0 to 65,535. */
  type: number
  /** The memory that its bytes lie in: valid until the next message is asked for. */
  bytes: Uint8Array
  view: DataView
  offset: number
  length: number
  /** It is not handed over yet: the consumer sets in `isWelcome` whether there is a place for it. */
  isOffer: boolean
  isWelcome: boolean
}

/** Where messages come from. */
export interface MessageSource {
  /** The message in hand. */
  readonly message: IncomingMessage
  /**
   * Moves to the next message of the same packet, if nothing else has to be told before; otherwise the next one is
   * found by polling.
   */
  next(): boolean
}
