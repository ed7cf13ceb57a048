/**
 * Copies of the messages of one stream that were accepted and aren't known to be acknowledged, in order. Each is
 * identified by its number on the stream, so it doesn't matter what else is sent there, given up or acknowledged out of
 * order.
 *
 * @module
 */

import type { ParkedMessage } from "../streams/parking-lot.ts"
import type { OutgoingHandle } from "./outgoing-stream.ts"
import { takeOver } from "./take-over.ts"

/** A message whose stream ended before it was acknowledged. */
export interface UnconfirmedMessage {
  /** The type that it was sent with. */
  readonly type: number
  /** Its bytes; the application decides whether to send them again. */
  readonly bytes: Uint8Array
  /** Whether it was sent completely: then it may have been delivered. */
  readonly wasSent: boolean
}

export interface KeptMessage {
  readonly type: number
  readonly bytes: Uint8Array
  readonly number: number
  /** Its place in the parking lot, if it waits or waited for the window: that gives its number. */
  readonly parked: ParkedMessage | undefined
}

/**
 * Whose the bytes of a message are: ours, nothing else changes them; the caller's; or the caller's until the message is
 * accepted.
 */
export type Whose = "ours" | "lent" | "given"

export class KeptMessages {
  readonly #stream: OutgoingHandle
  readonly #messages: KeptMessage[] = []

  constructor(stream: OutgoingHandle) {
    this.#stream = stream
  }

  /**
   * Calls `run`, which offers a message to the stream, and keeps the message if it was accepted.
   */
  offer<T>(
    type: number,
    bytes: Uint8Array,
    whose: Whose,
    run: () => T,
  ): { readonly result: T; readonly kept: KeptMessage | undefined } {
    const { sendStream, lot } = this.#stream
    const { begun } = sendStream
    const { entered } = lot
    const result = run()
    const parked = lot.entered > entered ? lot.newest : undefined
    if (parked === undefined && sendStream.begun === begun) return { result, kept: undefined }
    this.#settle()
    const own = whose === "lent" ? (parked?.message.share() ?? new Uint8Array(bytes)) : bytes
    const kept = {
      type,
      bytes: whose === "given" ? takeOver(own) : own,
      number: parked === undefined ? begun : -1,
      parked,
    }
    this.#messages.push(kept)
    return { result, kept }
  }

  /** The sender has given it up, and knows that. */
  forget(kept: KeptMessage): void {
    const at = this.#messages.indexOf(kept)
    if (at >= 0) this.#messages.splice(at, 1)
  }

  /** Drops the oldest messages, as far as they were acknowledged or given up. */
  #settle(): void {
    const { sendStream } = this.#stream
    if (sendStream.state !== "open" && sendStream.state !== "ending") return
    const { messagesBelowLow } = sendStream
    let settled = 0
    for (const kept of this.#messages) {
      const number = numberOf(kept)
      if (!isGivenUp(kept) && (number < 0 || number >= messagesBelowLow)) break
      settled++
    }
    if (settled > 0) this.#messages.splice(0, settled)
  }

  /** The messages that were not acknowledged when the stream closed. */
  unconfirmed(): UnconfirmedMessage[] {
    const { sendStream } = this.#stream
    const left: UnconfirmedMessage[] = []
    for (const kept of this.#messages.splice(0)) {
      const number = numberOf(kept)
      const fate = number < 0 ? "unsent" : sendStream.fateOf(number)
      if (fate !== "acknowledged" && !isGivenUp(kept))
        left.push({ type: kept.type, bytes: kept.bytes, wasSent: fate === "sent" })
    }
    return left
  }
}

/** −1: no part of it is in the window. */
function numberOf({ number, parked }: KeptMessage): number {
  return parked === undefined ? number : parked.message.number
}

function isGivenUp({ parked }: KeptMessage): boolean {
  return parked?.isGivenUp === true
}
