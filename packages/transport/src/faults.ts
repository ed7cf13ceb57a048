/**
 * Faults on top of real sockets, which behave like those of a lossy path.
 *
 * @module
 */

import type { Address, ResolvedAddress } from "./addresses.ts"
import type { BindOptions } from "./bind-options.ts"
import type { Host, WakeUp } from "./host.ts"
import type { SyncCrypto } from "./sync-crypto.ts"
import {
  type Capabilities,
  createSendBatch,
  type ReceiveBatch,
  type Sealer,
  type SendBatch,
  type SocketError,
  type Transport,
  type TransportCounters,
} from "./transport.ts"
import { type Kinds, objectWith, required } from "./check.ts"
import { checks, PROBABILITY, SEED } from "./simulated/check.ts"
import { Random } from "./simulated/random.ts"

/** What {@link withFaults} loses, and by which seed. */
export interface FaultOptions {
  /** Seed that decides which datagrams are lost. A whole number of 32 bits. */
  readonly seed: number
  /** Share of the datagrams lost in each direction, 0 to 1; default 0. */
  readonly lossRate?: number
  /** Share of sent datagrams, 0 to 1; default `lossRate`. */
  readonly sendLossRate?: number
  /** Share of received datagrams, 0 to 1; default `lossRate`. */
  readonly receiveLossRate?: number
}

const FAULT_OPTIONS: Kinds<FaultOptions> = {
  seed: required(SEED),
  lossRate: PROBABILITY,
  sendLossRate: PROBABILITY,
  receiveLossRate: PROBABILITY,
}

/** What the faulty host has lost. Only the host changes these counters. */
export interface FaultCounters {
  /** Outgoing datagrams lost. */
  sendLost: number
  /** Incoming datagrams lost. */
  receiveLost: number
}

/**
 * A host whose transports lose datagrams, as a seed decides, and count them. Throws a `RangeError` for invalid options.
 */
export function withFaults(
  host: Host,
  options: FaultOptions,
): Host & {
  /** The losses so far. */
  readonly faults: FaultCounters
} {
  return new FaultyHost(host, options)
}

class FaultyHost implements Host {
  readonly faults: FaultCounters = { sendLost: 0, receiveLost: 0 }
  readonly crypto: SyncCrypto
  readonly #host: Host
  readonly #sending: Loss
  readonly #receiving: Loss

  constructor(host: Host, options: FaultOptions) {
    const {
      seed,
      lossRate = 0,
      sendLossRate = lossRate,
      receiveLossRate = lossRate,
    } = checks.options("withFaults", options, FAULT_OPTIONS)
    checks.value("host", host, objectWith<Host>("a host", "bind"))
    this.#host = host
    this.crypto = host.crypto
    this.#sending = new Loss(seed, "send", sendLossRate)
    this.#receiving = new Loss(seed, "receive", receiveLossRate)
  }

  now(): number {
    return this.#host.now()
  }

  wakeUp(wake: () => void): WakeUp {
    return this.#host.wakeUp(wake)
  }

  defer(run: () => void): void {
    this.#host.defer(run)
  }

  random(): number {
    return this.#host.random()
  }

  entropy(out: Uint8Array): void {
    this.#host.entropy(out)
  }

  resolve(name: string, signal?: AbortSignal): Promise<ResolvedAddress[]> {
    return this.#host.resolve(name, signal)
  }

  discard(bytes: Uint8Array): void {
    this.#host.discard?.(bytes)
  }

  async bind(options: BindOptions): Promise<Transport> {
    return new FaultyTransport(await this.#host.bind(options), this.#sending, this.#receiving, this.faults)
  }

  watchWaits(waitingCall: () => string | undefined): () => void {
    return this.#host.watchWaits?.(waitingCall) ?? (() => {})
  }
}

/** Whether the next datagram of a direction is lost. */
class Loss {
  readonly #random: Random
  readonly #rate: number

  constructor(seed: number, direction: string, rate: number) {
    this.#random = new Random(seed, direction)
    this.#rate = rate
  }

  next(): boolean {
    return this.#random.chance(this.#rate)
  }
}

/** The rows left of a batch to send, with the original index of each. */
interface Kept {
  readonly batch: SendBatch
  readonly rows: Int32Array
}

/** The transport below, without some datagrams. */
class FaultyTransport implements Transport {
  readonly #transport: Transport
  readonly #sending: Loss
  readonly #receiving: Loss
  readonly #faults: FaultCounters
  /** `undefined` while in use: a send within a send, as from an error function, makes its own. */
  #spare: Kept | undefined

  constructor(transport: Transport, sending: Loss, receiving: Loss, faults: FaultCounters) {
    this.#transport = transport
    this.#sending = sending
    this.#receiving = receiving
    this.#faults = faults
  }

  get capabilities(): Capabilities {
    return this.#transport.capabilities
  }

  get localAddresses(): readonly Address[] {
    return this.#transport.localAddresses
  }

  /**
   * The counters of the transport below: it never sent the lost outgoing datagrams, and it did receive the lost
   * incoming ones.
   */
  get counters(): TransportCounters {
    return this.#transport.counters
  }

  send(batch: SendBatch): number {
    let kept = this.#spare
    this.#spare = undefined
    if (kept === undefined || kept.batch.capacity < batch.count)
      kept = { batch: createSendBatch(batch.capacity), rows: new Int32Array(batch.capacity) }
    let count = 0
    for (let row = 0; row < batch.count; row++) {
      if (this.#sending.next()) continue
      kept.rows[count] = row
      copySendRow(batch, row, kept.batch, count++)
    }
    kept.batch.count = count
    const sent = this.#transport.send(kept.batch)
    const taken = sent === count ? batch.count : kept.rows[sent]!
    this.#faults.sendLost += taken - sent
    this.#spare = kept
    return taken
  }

  onReceive(receive: (batch: ReceiveBatch) => void): void {
    this.#transport.onReceive((batch) => {
      this.#thin(batch)
      if (batch.count > 0) receive(batch)
    })
  }

  /** Removes the lost rows from a batch, in place. */
  #thin(batch: { -readonly [K in keyof ReceiveBatch]: ReceiveBatch[K] }): void {
    let kept = 0
    for (let row = 0; row < batch.count; row++) if (!this.#receiving.next()) copyReceiveRow(batch, row, kept++)
    this.#faults.receiveLost += batch.count - kept
    batch.count = kept
  }

  registerSlab(bytes: Uint8Array): number {
    return this.#transport.registerSlab(bytes)
  }

  releaseSlab(slab: number): void {
    this.#transport.releaseSlab(slab)
  }

  internAddress(address: Address): number {
    return this.#transport.internAddress(address)
  }

  retainAddress(address: number): void {
    this.#transport.retainAddress(address)
  }

  releaseAddress(address: number): void {
    this.#transport.releaseAddress(address)
  }

  addressOf(address: number): Address {
    return this.#transport.addressOf(address)
  }

  registerSealer(sealer: Sealer): number {
    return this.#transport.registerSealer(sealer)
  }

  releaseSealer(sealer: number): void {
    this.#transport.releaseSealer(sealer)
  }

  open(batch: ReceiveBatch): void {
    this.#transport.open(batch)
  }

  onWritable(writable: () => void): void {
    this.#transport.onWritable(writable)
  }

  onError(error: (error: SocketError) => void): void {
    this.#transport.onError(error)
  }

  async rebind(options?: BindOptions): Promise<void> {
    await this.#transport.rebind?.(options)
  }

  ref(): void {
    this.#transport.ref?.()
  }

  unref(): void {
    this.#transport.unref?.()
  }

  close(): Promise<void> {
    return this.#transport.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function copySendRow(from: SendBatch, row: number, to: SendBatch, toRow: number): void {
  to.slab[toRow] = from.slab[row]!
  to.offset[toRow] = from.offset[row]!
  to.length[toRow] = from.length[row]!
  to.address[toRow] = from.address[row]!
  to.sealer[toRow] = from.sealer[row]!
  to.ecn[toRow] = from.ecn[row]!
}

function copyReceiveRow(batch: ReceiveBatch, row: number, toRow: number): void {
  batch.slab[toRow] = batch.slab[row]!
  batch.offset[toRow] = batch.offset[row]!
  batch.length[toRow] = batch.length[row]!
  batch.address[toRow] = batch.address[row]!
  batch.opener[toRow] = batch.opener[row]!
  batch.verdict[toRow] = batch.verdict[row]!
  batch.ecn[toRow] = batch.ecn[row]!
}
