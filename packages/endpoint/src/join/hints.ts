import * as wire from "@x/wire"
import type { Outbox } from "../datagram/outbox.ts"
import { TokenBucket } from "../schedule/token-bucket.ts"
import { ZERO_SEED } from "./handshake-writer.ts"

/** At most one hint per address in this time, milliseconds. */
const HINT_INTERVAL_MS = 1_000
/** Hints a second, and in a burst, to all addresses. */
const HINTS_PER_SECOND = 1_000
const HINTS_BURST = 24
/** No more are sent in {@link HINT_INTERVAL_MS}: whoever is forgotten may have another one. */
const HINT_ADDRESSES_MAX: number = HINTS_PER_SECOND + HINTS_BURST

/**
 * Tells sources that still send to a slot that we don't have, at most once a second and in fewer bytes than came. Only
 * in profiles without keys.
 */
export class Hints {
  readonly #outbox: Outbox
  readonly #profile: wire.Profile
  readonly #budget: TokenBucket
  /** When each address was last sent a hint, the longest ago first. */
  readonly #hinted = new Map<number, number>()

  constructor(outbox: Outbox, profile: wire.Profile, nowMs: number) {
    this.#outbox = outbox
    this.#profile = profile
    this.#budget = new TokenBucket(HINTS_PER_SECOND, HINTS_BURST, nowMs)
  }

  /** A datagram of this length and counter came for a slot that we don't have. Returns whether a hint is sent. */
  answer(slot: number, counter: number, length: number, address: number, nowMs: number): boolean {
    if (slot === 0 || counter === 0 || counter > wire.NUMBER_MAX || address === 0) return false
    if (length <= this.#hintBytes()) return false
    if ((this.#hinted.get(address) ?? -Infinity) + HINT_INTERVAL_MS > nowMs) return false
    if (!this.#budget.take(nowMs)) return false
    this.#hinted.delete(address)
    if (this.#hinted.size >= HINT_ADDRESSES_MAX) this.#hinted.delete(this.#hinted.keys().next().value!)
    this.#hinted.set(address, nowMs)
    if (!this.#outbox.makeRoom()) return false
    this.#outbox.compose()
    const { writer } = this.#outbox
    writer.finish(wire.writeHint(writer.view, writer.begin(wire.KIND.hint), { slot, counter }))
    this.#outbox.postHandshake(address, 0, 0, ZERO_SEED)
    return true
  }

  /** A hint is never longer than the datagram that it answers. */
  #hintBytes(): number {
    const around = wire.PREFIX_BYTES[this.#profile]! + wire.TAG_BYTES[this.#profile]!
    return around + wire.PACKET_OVERHEAD_BYTES + wire.HINT_BYTES
  }
}
