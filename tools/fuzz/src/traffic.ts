/** The traffic of two honest endpoints, and the account of it. */
import type { Endpoint, Peer } from "@x/endpoint"
import type { Random } from "@x/transport/simulated"
import { deliveriesDrawn, pick, StreamRecord } from "@x/testkit"
import { must } from "./target.ts"

export const TYPE = 7
const DELIVERIES = deliveriesDrawn()
const LENGTHS = [4, 4, 40, 300, 1_100, 3_000, 20_000]
const HEADER_BYTES = 4

class Line extends StreamRecord {
  /** Settles when its end was answered; it may fail only if packets may be forged. */
  ending: Promise<void> | undefined
}

export class Traffic {
  readonly #random: Random
  readonly #lines: Line[] = []
  /**
   * Whether received messages are checked. They aren't if forged ones may come too: nothing can be expected of those.
   */
  readonly #isTold: boolean
  #fault: Error | undefined

  constructor(random: Random, isTold: boolean) {
    this.#random = random
    this.#isTold = isTold
  }

  listen(endpoint: Endpoint): void {
    endpoint.handle(TYPE, ({ bytes }) => {
      if (!this.#isTold || this.#fault !== undefined) return
      try {
        this.#take(bytes)
      } catch (error) {
        this.#fault = error as Error
      }
    })
  }

  #take(message: Uint8Array): void {
    must(message.length >= HEADER_BYTES, () => `a message of ${message.length} bytes came that nobody sent`)
    const key = message[0]! | (message[1]! << 8)
    const index = message[2]! | (message[3]! << 8)
    const line = this.#lines[key]
    must(line !== undefined, () => `a message of stream ${key} came, which nobody opened`)
    const isWhole = Buffer.compare(message, contents(key, index, message.length)) === 0
    const fault = line!.deliver(index, message.length, isWhole)
    must(fault === undefined, () => `stream ${key}: ${fault}`)
  }

  open(peer: Peer): void {
    try {
      this.#lines.push(new Line(peer.open({ delivery: pick(this.#random, DELIVERIES) })))
    } catch (error) {
      // Either the limit of streams, or the peer left: the error names the reason.
      must(
        ["refused", "not-joined"].includes((error as { code?: string }).code ?? ""),
        () => `open threw ${String(error)}`,
      )
    }
  }

  send(): void {
    const open = this.#lines.filter(({ stream }) => stream.state === "open")
    if (open.length === 0) return
    const line = pick(this.#random, open)
    for (let count = 1 + this.#random.below(4); count > 0; count--) {
      const length = pick(this.#random, LENGTHS)
      const result = line.stream.trySend(TYPE, contents(this.#lines.indexOf(line), line.lengths.length, length))
      if (result === "sent" || result === "parked") line.lengths.push(length)
    }
  }

  /** Ends or resets a stream now and then; resets only if the messages needn't be accounted for. */
  end(): void {
    const open = this.#lines.filter(({ stream }) => stream.state === "open")
    if (open.length === 0) return
    const line = pick(this.#random, open)
    if (!this.#isTold && this.#random.below(2) === 0) return line.stream.reset()
    line.ending = line.stream.end()
    line.ending.catch(() => {})
  }

  /** Throws the first fault that the receivers have found. */
  check(): void {
    if (this.#fault !== undefined) throw this.#fault
    for (const { stream, accountFault } of this.#lines)
      must(accountFault === undefined, () => `stream ${stream.id}: ${accountFault}`)
  }

  /** Settles when all messages accepted on reliable streams are acknowledged. */
  async flush(): Promise<void> {
    await Promise.all(this.#reliable.map(({ stream, ending }) => ending ?? stream.flush()))
  }

  checkComplete(): void {
    this.check()
    for (const { stream, lengths, delivered } of this.#reliable)
      must(
        delivered.length === lengths.length,
        () => `${delivered.length} of ${lengths.length} messages came on ${stream.delivery} stream ${stream.id}`,
      )
  }

  get #reliable(): Line[] {
    return this.#lines.filter(({ isReliable }) => isReliable)
  }

  get accepted(): number {
    return this.#lines.reduce((sum, { lengths }) => sum + lengths.length, 0)
  }
}

function contents(key: number, index: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = i * 31 + (i >>> 8) * 7 + key * 13 + index * 101
  bytes[0] = key
  bytes[1] = key >>> 8
  bytes[2] = index
  bytes[3] = index >>> 8
  return bytes
}
