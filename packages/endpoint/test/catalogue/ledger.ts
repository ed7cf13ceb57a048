/** What was sent, what became of it, and what has to hold at the end of every case. */
import type { Endpoint, OpenOptions, OutgoingStream, Peer, SendResult } from "@x/endpoint"
import type { Network } from "@x/transport/simulated"
import { expect } from "vitest"
import { StreamRecord } from "../../../../tools/testkit/src/stream-record.ts"
import { pattern } from "../world.ts"

/** The type of messages that carry the number of their stream and their own. */
const NUMBERED = 1
export const NUMBER_BYTES = 6

/** A stream whose messages are numbered. */
export class LedgerStream extends StreamRecord {
  /** When each was delivered, by order of delivery. */
  readonly deliveredMs: number[] = []
  /** How often each `send` settled, by number. */
  readonly settled: number[] = []
  /** Its peer left, or the stream was reset: messages under way have no promise. */
  isCut = false
  readonly #key: number

  constructor(stream: OutgoingStream, key: number) {
    super(stream)
    this.#key = key
  }

  trySend(bytes: number): SendResult {
    const result = this.stream.trySend(NUMBERED, this.#next(bytes))
    if (result === "sent" || result === "parked") this.lengths.push(bytes)
    return result
  }

  /** Settles with the send, and never rejects. */
  async send(bytes: number): Promise<boolean> {
    const number = this.lengths.push(bytes) - 1
    this.settled[number] = 0
    const settle = (): void => void this.settled[number]!++
    const sending = this.stream.send(NUMBERED, numbered(this.#key, number, bytes))
    sending.then(settle, settle)
    return sending.then(
      () => true,
      () => false,
    )
  }

  #next(bytes: number): Uint8Array {
    return numbered(this.#key, this.lengths.length, bytes)
  }
}

export class Ledger {
  readonly network: Network
  readonly endpoints = new Set<Endpoint>()
  readonly streams: LedgerStream[] = []
  readonly violations: string[] = []

  constructor(network: Network, ...endpoints: readonly Endpoint[]) {
    this.network = network
    for (const endpoint of endpoints) this.watch(endpoint)
  }

  watch(endpoint: Endpoint): void {
    this.endpoints.add(endpoint)
    endpoint.on("error", (error) => this.violations.push(error.message))
    endpoint.handle(NUMBERED, (message) => {
      const { view, offset, length } = message
      const stream = length < NUMBER_BYTES ? undefined : this.streams[view.getUint16(offset)]
      if (stream === undefined) return void this.violations.push(`a message of ${length} B that nobody sent`)
      const number = view.getUint32(offset + 2)
      const bytes = message.copy()
      const fault = stream.deliver(number, length, isSame(bytes, numbered(view.getUint16(offset), number, length)))
      if (fault !== undefined) this.violations.push(fault)
      stream.deliveredMs.push(this.network.now)
    })
  }

  open(peer: Peer, options: OpenOptions = {}): LedgerStream {
    const stream = new LedgerStream(peer.open(options), this.streams.length)
    this.streams.push(stream)
    return stream
  }

  /** It crashed: it can't be asked any more, and messages to and from it are cut off. */
  forget(endpoint: Endpoint): void {
    this.endpoints.delete(endpoint)
    for (const stream of this.streams) if (stream.stream.peer.unique === endpoint.unique) stream.isCut = true
  }

  /** Lets time pass, and checks every endpoint after each step. */
  async advance(ms: number, stepMs = 20): Promise<void> {
    const endMs = this.network.now + ms
    while (this.network.now < endMs) {
      await this.network.advance(Math.min(stepMs, endMs - this.network.now))
      for (const endpoint of this.endpoints) endpoint.assertInvariants()
    }
  }
}

function numbered(key: number, number: number, bytes: number): Uint8Array {
  const message = pattern(bytes, 7 * key + number)
  const view = new DataView(message.buffer)
  view.setUint16(0, key)
  view.setUint32(2, number)
  return message
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}

const NOTHING = {
  peers: 0,
  slots: 0,
  joins: 0,
  halfOpen: 0,
  pool: 0,
  assemblyBytes: 0,
  timers: 0,
  sendPool: 0,
  streams: 0,
}

function checkStream({ stream, accountFault, isReliable, lengths, delivered, settled, isCut }: LedgerStream): void {
  const { accepted, acknowledged, unconfirmed, pending } = stream.account
  expect(accountFault).toBeUndefined()
  expect(delivered.length).toBeGreaterThanOrEqual(acknowledged)
  expect(delivered.length).toBeLessThanOrEqual(acknowledged + unconfirmed + pending)
  expect(settled.filter((times) => times !== 1)).toEqual([])
  if (isCut || !isReliable) return
  expect([accepted, acknowledged, pending]).toEqual([lengths.length, lengths.length, 0])
  expect(delivered.length).toBe(lengths.length)
}

/**
 * The end of a case: everything that was promised has come, once and complete; nothing else has; and nothing is left in
 * memory.
 */
export async function quiesce(ledger: Ledger, withinMs = 60_000): Promise<void> {
  const { network, streams, endpoints } = ledger
  const flushes = streams
    .filter(({ stream, isCut }) => !isCut && stream.state !== "closed")
    .map(({ stream }) => stream.flush())
  await network.until(Promise.all(flushes), withinMs)
  await network.advance(100)
  expect(ledger.violations).toEqual([])
  for (const stream of streams) checkStream(stream)
  for (const endpoint of endpoints) endpoint.assertInvariants()
  await quiesceEndpoints(network, [...endpoints])
  for (const stream of streams) checkStream(stream)
}

/** The end of a case without numbered messages: endpoints that close leave nothing in memory. */
export async function quiesceEndpoints(network: Network, endpoints: readonly Endpoint[]): Promise<void> {
  for (const endpoint of endpoints) endpoint.assertInvariants()
  await network.until(Promise.all(endpoints.map((endpoint) => endpoint.close())), 20_000)
  await network.advance(10_000)
  for (const endpoint of endpoints) expect(endpoint.sizes).toEqual(NOTHING)
}
