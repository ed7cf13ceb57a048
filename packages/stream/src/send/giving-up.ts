/**
 * Decides which messages are given up, and what that does to their packets: messages are evicted for room or for their
 * age, or superseded, and numbers are used again. Messages closest to delivery are kept.
 *
 * @module
 */

import { FORM } from "@x/wire"
import { availableFor, type PacketSlots } from "../packet-pool.ts"
import type { StreamOptions } from "../options.ts"
import type { MessageAccount } from "./message-account.ts"
import type { PacketFilling } from "./packet-filling.ts"
import type { PacketRange } from "./packet-ranges.ts"
import type { SendLedger } from "./send-ledger.ts"
import { isRest, PACKET } from "./send-ring.ts"
import type { SendLife } from "./send-life.ts"
import type { SendWindow } from "./send-window.ts"
import type { SyncTimer } from "./sync-timer.ts"

/** Numbers of packets that were given up unsent are used again once there are this many. */
const MERGE_PACKETS = 64

/** What a {@link GivingUp} reads and changes. */
export interface GivingUpParts {
  readonly life: SendLife
  readonly ledger: SendLedger
  readonly filling: PacketFilling
  readonly window: SendWindow
  readonly account: MessageAccount
  readonly sync: SyncTimer
  readonly pool: PacketSlots
  readonly options: StreamOptions
  /** A message is given up once it is this old, milliseconds, or twice that while it is half sent. */
  readonly lifetimeMs: number
}

/** What gives up messages of one stream. */
export class GivingUp {
  readonly #life: SendLife
  readonly #ledger: SendLedger
  readonly #filling: PacketFilling
  readonly #window: SendWindow
  readonly #account: MessageAccount
  readonly #sync: SyncTimer
  readonly #pool: PacketSlots
  readonly #spreadPackets: number
  readonly #lifetimeMs: number
  /** All packets below are received or gone: the search for messages to give up begins here. */
  #oldestFrom = 0
  readonly #followed = new Set<PacketRange>()

  constructor({ life, ledger, filling, window, account, sync, pool, options, lifetimeMs }: GivingUpParts) {
    this.#life = life
    this.#ledger = ledger
    this.#filling = filling
    this.#window = window
    this.#account = account
    this.#sync = sync
    this.#pool = pool
    this.#spreadPackets = options.spreadPackets
    this.#lifetimeMs = lifetimeMs
  }

  /** Ranges that are kept up to date. */
  get followed(): number {
    return this.#followed.size
  }

  /** Keeps a range on its packets until `unfollow`. */
  follow(range: PacketRange): void {
    this.#followed.add(range)
  }

  /** The range is no longer kept up to date. */
  unfollow(range: PacketRange): void {
    this.#followed.delete(range)
  }

  /** When the first message will be too old; `Infinity`: never. */
  get expiryMs(): number {
    if (this.#lifetimeMs === Infinity) return Infinity
    const number = this.#expiringFirst()
    return number < 0 ? Infinity : this.#expiryOf(number)
  }

  /** Gives up messages that are too old. */
  expire(nowMs: number): void {
    if (this.#lifetimeMs === Infinity) return
    for (
      let number = this.#expiringFirst();
      number >= 0 && nowMs >= this.#expiryOf(number);
      number = this.#expiringFirst()
    )
      this.giveUp(number)
  }

  /**
   * Gives up messages until there is room for this many packets, along with messages that share their packets. Returns
   * whether there is room. Finished work is never thrown away for work that is still to be done: for the window, the
   * oldest messages of which nothing was sent are given up; for memory, first those that are already on their way,
   * since they may arrive without it. A message that is half sent stays.
   */
  makeRoom(packets: number): boolean {
    const window = this.#window
    while (window.roomPackets < packets) {
      const end = window.isSending ? window.sendingFrom : this.#ledger.next
      let victim = window.packets < packets ? -1 : this.#sentVictim(end)
      if (victim < 0) victim = this.#unsentVictim()
      if (victim < 0) return false
      this.giveUp(victim)
    }
    return true
  }

  /** Sent messages are kept within a window of their own. */
  trimSent(): void {
    while (this.#window.isKeepingMore) {
      // More packets may follow of the message sent last.
      const victim = this.#sentVictim(this.#window.sendingFrom)
      if (victim < 0) return
      this.giveUp(victim)
    }
  }

  /**
   * Forgets unsent messages, except for the rest of a message that is half sent: something newer follows. It does
   * nothing if that would make no room. Returns whether there is room for this many packets.
   */
  supersede(packets: number): boolean {
    const ledger = this.#ledger
    const filling = this.#filling
    const end = Math.max(ledger.next, this.#window.sendingTo)
    const unsent = ledger.high - end + filling.slots
    if (packets > this.#window.packetsMax || packets > availableFor(this.#pool, filling.slotBytes) + unsent)
      return false
    // Nobody has seen their packet numbers: those are used again, and the message numbers too.
    this.#account.supersede(filling.begunInAll - ledger.begunBelow(end))
    this.#renumber(end, filling.high, filling.high - end)
    filling.empty()
    ledger.withdraw(end)
    return this.#window.roomPackets >= packets
  }

  /** Gives up the message that a packet belongs to, or all messages in the packet. */
  giveUp(number: number): void {
    const ledger = this.#ledger
    let from = number
    let to = number + 1
    if (ledger.form(number) !== FORM.whole) {
      while (from > ledger.low && ledger.form(from) !== FORM.first) from--
      while (to < ledger.high && !isEnd(ledger.form(to - 1))) to++
    }
    let wasSent = true
    let messages = 0
    for (let packet = from; packet < to; packet++) {
      if (ledger.sends(packet) === 0) wasSent = false
      messages += ledger.endedIn(packet)
    }
    // The receiver can't use the part that it has: the message is gone as a whole.
    for (let packet = from; packet < to; packet++) ledger.giveUp(packet)
    this.#account.giveUp(messages, wasSent)
    this.#sync.want()
    const { sendingTo } = this.#window
    if (from < sendingTo && sendingTo <= to) this.#window.stopSending()
    this.#merge(from)
  }

  /**
   * The receiver's edge may stand still for long while unsent messages are given up. Their packet numbers are used
   * again, except for one. `near`: one of them.
   */
  #merge(near: number): void {
    // The peer already knows where the stream ends.
    if (!this.#life.isOpen) return
    const ledger = this.#ledger
    let first = Math.max(near, ledger.next)
    while (first > ledger.next && ledger.state(first - 1) === PACKET.gone) first--
    let end = first
    while (end < ledger.high && ledger.state(end) === PACKET.gone) end++
    const shift = end - first - 1
    if (shift < 1 || (shift < MERGE_PACKETS && ledger.high - ledger.low < this.#spreadPackets / 2)) return
    ledger.merge(first, end)
    this.#oldestFrom = Math.min(this.#oldestFrom, first)
    this.#renumber(first, end, shift)
  }

  /** Packets from `end` on have numbers lower by `shift`. Those in `[first, end)` are now one that is gone, or none. */
  #renumber(first: number, end: number, shift: number): void {
    const lowest = end - shift
    for (const range of this.#followed) {
      if (range.from > first) range.from = range.from < end ? first : range.from - shift
      if (range.to > first) range.to = range.to < end ? lowest : range.to - shift
    }
  }

  /** Returns a packet of the oldest message of which nothing was sent, or −1. */
  #unsentVictim(): number {
    const ledger = this.#ledger
    let number = Math.max(ledger.next, this.#window.sendingTo)
    while (number < ledger.high && ledger.state(number) !== PACKET.queued) number++
    return number < ledger.high ? number : -1
  }

  /**
   * Returns a packet of a message sent before `end`, or −1: of the oldest that may arrive as it is, or of the oldest
   * one if each has a packet known to be missing.
   */
  #sentVictim(end: number): number {
    const ledger = this.#ledger
    const oldest = this.#oldest()
    for (let number = oldest; number < end;) {
      const from = number
      let isPending = false
      let isMissing = false
      do {
        if (ledger.isKept(number)) isPending = true
        if (ledger.state(number) === PACKET.lost) isMissing = true
        number++
      } while (number < end && isRest(ledger.form(number)))
      if (isPending && !isMissing) return from
    }
    return oldest < end ? oldest : -1
  }

  /** The oldest kept packet; `high`: there is none. */
  #oldest(): number {
    const ledger = this.#ledger
    let from = Math.max(this.#oldestFrom, ledger.low)
    while (from < ledger.high && !ledger.isKept(from)) from++
    return (this.#oldestFrom = from)
  }

  /**
   * Returns a packet of the message that will be too old first, or −1: the oldest message, or the one after it while
   * the oldest is half sent.
   */
  #expiringFirst(): number {
    const oldest = this.#oldest()
    if (oldest >= this.#ledger.high) return -1
    if (oldest < this.#window.sendingFrom || !this.#window.isSending) return oldest
    const behind = this.#unsentVictim()
    return behind >= 0 && this.#expiryOf(behind) < this.#expiryOf(oldest) ? behind : oldest
  }

  /**
   * When the message of a packet is too old. A message that was begun in time gets as long again: on a slow path all
   * messages are nearly too old when their turn comes, and none would arrive.
   */
  #expiryOf(number: number): number {
    const { sendingFrom, sendingTo, isSending } = this.#window
    const isHalfSent = number >= sendingFrom && number < sendingTo && isSending
    return this.#ledger.writtenMs(number) + (isHalfSent ? 2 : 1) * this.#lifetimeMs
  }

  /**
   * For tests: throws an `Error` if the search for the oldest begins after it, or if a followed range isn't a range.
   */
  assertInvariants(): void {
    for (let number = this.#ledger.low; number < Math.min(this.#oldestFrom, this.#ledger.high); number++)
      if (this.#ledger.isKept(number)) throw new Error(`packet ${number} is kept, below ${this.#oldestFrom}`)
    for (const { from, to } of this.#followed)
      if (from > to) throw new Error(`a range is followed from ${from} to ${to}`)
  }
}

/** Whether a piece of this form is the last of its message. */
function isEnd(form: number): boolean {
  return form === FORM.last || form === FORM.abandoned
}
