import { isSameKey, toHex } from "../keys/identity.ts"
import type { Session } from "../path/session.ts"
import type { PeerState } from "../peer/peer-state.ts"

/**
 * Peers by unique and, where members have keys, by static key: a peer that shows another key under a known unique is
 * another peer. And peers by the address that datagrams to them go to.
 */
export class PeerTable {
  readonly #peers = new Map<string, PeerState>()
  /** The number of peers of each unique: more than one only if a member uses another's. */
  readonly #uniques = new Map<string, number>()
  readonly #byAddress = new Map<number, PeerState>()
  /** From which host each peer joined, and how many did from each host, or with each static key. */
  readonly #hosts = new Map<PeerState, string>()
  readonly #ofHosts = new Map<string, number>()
  readonly #ofKeys = new Map<string, number>()

  get size(): number {
    return this.#peers.size
  }

  get(unique: Uint8Array, publicKey: Uint8Array | undefined): PeerState | undefined {
    return this.#peers.get(keyOf(unique, publicKey))
  }

  countOfHost(host: string): number {
    return this.#ofHosts.get(host) ?? 0
  }

  countOfKey(publicKey: Uint8Array): number {
    return this.#ofKeys.get(toHex(publicKey)) ?? 0
  }

  hasUnique(unique: Uint8Array): boolean {
    return this.#uniques.has(toHex(unique))
  }

  /** The peer whose datagrams go to this address; of several, the one that came there last. */
  at(address: number): PeerState | undefined {
    return this.#byAddress.get(address)
  }

  /** Other peers with the same key whose datagrams go to this address. */
  othersAt(address: number, { unique, publicKey }: Session): PeerState[] {
    const peer = this.get(unique, publicKey)
    return [...this.#peers.values()].filter(
      (other) => other !== peer && other.association?.address === address && isSameKey(other.publicKey, publicKey),
    )
  }

  /** Puts a peer, which joined from this host, in the place of the one with its unique and key. */
  set(peer: PeerState, host: string): void {
    const key = keyOf(peer.unique, peer.publicKey)
    const before = this.#peers.get(key)
    if (before !== undefined) this.#count(before, -1)
    this.#peers.set(key, peer)
    this.#hosts.set(peer, host)
    this.#count(peer, 1)
  }

  /** Datagrams to a peer go to this address from now on, and no longer to that of the association in use. */
  move(peer: PeerState, address: number): void {
    this.#unindex(peer)
    this.#byAddress.set(address, peer)
  }

  /** The peer has proved another address than this one. */
  moved(peer: PeerState, from: number): void {
    if (this.#byAddress.get(from) === peer) this.#byAddress.delete(from)
    this.#byAddress.set(peer.association!.address, peer)
  }

  /** Removes exactly this peer, if it is there. */
  delete(peer: PeerState): void {
    this.#unindex(peer)
    const key = keyOf(peer.unique, peer.publicKey)
    if (this.#peers.get(key) !== peer) return
    this.#peers.delete(key)
    this.#count(peer, -1)
  }

  /** All peers. Peers may be removed during the iteration. */
  values(): IterableIterator<PeerState> {
    return this.#peers.values()
  }

  #unindex(peer: PeerState): void {
    const address = peer.association?.address
    if (address !== undefined && this.#byAddress.get(address) === peer) this.#byAddress.delete(address)
  }

  #count(peer: PeerState, by: 1 | -1): void {
    const { unique, publicKey } = peer
    add(this.#uniques, toHex(unique), by)
    add(this.#ofHosts, this.#hosts.get(peer)!, by)
    if (publicKey !== undefined) add(this.#ofKeys, toHex(publicKey), by)
    if (by < 0) this.#hosts.delete(peer)
  }
}

function add(counts: Map<string, number>, of: string, by: 1 | -1): void {
  const count = (counts.get(of) ?? 0) + by
  if (count > 0) counts.set(of, count)
  else counts.delete(of)
}

function keyOf(unique: Uint8Array, publicKey: Uint8Array | undefined): string {
  return publicKey === undefined ? toHex(unique) : `${toHex(unique)} ${toHex(publicKey)}`
}
