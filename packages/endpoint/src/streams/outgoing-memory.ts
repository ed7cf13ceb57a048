/**
 * The memory of a peer's outgoing packets: its share of the slots that all peers share, and what happens where that is
 * too little for packets as large as its path carries.
 *
 * @module
 */

import { type PacketPool, PoolShare } from "@x/stream"
import type { PathSize } from "../path/path-size.ts"
import type { Quota } from "../schedule/quota.ts"
import { type Share, StreamShare } from "../schedule/shares.ts"

/** Large packets are used again once the pool has room for this many: one alone may be gone when it is asked for. */
const LARGE_AGAIN = 4

export class OutgoingMemory {
  readonly #quota: Quota
  readonly #pool: PacketPool
  readonly #share: Share
  #lacked = 0

  constructor(quota: Quota, pool: PacketPool, share: Share) {
    this.#quota = quota
    this.#pool = pool
    this.#share = share
  }

  /** Units that it holds, and those that it has given back so far. */
  get held(): number {
    return this.#share.used
  }

  get given(): number {
    return this.#share.given
  }

  /** How often it found none so far, and would have found some if others had held less. */
  get lacked(): number {
    return this.#lacked
  }

  /** The slots of one stream; `packetsMax`: the most that it asks for. */
  slots(packetsMax: number): PoolShare {
    const quota = this.#quota
    const share = new StreamShare(this.#share, packetsMax)
    return new PoolShare(this.#pool, share, (units) => {
      if (share.isFull(units)) return void quota.sendPoolShares++
      this.#lacked++
      quota.sendPoolLoans++
    })
  }

  /**
   * A stream of the peer found no memory. If that is because others hold what the peer would need for a single large
   * packet, and nothing that it holds itself will be released for one, it goes on with packets of usual size: those fit
   * its floor. Returns whether packets are cut otherwise from now on.
   */
  handleLack(size: PathSize): boolean {
    const units = this.#unitsOf(size)
    if (this.#share.used >= units || !this.#share.fits(1) || this.#pool.available === 0) return false
    const hasRoom = this.#share.fits(units) && this.#pool.availableFor(this.#bytesOf(size)) > 0
    return !hasRoom && size.setThrifty(true)
  }

  /** Memory may be free again. Returns whether packets are cut otherwise from now on. */
  handleRoom(size: PathSize): boolean {
    if (!size.isThrifty) return false
    // Beside other packets, room for one more is left to the next stream.
    const units = (this.#share.used > 0 ? 2 : 1) * this.#unitsOf(size)
    const hasRoom = this.#share.fits(units) && this.#pool.availableFor(this.#bytesOf(size)) >= LARGE_AGAIN
    return hasRoom && size.setThrifty(false)
  }

  #unitsOf(size: PathSize): number {
    return this.#pool.unitsFor(this.#bytesOf(size))
  }

  #bytesOf(size: PathSize): number {
    return Math.min(size.datagramBytesMax, this.#pool.slotBytes)
  }
}
