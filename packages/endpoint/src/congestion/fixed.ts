/**
 * A window that never changes.
 *
 * @module
 */

import { check, type Kinds, orInfinity, positive, real } from "../errors/check.ts"
import { type CongestionController, type CongestionFactory, type DeliverySample, own, PACE_GAIN } from "./controller.ts"

/** Options of {@link fixed}. */
export interface FixedOptions {
  /** Bytes in flight, default 1 MiB; `Infinity`: as many as the peer can hold. */
  readonly windowBytes?: number
  /**
   * Bytes a millisecond, or `Infinity`: as fast as the window opens; default: a window in four fifths of a round trip.
   */
  readonly paceBytesPerMs?: number
}

const FIXED_OPTIONS: Kinds<FixedOptions> = {
  windowBytes: orInfinity(real(1), "as many as the peer takes"),
  paceBytesPerMs: orInfinity(positive(), "as fast as the window opens"),
}

/**
 * A window that never changes: for networks of one's own. It doesn't yield to other traffic, whatever is lost. So its
 * datagrams aren't ECN-capable: queues would mark them in vain.
 */
export function fixed(options: FixedOptions = {}): CongestionFactory {
  const { windowBytes = 1_048_576, paceBytesPerMs } = check.options("fixed", options, FIXED_OPTIONS)
  return own(() => new FixedController(windowBytes, paceBytesPerMs))
}

class FixedController implements CongestionController {
  readonly windowBytes: number
  paceBytesPerMs: number
  readonly #isPaced: boolean

  constructor(windowBytes: number, paceBytesPerMs: number | undefined) {
    this.windowBytes = windowBytes
    this.#isPaced = paceBytesPerMs !== undefined
    this.paceBytesPerMs = paceBytesPerMs ?? Infinity
  }

  onSent(): void {}

  onFeedback({ srttMs }: DeliverySample): void {
    if (!this.#isPaced) this.paceBytesPerMs = (PACE_GAIN * this.windowBytes) / srttMs
  }
}
