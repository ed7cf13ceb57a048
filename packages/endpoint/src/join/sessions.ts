import { isNone, isSame, newIdentity, NO_IDENTITY } from "../keys/identity.ts"

/**
 * The sessions that we make. Without keys each is new. With keys there is one for all peers that first joins may meet,
 * and for accepts to unknown peers: so however many joins meet one peer, they belong to one session.
 */
export class Sessions {
  readonly #entropy: (out: Uint8Array) => void
  readonly #isKeyed: boolean
  #first = NO_IDENTITY

  constructor(entropy: (out: Uint8Array) => void, isKeyed: boolean) {
    this.#entropy = entropy
    this.#isKeyed = isKeyed
  }

  /** The session for a peer that we have none with. With keys our join may be on its way there, or follow. */
  next(): Uint8Array {
    if (!this.#isKeyed) return newIdentity(this.#entropy)
    if (isNone(this.#first)) this.#first = newIdentity(this.#entropy)
    return this.#first
  }

  /** The session in the first tries of a join: one with keys, none without keys until a challenge names the peer. */
  ofFirstTries(): Uint8Array {
    return this.#isKeyed ? this.next() : NO_IDENTITY
  }

  /** This session is over. Returns whether it was that of first joins: from now on those have another. */
  retire(session: Uint8Array): boolean {
    if (isNone(this.#first) || !isSame(session, this.#first)) return false
    this.#first = newIdentity(this.#entropy)
    return true
  }
}
