/**
 * A session: what two incarnations agree on when they join. A session never changes; all associations of a peer belong
 * to the same one.
 *
 * @module
 */

import type { Limits } from "@x/wire"
import { isSame, isSameKey } from "../keys/identity.ts"

/** The peer of a session, and the identity that each side gave the session. */
export interface SessionNames {
  readonly unique: Uint8Array
  /** The peer's static key, where members have one: proved in the exchange that made the keys. */
  readonly publicKey: Uint8Array | undefined
  readonly local: Uint8Array
  readonly remote: Uint8Array
}

export interface Session extends SessionNames {
  /** What the peer announced of itself when the session began. */
  readonly limits: Limits
  readonly beganMs: number
}

/** Whether two sessions are with the same incarnation, under the same key. */
export function isWithSame(
  a: Pick<SessionNames, "unique" | "publicKey">,
  b: Pick<SessionNames, "unique" | "publicKey">,
): boolean {
  return isSame(a.unique, b.unique) && isSameKey(a.publicKey, b.publicKey)
}

/** Both sides have to agree: a peer that left unnoticed has begun another session. */
export function isSameSession(a: SessionNames, b: SessionNames): boolean {
  return isSame(a.local, b.local) && isSame(a.remote, b.remote) && isWithSame(a, b)
}
