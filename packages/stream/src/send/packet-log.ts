/**
 * Messages for several streams, each written once: packets, in the order in which they were written. Which stream has
 * which of them, and when it sends them again, is known by the streams.
 *
 * @module
 */

import { checkWhole, ZERO } from "@x/wire"
import type { PacketSlots } from "../packet-pool.ts"
import { NO_BYTES, NO_VIEW } from "./outgoing-packet.ts"
import { SharedPacket } from "./shared-packet.ts"

/** A packet that was full is followed by one of so many times the size, as far as the streams send such. */
const GROWTH = 2

/** A packet of the log, and the number of its first message. */
interface Entry {
  readonly first: number
  readonly packet: SharedPacket
}

/** The packets of the messages in `[low, high)`; of some of them there may be none. */
export class PacketLog {
  readonly #pool: PacketSlots
  readonly #headRoomBytes: number
  readonly #aroundBytes: number
  /** From `#from` on, in order; those before were released. */
  readonly #entries: Entry[] = []
  #from = 0
  #low = ZERO
  #high = ZERO
  /** The packet that is being filled. */
  #open: SharedPacket | undefined

  /** `pool`: what the log holds of it is its own; streams hold it besides. The rest: as in `StreamOptions`. */
  constructor(
    pool: PacketSlots,
    { headRoomBytes, tailRoomBytes }: { readonly headRoomBytes: number; readonly tailRoomBytes: number },
  ) {
    this.#pool = pool
    this.#headRoomBytes = headRoomBytes
    this.#aroundBytes = headRoomBytes + tailRoomBytes
  }

  /** The number of the first message that wasn't released. */
  get low(): number {
    return this.#low
  }

  /** The number of the next message. */
  get high(): number {
    return this.#high
  }

  /** Packets that it holds. */
  get packets(): number {
    return this.#entries.length - this.#from
  }

  /** The memory in which `roomBehind` last gave room. */
  get slab(): Uint8Array {
    return this.#open?.slab ?? NO_BYTES
  }

  /** A view of `slab`, whole. */
  get view(): DataView {
    return this.#open?.view ?? NO_VIEW
  }

  /** An offset in `slab` for a whole message of `bytes` behind those in the open packet; −1: it has no room, or is shut. */
  roomBehind(bytes: number): number {
    return this.#open === undefined ? -1 : this.#open.roomBehind(bytes)
  }

  /** One whole message of `bytes`, header included, was written there. */
  commit(bytes: number): void {
    this.#open!.commit(bytes)
    this.#high++
  }

  /** The next message is in another packet. */
  close(): void {
    this.#open?.shut()
  }

  /**
   * Begins a packet with room for a message of `bytes`, which has to be written next, and for others up to
   * `payloadBytesMax` together. Returns it; `undefined`: there is no memory.
   */
  begin(bytes: number, payloadBytesMax: number): SharedPacket | undefined {
    const roomBytes = Math.min(payloadBytesMax, Math.max(bytes, this.#likelyBytes()))
    this.close()
    const slot = this.#pool.acquire(roomBytes + this.#aroundBytes)
    if (slot < 0) return (this.#open = undefined)
    const room = { headRoomBytes: this.#headRoomBytes, aroundBytes: this.#aroundBytes }
    this.#open = new SharedPacket(this.#pool, slot, payloadBytesMax, room)
    this.#entries.push({ first: this.#high, packet: this.#open })
    return this.#open
  }

  /** What the next packet will hold: as much as the last one; more, if that was full. */
  #likelyBytes(): number {
    const packet = this.#open
    if (packet === undefined) return 0
    return packet.isShut ? packet.bytes : GROWTH * packet.bytes
  }

  /** The next message is in no packet. */
  skip(): void {
    this.close()
    this.#high++
  }

  /** The packet that begins with a message; `undefined`: none does. */
  packetFrom(message: number): SharedPacket | undefined {
    const entries = this.#entries
    let [low, high] = [this.#from, entries.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (entries[middle]!.first < message) low = middle + 1
      else high = middle
    }
    const entry = entries[low]
    return entry?.first === message ? entry.packet : undefined
  }

  /**
   * Messages below this one are not asked for any more: packets that have no others are let go of. One that is being
   * filled goes on as long as streams have it.
   */
  release(message: number): void {
    checkWhole("message", message, 0, this.#high)
    this.#low = Math.max(this.#low, message)
    const entries = this.#entries
    for (; this.#from < entries.length; this.#from++) {
      const { first, packet } = entries[this.#from]!
      if (first + packet.begun > message) break
      if (!packet.isTaken) packet.shut()
      this.#pool.release(packet.slot)
    }
    if (this.#from * 2 > entries.length) {
      entries.splice(0, this.#from)
      this.#from = 0
    }
  }

  /** Lets go of everything; messages go on with the next number. */
  clear(): void {
    this.close()
    this.release(this.#high)
  }

  /** For tests: throws an `Error` if packets overlap, or one is held that nobody may ask for. */
  assertInvariants(): void {
    let before = 0
    for (const { first, packet } of this.#entries.slice(this.#from)) {
      if (first < before) throw new Error(`message ${first} is in two packets`)
      before = first + packet.begun
      if (before <= this.#low) throw new Error("a packet is held for nobody")
    }
    if (before > this.#high) throw new Error(`there is a message ${before - 1}, and only ${this.#high} were written`)
  }
}
