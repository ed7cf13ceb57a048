import { toHex } from "../keys/identity.ts"
import type { PeerState } from "../peer/peer-state.ts"

/** Peers by unique and, where members have some, by static key: who shows another key under a unique that is known is somebody else. */
export class PeerTable {
  readonly #peers = new Map<string, PeerState>()
  /** How many there are of each unique: more than one only where a member takes another's. */
  readonly #uniques = new Map<string, number>()

  get size(): number {
    return this.#peers.size
  }

  get(unique: Uint8Array, publicKey: Uint8Array | undefined): PeerState | undefined {
    return this.#peers.get(keyOf(unique, publicKey))
  }

  hasUnique(unique: Uint8Array): boolean {
    return this.#uniques.has(toHex(unique))
  }

  /** Puts a peer in the place of whoever had its unique and key. */
  set(peer: PeerState): void {
    const key = keyOf(peer.unique, peer.publicKey)
    if (!this.#peers.has(key)) this.#count(peer.unique, 1)
    this.#peers.set(key, peer)
  }

  /** Takes out exactly this one, if it is there. */
  delete(peer: PeerState): void {
    const key = keyOf(peer.unique, peer.publicKey)
    if (this.#peers.get(key) !== peer) return
    this.#peers.delete(key)
    this.#count(peer.unique, -1)
  }

  /** They may be taken out meanwhile. */
  values(): IterableIterator<PeerState> {
    return this.#peers.values()
  }

  #count(unique: Uint8Array, by: 1 | -1): void {
    const text = toHex(unique)
    const count = (this.#uniques.get(text) ?? 0) + by
    if (count > 0) this.#uniques.set(text, count)
    else this.#uniques.delete(text)
  }
}

function keyOf(unique: Uint8Array, publicKey: Uint8Array | undefined): string {
  return publicKey === undefined ? toHex(unique) : `${toHex(unique)} ${toHex(publicKey)}`
}
