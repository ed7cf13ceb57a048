/** Where a trial takes place: two hosts, and a path between them that can be told what to do. */

import type { Role } from "@x/bench/network"
import type { Late } from "./late.ts"
import type { Direction, Path } from "./settings.ts"

/** What a relay counted, in one direction. */
export interface Counts {
  readonly arrived: number
  readonly delivered: number
  readonly lostBefore: number
  readonly lostBehind: number
  readonly lostQueue: number
  readonly lostMtu: number
  readonly lostNat: number
  readonly lostCodel: number
  readonly marked: number
}

export interface RelayStats {
  readonly there: Counts
  readonly back: Counts
  /** How late packets were delivered. */
  readonly late: Late
}

/** What is changed while a trial runs. */
export type Change =
  | { readonly what: "path"; readonly direction: Direction }
  | { readonly what: "rebind" }
  | { readonly what: "rebind-every"; readonly everyMs: number }
  | { readonly what: "move"; readonly flow: number }

export interface Place {
  /** The address of a flow's host, and the one at which it finds the other. */
  endsOf(flow: number, role: Role): { readonly own: string; readonly other: string }
  /** The prefix of a command that runs on one of the hosts. */
  prefixOf(role: Role): readonly string[]
  /** Uses this congestion control of TCP for a flow. */
  useCongestionControl(flow: number, name: string): void
  /** Called when a flow's receiver listens on the port, and before its sender connects. */
  connect(flow: number, port: number): Promise<void>
  change(change: Change): Promise<void>
  stats(): Promise<RelayStats>
  remove(): Promise<void>
}

export interface PlaceOptions {
  readonly path: Path
  readonly hasNat: boolean
  readonly flows: number
  readonly seed: number
  /** The relay waits for packets that are due sooner than this without sleeping, microseconds; 0: its default. */
  readonly spinUs: number
}
