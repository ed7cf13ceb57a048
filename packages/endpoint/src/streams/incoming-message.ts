/** Messages as they come out of the protocol. */

import type { IncomingState } from "./incoming-state.ts"

/** A message that has come, or the question whether one may. Reused: read it before the next is asked for. */
export interface IncomingMessage {
  /** The stream that it came on. */
  stream: IncomingState
  /** 0 to 65,535. */
  type: number
  /** Where its bytes lie: good until the next message is asked for. */
  bytes: Uint8Array
  view: DataView
  offset: number
  length: number
  /** It is not handed over yet: whoever asked says in `isWelcome` whether there is a place for it. */
  isOffer: boolean
  isWelcome: boolean
}

/** Where messages come from. */
export interface MessageSource {
  /** The one that is in hand. */
  readonly message: IncomingMessage
  /** Moves on to the next one of the same packet, if nothing else is to be told before; else it is asked for anew. */
  next(): boolean
}
