/**
 * Messages offered to a stream: the mode of the stream decides whether a message goes into the window, waits, or
 * displaces others. And the calls that wait for them.
 *
 * @module
 */

import { fitsWhole, LargeMessage, packetsNeeded, writeWhole } from "@x/fragment"
import type { SendStream, SentMessages } from "@x/stream"
import { wholeHeaderBytes } from "@x/wire"
import { type ParkedMessage, ParkingLot, writeMessage } from "./parking-lot.ts"
import { Receipts } from "./receipts.ts"
import type { SendCall, SettledCall } from "./send-call.ts"

/** What became of an offered message. */
export type Offered = "sent" | "parked" | "refused" | "dropped"

/** How many messages may wait for the window, and how many bytes in all. */
export interface SenderLimits {
  readonly parkedMessagesMax: number
  readonly parkedBytesMax: number
}

/** Less memory than this is left to garbage collection, which costs less than to give it back by itself. */
const SPENT_BYTES_MIN = 65_536

export class Sender {
  /** Messages that wait for the window. */
  readonly lot: ParkingLot
  /** Calls that no longer wait, until they are told. */
  readonly settled: SettledCall[] = []
  /** Memory of messages that nothing is needed of any more, until it is given back. */
  readonly spent: Uint8Array[] = []
  /** No more messages are accepted. */
  isEnded = false
  /** Once it is closed: whether everything was delivered, or given up, before. */
  isFlushed = false
  /** When a message or a call has waited long enough; `Infinity`: never. Read for each packet. */
  deadlineMs: number = Infinity
  readonly #stream: SendStream
  readonly #receipts: Receipts
  #isDrainOwed = false

  constructor(stream: SendStream, { parkedMessagesMax, parkedBytesMax }: SenderLimits) {
    this.#stream = stream
    this.lot = new ParkingLot(parkedMessagesMax, parkedBytesMax)
    this.#receipts = new Receipts(stream, this.lot, this.settled)
  }

  /** What the first call waits for. */
  get waitsFor(): SettledCall["what"] | undefined {
    return this.#receipts.first ?? (this.lot.isAwaited ? "message" : undefined)
  }

  /** What became of all accepted messages, including those that wait. */
  get account(): SentMessages {
    const { accepted, acknowledged, unconfirmed, dropped, pending } = this.#stream.messages
    const { unbegun, dropped: left } = this.lot
    return {
      accepted: accepted + unbegun + left,
      acknowledged,
      unconfirmed,
      dropped: dropped + left,
      pending: pending + unbegun,
    }
  }

  /** Whether something waits for memory for a packet although the window is open: others have the memory. */
  get isStarved(): boolean {
    return this.isWaiting && this.#stream.isStarved
  }

  /** Whether the application has more to send than the window, or the memory, has room for. */
  get isWaiting(): boolean {
    return this.#isDrainOwed || !this.lot.isEmpty
  }

  // Offering.

  /**
   * Offers a message to a stream that waits. A message that waits is kept until `deadlineMs` at most, in a copy; or as it
   * is, if its memory `isGiven` with it.
   */
  offer(type: number, bytes: Uint8Array, deadlineMs: number, isGiven = false): Offered {
    const stream = this.#stream
    const isWhole = fitsWhole(bytes.length, stream.payloadBytesMax)
    if (isWhole && this.lot.isEmpty && writeWhole(stream, type, bytes)) return "sent"
    const message = new LargeMessage(type, bytes)
    const fits = isWhole || this.#fitsWindow(bytes.length)
    if (fits && this.write(message)) return "sent"
    if (!message.isBegun && !this.lot.hasRoom(bytes.length)) return this.refuse()
    // It may take fewer packets than it needs at most: then all of it is in the window, and nothing waits.
    if (!fits && this.write(message)) return "sent"
    if (!isGiven) message.keep()
    this.park({ message, deadlineMs })
    return "parked"
  }

  /** Offers a message to a stream that doesn't wait: it is sent whole or not at all. */
  sendNow(type: number, bytes: Uint8Array, nowMs: number): boolean {
    return this.#makeWay(bytes.length, nowMs) && writeMessage(this.#stream, new LargeMessage(type, bytes))
  }

  /** Writes as much of a message as there is room for, unless others wait; returns whether all of it is written. */
  write(message: LargeMessage): boolean {
    return this.lot.isEmpty && writeMessage(this.#stream, message)
  }

  /** Whether a message that wasn't written, or only in part, may wait. */
  mayPark({ isBegun, length }: LargeMessage): boolean {
    return this.lot.hasRoom(length) || (isBegun && this.lot.isEmpty)
  }

  park(parked: ParkedMessage): void {
    this.#isDrainOwed = true
    this.lot.park(parked)
    this.#arm()
  }

  #arm(): void {
    this.deadlineMs = Math.min(this.lot.deadlineMs, this.#receipts.deadlineMs)
  }

  /** There was no room for a message. */
  refuse(): "refused" | "dropped" {
    if (!this.#stream.traits.waits) return "dropped"
    this.#isDrainOwed = true
    return "refused"
  }

  /** Whether a message of this many bytes would be accepted: it is made only then. */
  mayBeTaken(bytes: number): boolean {
    const stream = this.#stream
    const { waits, givesUp, isNewestOnly } = stream.traits
    if (!waits) return givesUp || isNewestOnly || this.#fitsWindow(bytes)
    if (!this.lot.isEmpty) return false
    if (fitsWhole(bytes, stream.payloadBytesMax))
      return stream.roomBehind(wholeHeaderBytes(bytes) + bytes) >= 0 || stream.roomPackets > 0
    return this.#fitsWindow(bytes) || this.lot.hasRoom(bytes)
  }

  /** Whether all of it fits the window as it is. */
  #fitsWindow(bytes: number): boolean {
    return packetsNeeded(bytes, this.#stream.payloadBytesMax) <= this.#stream.roomPackets
  }

  /** Makes room by giving up what the mode allows; `false`: there is none. */
  #makeWay(bytes: number, nowMs: number): boolean {
    const stream = this.#stream
    const { traits, payloadBytesMax } = stream
    if (traits.isNewestOnly) return stream.supersede(packetsNeeded(bytes, payloadBytesMax))
    const isWhole = fitsWhole(bytes, payloadBytesMax)
    if (!traits.givesUp) return isWhole || this.#fitsWindow(bytes)
    stream.setTime(nowMs)
    if (isWhole && stream.reserve(wholeHeaderBytes(bytes) + bytes) >= 0) return true
    const { settledMessages } = stream
    const hasRoom = stream.makeRoom(packetsNeeded(bytes, payloadBytesMax))
    if (stream.settledMessages > settledMessages) this.#receipts.settle()
    return hasRoom
  }

  // Calls that wait.

  /** A call waits for the receipt of the last written message. */
  awaitReceipt({ pieces }: LargeMessage, call: SendCall): void {
    const { high, low } = this.#stream
    this.#receipts.addReceipt(call, Math.max(high - Math.max(1, pieces), low), high)
    this.#arm()
  }

  awaitFlush(call: SendCall): void {
    this.#receipts.addFlush(call)
    this.#arm()
  }

  awaitEnd(call: SendCall): void {
    this.#receipts.addEnd(call)
    this.#arm()
  }

  /** A call stops waiting; its message is taken out if it waits. Returns what the call waited for. */
  cancel(call: SendCall): SettledCall["what"] | undefined {
    return this.lot.cancel(call) ? "message" : this.#receipts.cancel(call)
  }

  // Going on.

  /** Accepts no more: the stream ends once nothing waits. Returns whether it ends now. */
  end(nowMs: number): boolean {
    this.isEnded = true
    return this.#endIfDrained(nowMs)
  }

  #endIfDrained(nowMs: number): boolean {
    if (!this.isEnded || !this.lot.isEmpty || this.#stream.state !== "open") return false
    this.#stream.end(nowMs)
    return true
  }

  /**
   * Something was acknowledged, or a deadline has passed: waiting messages go on. Returns whether there may be
   * something to send.
   */
  progress(nowMs: number): boolean {
    const { state } = this.#stream
    if (state === "closed" || state === "resetting") return false
    this.#expire(nowMs)
    const hadParked = !this.lot.isEmpty
    if (hadParked) this.#feed()
    const hasEnded = this.#endIfDrained(nowMs)
    this.#receipts.settle()
    return hadParked || hasEnded
  }

  #expire(nowMs: number): void {
    if (nowMs < this.deadlineMs) return
    for (const { call } of this.lot.expire(nowMs))
      if (call !== undefined) this.settled.push({ call, what: "message", outcome: "late" })
    this.#receipts.expire(nowMs)
    this.#arm()
  }

  #feed(): void {
    for (let left = this.lot.feed(this.#stream); left !== undefined; left = this.lot.feed(this.#stream)) {
      const { parked, how } = left
      const { call, message, isReceipted = false } = parked
      if (message.length >= SPENT_BYTES_MIN && how === "written") this.#spend(message)
      // A call whose message was taken out half sent was already told.
      if (call !== undefined && how !== "abandoned") {
        if (how === "written" && isReceipted) this.awaitReceipt(message, call)
        else this.settled.push({ call, what: "message", outcome: how === "written" ? "done" : "bytes-gone" })
      }
      this.#receipts.mark()
    }
  }

  #spend(message: LargeMessage): void {
    const memory = message.takeMemory()
    if (memory !== undefined) this.spent.push(memory)
  }

  /**
   * After a message was parked or refused: returns once that there is room again, for some packets if many are under way:
   * whoever writes one for each that is acknowledged sends each in a datagram of its own.
   */
  takeDrain(): boolean {
    if (!this.#isDrainOwed || !this.lot.isEmpty || !this.#stream.hasRoomForRun) return false
    this.#isDrainOwed = false
    return true
  }

  /** The stream is closed: nothing that waits goes on. */
  close(): void {
    const { wasReset, wasDrained } = this.#stream
    this.isFlushed = !wasReset || (this.lot.isEmpty && wasDrained)
    for (const { call } of this.lot.clear())
      if (call !== undefined) this.settled.push({ call, what: "message", outcome: "closed" })
    this.#receipts.close(wasReset ? "closed" : "done")
    this.#arm()
  }

  /** For tests: throws an `Error` if the numbers contradict each other. */
  assertInvariants(): void {
    const { accepted, acknowledged, unconfirmed, dropped, pending } = this.account
    if (accepted !== acknowledged + unconfirmed + dropped + pending)
      throw new Error("the account of an outgoing stream does not balance")
    if (this.#stream.isSharing && (this.isEnded || !this.lot.isEmpty))
      throw new Error("others write to a stream of which messages wait, or that was ended")
    this.#receipts.assertInvariants()
    this.lot.assertInvariants()
  }
}
