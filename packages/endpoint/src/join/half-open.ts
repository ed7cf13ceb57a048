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
  /** The host that it came from. */
  readonly host: string
  readonly attempt: number
  readonly session: Session
  readonly association: Association
  /** The smallest datagram that brought the join: once confirmed, the path is known to carry that size. */
  joinBytes: number
  /** When it was last accepted: without keys a repeated join is accepted again, since its accept may have been lost. */
  acceptedMs: number
}

/** What the tries of one join have in common, even if many members could write it. */
export function joinKey({ unique, session, slot, order }: Pick<Join, "unique" | "session" | "slot" | "order">): string {
  return `${toHex(unique)} ${toHex(session)} ${slot} ${order}`
}

const NONE: readonly HalfOpen[] = []

export class HalfOpenTable {
  /** By join. */
  readonly #tries = new Map<string, HalfOpen[]>()
  readonly #joinsOfHost = new Map<string, number>()

  /** The number of joins, however many tries they have. */
  get joins(): number {
    return this.#tries.size
  }

  joinsOf(host: string): number {
    return this.#joinsOfHost.get(host) ?? 0
  }

  triesOf(join: string): readonly HalfOpen[] {
    return this.#tries.get(join) ?? NONE
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
    const tries = this.#tries.get(entry.join)
    if (tries !== undefined) return void tries.push(entry)
    this.#tries.set(entry.join, [entry])
    this.#joinsOfHost.set(entry.host, this.joinsOf(entry.host) + 1)
  }

  delete({ join, association }: HalfOpen): void {
    const tries = this.#tries.get(join)
    const at = tries?.findIndex((entry) => entry.association === association) ?? -1
    if (tries === undefined || at < 0) return
    // The join counts for the host of its first try until the last try is over.
    const { host } = tries[0]!
    if (tries.length > 1) return void tries.splice(at, 1)
    this.#tries.delete(join)
    const left = this.joinsOf(host) - 1
    if (left > 0) this.#joinsOfHost.set(host, left)
    else this.#joinsOfHost.delete(host)
  }

  clear(): void {
    this.#tries.clear()
    this.#joinsOfHost.clear()
  }

  /** All tries. Tries may be deleted during the iteration. */
  *[Symbol.iterator](): IterableIterator<HalfOpen> {
    for (const tries of this.#tries.values()) yield* tries.slice()
  }
}
