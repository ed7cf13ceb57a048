/**
 * What became of a stream's messages: acknowledged, given up before or after all of it was sent, or still open.
 *
 * @module
 */

import { FORM, ZERO } from "@x/wire"
import type { PacketFilling } from "./packet-filling.ts"
import type { SendLedger } from "./send-ledger.ts"
import { isRest, PACKET } from "./send-ring.ts"

/** What became of the messages that were written. `accepted` is always the sum of the others. */
export interface SentMessages {
  /** Accepted messages: the sum of the others. */
  readonly accepted: number
  /** The receiver has them: they were handed to its handler, or wait for it. */
  readonly acknowledged: number
  /** Given up, or sent without a promise: they may have been delivered. */
  readonly unconfirmed: number
  /** Given up before all of it was sent: they can't have been delivered. */
  readonly dropped: number
  /** Not settled: unsent, on their way, or waiting to be acknowledged. */
  readonly pending: number
}

/** What had become of a message when its stream was given up: `unsent` means that not all of it was sent. */
export type MessageFate = "acknowledged" | "sent" | "unsent"

/** Where messages stood when the stream was given up. */
interface Fates {
  /** Messages below this were acknowledged. */
  readonly acknowledged: number
  /** Messages below this were sent. */
  readonly sent: number
  /**
   * Messages above the receiver's edge that it has nevertheless received; `undefined` in ordered modes, where there are
   * none.
   */
  readonly others: ReadonlySet<number> | undefined
}

/** The messages of one stream. */
export class MessageAccount {
  readonly #ledger: SendLedger
  readonly #filling: PacketFilling
  readonly #isOrdered: boolean
  #acknowledged = ZERO
  #unconfirmed = ZERO
  #dropped = ZERO
  /** Dropped before any part of them was sent; their numbers were used again. */
  #superseded = ZERO
  #fates: Fates | undefined

  constructor(ledger: SendLedger, filling: PacketFilling, isOrdered: boolean) {
    this.#ledger = ledger
    this.#filling = filling
    this.#isOrdered = isOrdered
  }

  /** What has become of the messages so far. */
  get messages(): SentMessages {
    return {
      accepted: this.#filling.begunInAll + this.#superseded,
      acknowledged: this.#acknowledged,
      unconfirmed: this.#unconfirmed,
      dropped: this.#dropped + this.#superseded,
      pending: this.pending,
    }
  }

  /** Messages that were begun and aren't settled. */
  get pending(): number {
    return this.#filling.begunInAll - this.#acknowledged - this.#unconfirmed - this.#dropped
  }

  /** Messages that are settled. */
  get settled(): number {
    return this.#acknowledged + this.#unconfirmed + this.#dropped + this.#superseded
  }

  /** What had become of a message, by its number, when the stream was given up. Before that it is `unsent`. */
  fateOf(message: number): MessageFate {
    const fates = this.#fates
    if (fates === undefined) return "unsent"
    if (message < fates.acknowledged || fates.others?.has(message) === true) return "acknowledged"
    return message < fates.sent ? "sent" : "unsent"
  }

  /** The receiver has this many more messages. */
  acknowledge(messages: number): void {
    this.#acknowledged += messages
  }

  /** This many messages were sent in a mode without acknowledgements. */
  sendUnanswered(messages: number): void {
    this.#unconfirmed += messages
  }

  /** This many messages were given up. `wasSent`: all packets of each had been sent. */
  giveUp(messages: number, wasSent: boolean): void {
    if (wasSent) this.#unconfirmed += messages
    else this.#dropped += messages
  }

  /** A message that the sender gave up half written was never sent whole. */
  abandon(): void {
    this.#dropped++
  }

  /** This many messages were replaced before any part of them was sent. */
  supersede(messages: number): void {
    this.#superseded += messages
  }

  /**
   * The remaining messages are counted as they stand, before the ledger forgets them. A second call changes nothing.
   */
  settleAll(): void {
    const ledger = this.#ledger
    if (this.#fates === undefined) {
      const others = this.#takenAbove()
      this.#fates = { acknowledged: ledger.endedBelow(ledger.low), sent: ledger.endedBelow(ledger.next), others }
      this.#acknowledged += others?.size ?? 0
    }
    const { others } = this.#fates
    let wasSent = true
    for (let number = ledger.low; number < ledger.high; number++) {
      const form = ledger.form(number)
      if (form === FORM.whole || form === FORM.first) wasSent = true
      if (ledger.sends(number) === 0) wasSent = false
      if (ledger.state(number) !== PACKET.gone && others?.has(ledger.begunWith(number) - 1) !== true)
        this.giveUp(ledger.endedIn(number), wasSent)
    }
    // A message whose last piece was never written.
    this.#dropped += this.pending
  }

  /** The messages above the edge that the receiver has although earlier ones are missing: only in unordered modes. */
  #takenAbove(): Set<number> | undefined {
    const ledger = this.#ledger
    if (this.#isOrdered || ledger.low === ledger.next) return undefined
    const taken = new Set<number>()
    // A message that continues at the edge began below it, where everything is acknowledged.
    let isWhole = true
    for (let number = ledger.low; number < ledger.next; number++) {
      const form = ledger.form(number)
      const isReceived = ledger.state(number) === PACKET.received
      isWhole = isReceived && (isWhole || !isRest(form))
      if (!isWhole || (form !== FORM.whole && form !== FORM.last)) continue
      const first = ledger.begunBelow(number) - (form === FORM.last ? 1 : 0)
      for (let message = first; message < ledger.begunWith(number); message++) taken.add(message)
    }
    return taken
  }

  /** For tests: throws an `Error` if messages are counted twice, or not at all. */
  assertInvariants(): void {
    const ledger = this.#ledger
    let pending = this.#filling.begun
    for (let number = ledger.low; number < ledger.high; number++)
      if (ledger.state(number) !== PACKET.gone) pending += ledger.endedIn(number)
    // One message may be begun whose last piece isn't written yet.
    if (this.pending !== pending && this.pending !== pending + 1)
      throw new Error(`${this.pending} messages are pending, counted ${pending}`)
  }
}
