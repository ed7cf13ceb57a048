/**
 * A network without an operating system: virtual time, seeded faults, and the same `Host` that real endpoints run on.
 *
 * @module
 */

export type { AqmOptions, PolicerOptions } from "./aqm.ts"
export type { Bottleneck, BottleneckOptions, Refusal, Waits } from "./bottleneck.ts"
export type { CpuOptions, CryptoCosts } from "./cpu.ts"
export type { SimulatedHost } from "./host.ts"
export type { Fate, Link } from "./link.ts"
export type { LinkOptions } from "./link-options.ts"
export type { BurstOptions, LossFate, LossOptions } from "./loss.ts"
export type { Machine } from "./machine.ts"
export type { Nat, NatDependence, NatOptions } from "./nat.ts"
export { createNetwork, type Network } from "./network.ts"
export type {
  DatagramInTransit,
  HostOptions,
  MoveOptions,
  NetworkOptions,
  PartitionOptions,
  RebindOptions,
} from "./network-options.ts"
export { type PresetName, PRESETS } from "./presets.ts"
export type { RateDraw, RateStep } from "./rate.ts"
export { Random } from "./random.ts"
export type { RedOptions } from "./red.ts"
export type { SimulatedTransport } from "./transport.ts"
