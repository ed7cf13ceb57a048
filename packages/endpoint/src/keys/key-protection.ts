/**
 * Profiles `mac` and `aead`: AES-256-GCM under keys that change (PROTOCOL.md §9). Each direction has its own keys,
 * epoch after epoch. Nothing waits for a change, and only the epoch in the prefix announces it.
 *
 * @module
 */

import type { Sealer, SyncCrypto, Transport } from "@x/transport/host"
import { PREFIX_BYTES, PREFIX_COUNTER_OFFSET, prefixCounter, PROFILE, type Profile, TAG_BYTES, ZERO } from "@x/wire"
import { type EpochKey, type KeyChain, nonceOf } from "./key-schedule.ts"
import { NO_OPENER, type Protection } from "./protection.ts"

/**
 * A receiver accepts datagrams of the previous epoch for this long, milliseconds. Later ones are lost, and repaired.
 */
export const PREVIOUS_EPOCH_MS = 3_000
/**
 * A sender stays for this long in an epoch that the peer confirmed: twice as long, so that no receiver has three epochs
 * at a time.
 */
const EPOCH_MS_MIN = 2 * PREVIOUS_EPOCH_MS
const IV_BYTES = 12

/** What a key may protect counts in blocks of the cipher: a datagram counts once for each 2^11 bytes begun. */
const COUNTED_BYTES_SHIFT = 11
/**
 * When an epoch ends: after this many datagrams or this long. After `datagramsMax` under one key nothing more is sent.
 */
export interface RekeyLimits {
  readonly datagrams: number
  readonly ageMs: number
  readonly datagramsMax: number
}

export interface KeyProtectionParts {
  readonly transport: Transport
  readonly crypto: SyncCrypto
  readonly profile: Profile
  readonly limits: RekeyLimits
  /** The pseudo-headers of both directions. */
  readonly associated: { readonly seal: Uint8Array; readonly open: Uint8Array }
  readonly seal: KeyChain
  readonly open: KeyChain
  /** Gives a sealer back once no datagram that it has to seal is waiting. */
  readonly retire: (sealer: number) => void
  readonly nowMs: number
}

export class KeyProtection implements Protection {
  sealer: number
  epoch: number
  isWorn = false
  readonly #parts: KeyProtectionParts
  /**
   * Of the present epoch: datagrams sent, as they count, its first counter, when it began and when the peer was first known to have
   * seen it.
   */
  #sent = ZERO
  #firstCounter = 1
  #sinceMs: number
  #heardMs = Infinity
  #received: { readonly epoch: number; readonly opener: number }
  /** The previous epoch, until its time is over; never together with {@link KeyProtection.#next}. */
  #previous: { readonly epoch: number; readonly opener: number; readonly endMs: number } | undefined
  #next: { readonly epoch: number; readonly opener: number } | undefined

  constructor(parts: KeyProtectionParts) {
    this.#parts = parts
    this.#sinceMs = parts.nowMs
    const key = parts.seal.next()
    this.sealer = this.#register(key, parts.associated.seal)
    this.epoch = key.epoch
    this.#received = this.#open()
  }

  use(counter: number, bytes: number, nowMs: number): void {
    const { datagrams, ageMs, datagramsMax } = this.#parts.limits
    if (this.#sent >= datagrams || nowMs - this.#sinceMs >= ageMs) this.#turn(counter, nowMs)
    this.#sent += (bytes + (1 << COUNTED_BYTES_SHIFT) - 1) >>> COUNTED_BYTES_SHIFT
    if (this.#sent >= datagramsMax) this.isWorn = true
  }

  /** Moves to the next epoch, unless the peer may not be ready to accept it. */
  #turn(counter: number, nowMs: number): void {
    if (nowMs < this.#heardMs + EPOCH_MS_MIN) return
    const { retire, seal, associated } = this.#parts
    retire(this.sealer)
    const key = seal.next()
    this.sealer = this.#register(key, associated.seal)
    this.epoch = key.epoch
    this.#sent = 0
    this.#firstCounter = counter
    this.#sinceMs = nowMs
    this.#heardMs = Infinity
  }

  heard(counter: number, nowMs: number): void {
    if (this.#heardMs === Infinity && counter >= this.#firstCounter) this.#heardMs = nowMs
  }

  opener(epoch: number, nowMs: number): number {
    if (this.#previous !== undefined && this.#previous.endMs < nowMs) {
      this.#parts.transport.releaseSealer(this.#previous.opener)
      this.#previous = undefined
    }
    if (epoch === this.#received.epoch) return this.#received.opener
    if (this.#previous !== undefined) return epoch === this.#previous.epoch ? this.#previous.opener : NO_OPENER
    if (epoch !== ((this.#received.epoch + 1) & 0xff)) return NO_OPENER
    this.#next ??= this.#open()
    return this.#next.opener
  }

  received(epoch: number, nowMs: number): void {
    if (this.#next?.epoch !== epoch) return
    this.#previous = { endMs: nowMs + PREVIOUS_EPOCH_MS, ...this.#received }
    this.#received = this.#next
    this.#next = undefined
  }

  /** The caller ensures that nothing waits to be sealed. */
  release(): void {
    const { transport } = this.#parts
    transport.releaseSealer(this.sealer)
    transport.releaseSealer(this.#received.opener)
    if (this.#previous !== undefined) transport.releaseSealer(this.#previous.opener)
    if (this.#next !== undefined) transport.releaseSealer(this.#next.opener)
    this.#previous = this.#next = undefined
  }

  /** The number of keys that datagrams are accepted under, for tests: never more than two. */
  get liveEpochs(): number {
    return 1 + (this.#previous === undefined ? 0 : 1) + (this.#next === undefined ? 0 : 1)
  }

  #open(): { readonly epoch: number; readonly opener: number } {
    const key = this.#parts.open.next()
    return { epoch: key.epoch, opener: this.#register(key, this.#parts.associated.open) }
  }

  #register(key: EpochKey, associated: Uint8Array): number {
    const { transport, crypto, profile } = this.#parts
    return transport.registerSealer(new KeySealer(crypto, profile, key, associated))
  }
}

/** One key, for sending or for receiving. */
class KeySealer implements Sealer {
  readonly tagBytes: number
  readonly isOutOfPlace = true
  readonly parameters: NonNullable<Sealer["parameters"]>
  readonly #crypto: SyncCrypto
  readonly #key: EpochKey
  readonly #associated: Uint8Array
  readonly #clearBytes: number
  readonly #nonce = new Uint8Array(IV_BYTES)

  constructor(crypto: SyncCrypto, profile: Profile, key: EpochKey, associated: Uint8Array) {
    this.tagBytes = TAG_BYTES[profile]!
    this.#crypto = crypto
    this.#key = key
    this.#associated = associated
    this.#clearBytes = profile === PROFILE.aead ? PREFIX_BYTES[profile]! : Infinity
    this.parameters = {
      algorithm: "aes-256-gcm",
      key: key.key,
      iv: key.iv,
      counterOffset: PREFIX_COUNTER_OFFSET,
      associated,
      clearBytes: this.#clearBytes,
    }
  }

  seal(slab: Uint8Array, offset: number, length: number, out: Uint8Array, at: number): void {
    const clear = Math.min(length, this.#clearBytes)
    this.#setNonce(slab, offset)
    const packets = slab.subarray(offset + clear, offset + length)
    const sealed = this.#crypto.aesGcmSeal(this.#key.key, this.#nonce, this.#covered(slab, offset, clear), packets)
    out.set(slab.subarray(offset, offset + clear), at)
    out.set(sealed, at + clear)
  }

  open(slab: Uint8Array, offset: number, length: number): boolean {
    const clear = Math.min(length - this.tagBytes, this.#clearBytes)
    this.#setNonce(slab, offset)
    const sealed = slab.subarray(offset + clear, offset + length)
    const packets = this.#crypto.aesGcmOpen(this.#key.key, this.#nonce, this.#covered(slab, offset, clear), sealed)
    if (packets === undefined) return false
    slab.set(packets, offset + clear)
    return true
  }

  #setNonce(slab: Uint8Array, offset: number): void {
    nonceOf(this.#key, prefixCounter(new DataView(slab.buffer, slab.byteOffset), offset), this.#nonce)
  }

  /** The associated data of a datagram. */
  #covered(slab: Uint8Array, offset: number, clear: number): Uint8Array {
    const head = this.#associated.length
    const covered = new Uint8Array(head + clear)
    covered.set(this.#associated)
    covered.set(slab.subarray(offset, offset + clear), head)
    return covered
  }
}
