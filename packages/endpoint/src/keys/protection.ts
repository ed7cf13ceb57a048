/**
 * What protects the datagrams of an association: which of the transport's sealers tags what is sent, and which checks
 * what came (PROTOCOL.md §9).
 *
 * @module
 */

import type { Transport } from "@x/transport/host"

/** No sealer has this id: a datagram under such a key isn't taken. */
export const NO_OPENER = -1

export interface Protection {
  /** Id of the sealer of what is sent now, 0 for none; and the epoch of its key, 0 where keys have none. */
  readonly sealer: number
  readonly epoch: number
  /** Nothing more may be sent: the keys are worn. */
  readonly isWorn: boolean
  /** A datagram with this counter is about to be sent: `sealer` and `epoch` are those to seal it with. */
  use(counter: number, nowMs: number): void
  /** The peer told of the datagram with this counter. */
  heard(counter: number, nowMs: number): void
  /**
   * Id of the sealer that a datagram of this epoch is to be checked with, 0 for none, {@link NO_OPENER} if it can't be
   * genuine. Good until the next call with a later time.
   */
  opener(epoch: number, nowMs: number): number
  /** A genuine datagram of this epoch came. */
  received(epoch: number, nowMs: number): void
  release(): void
}

/** One sealer for everything: profiles without keys. */
export class FixedProtection implements Protection {
  readonly sealer: number
  readonly epoch = 0
  readonly isWorn = false
  readonly #transport: Transport

  /** `sealer` 0: none. */
  constructor(transport: Transport, sealer: number) {
    this.#transport = transport
    this.sealer = sealer
  }

  use(): void {}

  heard(): void {}

  opener(): number {
    return this.sealer
  }

  received(): void {}

  release(): void {
    if (this.sealer !== 0) this.#transport.releaseSealer(this.sealer)
  }
}

/** Of an association whose keys aren't there yet: nothing is sent or taken. */
export const NO_KEYS: Protection = {
  sealer: 0,
  epoch: 0,
  isWorn: true,
  use: () => {},
  heard: () => {},
  opener: () => NO_OPENER,
  received: () => {},
  release: () => {},
}
