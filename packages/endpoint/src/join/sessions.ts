import { isNone, isSame, newIdentity, NO_IDENTITY } from "../keys/identity.ts"

/**
 * Sessions of our own making. Without keys each is new. With keys there is one for all whom first joins may meet, and
 * for accepts to those of whom nothing is known: so however many joins meet one peer, it is one session.
 */
export class Sessions {
  readonly #entropy: (out: Uint8Array) => void
  readonly #isKeyed: boolean
  #first = NO_IDENTITY

  constructor(entropy: (out: Uint8Array) => void, isKeyed: boolean) {
    this.#entropy = entropy
    this.#isKeyed = isKeyed
  }

  /** A session for a peer that we have none with. With keys a join of ours may be on its way there, or follow. */
  next(): Uint8Array {
    if (!this.#isKeyed) return newIdentity(this.#entropy)
    if (isNone(this.#first)) this.#first = newIdentity(this.#entropy)
    return this.#first
  }

  /** What the first tries of a join carry: with keys a session, without keys none before a challenge told to whom. */
  ofFirstTries(): Uint8Array {
    return this.#isKeyed ? this.next() : NO_IDENTITY
  }

  /** This one is over. Answers whether it was that of first joins: from now on those have another. */
  retire(session: Uint8Array): boolean {
    if (isNone(this.#first) || !isSame(session, this.#first)) return false
    this.#first = newIdentity(this.#entropy)
    return true
  }
}
