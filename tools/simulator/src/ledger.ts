import type { Delivery, OutgoingStream } from "@x/endpoint"
import { HEADER_BYTES, isContent, read32 } from "./content.ts"
import type { Judge } from "./judge.ts"

const DELIVERED = 1
/** Its sender was told that it won't come. */
const WITHDRAWN = 2
/** Its sender has the peer's word that it came. */
const RECEIPTED = 4
/** Its sender gave it up when it may have been on its way. */
const RELEASED = 8
/** Its named stream handed it back. */
const HANDED_BACK = 16

/** What is known of one stream from outside: what was accepted, what came, and what its sender was told. */
export class StreamLedger {
  /** Which it is in the whole run; also its label. */
  readonly key: number
  readonly stream: OutgoingStream
  readonly from: string
  readonly to: string
  /** How its messages are taken: the type they are sent as. */
  readonly type: number
  /** The end of one side, a reset, a stop: nothing is promised of what was under way. */
  isCut = false
  /** Sends, flushes and ends that were not answered yet. */
  unanswered = 0
  delivered = 0
  /** At the last step: one that is being ended may be over by itself before its peer leaves. */
  wasOpen = true
  /** Its consumer may have been behind. */
  wasPaused = false
  /** Who opened it sends on it, and nobody else. */
  isOwn = false
  readonly #judge: Judge
  readonly #delivery: Delivery
  readonly #isOrdered: boolean
  /** Bytes of each accepted message; what became of it. */
  readonly #bytes: number[] = []
  readonly #fates: number[] = []
  #next = 0
  #withdrawn = 0
  #released = 0
  #handedBack = 0
  /** Messages without bytes say nothing of themselves: on a stream that loses some they are only counted. */
  #emptyAccepted = 0
  #emptyDelivered = 0

  constructor(key: number, stream: OutgoingStream, from: string, type: number, judge: Judge) {
    this.key = key
    this.stream = stream
    this.from = from
    this.to = stream.peer.unique
    this.type = type
    this.#judge = judge
    this.#delivery = stream.delivery
    this.#isOrdered = this.#delivery !== "fire-and-forget" && this.#delivery !== "reliable-unordered"
  }

  /** Nothing else was lost, or told as lost. */
  get isReliable(): boolean {
    return this.#delivery === "reliable" || this.#delivery === "reliable-unordered"
  }

  /** The least a message needs to be known again. */
  get bytesMin(): number {
    return this.#delivery === "reliable" ? 0 : HEADER_BYTES
  }

  get accepted(): number {
    return this.#bytes.length
  }

  /** Accepted messages that neither came nor were given up. */
  get missing(): number {
    let missing = 0
    for (const fate of this.#fates) if ((fate & (DELIVERED | WITHDRAWN | RELEASED)) === 0) missing++
    return missing
  }

  /** Accepted messages that were given up by who sent them. */
  get givenUp(): number {
    return this.#withdrawn + this.#released
  }

  /** Of a named stream that is over: each message is acknowledged, given up by who sent it, or was handed back. */
  get isAccountedFor(): boolean {
    return this.stream.account.acknowledged + this.givenUp + this.#handedBack >= this.#bytes.length
  }

  get handedBack(): number {
    return this.#handedBack
  }

  accept(bytes: number): number {
    if (bytes === 0 && this.#delivery !== "reliable") this.#emptyAccepted++
    this.#fates.push(0)
    return this.#bytes.push(bytes) - 1
  }

  /** Its sender was told that it was not delivered. */
  withdraw(index: number): void {
    const fate = this.#fates[index]!
    this.#judge.check(
      (fate & DELIVERED) === 0,
      "verdict",
      () => `${this.name} ${index} was withdrawn, and had been delivered`,
    )
    if ((fate & WITHDRAWN) === 0) this.#withdrawn++
    this.#fates[index] = fate | WITHDRAWN
  }

  /** Its sender gave it up, and knows that it may come all the same. */
  release(index: number): void {
    if ((this.#fates[index]! & (WITHDRAWN | RELEASED)) === 0) this.#released++
    this.#fates[index]! |= RELEASED
  }

  /** A message came back from a named stream. */
  handBack(bytes: Uint8Array): void {
    const [key, index] = [read32(bytes, 0), read32(bytes, 4)]
    const fate = this.#fates[index] ?? 0
    this.#judge.check(
      key === this.key && index < this.#bytes.length && isContent(bytes, 0, bytes.length, key, index),
      "handed-back",
      () => `${this.name}: what came back is message ${index} of s${key}`,
    )
    this.#judge.check((fate & HANDED_BACK) === 0, "handed-back", () => `${this.name}: message ${index} came back twice`)
    this.#judge.check(
      (fate & RECEIPTED) === 0,
      "handed-back",
      () => `${this.name}: message ${index} came back, and had a receipt`,
    )
    this.#fates[index] = fate | HANDED_BACK
    this.#handedBack++
  }

  /** Its sender was told that the peer's stream has it. */
  receipt(index: number): void {
    this.#fates[index]! |= RECEIPTED
  }

  /**
   * Messages with a receipt that never came: only a consumer that is behind may drop those, on a stream that doesn't
   * wait.
   */
  get broken(): number {
    let broken = 0
    for (const fate of this.#fates) if ((fate & (RECEIPTED | DELIVERED)) === RECEIPTED) broken++
    return broken
  }

  /** A message came, by the words of its first bytes if it has them. */
  take(given: Uint8Array, offset: number, bytes: number, index: number | undefined): void {
    const judge = this.#judge
    if (this.#delivery !== "reliable" && bytes < HEADER_BYTES) {
      this.#emptyDelivered++
      judge.check(
        bytes === 0 && this.#emptyDelivered <= this.#emptyAccepted,
        "unpromised",
        () => `${this.name}: a message of ${bytes} B`,
      )
      return
    }
    const place = this.#delivery === "reliable" ? this.#expected(index) : index!
    if (place >= this.#bytes.length)
      return judge.fail("unpromised", `${this.name}: message ${place} of ${this.#bytes.length} accepted ones`)
    const fate = this.#fates[place]!
    judge.check((fate & DELIVERED) === 0, "exactly-once", () => `${this.name}: message ${place} came twice`)
    judge.check((fate & WITHDRAWN) === 0, "unpromised", () => `${this.name}: message ${place} was withdrawn and came`)
    judge.check(
      !this.#isOrdered || place >= this.#next,
      "order",
      () => `${this.name}: message ${place} came after ${this.#next - 1}`,
    )
    judge.check(
      bytes === this.#bytes[place] && isContent(given, offset, bytes, this.key, place),
      "whole",
      () => `${this.name}: message ${place} of ${this.#bytes[place]} B came as ${bytes} B, or altered`,
    )
    this.#fates[place] = fate | DELIVERED
    this.#next = place + 1
    this.delivered++
  }

  /** The next of a reliable stream: withdrawn ones are passed over, and released ones that this is not. */
  #expected(index: number | undefined): number {
    let place = this.#next
    for (; place < this.#bytes.length; place++) {
      const fate = this.#fates[place]!
      const isPassed = (fate & WITHDRAWN) !== 0 || ((fate & RELEASED) !== 0 && index !== place)
      if (!isPassed) return place
    }
    return place
  }

  /** What holds at every moment. */
  check(): void {
    this.wasOpen = this.stream.state === "open"
    const { accepted, acknowledged, unconfirmed, dropped, pending } = this.stream.account
    this.#judge.check(
      accepted === acknowledged + unconfirmed + dropped + pending && accepted === this.#bytes.length,
      "account",
      () => `${this.name}: ${this.#bytes.length} accepted; account ${JSON.stringify(this.stream.account)}`,
    )
  }

  get name(): string {
    return `stream s${this.key} (${this.#delivery}) from ${this.from} to ${this.to}`
  }
}
