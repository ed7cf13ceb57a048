import type { Address } from "@x/transport/host"
import type { Judge } from "./judge.ts"
import type { StreamLedger } from "./ledger.ts"
import type { Process } from "./process.ts"
import type { Timers } from "./timers.ts"

/** What a process needs of the world around it. */
export interface ProcessWorld {
  readonly judge: Judge
  readonly ledgers: Map<number, StreamLedger>
  /** The processes with something new since the last step. */
  readonly touched: Set<Process>
  /** The timers of slow consumers. */
  readonly consumers: Timers
  /** How long a consumer works on the next message. */
  handlingMs(): number
  /** A peer left: the node that wants it joins again. */
  onAlone(process: Process): void
  /** The living processes. */
  processes(): Iterable<Process>
  /** It is bound, and has met nobody yet. */
  onBound(process: Process): void
  /** Everything that may have changed with it in this step is to be checked. */
  onTurn(process: Process): void
  /** Whether a member is none of the nodes: nobody relies on it. */
  isGuest(unique: string): boolean
  /** Whether somebody is at this address who only copies datagrams. */
  isForged(address: Address): boolean
}
