/**
 * The memory for packets of all peers: slots as large as usual datagrams, and larger ones where paths carry more; and how
 * it goes back to the system once it isn't needed any more.
 *
 * @module
 */

import type { AssemblyBudget } from "@x/fragment"
import { PacketPool } from "@x/stream"
import { HEAD_ROOM_BYTES } from "../peer/stream-settings.ts"
import type { SendSlabs } from "../datagram/send-slabs.ts"
import { DATAGRAM_BYTES_USUAL, type Settings } from "../settings.ts"

/** Up to this size of datagram, all slots are alike: smaller ones would save little. */
const ONE_SIZE_BYTES = 2_048

function usualBytes(datagramBytes: number): number {
  return datagramBytes <= ONE_SIZE_BYTES ? datagramBytes : DATAGRAM_BYTES_USUAL
}

/** For packets that are written and not acknowledged. */
export function sendPoolOf({ datagramBytes, sendPoolPacketsMax: slotsMax }: Settings): PacketPool {
  return new PacketPool({
    slotBytes: HEAD_ROOM_BYTES + datagramBytes,
    usualBytes: HEAD_ROOM_BYTES + usualBytes(datagramBytes),
    slotsMax,
  })
}

/** For packets that came early. `datagramBytes`: of the largest that are taken. */
export function earlyPoolOf({ poolPacketsMax: slotsMax }: Settings, datagramBytes: number): PacketPool {
  return new PacketPool({ slotBytes: datagramBytes, usualBytes: usualBytes(datagramBytes), slotsMax })
}

/** What was unused for this long goes back, milliseconds, but for so many chunks of each pool: a megabyte. */
const TRIM_MS = 10_000
const KEPT_CHUNKS = 8

/** Gives back memory that peers needed once. */
export class PoolTrimmer {
  readonly #early: PacketPool
  readonly #sent: PacketPool
  readonly #slabs: Pick<SendSlabs, "forget">
  readonly #buffers: AssemblyBudget["buffers"]
  #dueMs = Infinity

  constructor(early: PacketPool, sent: PacketPool, slabs: Pick<SendSlabs, "forget">, { buffers }: AssemblyBudget) {
    this.#early = early
    this.#sent = sent
    this.#slabs = slabs
    this.#buffers = buffers
  }

  get nextTimeoutMs(): number {
    return this.#dueMs
  }

  poll(nowMs: number): void {
    if (nowMs < this.#dueMs && (this.#dueMs < Infinity || !this.#hasUnused())) return
    // What was used before counts as used until now.
    const isDue = nowMs >= this.#dueMs
    this.#early.trim(isDue ? KEPT_CHUNKS : Infinity)
    this.#slabs.forget(this.#sent.trim(isDue ? KEPT_CHUNKS : Infinity))
    this.#buffers.trim()
    this.#dueMs = this.#hasUnused() ? nowMs + TRIM_MS : Infinity
  }

  #hasUnused(): boolean {
    const [early, sent] = [this.#early, this.#sent]
    return early.unusedChunks > KEPT_CHUNKS || sent.unusedChunks > KEPT_CHUNKS || this.#buffers.keptBytes > 0
  }
}
