/**
 * The room of a stream's consumer, by the bounds of its queue and by the budget of all queues; and how much of it the
 * sender is told.
 *
 * @module
 */

import type { IncomingState } from "../streams/incoming-state.ts"
import { MESSAGE_BYTES, type QueueShare, type RoomWaiter } from "./queue-budget.ts"
import type { WaitingMessages } from "./waiting-messages.ts"

/** The bounds of one queue. */
export interface QueueBounds {
  readonly queuedMessagesMax: number
  readonly queuedBytesMax: number
}

export class ConsumerRoom {
  /** Bytes of the message that the consumers are working on. */
  currentBytes = 0
  readonly #state: IncomingState
  readonly #queue: WaitingMessages
  readonly #peer: { readonly queueShare: QueueShare }
  readonly #bounds: QueueBounds

  constructor(
    state: IncomingState,
    queue: WaitingMessages,
    peer: { readonly queueShare: QueueShare },
    bounds: QueueBounds,
  ) {
    this.#state = state
    this.#queue = queue
    this.#peer = peer
    this.#bounds = bounds
  }

  #heldBytes(): number {
    return this.#queue.bytes + this.currentBytes
  }

  /** Bytes that the budget of all streams leaves to this one; 0 or less: none. */
  get shareBytes(): number {
    return this.#peer.queueShare.room(this.#heldBytes())
  }

  /** Whether a stream that doesn't wait has to drop its oldest message. */
  get isFull(): boolean {
    // On a stream of the latest message nobody wants the one before.
    return this.#state.stream.traits.isNewestOnly || this.#isAtBounds()
  }

  #isAtBounds(): boolean {
    const { queuedMessagesMax, queuedBytesMax } = this.#bounds
    return this.#queue.count >= queuedMessagesMax || this.#queue.bytes >= queuedBytesMax || this.shareBytes <= 0
  }

  /**
   * From half of its bounds on, the sender is told how much room there is: messages beyond that would be refused, and
   * all of them sent again.
   */
  get isFilling(): boolean {
    const { queuedMessagesMax, queuedBytesMax } = this.#bounds
    return (
      2 * this.#queue.count >= queuedMessagesMax ||
      2 * this.#queue.bytes >= queuedBytesMax ||
      2 * this.#peer.queueShare.roomAhead(this.#heldBytes()) <= queuedBytesMax
    )
  }

  /**
   * Computes what the sender is told. If the budget has no room, `waiter` waits for some. `isServed`: it has waited,
   * and is the next one.
   */
  tell(waiter: RoomWaiter, isServed: boolean): void {
    const { queuedMessagesMax: messagesMax, queuedBytesMax: bytesMax } = this.#bounds
    const { queueShare: share } = this.#peer
    const { budget } = share
    const state = this.#state
    if (state.room === undefined) budget.told++
    const bounds = { messagesMax, bytesMax }
    const room = (state.room ??= { messages: 0, bytes: 0, ...bounds, isFull: false, isWaiting: false })
    const ahead = isServed || !budget.isQueued ? share.roomAhead(this.#heldBytes()) : 0
    room.messages = messagesMax - this.#queue.count
    // Other senders are told of the same room.
    room.bytes = Math.min(bytesMax - this.#queue.bytes, ahead <= 0 ? 0 : Math.max(1, ahead / budget.told))
    room.isFull = this.#isAtBounds()
    room.isWaiting = this.#queue.ready === 0
    if (ahead <= 0) budget.wait(waiter)
  }

  /** Bytes that the sender is allowed to send; 0: none. */
  get letBytes(): number {
    const { room, messagesPerPacket, bytesPerPacket } = this.#state
    if (room === undefined || room.bytes <= 0) return 0
    return Math.max(bytesPerPacket + messagesPerPacket * MESSAGE_BYTES, MESSAGE_BYTES)
  }
}
