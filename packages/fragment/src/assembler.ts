/**
 * Puts large messages together from pieces in any order. A stream has one assembler; its memory comes from a budget
 * shared with others.
 *
 * @module
 */

import { FORM, type PacketDropReason, type Piece, ZERO } from "@x/wire"
import { AbandonedMessages } from "./abandoned-messages.ts"
import { Assembly, type AssemblyOwner, BYTES_FIRST } from "./assembly.ts"
import type { AssemblyBudget, Yielder } from "./budget.ts"

/** Milliseconds without progress after which an unreliable message is taken never to be completed. */
export const NO_PROGRESS_MS = 5_000

/** The least that an assembly is charged: the memory of its objects. */
const ASSEMBLY_BYTES_MIN = 1_024

/** The most messages of a stream that are under way at a time. */
const MESSAGES_MAX = 1_024
/** The most messages that make way for one piece. */
const EXPIRED_MAX = 32

/** What an {@link Assembler} needs. */
export interface AssemblerOptions {
  /** Where the memory for its messages comes from. */
  readonly budget: AssemblyBudget
  /** Bytes of the largest message accepted. */
  readonly messageBytesMax: number
  /** Pieces come in the order they were cut, one message after the other. */
  readonly isOrdered: boolean
  /**
   * All pieces will come: a message stays until it is complete, abandoned, or its stream ends. Default: as `isOrdered`.
   */
  readonly isReliable?: boolean
  /** Called when there is room for a message refused with `no-room`; only where all pieces will come. */
  readonly onRoom?: () => void
  /** Called when a promised message was given up: the stream can't go on. */
  readonly onGivenUp?: () => void
}

/** The piece was taken; or it completed its message, which is now `completed`; or it was dropped for this reason. */
export type PieceVerdict = "taken" | "complete" | PacketDropReason

export class Assembler implements Yielder, AssemblyOwner {
  readonly #budget: AssemblyBudget
  readonly #messageBytesMax: number
  readonly #isOrdered: boolean
  readonly #isReliable: boolean
  readonly #onRoom: () => void
  readonly #onGivenUp: () => void
  #isWaiting = false
  /** An abandoned message could not be noted. */
  #isCrowded = false
  /** Abandoned messages whose pieces may still come. */
  readonly #ended: AbandonedMessages
  /** By message: reliable ones in the order they were begun, unreliable ones by their last progress, oldest first. */
  readonly #assemblies = new Map<number, Assembly>()
  #completed: Assembly | undefined
  /** The message that memory is reserved for: it doesn't make way for itself. */
  #inHand: Assembly | undefined
  /** Total bytes of the messages under way, and those of them that have come. */
  #bytes = 0
  #received = ZERO
  #abandoned = ZERO
  #expired = ZERO

  constructor(options: AssemblerOptions) {
    const { budget, messageBytesMax, isOrdered, isReliable = isOrdered } = options
    const { onRoom = () => {}, onGivenUp = () => {} } = options
    this.#budget = budget
    this.#ended = new AbandonedMessages(budget)
    this.#onGivenUp = onGivenUp
    this.#messageBytesMax = messageBytesMax
    this.#isOrdered = isOrdered
    this.#isReliable = isReliable
    this.#onRoom = onRoom
  }

  /** Messages under way. */
  get count(): number {
    return this.#assemblies.size
  }

  /** Total bytes of the messages under way, received or not. */
  get bytes(): number {
    return this.#bytes
  }

  /** Bytes of the messages under way that are still to come. */
  get missingBytes(): number {
    return this.#bytes - this.#received
  }

  /** The type of the message that a piece would complete; −1: it completes none. */
  typeCompletedBy({ message, length }: Piece): number {
    const assembly = this.#assemblies.get(message)
    return assembly !== undefined && assembly.received + length === assembly.total ? assembly.type : -1
  }

  /** Messages whose sender gave them up. */
  get abandoned(): number {
    return this.#abandoned
  }

  /** Messages given up here: without progress, or evicted for another. */
  get expired(): number {
    return this.#expired
  }

  /** Whether a piece completed its message and that isn't released yet. */
  get hasCompleted(): boolean {
    return this.#completed !== undefined
  }

  /** The message that the last `"complete"` was about; valid until `release`. */
  get completed(): Assembly {
    if (this.#completed === undefined) throw new Error("no message has been completed")
    return this.#completed
  }

  /**
   * Takes in a piece that came in the packet `number`; its bytes are in `source`. Packets below `reach` come whatever
   * becomes of other messages. A message that extends further may have to wait, holding its memory, for those before
   * it.
   */
  handlePiece(
    piece: Piece,
    source: Uint8Array,
    nowMs: number,
    number: number = 0,
    reach: number = Infinity,
  ): PieceVerdict {
    if (piece.form === FORM.abandoned) return this.#abandon(piece.message, number)
    if (this.#ended.has(piece.message)) return "taken"
    if (piece.total > this.#messageBytesMax) return "message-too-large"
    let assembly = this.#assemblies.get(piece.message)
    if (assembly === undefined) {
      // In order, a message begins with its first piece and only when no other is under way.
      if (this.#isOrdered && (piece.form !== FORM.first || this.#assemblies.size > 0)) return "piece-conflict"
      const begun = this.#begin(piece, nowMs, number + packetsBehind(piece) >= reach)
      if (begun === undefined) return "no-room"
      assembly = begun
    } else if (piece.total !== assembly.total) return "piece-conflict"
    else if (!this.#reserveFor(assembly, piece, nowMs)) return "no-room"
    if (!assembly.add(piece, source, nowMs)) return "piece-conflict"
    this.#received += piece.length
    if (number > assembly.highest) assembly.highest = number
    // Kept in order of last progress: the first is given up first, and sets the timeout.
    if (!this.#isReliable) this.#touch(assembly)
    if (!assembly.isComplete) return "taken"
    this.#takeOut(assembly)
    this.#budget.earn(assembly.total)
    this.#completed = assembly
    return "complete"
  }

  /** The completed message is no longer needed: returns its memory to the budget. */
  release(): void {
    const { charged } = this.completed
    this.#completed = undefined
    this.#budget.release(charged)
  }

  /** Lets other messages use the bytes of a released message. Don't call this for bytes that are still in use. */
  recycle({ bytes }: Assembly): void {
    this.#budget.buffers.give(bytes)
  }

  /** When `handleTimeout` next has a message to give up; `Infinity`: never. */
  get nextTimeoutMs(): number {
    if (this.#isReliable) return Infinity
    const first = this.#assemblies.values().next().value
    return first === undefined ? Infinity : first.progressMs + NO_PROGRESS_MS
  }

  /** Gives up unreliable messages without progress. */
  handleTimeout(nowMs: number): void {
    if (this.#isReliable) return
    for (const assembly of this.#assemblies.values()) {
      if (assembly.progressMs + NO_PROGRESS_MS > nowMs) return
      this.#expire(assembly)
    }
  }

  /** Gives up everything: the stream is over. */
  close(): void {
    this.#stopWaiting()
    for (const assembly of this.#assemblies.values()) this.#drop(assembly)
    this.#ended.clear()
    if (this.#completed !== undefined) this.release()
  }

  /** When the message that has waited longest for progress last made some, milliseconds. */
  get leastProgressMs(): number {
    return this.#oldest()?.progressMs ?? Infinity
  }

  /** Gives up the message that has waited longest for progress: another message needs its memory. */
  yieldOldest(): void {
    const oldest = this.#oldest()
    if (oldest !== undefined) this.#expire(oldest)
  }

  /** Others get what was promised to a message: it is charged what it holds. */
  lapse(assembly: Assembly): void {
    const { charged } = assembly
    assembly.hasLapsed = true
    assembly.charged = Math.min(charged, this.#charge(assembly.heldBytes))
    this.#budget.release(charged - assembly.charged)
  }

  /** A promised message makes way for others. */
  giveUp(assembly: Assembly): void {
    this.#expire(assembly)
    this.#onGivenUp()
  }

  /** A message begins, if there is memory for it. */
  #begin(piece: Piece, nowMs: number, mayWait: boolean): Assembly | undefined {
    const { total } = piece
    const isWhole = total > BYTES_FIRST && this.#budget.advance(total)
    const assembly = new Assembly(piece, this, this.#budget.buffers, isWhole, nowMs)
    const charge = this.#charge(this.#isReliable ? total : assembly.bytesWith(piece))
    if (!this.#reserveNew(charge, nowMs, mayWait)) {
      if (isWhole) this.#budget.earn(total)
      return undefined
    }
    assembly.charged = charge
    this.#assemblies.set(piece.message, assembly)
    this.#bytes += total
    if (this.#isReliable) this.#budget.promise(assembly)
    else this.#budget.offer(this, charge)
    return assembly
  }

  /** An unreliable stream first gives up its own oldest messages, a promised message waits for room. */
  #reserveNew(charge: number, nowMs: number, mayWait: boolean): boolean {
    const isMany = this.#assemblies.size >= MESSAGES_MAX
    if (!this.#isReliable) {
      if (isMany) this.yieldOldest()
      return this.#reserve(charge, nowMs)
    }
    if (isMany) return this.#wait(charge)
    // One that may have to wait for others leaves room for the largest message: otherwise both would wait.
    const largest = this.#charge(this.#messageBytesMax)
    if (mayWait ? this.#budget.reserveWith(charge, largest) : this.#budget.claim(charge, nowMs, this))
      return this.#goOn()
    return this.#wait(charge)
  }

  /** Reserves what a message under way needs for a piece, beyond what it is charged for. */
  #reserveFor(assembly: Assembly, piece: Piece, nowMs: number): boolean {
    // Its lists come on top of its bytes, but with them it is never charged more than the largest message may be, which
    // has to fit any budget: otherwise a message of that size could never be completed.
    const bytes = Math.min(assembly.bytesWith(piece), this.#messageBytesMax)
    if (bytes <= assembly.charged) return true
    if (!this.#isReliable) {
      const more = bytes - assembly.charged
      if (!this.#reserve(more, nowMs, assembly)) return false
      assembly.charged = bytes
      this.#budget.offer(this, more)
      return true
    }
    // Of one that has lapsed the rest is promised anew.
    const charge = Math.max(bytes, this.#charge(assembly.total))
    const more = charge - assembly.charged
    // An allowance may lend a message as a whole what it doesn't lend in parts.
    const isReserved = this.#budget.claim(more, nowMs, this) || this.#budget.exchange(assembly.charged, charge)
    if (isReserved === undefined) {
      assembly.charged = 0
      this.giveUp(assembly)
      return false
    }
    if (!isReserved) return this.#wait(Math.min(more, ASSEMBLY_BYTES_MIN))
    assembly.charged = charge
    assembly.hasLapsed = false
    return this.#goOn()
  }

  /** `own`: not to be given up. */
  #reserve(bytes: number, nowMs: number, own?: Assembly): boolean {
    for (let expired = 0; !this.#budget.reserve(bytes); expired++) {
      this.#inHand = own
      const oldest = this.#oldest()
      const isReserved = oldest === undefined && this.#budget.claimStale(bytes, nowMs)
      this.#inHand = undefined
      if (oldest === undefined || expired >= EXPIRED_MAX) return isReserved
      this.#expire(oldest)
    }
    return true
  }

  /** The message that has waited longest for progress, besides the one in hand. */
  #oldest(): Assembly | undefined {
    for (const assembly of this.#assemblies.values()) if (assembly !== this.#inHand) return assembly
    return undefined
  }

  /** After a refusal `onRoom` is called as soon as there is room, so that the sender hears of it at once. */
  #wait(bytes: number): false {
    this.#isWaiting = true
    this.#budget.wait(this, bytes, this.#onRoom)
    return false
  }

  #goOn(): true {
    this.#stopWaiting()
    return true
  }

  #stopWaiting(): void {
    if (this.#isWaiting) this.#budget.leave(this)
    this.#isWaiting = false
  }

  /**
   * A small message is charged more than its bytes, but never more than the largest message: that has to fit any
   * budget.
   */
  #charge(total: number): number {
    return Math.max(total, Math.min(ASSEMBLY_BYTES_MIN, this.#messageBytesMax))
  }

  #touch(assembly: Assembly): void {
    this.#assemblies.delete(assembly.message)
    this.#assemblies.set(assembly.message, assembly)
  }

  #abandon(message: number, number: number): PieceVerdict {
    if (!this.#isOrdered && this.#isReliable && !this.#ended.add(message, number)) {
      this.#isCrowded = true
      return "no-room"
    }
    const assembly = this.#assemblies.get(message)
    if (assembly !== undefined) this.#drop(assembly)
    this.#abandoned++
    return "taken"
  }

  /** All packets below `edge` have come: no pieces of messages abandoned below it can be on their way. */
  settleBelow(edge: number): void {
    if (!this.#ended.settleBelow(edge) || !this.#isCrowded) return
    this.#isCrowded = false
    this.#onRoom()
  }

  /** Gives up messages whose packets so far are all below this one; returns how many. */
  dropBelow(number: number): number {
    let dropped = 0
    for (const assembly of this.#assemblies.values()) {
      if (assembly.highest >= number) continue
      this.#drop(assembly)
      dropped++
    }
    return dropped
  }

  #expire(assembly: Assembly): void {
    this.#drop(assembly)
    this.#expired++
  }

  #takeOut(assembly: Assembly): void {
    this.#assemblies.delete(assembly.message)
    this.#bytes -= assembly.total
    this.#received -= assembly.received
    if (this.#isReliable) this.#budget.settle(assembly)
    else this.#budget.keep(this, assembly.charged, this.#assemblies.size === 0)
  }

  #drop(assembly: Assembly): void {
    this.#takeOut(assembly)
    this.#budget.release(assembly.charged)
    this.recycle(assembly)
  }
}

/** Packets of the message after this piece's packet: all pieces but the last two have the same length. */
function packetsBehind({ messageOffset, length, total }: Piece): number {
  const left = total - messageOffset - length
  // Pieces after the first have a header two bytes longer.
  return left === 0 ? 0 : 1 + Math.ceil(left / Math.max(1, length - 2))
}
