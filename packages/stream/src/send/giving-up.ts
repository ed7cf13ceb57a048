/**
 * Which messages are given up, and what that does to the packets: evicted for room or for their age, their numbers
 * used again, or superseded. What is closest to being delivered is kept.
 *
 * @module
 */

import { FORM } from "@x/wire"
import type { PacketSlots } from "../packet-pool.ts"
import type { StreamOptions } from "../options.ts"
import type { MessageAccount } from "./message-account.ts"
import type { PacketFilling } from "./packet-filling.ts"
import type { PacketRange } from "./packet-ranges.ts"
import type { SendLedger } from "./send-ledger.ts"
import { isRest, PACKET } from "./send-ring.ts"
import type { SendLife } from "./send-life.ts"
import type { SendWindow } from "./send-window.ts"
import type { SyncTimer } from "./sync-timer.ts"

/** Numbers of packets that were given up before they were sent are used again once there are this many. */
const MERGE_PACKETS = 64

/** What {@link GivingUp} looks at and changes. */
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

/** What one stream gives up. */
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
  /** All below are received or gone: where the search for what can be given up begins. */
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

  /** Ranges that are followed. */
  get followed(): number {
    return this.#followed.size
  }

  /** Keeps a range on the packets it means, until `unfollow`. */
  follow(range: PacketRange): void {
    this.#followed.add(range)
  }

  /** The range is the caller's alone again. */
  unfollow(range: PacketRange): void {
    this.#followed.delete(range)
  }

  /** When the message is too old that will be so first; `Infinity`: none will. */
  get expiryMs(): number {
    if (this.#lifetimeMs === Infinity) return Infinity
    const number = this.#expiringFirst()
    return number < 0 ? Infinity : this.#expiryOf(number)
  }

  /** Gives up what is too old. */
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
   * Gives up messages until there is room for this many packets, with what shares theirs; answers whether there is.
   * Nothing that was done is thrown away for what is still to be done: for the window the oldest go of which nothing
   * was sent; for memory those before them that are on their way, since they may arrive without it. A message that is
   * half sent stays.
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

  /** What was sent is kept within a window of its own. */
  trimSent(): void {
    while (this.#window.isKeepingMore) {
      // More may follow of the one sent last.
      const victim = this.#sentVictim(this.#window.sendingFrom)
      if (victim < 0) return
      this.giveUp(victim)
    }
  }

  /**
   * Forgets what was written and not sent, but for the rest of a message that is half sent: something newer follows.
   * Not if that had no room all the same: answers whether there is some for this many packets.
   */
  supersede(packets: number): boolean {
    const ledger = this.#ledger
    const filling = this.#filling
    const end = Math.max(ledger.next, this.#window.sendingTo)
    const unsent = ledger.high - end + filling.slots
    if (packets > this.#window.packetsMax || packets > this.#pool.available + unsent) return false
    // Nobody has seen their numbers: those are used again, and their identities too.
    this.#account.supersede(filling.begunInAll - ledger.begunBelow(end))
    this.#renumber(end, filling.high, filling.high - end)
    filling.empty()
    ledger.withdraw(end)
    return this.#window.roomPackets >= packets
  }

  /** Gives up the message that a packet belongs to, or all messages in it. */
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
    // What the receiver has of it already is of no use to it: the message is gone as a whole.
    for (let packet = from; packet < to; packet++) ledger.giveUp(packet)
    this.#account.giveUp(messages, wasSent)
    this.#sync.want()
    const { sendingTo } = this.#window
    if (from < sendingTo && sendingTo <= to) this.#window.stopSending()
    this.#merge(from)
  }

  /**
   * The receiver's edge can stand still for long while what was never sent is given up: its numbers are used again,
   * but for one. `near`: one of them.
   */
  #merge(near: number): void {
    // Where the stream ends has been told.
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

  /**
   * Packets from `end` on have numbers that are `shift` lower; those before it, from `first` on, are one that is
   * gone, or none.
   */
  #renumber(first: number, end: number, shift: number): void {
    const lowest = end - shift
    for (const range of this.#followed) {
      if (range.from > first) range.from = range.from < end ? first : range.from - shift
      if (range.to > first) range.to = range.to < end ? lowest : range.to - shift
    }
  }

  /** A packet of the oldest message of which nothing was sent, or −1. */
  #unsentVictim(): number {
    const ledger = this.#ledger
    let number = Math.max(ledger.next, this.#window.sendingTo)
    while (number < ledger.high && ledger.state(number) !== PACKET.queued) number++
    return number < ledger.high ? number : -1
  }

  /**
   * A packet of a message sent before `end`, or −1: of the oldest that may arrive as it is; if something is known to
   * be missing of each, of the oldest.
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

  /** The oldest packet that is kept; `high`: there is none. */
  #oldest(): number {
    const ledger = this.#ledger
    let from = Math.max(this.#oldestFrom, ledger.low)
    while (from < ledger.high && !ledger.isKept(from)) from++
    return (this.#oldestFrom = from)
  }

  /**
   * A packet of the message that will be too old first, or −1: the oldest, or the one behind it while that is half
   * sent.
   */
  #expiringFirst(): number {
    const oldest = this.#oldest()
    if (oldest >= this.#ledger.high) return -1
    if (oldest < this.#window.sendingFrom || !this.#window.isSending) return oldest
    const behind = this.#unsentVictim()
    return behind >= 0 && this.#expiryOf(behind) < this.#expiryOf(oldest) ? behind : oldest
  }

  /**
   * When the message of a packet is too old. One that was begun in time has as long again to be sent: on a path that
   * is behind all are nearly too old as their turn comes, and none would arrive.
   */
  #expiryOf(number: number): number {
    const { sendingFrom, sendingTo, isSending } = this.#window
    const isHalfSent = number >= sendingFrom && number < sendingTo && isSending
    return this.#ledger.writtenMs(number) + (isHalfSent ? 2 : 1) * this.#lifetimeMs
  }

  /**
   * For tests: throws an `Error` where the search for the oldest begins behind it, or a range that is followed is
   * none.
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
