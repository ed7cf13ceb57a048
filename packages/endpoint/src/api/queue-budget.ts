/**
 * The memory of messages that wait for their consumers: copies, charged from the moment they are made until their
 * consumer is done with them, whatever becomes of the stream and the peer that they came on. One budget for an
 * endpoint, with a share for each peer.
 *
 * @module
 */

/** A message counts for this many bytes besides its own: what its objects take. */
export const MESSAGE_BYTES = 128
/** This part of the budget is for peers that hold little: less than that other part. */
const RESERVE_PART = 1 / 8
const FLOOR_PART = 1 / 4_096
/** With less than this part in use no stream finds none that has nothing: half of what isn't reserved. */
const TIGHT_PART = (1 - 2 * RESERVE_PART) / 2

/** A stream that found no room in the budget. */
export interface RoomWaiter {
  /** There may be some again: answers how many bytes it lets its sender send, 0 if there is none for it. */
  roomReturned(): number
}

/** Of those who wait this many are asked at a time. */
const ASKED_MAX = 256

export class QueueBudget {
  readonly bytesMax: number
  readonly #defer: (run: () => void) => void
  readonly #waiting = new Set<RoomWaiter>()
  #bytes = 0
  #messages = 0
  #refused = 0
  #isWaking = false
  /** Streams that are told how much room there is. */
  told = 0
  /** Released and not given to anybody who waits. */
  #credit = 0
  /** There may be a stream that finds no room: whoever is about to take something has to ask. */
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

  /** What they count for. */
  get charged(): number {
    return this.#bytes + this.#messages * MESSAGE_BYTES
  }

  /** How often a stream found no room. */
  get refused(): number {
    return this.#refused
  }

  /** Says when there is room again, once. */
  wait(waiter: RoomWaiter): void {
    if (this.#waiting.has(waiter)) return
    this.#refused++
    this.#waiting.add(waiter)
  }

  forget(waiter: RoomWaiter): void {
    this.#waiting.delete(waiter)
  }

  /** Whether there is a queue for room, behind which everybody goes. */
  get isQueued(): boolean {
    return this.isTight && this.#waiting.size > 0
  }

  charge(bytes: number): void {
    this.#bytes += bytes
    this.#messages++
    this.isTight = this.charged >= this.bytesMax * TIGHT_PART
  }

  release(bytes: number): void {
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
   * In the order they found none; who still has none waits again, behind the others. Where memory is short no more is
   * given to them than was released: to all at once it would be promised many times over.
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
 * A peer's part: as much as is left for all others together, so that each newcomer finds as much as those before it
 * have.
 */
export class QueueShare {
  readonly budget: QueueBudget
  #charged = 0

  constructor(budget: QueueBudget) {
    this.budget = budget
  }

  /** What is held of the peer. */
  get charged(): number {
    return this.#charged
  }

  /**
   * Bytes that a stream of the peer may take that holds this many; 0 or less: none. The streams of a peer share as the
   * peers do.
   */
  room(heldBytes: number): number {
    const { bytesMax, charged } = this.budget
    const kept = this.#charged < bytesMax * FLOOR_PART ? 0 : bytesMax * RESERVE_PART
    return bytesMax - kept - charged - this.#charged - heldBytes
  }

  /**
   * Bytes that it may be let send: fewer, since all streams are told of the same room, and what each of them sends then
   * has to find a place.
   */
  roomAhead(heldBytes: number): number {
    const { bytesMax } = this.budget
    const isPoor = heldBytes === 0 || this.#charged < bytesMax * FLOOR_PART
    return this.room(heldBytes) - (isPoor ? 0 : bytesMax * RESERVE_PART)
  }

  charge(bytes: number): void {
    this.#charged += bytes + MESSAGE_BYTES
    this.budget.charge(bytes)
  }

  release(bytes: number): void {
    this.#charged -= bytes + MESSAGE_BYTES
    this.budget.release(bytes)
  }
}

/** The copy of a message, and who has it. It is charged as long as anybody may need it. */
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

  /** It is offered to consumers: tells once all who hold it are done, and whether any of them took it. */
  offer(onSettled: (message: QueuedMessage, wasTaken: boolean) => void): void {
    this.#onSettled = onSettled
    this.#wasTaken = false
    this.#holders = 1
  }

  /** A consumer has it, and says by `letGo` that it is done. */
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

  /** Nobody needs it any more. */
  release(): void {
    this.#share?.release(this.bytes.length)
    this.#share = undefined
  }
}
