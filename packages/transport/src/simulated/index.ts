/**
 * A network without an operating system: virtual time, seeded faults, and the same `Host` that real endpoints run on.
 *
 * @module
 */

export { SimulatedHost, SimulatedTransport } from "./host.ts"
export type { Fate, LinkOptions } from "./link.ts"
export { Link } from "./link.ts"
export { createNetwork, type DatagramInTransit, type Machine, Network, type NetworkOptions } from "./network.ts"
export { type PresetName, PRESETS } from "./presets.ts"
export { Random } from "./random.ts"
