/**
 * Joins of others that were accepted and haven't been confirmed (PROTOCOL.md §7). In profiles with keys each try of a
 * join has an association of its own, since it has keys of its own.
 *
 * @module
 */

import type { Join } from "@x/wire"
import { toHex } from "../keys/identity.ts"
import type { Association } from "../path/association.ts"
import { isSameSession, isWithSame, type Session, type SessionNames } from "../path/session.ts"

/** An accepted try of a join. */
export interface HalfOpen {
  /** The join that it belongs to: {@link joinKey}. */
  readonly join: string
  /** The host that it came from: `hostPrefix`. */
  readonly host: string
  readonly attempt: number
  readonly session: Session
  readonly association: Association
  /** The smallest datagram that brought the join: once confirmed, the path is known to carry that size. */
  joinBytes: number
  readonly firstMs: number
  /** When it was last accepted: without keys a repeated join is accepted again, since its accept may have been lost. */
  acceptedMs: number
}

/** What the tries of one join have in common, even if many members could write it. */
export function joinKey({ unique, session, slot, order }: Pick<Join, "unique" | "session" | "slot" | "order">): string {
  return `${toHex(unique)} ${toHex(session)} ${slot} ${order}`
}

const NONE: readonly HalfOpen[] = []

/** A join with its tries. It counts for the host and the key of the first try until the last one is over. */
interface HalfOpenJoin {
  readonly host: string
  readonly key: string | undefined
  readonly tries: HalfOpen[]
}

export class HalfOpenTable {
  readonly #joins = new Map<string, HalfOpenJoin>()
  /** The joins of each host, the oldest first, and how many each static key has. */
  readonly #ofHosts = new Map<string, Set<string>>()
  readonly #ofKeys = new Map<string, number>()
  #tries = 0

  /** The number of joins, however many tries they have. */
  get joins(): number {
    return this.#joins.size
  }

  /** The tries of all joins. */
  get tries(): number {
    return this.#tries
  }

  joinsOf(host: string): number {
    return this.#ofHosts.get(host)?.size ?? 0
  }

  joinsOfKey(publicKey: Uint8Array): number {
    return this.#ofKeys.get(toHex(publicKey)) ?? 0
  }

  triesOf(join: string): readonly HalfOpen[] {
    return this.#joins.get(join)?.tries ?? NONE
  }

  /** The tries of the oldest join of the host that has the most, if those are more than `joins`. */
  oldestOfMost(joins: number): readonly HalfOpen[] {
    let most: ReadonlySet<string> | undefined
    for (const ofHost of this.#ofHosts.values()) if (ofHost.size > (most?.size ?? joins)) most = ofHost
    return most === undefined ? NONE : this.triesOf(most.values().next().value!).slice()
  }

  /** The session of a try that both sides know by these names. */
  sessionOf(names: SessionNames): Session | undefined {
    for (const { session } of this) if (isSameSession(session, names)) return session
    return undefined
  }

  /** A session with this incarnation, if one is half open. */
  sessionWith(who: Pick<SessionNames, "unique" | "publicKey">): Session | undefined {
    for (const { session } of this) if (isWithSame(session, who)) return session
    return undefined
  }

  /** Whether the peer of this session is beginning another one. */
  isReplacing(session: Session): boolean {
    for (const it of this) if (it.session !== session && isWithSame(it.session, session)) return true
    return false
  }

  add(entry: HalfOpen): void {
    const { join, host } = entry
    this.#tries++
    const known = this.#joins.get(join)
    if (known !== undefined) return void known.tries.push(entry)
    const { publicKey } = entry.session
    const key = publicKey && toHex(publicKey)
    this.#joins.set(join, { host, key, tries: [entry] })
    const ofHost = this.#ofHosts.get(host)
    if (ofHost === undefined) this.#ofHosts.set(host, new Set([join]))
    else ofHost.add(join)
    if (key !== undefined) this.#ofKeys.set(key, (this.#ofKeys.get(key) ?? 0) + 1)
  }

  delete({ join, association }: HalfOpen): void {
    const known = this.#joins.get(join)
    const at = known?.tries.findIndex((entry) => entry.association === association) ?? -1
    if (known === undefined || at < 0) return
    known.tries.splice(at, 1)
    this.#tries--
    if (known.tries.length > 0) return
    const { host, key } = known
    this.#joins.delete(join)
    const ofHost = this.#ofHosts.get(host)!
    ofHost.delete(join)
    if (ofHost.size === 0) this.#ofHosts.delete(host)
    if (key === undefined) return
    const left = this.#ofKeys.get(key)! - 1
    if (left > 0) this.#ofKeys.set(key, left)
    else this.#ofKeys.delete(key)
  }

  clear(): void {
    this.#joins.clear()
    this.#tries = 0
    this.#ofHosts.clear()
    this.#ofKeys.clear()
  }

  /** All tries. Tries may be deleted during the iteration. */
  *[Symbol.iterator](): IterableIterator<HalfOpen> {
    for (const { tries } of this.#joins.values()) yield* tries.slice()
  }
}
