/**
 * What is charged to peers, in bytes: one place that knows every kind of memory that grows by what a peer does or fails
 * to do, and its bound. Whatever peers do, the process holds no more for them than the sum of the bounds.
 *
 * @module
 */

import type { Account } from "./accounts.ts"
import type { Shares } from "./shares.ts"

/** Memory of one kind, in bytes. */
export interface Charged {
  /** Charged now. */
  readonly bytes: number
  /** The most that may be. */
  readonly bytesMax: number
}

/** Memory by what it is for. */
export interface Charges<T> {
  /** Packets that were written and aren't acknowledged. */
  readonly sentPackets: T
  /** Packets that came early. */
  readonly earlyPackets: T
  /** Messages under way. */
  readonly messages: T
  /** Lists of packets that are missing, or that won't come. */
  readonly lists: T
}

/** What holds each kind, and how many bytes a unit of its shares is. */
type Kinds = Charges<{ readonly shares: Shares; readonly unitBytes: number }>

export class Ledger {
  readonly #kinds: Kinds

  constructor(kinds: Kinds) {
    this.#kinds = kinds
  }

  /** What is charged to all peers together. */
  get all(): Charges<Charged> {
    const charged = ({ shares, unitBytes }: Kinds[keyof Kinds]): Charged => ({
      bytes: shares.used * unitBytes,
      bytesMax: shares.unitsMax * unitBytes,
    })
    const { sentPackets, earlyPackets, messages, lists } = this.#kinds
    return {
      sentPackets: charged(sentPackets),
      earlyPackets: charged(earlyPackets),
      messages: charged(messages),
      lists: charged(lists),
    }
  }

  /** What is charged to one of them, bytes. */
  of({ sent, early, assembly, rows }: Account): Charges<number> {
    const { sentPackets, earlyPackets, messages, lists } = this.#kinds
    return {
      sentPackets: sent.used * sentPackets.unitBytes,
      earlyPackets: early.used * earlyPackets.unitBytes,
      messages: assembly.used * messages.unitBytes,
      lists: rows.used * lists.unitBytes,
    }
  }
}
