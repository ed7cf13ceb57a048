/**
 * Makes associations, and gives back what they hold: a slot, a reference to the peer's address, sealers.
 *
 * @module
 */

import type { SyncCrypto, Transport } from "@x/transport/host"
import * as wire from "@x/wire"
import { KeyProtection } from "../keys/key-protection.ts"
import { keyChains } from "../keys/key-schedule.ts"
import type { NoiseResult } from "../keys/noise-state.ts"
import { FixedProtection } from "../keys/protection.ts"
import type { Settings } from "../settings.ts"
import type { AddressContext } from "./address-validation.ts"
import { Association, type AssociationParts, pseudoHeaders } from "./association.ts"
import { randomWords } from "./random-words.ts"
import type { Session } from "./session.ts"

/** The datagrams that wait to be sent. */
interface Waiting {
  /** Gives a sealer back as soon as no datagram that it has to seal is waiting. */
  retire(sealer: number): void
  /** Removes the waiting datagrams of an association that is over. */
  discard(association: Association): void
  /** Gives a reference to an address back as soon as no datagram that goes there is waiting. */
  letGo(address: number): void
}

export interface AssociationsParts {
  readonly transport: Transport
  readonly settings: Settings
  readonly unique: Uint8Array
  /** Fills in bytes that nobody can guess. */
  readonly entropy: (out: Uint8Array) => void
  /** The most datagrams in flight to us. */
  readonly inFlightMax: number
  /** In profiles with keys. */
  readonly crypto: SyncCrypto | undefined
  readonly waiting: Waiting
  readonly slots: { free(slot: number, nowMs: number): void }
}

export class Associations {
  readonly #parts: AssociationsParts
  readonly #addresses: AddressContext
  readonly #draw: () => number

  constructor(parts: AssociationsParts) {
    this.#parts = parts
    const { transport, waiting, settings, entropy } = parts
    this.#draw = randomWords(entropy)
    this.#addresses = {
      mayFollow: settings.profile >= wire.PROFILE.mac,
      draw: () => {
        const data = new Uint8Array(wire.PATH_CHALLENGE_BYTES)
        entropy(data)
        return data
      },
      retain: (address) => transport.retainAddress(address),
      release: (address) => waiting.letGo(address),
    }
  }

  /** Makes an association under a slot that was taken for it. It sends and accepts nothing before it is protected. */
  make(parts: Omit<AssociationParts, "inFlightMax" | "addresses" | "draw">): Association {
    const { transport, inFlightMax } = this.#parts
    transport.retainAddress(parts.address)
    return new Association({ inFlightMax, ...parts, addresses: this.#addresses, draw: this.#draw })
  }

  /** Protects its datagrams, in profiles with keys by the keys of an exchange. */
  protect(association: Association, session: Session, result?: NoiseResult): void {
    const { transport, settings, unique, crypto, waiting } = this.#parts
    const { seal, open } = pseudoHeaders(
      { unique, session: session.local },
      { unique: session.unique, session: session.remote },
    )
    if (crypto === undefined || result === undefined) {
      const sealer = this.#checksumSealer(wire.pseudoHeaderSeed(seal), wire.pseudoHeaderSeed(open))
      association.protection = new FixedProtection(transport, sealer)
      return
    }
    const { fromInitiator, fromResponder } = keyChains(crypto, result)
    const { rekeyDatagrams: datagrams, rekeyAgeMs: ageMs, keyDatagramsMax: datagramsMax } = settings
    association.protection = new KeyProtection({
      transport,
      ...{ crypto, profile: settings.profile, nowMs: association.createdMs },
      limits: { datagrams, ageMs, datagramsMax },
      associated: { seal: wire.pseudoHeaderBytes(seal), open: wire.pseudoHeaderBytes(open) },
      seal: association.isOurs ? fromInitiator : fromResponder,
      open: association.isOurs ? fromResponder : fromInitiator,
      retire: (sealer) => waiting.retire(sealer),
    })
  }

  #checksumSealer(sealSeed: number, openSeed: number): number {
    const { transport, settings } = this.#parts
    if (settings.profile === wire.PROFILE.none) return 0
    return transport.registerSealer({
      tagBytes: wire.TAG_BYTES[wire.PROFILE.checksum]!,
      seal: (bytes, offset, length) => wire.sealChecksum(bytes, offset, length, sealSeed),
      open: (bytes, offset, length) => wire.openChecksum(bytes, offset, length, openSeed),
      parameters: { algorithm: "crc32c", sealSeed: wire.double(sealSeed), openSeed: wire.double(openSeed) },
    })
  }

  release(association: Association, nowMs: number): void {
    const { waiting, slots } = this.#parts
    waiting.discard(association)
    slots.free(association.slot, nowMs)
    association.sent.release()
    association.addresses.release()
    association.protection.release()
  }
}
