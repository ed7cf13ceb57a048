/**
 * Puts large messages together from pieces in any order. A stream has one assembler; its memory comes from a budget
 * shared with others.
 *
 * @module
 */

import { FORM, type PacketDropReason, type Piece } from "@x/wire"
import { Assembly } from "./assembly.ts"
import type { AssemblyBudget, Yielder } from "./budget.ts"

/** Milliseconds without progress after which an unreliable message is taken never to be completed. */
export const NO_PROGRESS_MS = 5_000

/** The least that an assembly is charged: the memory of its objects. */
const ASSEMBLY_BYTES_MIN = 1_024

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
}

/** The piece was taken; or it completed its message, which is now `completed`; or it was dropped for this reason. */
export type PieceVerdict = "taken" | "complete" | PacketDropReason

export class Assembler implements Yielder {
  readonly #budget: AssemblyBudget
  readonly #messageBytesMax: number
  readonly #isOrdered: boolean
  readonly #isReliable: boolean
  readonly #onRoom: () => void
  #isWaiting = false
  /** Abandoned messages whose pieces may still come, with the number of the packet that abandoned each. */
  readonly #ended = new Map<number, number>()
  /** By message: reliable ones in the order they were begun, unreliable ones by their last progress, oldest first. */
  readonly #assemblies = new Map<number, Assembly>()
  #completed: Assembly | undefined
  #abandoned = 0
  #expired = 0

  constructor({ budget, messageBytesMax, isOrdered, isReliable = isOrdered, onRoom = () => {} }: AssemblerOptions) {
    this.#budget = budget
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
    let bytes = 0
    for (const { total } of this.#assemblies.values()) bytes += total
    return bytes
  }

  /** Bytes of the messages under way that are still to come. */
  get missingBytes(): number {
    let bytes = 0
    for (const { total, received } of this.#assemblies.values()) bytes += total - received
    return bytes
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
      if (!this.#reserve(piece.total, nowMs, number + packetsBehind(piece) >= reach)) return "no-room"
      assembly = new Assembly(piece.message, this.#budget.buffers.take(piece.total), nowMs)
      this.#assemblies.set(piece.message, assembly)
      if (!this.#isReliable) this.#budget.offer(this, this.#charge(piece.total))
    }
    if (!assembly.add(piece, source, nowMs)) return "piece-conflict"
    if (number > assembly.highest) assembly.highest = number
    // Kept in order of last progress: the first is given up first, and sets the timeout.
    if (!this.#isReliable) this.#touch(assembly)
    if (!assembly.isComplete) return "taken"
    this.#takeOut(assembly)
    this.#completed = assembly
    return "complete"
  }

  /** The completed message is no longer needed: returns its memory to the budget. */
  release(): void {
    const { total } = this.completed
    this.#completed = undefined
    this.#budget.release(this.#charge(total))
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
    return this.#assemblies.values().next().value?.progressMs ?? Infinity
  }

  /** Gives up the message that has waited longest for progress: another message needs its memory. */
  yieldOldest(): void {
    const oldest = this.#assemblies.values().next().value
    if (oldest !== undefined) this.#expire(oldest)
  }

  /**
   * Reserves memory for a whole message. An unreliable stream first gives up its own oldest messages. For a reliable
   * one, the unreliable messages of other streams make way.
   */
  #reserve(bytes: number, nowMs: number, mayWait: boolean): boolean {
    const charge = this.#charge(bytes)
    if (this.#isReliable) return this.#claim(charge, mayWait)
    while (!this.#budget.reserve(charge)) {
      const oldest = this.#assemblies.values().next().value
      if (oldest === undefined) return this.#budget.claimStale(charge, nowMs)
      this.#expire(oldest)
    }
    return true
  }

  /**
   * After a refusal `onRoom` is called as soon as there is room, so that the sender hears of it at once. A message that
   * may have to wait for others leaves room for the largest message: otherwise both would wait.
   */
  #claim(charge: number, mayWait: boolean): boolean {
    const largest = this.#charge(this.#messageBytesMax)
    if (!(mayWait ? this.#budget.reserveWith(charge, largest) : this.#budget.claim(charge))) {
      this.#isWaiting = true
      this.#budget.wait(this, charge, this.#onRoom)
      return false
    }
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
    const assembly = this.#assemblies.get(message)
    if (assembly !== undefined) this.#drop(assembly)
    if (!this.#isOrdered && this.#isReliable) this.#ended.set(message, number)
    this.#abandoned++
    return "taken"
  }

  /** All packets below `edge` have come: no pieces of messages abandoned below it can be on their way. */
  settleBelow(edge: number): void {
    for (const [message, number] of this.#ended) if (number < edge) this.#ended.delete(message)
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

  #takeOut({ message, total }: Assembly): void {
    this.#assemblies.delete(message)
    if (!this.#isReliable) this.#budget.keep(this, this.#charge(total), this.#assemblies.size === 0)
  }

  #drop(assembly: Assembly): void {
    this.#takeOut(assembly)
    this.#budget.release(this.#charge(assembly.total))
    this.recycle(assembly)
  }
}

/** Packets of the message after this piece's packet: all pieces but the last two have the same length. */
function packetsBehind({ messageOffset, length, total }: Piece): number {
  const left = total - messageOffset - length
  // Pieces after the first have a header two bytes longer.
  return left === 0 ? 0 : 1 + Math.ceil(left / Math.max(1, length - 2))
}
