/**
 * Typical links, one direction each. Round figures from published measurements of such links, for tests rather than for
 * forecasts.
 *
 * @module
 */

import type { LinkOptions } from "./link-options.ts"

/** The name of a kind of link. */
export type PresetName = "lan" | "wifi" | "unsteadyWifi" | "bloated" | "policed" | "cellular" | "satellite" | "hostile"

/**
 * Typical links, one direction each: `lan` (0.4 ms RTT, 1 Gbit/s), `wifi` (6 to 16 ms, bursts of loss),
 * `unsteadyWifi` (a rate that changes ten times a second, datagrams in clumps), `bloated` (a home line with a queue of
 * 400 ms), `policed` (a rate without a queue), `cellular` (60
 * to 120 ms, a deep queue), `satellite` (600 ms, 1 % loss), `hostile` (everything that can happen does).
 */
export const PRESETS: Readonly<Record<PresetName, LinkOptions>> = {
  /** Switched Ethernet: 0.4 ms RTT, 1 Gbit/s, hardly any loss. */
  lan: { delayMs: 0.2, jitterMs: 0.05, lossRate: 0.00001, rateBitsPerSecond: 1_000_000_000, queueBytes: 524_288 },
  /** A busy home network: 6 to 16 ms RTT, bursts of loss while the channel is busy. */
  wifi: {
    delayMs: 3,
    jitterMs: 5,
    burst: { enterRate: 0.002, leaveRate: 0.2, lossRate: 0.5 },
    rateBitsPerSecond: 80_000_000,
    queueBytes: 262_144,
  },
  /** Far from its access point: 5 to 60 Mbit/s, drawn anew each 100 ms; what fits leaves together each 4 ms. */
  unsteadyWifi: {
    delayMs: 3,
    rateSchedule: { everyMs: 100, minBitsPerSecond: 5_000_000, maxBitsPerSecond: 60_000_000 },
    aggregationMs: 4,
    queueBytes: 524_288,
  },
  /** A home line with a deep queue and no AQM: 40 ms RTT, 20 Mbit/s, up to 400 ms more in the queue. */
  bloated: { delayMs: 20, rateBitsPerSecond: 20_000_000, queueBytes: 1_000_000 },
  /** A line whose provider polices its rate: 40 ms RTT, 20 Mbit/s in the long run, 100 kB at once, the rest dropped. */
  policed: { delayMs: 20, policer: { rateBitsPerSecond: 20_000_000, burstBytes: 100_000 } },
  /** LTE on the move: 60 to 120 ms RTT, deep queue, some reordering. */
  cellular: {
    delayMs: 30,
    jitterMs: 30,
    lossRate: 0.005,
    reorderRate: 0.005,
    reorderDelayMs: 20,
    rateBitsPerSecond: 20_000_000,
    queueBytes: 1_048_576,
  },
  /** Geostationary: 600 ms RTT, 1 % loss. */
  satellite: { delayMs: 300, jitterMs: 5, lossRate: 0.01, rateBitsPerSecond: 10_000_000, queueBytes: 1_048_576 },
  /** Everything that can happen does. */
  hostile: {
    delayMs: 20,
    jitterMs: 40,
    lossRate: 0.1,
    burst: { enterRate: 0.01, leaveRate: 0.1, lossRate: 0.8 },
    duplicateRate: 0.05,
    reorderRate: 0.1,
    reorderDelayMs: 100,
    corruptRate: 0.02,
    rateBitsPerSecond: 5_000_000,
    queueBytes: 65_536,
  },
}
