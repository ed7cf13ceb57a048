/**
 * Pieces of large messages, in any order, to messages. One for a stream; the memory comes from a budget that others
 * share.
 *
 * @module
 */

import { FORM, type PacketDropReason, type Piece } from "@x/wire"
import { Assembly } from "./assembly.ts"
import type { AssemblyBudget, Yielder } from "./budget.ts"

/** An unreliable message that made no progress for so long won't be completed, milliseconds. */
export const NO_PROGRESS_MS = 5_000

/** Charged for an assembly at least: what its objects take. */
const ASSEMBLY_BYTES_MIN = 1_024

/** What an {@link Assembler} needs. */
export interface AssemblerOptions {
  /** Where the memory for its messages comes from. */
  readonly budget: AssemblyBudget
  /** Bytes of the largest message taken. */
  readonly messageBytesMax: number
  /** Pieces come in the order they were cut, one message after the other. */
  readonly isOrdered: boolean
  /**
   * All pieces will come: a message stays until it is complete, abandoned, or its stream ends. Default: as `isOrdered`.
   */
  readonly isReliable?: boolean
  /** There is room for a message that was answered with `no-room`, where all pieces will come. */
  readonly onRoom?: () => void
}

/** The piece was taken; it completed its message, which is at `completed`; or it was dropped for this reason. */
export type PieceVerdict = "taken" | "complete" | PacketDropReason

export class Assembler implements Yielder {
  readonly #budget: AssemblyBudget
  readonly #messageBytesMax: number
  readonly #isOrdered: boolean
  readonly #isReliable: boolean
  readonly #onRoom: () => void
  #isWaiting = false
  /** Abandoned messages of which pieces may still come, with the number of the packet that told it. */
  readonly #ended = new Map<number, number>()
  /** By message, in the order they were begun. */
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

  /** Bytes of the messages under way, whole: what they have reserved. */
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

  /** Messages given up here: no progress, or evicted for another. */
  get expired(): number {
    return this.#expired
  }

  /** Whether the last piece completed its message, which is not released yet. */
  get hasCompleted(): boolean {
    return this.#completed !== undefined
  }

  /** The message that the last `"complete"` was about; valid until `release`. */
  get completed(): Assembly {
    if (this.#completed === undefined) throw new Error("no message has been completed")
    return this.#completed
  }

  /**
   * Takes in a piece that came in the packet of this number, and whose bytes lie in `source`. Packets below `reach`
   * come whatever becomes of other messages; a message that goes further may have to wait, with its memory, for those
   * before it.
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
    // Least progress first: those are given up first, and tell when.
    if (!this.#isReliable) this.#touch(assembly)
    if (!assembly.isComplete) return "taken"
    this.#takeOut(assembly)
    this.#completed = assembly
    return "complete"
  }

  /** The completed message is no longer needed: its memory goes back to the budget. */
  release(): void {
    const { total } = this.completed
    this.#completed = undefined
    this.#budget.release(this.#charge(total))
  }

  /**
   * Nobody needs the bytes of a message that was released any more: they are for others. Who keeps them does not call
   * this.
   */
  recycle({ bytes }: Assembly): void {
    this.#budget.buffers.give(bytes)
  }

  /** When `handleTimeout` has something to give up; `Infinity`: never. */
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

  /** When the message with the least progress made some last, milliseconds. */
  get leastProgressMs(): number {
    return this.#assemblies.values().next().value?.progressMs ?? Infinity
  }

  /** A message that was promised needs the memory of one that wasn't. */
  yieldOldest(): void {
    const oldest = this.#assemblies.values().next().value
    if (oldest !== undefined) this.#expire(oldest)
  }

  /**
   * Memory for a whole message. A stream that promises nothing gives up its oldest for it, and those of others make way
   * for one that does.
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
   * A message that is refused is told when there is room, so that its sender hears of it at once. One that may have to
   * wait for others leaves room for the largest of them: else both would wait.
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

  /** A small message costs more than its bytes; but the largest one has to fit whatever the budget. */
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

  /** All packets below have come: no pieces of messages that were abandoned before can be on their way. */
  settleBelow(edge: number): void {
    for (const [message, number] of this.#ended) if (number < edge) this.#ended.delete(message)
  }

  /** Gives up messages all of whose packets so far are below this one; answers how many. */
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

/** Packets of a message that follow the one of this piece: pieces are all as long, but for the last two. */
function packetsBehind({ messageOffset, length, total }: Piece): number {
  const left = total - messageOffset - length
  // What comes behind a first piece has a header that is longer by two bytes.
  return left === 0 ? 0 : 1 + Math.ceil(left / Math.max(1, length - 2))
}
