import type { OutgoingStream } from "@x/endpoint"
import { type ModeTraits, traitsNamed } from "@x/wire"
import { HEADER_BYTES, isContent, read32 } from "./content.ts"
import type { Judge } from "./judge.ts"

const DELIVERED = 1
/** The sender was told that it won't come. */
const WITHDRAWN = 2
/** The sender has the peer's receipt for it. */
const RECEIPTED = 4
/** The sender gave it up when it may already have been on its way. */
const RELEASED = 8
/** The named stream handed it back. */
const HANDED_BACK = 16

/** One stream as seen from outside: the messages accepted, the messages that came, and what the sender was told. */
export class StreamLedger {
  /** The stream's number in the whole run; also its label. */
  readonly key: number
  readonly stream: OutgoingStream
  readonly from: string
  readonly to: string
  /** The type that its messages are sent with: it decides how they are consumed. */
  readonly type: number
  /** One side ended, or there was a reset or a stop: messages under way have no promise any more. */
  isCut = false
  /**
   * That is what an application, or the end of a process, has done. Streams that the library closes are cut too, but
   * not forgone: an end in order is held to what it lost by them.
   */
  isForgone = false
  /** Sends, flushes and ends not yet answered. */
  unanswered = 0
  delivered = 0
  /**
   * Whether it was open at the last step: a stream that is being ended may be over by itself before its peer leaves.
   */
  wasOpen = true
  /** Its consumer may have been behind. */
  wasPaused = false
  /** Only the code that opened it sends on it. */
  isOwn = false
  readonly #judge: Judge
  readonly #traits: ModeTraits
  /** The bytes of each accepted message, and its fate. */
  readonly #bytes: number[] = []
  readonly #fates: number[] = []
  #next = 0
  #withdrawn = 0
  #released = 0
  #handedBack = 0
  /** Empty messages can't be identified: on a stream that may lose some they are only counted. */
  #emptyAccepted = 0
  #emptyDelivered = 0

  constructor(key: number, stream: OutgoingStream, from: string, type: number, judge: Judge) {
    this.key = key
    this.stream = stream
    this.from = from
    this.to = stream.peer.unique
    this.type = type
    this.#judge = judge
    this.#traits = traitsNamed(stream.delivery)
  }

  /** Every message comes, unless its sender gives it up. */
  get isReliable(): boolean {
    return this.#traits.waits
  }

  /** Every message comes in its turn: its place tells which one it is. */
  get #isCounted(): boolean {
    return this.#traits.waits && this.#traits.isOrdered
  }

  /** The least bytes by which a message can be identified. */
  get bytesMin(): number {
    return this.#isCounted ? 0 : HEADER_BYTES
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

  /** Accepted messages that their sender gave up. */
  get givenUp(): number {
    return this.#withdrawn + this.#released
  }

  /** For a named stream that is over: whether each message was acknowledged, given up by its sender, or handed back. */
  get isAccountedFor(): boolean {
    return this.stream.account.acknowledged + this.givenUp + this.#handedBack >= this.#bytes.length
  }

  get handedBack(): number {
    return this.#handedBack
  }

  /** An application has given it up, or a process has ended. */
  forgo(): void {
    this.isCut = true
    this.isForgone = true
  }

  accept(bytes: number): number {
    if (bytes === 0 && !this.#isCounted) this.#emptyAccepted++
    this.#fates.push(0)
    return this.#bytes.push(bytes) - 1
  }

  /** The sender was told that a message was not delivered. */
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

  /** The sender gave a message up, and knows that it may come all the same. */
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

  /** The sender was told that the peer's stream has a message. */
  receipt(index: number): void {
    this.#fates[index]! |= RECEIPTED
  }

  /**
   * Messages with a receipt that never reached the consumer: only a consumer that is behind may drop them, on a stream
   * that doesn't wait.
   */
  get broken(): number {
    let broken = 0
    for (const fate of this.#fates) if ((fate & (RECEIPTED | DELIVERED)) === RECEIPTED) broken++
    return broken
  }

  /** A message came; its first bytes identify it, if it has them. */
  take(given: Uint8Array, offset: number, bytes: number, index: number | undefined): void {
    const judge = this.#judge
    if (!this.#isCounted && bytes < HEADER_BYTES) {
      this.#emptyDelivered++
      judge.check(
        bytes === 0 && this.#emptyDelivered <= this.#emptyAccepted,
        "unpromised",
        () => `${this.name}: a message of ${bytes} B`,
      )
      return
    }
    const place = this.#isCounted ? this.#expected(index) : index!
    if (place >= this.#bytes.length)
      return judge.fail("unpromised", `${this.name}: message ${place} of ${this.#bytes.length} accepted ones`)
    const fate = this.#fates[place]!
    judge.check((fate & DELIVERED) === 0, "exactly-once", () => `${this.name}: message ${place} came twice`)
    judge.check((fate & WITHDRAWN) === 0, "unpromised", () => `${this.name}: message ${place} was withdrawn and came`)
    judge.check(
      !this.#traits.isOrdered || place >= this.#next,
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

  /** The next message of a reliable stream: passes over withdrawn ones, and over released ones other than this. */
  #expected(index: number | undefined): number {
    let place = this.#next
    for (; place < this.#bytes.length; place++) {
      const fate = this.#fates[place]!
      const isPassed = (fate & WITHDRAWN) !== 0 || ((fate & RELEASED) !== 0 && index !== place)
      if (!isPassed) return place
    }
    return place
  }

  /** Checks what must hold at every moment. */
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
    return `stream s${this.key} (${this.#traits.name}) from ${this.from} to ${this.to}`
  }
}
