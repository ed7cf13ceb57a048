/**
 * How large datagrams to a peer may be: found by probes that carry no data, and lost again if the path changes (RFC
 * 8899). An error of the system, which ICMP may have caused, lowers the size at once, but never below the floor, and is
 * followed by another search.
 *
 * @module
 */

import { DATAGRAM_BYTES_BASE, DATAGRAM_BYTES_FLOOR, type MtuProbe, double } from "@x/wire"
import { type Arrivals, BlackHole, type SentTurn } from "./black-hole.ts"
import { MtuSearch } from "./mtu-search.ts"

/** Probes that may still be answered. */
const ASKED_MAX = 128
/** An answer is waited for at least this long, and at most, ms. */
const WAIT_MS_MIN = 50
const WAIT_MS_MAX = 1_000

function waitMs(ptoMs: number): number {
  return Math.min(WAIT_MS_MAX, Math.max(WAIT_MS_MIN, ptoMs))
}

/** What the machine is doing: nothing, as long as nothing large was sent. */
export type MtuState = "base" | "searching" | "complete" | "doubting"

export class MtuDiscovery {
  readonly #boundBytes: number
  readonly #random: () => number
  readonly #search: MtuSearch
  readonly #hole = new BlackHole()
  #datagramBytes: number
  /** The least size that failed before anything large was sent. */
  #failedBytes = Infinity
  #hasBegun = false
  /** The size of each probe that wasn't answered, by its number. */
  readonly #asked = new Map<number, number>()
  #nextProbe: number
  /** Probes that are due together with the one that was returned. */
  #group: readonly number[] = []

  /** `boundBytes`: the largest datagram that both ends take; `random`: numbers from 0 to below 1. */
  constructor(boundBytes: number, random: () => number) {
    this.#boundBytes = boundBytes
    this.#random = random
    this.#search = new MtuSearch(boundBytes)
    this.#datagramBytes = Math.min(boundBytes, DATAGRAM_BYTES_BASE)
    this.#nextProbe = this.#drawnProbe()
  }

  /** The largest datagram that the path is known to carry: or believed to, as it carries the base. */
  get datagramBytes(): number {
    return this.#datagramBytes
  }

  get state(): MtuState {
    if (!this.#hasBegun) return "base"
    if (this.#hole.isActive) return "doubting"
    return this.#search.isActive ? "searching" : "complete"
  }

  /** When `poll` has something to do. `ptoMs`: after this time an answer is late. */
  dueMs(ptoMs: number): number {
    if (!this.#hasBegun) return Infinity
    if (this.#group.length > 0) return -Infinity
    const holeMs = this.#holeDueMs(ptoMs)
    return this.#hole.isActive ? holeMs : Math.min(holeMs, this.#search.dueMs(waitMs(ptoMs)))
  }

  /** Returns the next probe that is due, to be sent in a datagram of its size; `undefined`: none. */
  poll(ptoMs: number, nowMs: number): MtuProbe | undefined {
    if (nowMs < this.dueMs(ptoMs)) return undefined
    if (this.#group.length === 0) this.#group = this.#chosen(ptoMs, nowMs)
    const [size, ...rest] = this.#group
    if (size === undefined) return undefined
    this.#group = rest
    return this.#ask(size)
  }

  #holeDueMs(ptoMs: number): number {
    return this.#hole.dueMs(2 * ptoMs, waitMs(ptoMs))
  }

  #chosen(ptoMs: number, nowMs: number): readonly number[] {
    const hole = this.#hole
    if (nowMs >= this.#holeDueMs(ptoMs)) return hole.poll(this.#sizes(), waitMs(ptoMs), nowMs)
    const size = this.#search.poll(waitMs(ptoMs), nowMs)
    return size === 0 ? [] : [size]
  }

  /** The size in use, and those to go back to. */
  #sizes(): readonly number[] {
    const lower = [DATAGRAM_BYTES_BASE, DATAGRAM_BYTES_FLOOR].filter((bytes) => bytes < this.#datagramBytes)
    return [this.#datagramBytes, ...lower]
  }

  #ask(size: number): MtuProbe {
    const probe = this.#nextProbe
    this.#nextProbe = (probe + 1) % 2 ** 32
    if (this.#asked.size >= ASKED_MAX) this.#asked.delete(this.#asked.keys().next().value!)
    this.#asked.set(probe, size)
    return { probe: double(probe), size }
  }

  /** A probe was answered. Returns its size; 0: it wasn't asked, or belongs to another path. */
  handleAnswer({ probe, size }: MtuProbe, nowMs: number): number {
    if (this.#asked.get(probe) !== size) return 0
    this.#asked.delete(probe)
    const lowerBytes = this.#hole.answered(size)
    if (lowerBytes > 0) this.#leave(lowerBytes, nowMs)
    else if (size > this.#datagramBytes) {
      this.#datagramBytes = size
      this.#search.passed(size, nowMs)
    }
    return size
  }

  /** The path no longer carries the size in use. */
  #leave(bytes: number, nowMs: number): void {
    const failed = this.#sizes().findLast((size) => size > bytes)!
    this.#lower(bytes, failed, nowMs)
  }

  #lower(bytes: number, failedBytes: number, nowMs: number): void {
    this.#datagramBytes = bytes
    this.#hole.stop()
    this.#group = []
    // An answer that comes now is of the path as it was.
    this.#asked.clear()
    if (this.#hasBegun) this.#search.start(bytes, failedBytes, nowMs)
    else this.#failedBytes = failedBytes
  }

  /**
   * The system refused a datagram of this size. It is used no more, nor probed: of the sizes that are known to pass the
   * next lower one is used. Every path carries the floor, so such an error about that says nothing.
   */
  handleTooLong(bytes: number, nowMs: number): void {
    if (bytes <= DATAGRAM_BYTES_FLOOR) return
    if (bytes > this.#datagramBytes) return this.#search.failed(bytes, nowMs)
    const lower = bytes > DATAGRAM_BYTES_BASE ? DATAGRAM_BYTES_BASE : DATAGRAM_BYTES_FLOOR
    if (lower < this.#datagramBytes) this.#lower(lower, bytes, nowMs)
  }

  /** The peer was joined with datagrams of the floor only, so that larger ones may be lost on the way. */
  handleNarrowJoin(nowMs: number): void {
    if (this.#datagramBytes > DATAGRAM_BYTES_FLOOR) this.#lower(DATAGRAM_BYTES_FLOOR, Infinity, nowMs)
  }

  /** Searches from now on, whatever is sent. */
  begin(nowMs: number): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    this.#search.start(this.#datagramBytes, this.#failedBytes, nowMs)
  }

  handleSent(turn: SentTurn, nowMs: number): void {
    const { bytes, largestBytes } = turn
    if (!this.#hasBegun) {
      // Where nothing large is sent, nothing is gained.
      if (largestBytes <= Math.min(DATAGRAM_BYTES_FLOOR, this.#datagramBytes / 2)) return
      this.begin(nowMs)
    }
    this.#search.sent(bytes)
    // What was sent before the size was lowered is of no interest any more.
    this.#hole.sent(turn, Math.min(largestBytes, this.#datagramBytes), nowMs)
  }

  /** The peer reported what has arrived. */
  handleFeedback(arrivals: Arrivals): void {
    this.#hole.arrived(arrivals)
  }

  /** From now on datagrams are counted anew, on the same path. */
  recount(): void {
    this.#hole.stop()
  }

  /** The size that is probed first from the next search on, see {@link MtuSearch.expect}; at first the bound. */
  expect(bytes: number): void {
    this.#search.expect(bytes)
  }

  /** From now on datagrams take another path: all begins anew. */
  restart(): void {
    this.#datagramBytes = Math.min(this.#boundBytes, DATAGRAM_BYTES_BASE)
    this.#failedBytes = Infinity
    this.#hasBegun = false
    this.#hole.stop()
    this.#search.stop()
    this.#group = []
    this.#asked.clear()
    this.#nextProbe = this.#drawnProbe()
  }

  /** A sender that reads nothing of ours can't guess it, and so confirms nothing. */
  #drawnProbe(): number {
    return Math.floor(this.#random() * 2 ** 32)
  }
}
