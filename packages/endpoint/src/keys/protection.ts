/**
 * The protection of an association's datagrams: which of the transport's sealers tags sent datagrams, and which checks
 * received ones (PROTOCOL.md §9).
 *
 * @module
 */

import type { Transport } from "@x/transport/host"

/** No sealer has this id: a datagram under such a key isn't accepted. */
export const NO_OPENER = -1

export interface Protection {
  /** Id of the sealer for sending now, 0 for none; and the epoch of its key, 0 in profiles without epochs. */
  readonly sealer: number
  readonly epoch: number
  /** Nothing more may be sent: the keys are used up. */
  readonly isWorn: boolean
  /**
   * A datagram with this counter and so many bytes is about to be sent: after this, `sealer` and `epoch` are those to
   * seal it with.
   */
  use(counter: number, bytes: number, nowMs: number): void
  /** The peer confirmed the datagram with this counter. */
  heard(counter: number, nowMs: number): void
  /**
   * Id of the sealer that checks a datagram of this epoch, 0 for none, {@link NO_OPENER} if the datagram can't be
   * genuine. Valid until the next call with a later time.
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

/** The protection of an association without keys so far: nothing is sent or accepted. */
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
