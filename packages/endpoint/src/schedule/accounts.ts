/**
 * What each peer may have of the memory that all share. What is lent counts for all peers of one identity together: a
 * member that joins many times, or a host that does, is lent no more than one that joins once.
 *
 * @module
 */

import type { Quota } from "./quota.ts"
import { LentTogether, type Share } from "./shares.ts"

/** One peer's share of each. */
export interface Account {
  readonly identity: string
  readonly early: Share
  readonly sent: Share
  readonly assembly: Share
  readonly streams: Share
  readonly rows: Share
  readonly tables: Share
  readonly labels: Share
}

/** What is lent to all peers of one identity. */
class Lent {
  readonly early = new LentTogether()
  readonly sent = new LentTogether()
  readonly assembly = new LentTogether()
  readonly streams = new LentTogether()
  readonly rows = new LentTogether()
  readonly tables = new LentTogether()
  readonly labels = new LentTogether()
  peers = 0

  /** Nothing is: it may be forgotten. What a peer held may be given back long after it has left. */
  get isNothing(): boolean {
    const { early, sent, assembly, streams, rows, tables, labels, peers } = this
    const slots = early.units + sent.units + streams.units
    return peers + slots + assembly.units + rows.units + tables.units + labels.units === 0
  }
}

/** This many identities without peers are looked at for each one that comes. */
const LOOKED_AT = 4

export class Accounts {
  readonly #quota: Quota
  readonly #lent = new Map<string, Lent>()
  readonly #open = new Set<Account>()
  /** Identities whose last peer has left, and that may still hold something. */
  readonly #left = new Set<string>()

  constructor(quota: Quota) {
    this.#quota = quota
  }

  /** Identities that are known. */
  get count(): number {
    return this.#lent.size
  }

  /** `identity`: a peer's static key, or else where it came from. */
  open(identity: string): Account {
    this.#forgetSome()
    const lent = this.#lent.get(identity) ?? new Lent()
    this.#lent.set(identity, lent)
    this.#left.delete(identity)
    lent.peers++
    const { early, sent, assembly, streams, rows, tables, labels } = this.#quota
    const account = {
      identity,
      early: early.share(lent.early),
      sent: sent.share(lent.sent),
      assembly: assembly.share(lent.assembly),
      streams: streams.share(lent.streams),
      rows: rows.share(lent.rows),
      tables: tables.share(lent.tables),
      labels: labels.share(lent.labels),
    }
    this.#open.add(account)
    return account
  }

  /** The peer has left; what it still holds goes back to its shares. */
  close(account: Account): void {
    if (!this.#open.delete(account)) return
    const { identity } = account
    if (--this.#lent.get(identity)!.peers > 0) return
    this.#left.add(identity)
    this.#forgetSome()
  }

  #forgetSome(): void {
    let looked = 0
    for (const identity of this.#left) {
      if (looked++ === LOOKED_AT) return
      this.#left.delete(identity)
      if (this.#lent.get(identity)?.isNothing === true) this.#lent.delete(identity)
      else this.#left.add(identity)
    }
  }
}
