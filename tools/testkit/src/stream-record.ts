import type { OutgoingStream } from "@x/endpoint"
import { traitsNamed } from "@x/wire"

/** One stream's messages as seen from outside, by number from 0 and length: those accepted, those that came. */
export class StreamRecord {
  readonly stream: OutgoingStream
  readonly isOrdered: boolean
  readonly isReliable: boolean
  /** The lengths of accepted messages, by number. */
  readonly lengths: number[] = []
  /** The numbers of the messages that came, in order of arrival. */
  readonly delivered: number[] = []
  readonly #came = new Set<number>()

  constructor(stream: OutgoingStream) {
    this.stream = stream
    const { isOrdered, waits } = traitsNamed(stream.delivery)
    this.isOrdered = isOrdered
    this.isReliable = waits
  }

  /**
   * Notes a message that came, with its number. Returns what is wrong with it, if anything; `isWhole`: its bytes are
   * those of that message.
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
