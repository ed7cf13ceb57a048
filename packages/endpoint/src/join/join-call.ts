import type { Due } from "../schedule/due-queue.ts"
import type { PeerState } from "../peer/peer-state.ts"
import type { PendingJoin } from "./joins.ts"

/** Why a join failed: nobody answered in time; somebody refused, with its reason; or too many are under way here (a `refused` of our own). */
export interface JoinFailure {
  readonly kind: "timeout" | "refused" | "full"
  readonly reason: number
  readonly text: string
}

/** One who waits for a join, from before it is known where to ask until its time is over. Several may wait for one join. */
export class JoinCall implements Due {
  dueMs: number = Infinity
  heapIndex = -1
  readonly deadlineMs: number
  readonly onDone: (result: PeerState | JoinFailure) => void
  /** What it waits for, once it is known where to ask. */
  pending: PendingJoin | undefined
  /** There are too many: it is told so at once. */
  isRefused: boolean = false

  constructor(deadlineMs: number, onDone: (result: PeerState | JoinFailure) => void) {
    this.deadlineMs = deadlineMs
    this.onDone = onDone
  }
}
