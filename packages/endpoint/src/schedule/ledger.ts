/**
 * What is charged to peers, in bytes: one place that knows every kind of memory that grows by what a peer does or fails
 * to do, and its bound. Whatever peers do, the process holds no more for them than the sum of the bounds.
 *
 * @module
 */

import type { Account } from "./accounts.ts"
import { type Quota, ROW_BYTES } from "./quota.ts"
import type { Shares } from "./shares.ts"

/** Memory of one kind, in bytes. */
export interface Charged {
  /** Charged now. */
  readonly bytes: number
  /** The most that may be. */
  readonly bytesMax: number
}

/** Memory by what it is for. */
export interface Charges<T> {
  /** Packets that were written and aren't acknowledged. */
  readonly sentPackets: T
  /** Packets that came early. */
  readonly earlyPackets: T
  /** Messages under way. */
  readonly messages: T
  /** Lists of packets that are missing or that won't come, and of streams that are over. */
  readonly lists: T
  /** Tables of packets and of datagrams that were sent, beyond the few rows that come with each stream and peer. */
  readonly tables: T
  /** Streams, in both directions: their objects, and the first rows of their lists and tables. */
  readonly streams: T
  /** Labels of streams from peers. */
  readonly labels: T
  /** Peers: their objects, keys, and windows of what was received. */
  readonly peers: T
}

/** Bytes of a stream, and of a peer: the objects of both, and what an endpoint hands to its application. Measured. */
export const STREAM_BYTES = 6_144
export const PEER_BYTES = 32_768
/** Bytes of a try of a join of others that isn't confirmed: its association, with its keys and windows. */
export const JOIN_BYTES = 16_384

/** Something that is counted in units of so many bytes, and the most units there may be. */
interface Kind {
  readonly shares: Counted
  readonly unitBytes: number
}

type Kinds = Charges<Kind>

export interface LedgerParts {
  readonly quota: Quota
  /** Bytes of a slot for packets that were sent, and for early ones. */
  readonly sentSlotBytes: number
  readonly earlySlotBytes: number
  /** The number of peers, and of tries of joins of others, now and at most. */
  readonly peers: Counted
  readonly joins: Counted
}

type Counted = Pick<Shares, "used" | "unitsMax">

/** What somebody else counts. */
export function counted(count: () => number, unitsMax: number): Counted {
  return {
    get used() {
      return count()
    },
    unitsMax,
  }
}

export class Ledger {
  readonly #kinds: Kinds
  readonly #joins: Counted

  constructor({ quota, sentSlotBytes, earlySlotBytes, peers, joins }: LedgerParts) {
    this.#joins = joins
    this.#kinds = {
      sentPackets: { shares: quota.sent, unitBytes: sentSlotBytes },
      earlyPackets: { shares: quota.early, unitBytes: earlySlotBytes },
      messages: { shares: quota.assembly, unitBytes: 1 },
      lists: { shares: quota.rows, unitBytes: ROW_BYTES },
      tables: { shares: quota.tables, unitBytes: 1 },
      streams: { shares: quota.streams, unitBytes: STREAM_BYTES },
      labels: { shares: quota.labels, unitBytes: 1 },
      peers: { shares: peers, unitBytes: PEER_BYTES },
    }
  }

  /** What is charged to those that join and aren't peers yet. */
  get joins(): Charged {
    return { bytes: this.#joins.used * JOIN_BYTES, bytesMax: this.#joins.unitsMax * JOIN_BYTES }
  }

  /** What is charged to all peers together. */
  get all(): Charges<Charged> {
    const charged = ({ shares, unitBytes }: Kind): Charged => ({
      bytes: shares.used * unitBytes,
      bytesMax: shares.unitsMax * unitBytes,
    })
    const { sentPackets, earlyPackets, messages, lists, tables, streams, labels, peers } = this.#kinds
    return {
      sentPackets: charged(sentPackets),
      earlyPackets: charged(earlyPackets),
      messages: charged(messages),
      lists: charged(lists),
      tables: charged(tables),
      streams: charged(streams),
      labels: charged(labels),
      peers: charged(peers),
    }
  }

  /** What is charged to one of them, bytes; `isThere`: it has not left. */
  of(account: Account, isThere: boolean): Charges<number> {
    const { sentPackets, earlyPackets, messages, lists, tables, streams, labels, peers } = this.#kinds
    return {
      sentPackets: account.sent.used * sentPackets.unitBytes,
      earlyPackets: account.early.used * earlyPackets.unitBytes,
      messages: account.assembly.used * messages.unitBytes,
      lists: account.rows.used * lists.unitBytes,
      tables: account.tables.used * tables.unitBytes,
      streams: account.streams.used * streams.unitBytes,
      labels: account.labels.used * labels.unitBytes,
      peers: isThere ? peers.unitBytes : 0,
    }
  }
}
