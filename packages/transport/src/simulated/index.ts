/**
 * A network without an operating system: virtual time, seeded faults, and the same `Host` that real endpoints run on.
 *
 * @module
 */

export type { SimulatedHost } from "./host.ts"
export type { BurstOptions, Fate, Link, LinkOptions } from "./link.ts"
export type { Machine } from "./machine.ts"
export {
  createNetwork,
  type DatagramInTransit,
  type HostOptions,
  type Network,
  type NetworkOptions,
  type PartitionOptions,
} from "./network.ts"
export { type PresetName, PRESETS } from "./presets.ts"
export { Random } from "./random.ts"
export type { SimulatedTransport } from "./transport.ts"
