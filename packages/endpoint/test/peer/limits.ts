import type { Limits } from "@x/wire"

/** What a peer with default options announces of itself. */
export const LIMITS: Limits = {
  ...{ datagramBytes: 1_472, inFlight: 1_024, spread: 1_024, streams: 100 },
  ...{ messageBytes: 1_048_576, statusDelayMs: 25 },
}
