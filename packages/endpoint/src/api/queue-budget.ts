/**
 * The memory of messages that wait for their consumers: copies that are charged from the moment they are made until
 * their consumer is done with them, whatever becomes of their stream and peer. One budget for an endpoint, with a share
 * for each peer. What is charged counts for all peers of one identity together: a member that joins many times has no
 * more room than one that joins once.
 *
 * @module
 */

/** A message counts for this many bytes more than its own: the memory of its objects. */
export const MESSAGE_BYTES = 128
/** The first part of the budget is reserved for peers that hold little: less than the second part. */
const RESERVE_PART = 1 / 8
const FLOOR_PART = 1 / 4_096
/** While less than this part is used, a stream that holds nothing always finds room: half of what isn't reserved. */
const TIGHT_PART = (1 - 2 * RESERVE_PART) / 2

/** A stream that found no room in the budget. */
export interface RoomWaiter {
  /**
   * There may be room again: returns how many bytes the stream allows its sender to send, 0 if there is no room for it.
   */
  roomReturned(): number
}

/** This many of the waiting streams are asked at a time. */
const ASKED_MAX = 256

export class QueueBudget {
  readonly bytesMax: number
  readonly #defer: (run: () => void) => void
  readonly #waiting = new Set<RoomWaiter>()
  /** Bytes charged to each identity that has any. */
  readonly #ofIdentities = new Map<string, number>()
  #bytes = 0
  #messages = 0
  #refused = 0
  #isWaking = false
  /** Streams whose senders are told how much room there is. */
  told = 0
  /** Bytes that were released and not yet given to a waiting stream. */
  #credit = 0
  /** Some stream may find no room: whatever is about to take memory has to ask. */
  isTight = false

  /** `defer`: calls a function at the end of the turn. */
  constructor(bytesMax: number, defer: (run: () => void) => void) {
    this.bytesMax = bytesMax
    this.#defer = defer
  }

  /** Bytes of the copies that are held. */
  get bytes(): number {
    return this.#bytes
  }

  /** The bytes that they are charged for. */
  get charged(): number {
    return this.#bytes + this.#messages * MESSAGE_BYTES
  }

  /** How often a stream found no room. */
  get refused(): number {
    return this.#refused
  }

  /** Registers a stream that is told once when there is room again. */
  wait(waiter: RoomWaiter): void {
    if (this.#waiting.has(waiter)) return
    this.#refused++
    this.#waiting.add(waiter)
  }

  forget(waiter: RoomWaiter): void {
    this.#waiting.delete(waiter)
  }

  /** Whether streams are queued for room: then all others queue too. */
  get isQueued(): boolean {
    return this.isTight && this.#waiting.size > 0
  }

  /** Bytes charged to all peers of an identity. */
  chargedTo(identity: string): number {
    return this.#ofIdentities.get(identity) ?? 0
  }

  charge(identity: string, bytes: number): void {
    this.#ofIdentities.set(identity, this.chargedTo(identity) + bytes + MESSAGE_BYTES)
    this.#bytes += bytes
    this.#messages++
    this.isTight = this.charged >= this.bytesMax * TIGHT_PART
  }

  release(identity: string, bytes: number): void {
    const left = this.chargedTo(identity) - bytes - MESSAGE_BYTES
    if (left > 0) this.#ofIdentities.set(identity, left)
    else this.#ofIdentities.delete(identity)
    this.#bytes -= bytes
    this.#messages--
    this.isTight = this.charged >= this.bytesMax * TIGHT_PART
    if (this.#waiting.size === 0) return
    this.#credit += bytes + MESSAGE_BYTES
    if (this.#isWaking) return
    this.#isWaking = true
    this.#defer(() => this.#wake())
  }

  /**
   * Asks the waiting streams in order; a stream that still finds no room waits again, after the others. When memory is
   * short, no more is given to them than was released: otherwise the same memory would be promised many times.
   */
  #wake(): void {
    this.#isWaking = false
    let asked = 0
    for (const waiter of [...this.#waiting]) {
      if (asked++ >= ASKED_MAX || (this.isTight && this.#credit <= 0)) break
      this.#waiting.delete(waiter)
      this.#credit -= waiter.roomReturned()
    }
    if (!this.isTight || this.#waiting.size === 0) this.#credit = 0
    this.#credit = Math.min(this.#credit, this.bytesMax * RESERVE_PART)
  }
}

/**
 * A peer's share: together with the others of its identity, as much as is left for all others, so that each newcomer
 * finds as much as those before it have.
 */
export class QueueShare {
  readonly budget: QueueBudget
  readonly #identity: string
  #charged = 0

  /** `identity`: a peer's static key, or else where it came from. */
  constructor(budget: QueueBudget, identity: string) {
    this.budget = budget
    this.#identity = identity
  }

  /** Bytes charged to the peer. */
  get charged(): number {
    return this.#charged
  }

  /**
   * Bytes that a stream of the peer that holds this many may take; 0 or less: none. The streams of a peer share in the
   * same way as peers.
   */
  room(heldBytes: number): number {
    const { bytesMax, charged } = this.budget
    // Each peer has what is reserved for those with little, whoever it is.
    if (this.#isPoor()) return bytesMax - charged - this.#charged - heldBytes
    const together = this.budget.chargedTo(this.#identity)
    return bytesMax - bytesMax * RESERVE_PART - charged - together - heldBytes
  }

  /**
   * Bytes that it may allow its sender: fewer, since all streams are told of the same room, and the messages of each
   * then have to find a place.
   */
  roomAhead(heldBytes: number): number {
    const { bytesMax } = this.budget
    return this.room(heldBytes) - (heldBytes === 0 || this.#isPoor() ? 0 : bytesMax * RESERVE_PART)
  }

  #isPoor(): boolean {
    return this.#charged < this.budget.bytesMax * FLOOR_PART
  }

  charge(bytes: number): void {
    this.#charged += bytes + MESSAGE_BYTES
    this.budget.charge(this.#identity, bytes)
  }

  release(bytes: number): void {
    this.#charged -= bytes + MESSAGE_BYTES
    this.budget.release(this.#identity, bytes)
  }
}

/** The copy of a message, and its holders. It is charged as long as any of them may need it. */
export class QueuedMessage {
  readonly type: number
  readonly bytes: Uint8Array
  #share: QueueShare | undefined
  #holders = 0
  #wasTaken = false
  #onSettled: ((message: QueuedMessage, wasTaken: boolean) => void) | undefined

  constructor(share: QueueShare, type: number, bytes: Uint8Array) {
    this.type = type
    this.bytes = bytes
    this.#share = share
    share.charge(bytes.length)
  }

  /**
   * Offers the message to consumers: calls `onSettled` once, when all holders are done, with whether any of them took
   * it.
   */
  offer(onSettled: (message: QueuedMessage, wasTaken: boolean) => void): void {
    this.#onSettled = onSettled
    this.#wasTaken = false
    this.#holders = 1
  }

  /** A consumer holds it, and calls `letGo` when it is done. */
  hold(): void {
    this.#holders++
  }

  letGo(wasTaken: boolean): void {
    if (wasTaken) this.#wasTaken = true
    if (--this.#holders > 0) return
    const onSettled = this.#onSettled
    this.#onSettled = undefined
    onSettled?.(this, this.#wasTaken)
  }

  /** Nothing needs it any more. */
  release(): void {
    this.#share?.release(this.bytes.length)
    this.#share = undefined
  }
}
