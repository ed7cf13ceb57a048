/** The memory of a peer's streams: its shares in slots for early packets, and in bytes of messages under way. */

import { Assembler, AssemblyBudget } from "@x/fragment"
import { type PacketPool, PoolShare, type RowAllowance } from "@x/stream"
import type { ModeTraits } from "@x/wire"
import type { Account } from "../schedule/accounts.ts"
import type { Quota } from "../schedule/quota.ts"
import type { Settings } from "../settings.ts"

/** What all peers share. */
export interface IncomingMemoryContext {
  readonly settings: Settings
  readonly quota: Quota
  /** Memory of early packets, and of messages under way. */
  readonly pool: PacketPool
  readonly budget: AssemblyBudget
}

export class IncomingMemory {
  /** Ranges of missing and of gone packets. */
  readonly rows: RowAllowance
  /** Slots for early packets. */
  readonly slots: PoolShare
  readonly #budget: AssemblyBudget
  readonly #messageBytesMax: number

  constructor({ settings, quota, pool, budget }: IncomingMemoryContext, { early: share, assembly, rows }: Account) {
    this.rows = rows
    this.slots = new PoolShare(
      pool,
      share,
      (units) => void (share.isFull(units) ? quota.poolShares++ : quota.poolLoans++),
    )
    this.#budget = new AssemblyBudget(assembly, budget)
    this.#messageBytesMax = settings.messageBytesMax
  }

  /**
   * Assembles the messages of a stream. `onRoom` is called when there is memory for one that was refused, `onGivenUp`
   * when a promised one was given up.
   */
  assembler({ isResent: isReliable, isOrdered }: ModeTraits, onRoom: () => void, onGivenUp: () => void): Assembler {
    const [budget, messageBytesMax] = [this.#budget, this.#messageBytesMax]
    // In modes without resends, pieces may be missing: other messages come in their place.
    const mode = { isOrdered: isReliable && isOrdered, isReliable }
    return new Assembler({ budget, messageBytesMax, ...mode, onRoom, onGivenUp })
  }
}
