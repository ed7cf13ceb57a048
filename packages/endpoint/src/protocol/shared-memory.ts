/**
 * The memory that all peers share: slots for packets to send and for packets that came early, and messages under way;
 * how much of it each may have, who waits for it, and who gives way.
 *
 * @module
 */

import { AssemblyBudget } from "@x/fragment"
import { PacketLog, type PacketPool, PoolShare } from "@x/stream"
import type { Transport } from "@x/transport/host"
import { SendSlabs } from "../datagram/send-slabs.ts"
import type { PeerState } from "../peer/peer-state.ts"
import { roomAround } from "../peer/stream-settings.ts"
import { Accounts } from "../schedule/accounts.ts"
import { halfOpenTriesMax } from "../join/theirs.ts"
import { counted, Ledger } from "../schedule/ledger.ts"
import { assemblyBytesOf, Quota } from "../schedule/quota.ts"
import type { Share } from "../schedule/shares.ts"
import type { Settings } from "../settings.ts"
import { Starved } from "../streams/starved.ts"
import { earlyPoolOf, PoolTrimmer, sendPoolOf } from "./pools.ts"
import type { Full, Sizes } from "./sizes.ts"
import { Stalled } from "./stalled.ts"

export class SharedMemory {
  readonly quota: Quota
  readonly accounts: Accounts
  /** What is charged to peers, by what it is for. */
  readonly ledger: Ledger
  /** For packets that came early. */
  readonly pool: PacketPool
  readonly sendPool: PacketPool
  readonly slabs: SendSlabs
  readonly budget: AssemblyBudget
  readonly starved: Starved = new Starved()
  readonly #stalled: Stalled<PeerState>
  readonly #trimmer: PoolTrimmer
  /** What all logs together may have of the slots for what is sent: as much as a peer. */
  readonly #logs: Share
  readonly #around: ReturnType<typeof roomAround>
  #isReleased = false

  /** `datagramBytes`: of the largest datagram that is taken. `counts`: who takes memory of its own. */
  constructor(
    settings: Settings,
    datagramBytes: number,
    transport: Pick<Transport, "registerSlab" | "releaseSlab">,
    counts: { readonly peers: () => number; readonly joinTries: () => number },
  ) {
    this.quota = new Quota(settings)
    this.#logs = this.quota.sent.share()
    this.accounts = new Accounts(this.quota)
    this.pool = earlyPoolOf(settings, datagramBytes)
    this.sendPool = sendPoolOf(settings)
    this.#around = roomAround(settings)
    this.slabs = new SendSlabs(this.sendPool, transport)
    this.budget = new AssemblyBudget(assemblyBytesOf(settings))
    this.ledger = new Ledger({
      quota: this.quota,
      sentSlotBytes: this.sendPool.unitBytes,
      earlySlotBytes: this.pool.unitBytes,
      peers: counted(counts.peers, settings.peersMax),
      joins: counted(counts.joinTries, halfOpenTriesMax(settings)),
    })
    this.#trimmer = new PoolTrimmer(this.pool, this.sendPool, this.slabs, this.budget)
    const { stalledMs, sendPoolPacketsMax } = settings
    this.#stalled = new Stalled(stalledMs, sendPoolPacketsMax, ({ outgoing }) => outgoing.memory)
  }

  /** Messages for several streams, each written once. */
  packetLog(): PacketLog {
    return new PacketLog(new PoolShare(this.sendPool, this.#logs, () => void this.quota.sendPoolLoans++), this.#around)
  }

  get sizes(): Pick<Sizes, "pool" | "assemblyBytes" | "sendPool" | "streams"> {
    return {
      pool: this.pool.used,
      assemblyBytes: this.budget.used,
      sendPool: this.sendPool.used,
      // What is still read of an endpoint that is closed takes nobody's place.
      streams: this.#isReleased ? 0 : this.quota.streams.used,
    }
  }

  /** How often there was none, by what was full. */
  get full(): Omit<Full, "halfOpen" | "halfOpenPerHost"> {
    const { poolShares, sendPoolShares, poolLoans, sendPoolLoans, streamsRefused: streams } = this.quota
    const [pool, sendPool] = [this.pool.refused + poolLoans, this.sendPool.refused + sendPoolLoans]
    return {
      ...{ pool, poolPerPeer: poolShares, sendPool, sendPoolPerPeer: sendPoolShares },
      ...{ streams, stalled: this.#stalled.count },
    }
  }

  /** Whether a stream that found no memory for a packet may go on: {@link SharedMemory.feed} lets it. */
  get hasStarved(): boolean {
    return this.starved.mayFeed(this.quota.sent.given) && this.sendPool.available > 0
  }

  feed(nowMs: number): void {
    this.starved.feed(this.quota.sent.given, nowMs)
  }

  /** When `takeStalled` or `trim` has something to do of its own accord. */
  get nextTimeoutMs(): number {
    return Math.min(this.#stalled.nextTimeoutMs, this.#trimmer.nextTimeoutMs)
  }

  /** Gives back what wasn't needed for a while. */
  trim(nowMs: number): void {
    this.#trimmer.poll(nowMs)
  }

  /** Where some find no memory: those that have to give way now, since they hold it and take nothing. */
  takeStalled(peers: Iterable<PeerState>, nowMs: number): readonly PeerState[] {
    return this.#stalled.poll(peers, this.quota.sendPoolLoans, nowMs)
  }

  /** The transport forgets it. */
  release(): void {
    this.#isReleased = true
    this.slabs.release()
  }

  /** For tests. */
  assertInvariants(): void {
    this.quota.assertInvariants()
  }
}
