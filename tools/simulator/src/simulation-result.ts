/** What one seed is asked for, and what it gave. */

import type { PresetName } from "@x/transport/simulated"
import type { GuestKind } from "./guest-scenario.ts"
import type { Failure } from "./judge.ts"
import type { MixFault } from "./mix-scenario.ts"
import type { PathFault } from "./path-scenario.ts"
import type { Disaster, Doing } from "./scenario.ts"

export interface SimulationOptions {
  readonly seed: number
  readonly virtualMs: number
  readonly preset?: PresetName | undefined
  /** How many of the last events to keep as text. */
  readonly recordLines?: number
}

export interface SimulationResult {
  readonly seed: number
  readonly nodes: number
  readonly failure: Failure | undefined
  readonly traceHash: string
  /** Virtual time of all phases. */
  readonly virtualMs: number
  readonly datagrams: number
  readonly messages: number
  readonly delivered: number
  readonly checks: number
  readonly disasters: Partial<Record<Disaster, number>>
  readonly pathFaults: Partial<Record<PathFault, number>>
  readonly doings: Partial<Record<Doing, number>>
  /** Faults of topics and requests. */
  readonly mixFaults: Partial<Record<MixFault, number>>
  readonly guests: readonly GuestKind[]
  /** The share of the allowed time that convergence took. */
  readonly convergenceShare: number
  /**
   * Whether convergence took no longer than 10 RTT of the path + 1 s + twice what the pending bytes take at the rate of
   * the link.
   */
  readonly isStrict: boolean
  readonly record: readonly string[]
}
