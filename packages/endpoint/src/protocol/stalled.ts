/**
 * Who gives way where memory for packets is short: a peer that holds some and has given none back for a while, since it
 * acknowledges nothing, while others wait for it. Shares leave the others a floor and something on trust; but peers that
 * had earned much and then stop leave little beyond that. The time counts only while others wait: a peer that is silent
 * costs nobody anything as long as there is enough.
 *
 * @module
 */

/** How often holders are looked at while others wait, milliseconds. */
const CHECK_MS = 250
/** At most this part of the memory is taken back at a time: then those that wait may have enough. */
const TAKEN_PART = 1 / 8

/** A peer's memory for packets to send, in units. */
export interface HeldMemory {
  readonly held: number
  /** Given back so far. */
  readonly given: number
  /** How often it found none so far, and would have found some if others had held less. */
  readonly lacked: number
}

interface Watched {
  given: number
  lacked: number
  /** Since when it has given nothing back. */
  sinceMs: number
}

export class Stalled<P> {
  /** Peers that gave way so far. */
  count = 0
  readonly #stalledMs: number
  readonly #unitsMax: number
  readonly #memoryOf: (peer: P) => HeldMemory
  #watched = new Map<P, Watched>()
  #lacked = 0
  #dueMs = Infinity

  /** `stalledMs`: how long a peer may give nothing back; `unitsMax`: the memory of all. */
  constructor(stalledMs: number, unitsMax: number, memoryOf: (peer: P) => HeldMemory) {
    this.#stalledMs = stalledMs
    this.#unitsMax = unitsMax
    this.#memoryOf = memoryOf
  }

  get nextTimeoutMs(): number {
    return this.#dueMs
  }

  /** `lacked`: how often peers found no memory so far, all together. Returns the peers that have to give way now. */
  poll(peers: Iterable<P>, lacked: number, nowMs: number): readonly P[] {
    if (nowMs < this.#dueMs && (this.#dueMs < Infinity || lacked === this.#lacked)) return []
    const isShort = lacked > this.#lacked
    this.#lacked = lacked
    this.#dueMs = isShort ? nowMs + CHECK_MS : Infinity
    if (!isShort) {
      this.#watched.clear()
      return []
    }
    const { stalled, waiting } = this.#look(peers, nowMs)
    // Those that have stalled may wait for each other: that is no reason.
    return waiting.every((peer) => stalled.includes(peer)) ? [] : this.#mostOf(stalled)
  }

  #look(peers: Iterable<P>, nowMs: number): { readonly stalled: readonly P[]; readonly waiting: readonly P[] } {
    const before = this.#watched
    const watched = (this.#watched = new Map<P, Watched>())
    const [stalled, waiting]: [P[], P[]] = [[], []]
    for (const peer of peers) {
      const { held, given, lacked } = this.#memoryOf(peer)
      const was = before.get(peer)
      if (was !== undefined && lacked > was.lacked) waiting.push(peer)
      const sinceMs = was !== undefined && held > 0 && was.given === given ? was.sinceMs : nowMs
      watched.set(peer, { given, lacked, sinceMs })
      if (nowMs - sinceMs >= this.#stalledMs) stalled.push(peer)
    }
    return { stalled, waiting }
  }

  /** Those that hold most, until there is enough. */
  #mostOf(stalled: readonly P[]): readonly P[] {
    const byHeld = stalled.toSorted((a, b) => this.#memoryOf(b).held - this.#memoryOf(a).held)
    let units = 0
    const enough = TAKEN_PART * this.#unitsMax
    const leaving = byHeld.filter((peer) => units < enough && (units += this.#memoryOf(peer).held) > 0)
    this.count += leaving.length
    return leaving
  }
}
