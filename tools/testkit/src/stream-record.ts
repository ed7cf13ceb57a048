import type { OutgoingStream } from "@x/endpoint"

/**
 * What is known from outside of one stream's messages, which have numbers from 0 and lengths: what was accepted, what
 * came.
 */
export class StreamRecord {
  readonly stream: OutgoingStream
  readonly isOrdered: boolean
  readonly isReliable: boolean
  /** Of what was accepted, by number. */
  readonly lengths: number[] = []
  /** The numbers of what came, in the order in which it did. */
  readonly delivered: number[] = []
  readonly #came = new Set<number>()

  constructor(stream: OutgoingStream) {
    this.stream = stream
    this.isOrdered = stream.delivery !== "fire-and-forget" && stream.delivery !== "reliable-unordered"
    this.isReliable = stream.delivery === "reliable" || stream.delivery === "reliable-unordered"
  }

  /**
   * A message came, and said its number. Answers what is wrong with that; `isWhole`: its bytes are those of that
   * message.
   */
  deliver(number: number, length: number, isWhole: boolean): string | undefined {
    const accepted = this.lengths[number]
    const last = this.delivered.at(-1) ?? -1
    const isAgain = this.#came.has(number)
    this.delivered.push(number)
    this.#came.add(number)
    if (accepted !== length) return `message ${number} has ${length} B, not ${accepted}`
    if (!isWhole) return `message ${number} has other bytes`
    if (isAgain) return `message ${number} came twice`
    return this.isOrdered && number < last ? `message ${number} came late` : undefined
  }

  /** What is wrong with the stream's account of its messages. */
  get accountFault(): string | undefined {
    const { accepted, acknowledged, unconfirmed, dropped, pending } = this.stream.account
    if (accepted === acknowledged + unconfirmed + dropped + pending) return undefined
    return `the account does not balance: ${JSON.stringify(this.stream.account)}`
  }
}
