/** What the processes say to each other. */
import type { MemoryStats } from "@x/endpoint"

/** What the victim does with messages: takes them, takes its time for each, or sends to everybody. */
export type VictimKind = "taking" | "slow" | "broadcast"

export interface Asked {
  readonly id: number
  /** Whether garbage is collected first. */
  readonly isCollecting: boolean
  /** Whether it sends nothing of its own from now on. */
  readonly isQuiet: boolean
}

export interface VictimState {
  readonly id: number
  readonly rssBytes: number
  /** Of the heap and of array buffers, which are in it. */
  readonly heapBytes: number
  readonly arrayBytes: number
  /** Of each space of the heap, what the system has given. */
  readonly spaces: Readonly<Record<string, number>>
  readonly cpuUs: number
  readonly atMs: number
  readonly port: number
  readonly peers: number
  readonly streams: number
  readonly joins: number
  readonly datagrams: { readonly sent: number; readonly received: number }
  readonly memory: MemoryStats
}
