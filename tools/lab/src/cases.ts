/** The cases of a scenario, and what a library's run in one is. */

import type { Change } from "./place.ts"
import type { Path } from "./settings.ts"

/** Measured between the bench's own namespaces, with the kernel's losses: no relay carries as much. */
export interface BenchCase {
  readonly kind: "bench"
  readonly name: string
  readonly lossPercent: number
  readonly bytes: number
  readonly perSecond: number
  readonly figure: FigureName
}

export interface PathCase {
  readonly kind: "path"
  readonly name: string
  readonly path: Path
  readonly hasNat: boolean
  readonly bytes: number
  /** 0: as fast as they go. */
  readonly perSecond: number
  /** The library that each library shares the path with. */
  readonly beside?: string
  readonly warmMs: number
  readonly runMs: number
  readonly changes: readonly { readonly atMs: number; readonly change: Change }[]
  /** Mbit/s of messages, see `possibleMbit`. */
  readonly possibleMbit: number
  /** What the case is judged by. */
  readonly figure: FigureName
}

export type Case = BenchCase | PathCase

/** `mbit`, `perSecond`: more is better. `p99Ms`, `gapMs`: less is. `share`: near a half is. */
export type FigureName = "mbit" | "perSecond" | "p99Ms" | "gapMs" | "share"

export interface Scenario {
  readonly name: string
  readonly title: string
  /** Names of libraries, ours first. */
  readonly libraries: readonly string[]
  readonly cases: readonly Case[]
  /** How to read it. */
  readonly note: string
}
