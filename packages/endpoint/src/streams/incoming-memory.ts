/** The memory of a peer's streams: its shares in slots for early packets, and in bytes of messages under way. */

import { Assembler, AssemblyBudget } from "@x/fragment"
import { FixedAllowance, type PacketPool, PoolShare, type RowAllowance } from "@x/stream"
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

/**
 * Ranges of missing and of gone packets that the streams of a peer may have in all, beyond the few that come with each.
 * They are also what a datagram can make us look at.
 */
const ROWS_PER_PEER = 8_192

export class IncomingMemory {
  /** Ranges of missing and of gone packets. */
  readonly rows: RowAllowance = new FixedAllowance(ROWS_PER_PEER)
  /** Slots for early packets. */
  readonly slots: PoolShare
  readonly #budget: AssemblyBudget
  readonly #messageBytesMax: number

  constructor({ settings, quota, pool, budget }: IncomingMemoryContext, { early: share, assembly }: Account) {
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
