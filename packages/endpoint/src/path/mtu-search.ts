/**
 * Which size of datagram is probed next on a path, and when the search for a larger one ends (RFC 8899, section 5.3).
 *
 * @module
 */

import { ZERO } from "@x/wire"

/** Probes of a size that are lost before the size counts as too large (RFC 8899, MAX_PROBES). */
const PROBES_MAX = 3
/** The search ends when it could gain no more than this many bytes. */
const STEP_BYTES = 20
/** A raised path is looked for this long after a search, if enough was sent since; otherwise only this much later. */
const RAISE_BUSY_MS = 5_000
const RAISE_MS = 600_000
/** Enough: then the probes are less than a hundredth of what is sent. */
const RAISE_PROBES = 128
/**
 * Beyond what paths are expected to carry: first what the least frames larger than usual carry, since a path that
 * doesn't carry those carries none; then jumbo frames.
 */
const LARGER_BYTES: readonly number[] = [2_256, 8_952]
/** What common links carry, less the headers of IPv6 and IPv4: tunnels, PPPoE, Ethernet, jumbo frames, loopback. */
const USUAL_BYTES: readonly number[] = [1_280, 1_400, 1_420, 1_460, 1_492, 1_500, 2_304, 4_352, 9_000, 65_535].flatMap(
  (mtuBytes) => [mtuBytes - 48, mtuBytes - 28],
)

/** Finds the largest size that passes, between one that does and one that doesn't. */
export class MtuSearch {
  readonly #boundBytes: number
  /** The size that the path is expected to carry. */
  #expectedBytes: number
  #passedBytes = 0
  /** The least size that is believed not to pass; above the bound: none is. */
  #failedBytes = ZERO
  /** The size that is probed; 0: none. */
  #probedBytes = 0
  #probes = 0
  /** When the last probe was sent, or the first one may be. */
  #askedMs = ZERO
  /** Whether it only asks if the path carries a little more than it did. */
  #isRaising = false
  /** When the last search ended, the bytes sent since, and the size that is tried next. */
  #endedMs = ZERO
  #sentBytes = ZERO
  #raisedBytes = 0

  constructor(boundBytes: number) {
    this.#boundBytes = this.#expectedBytes = boundBytes
  }

  /**
   * The path is expected to carry datagrams of this size, which are probed first. Where it does, and not even somewhat
   * larger ones, the search is over, and it is asked for those no more often than RFC 8899 says. Before a search.
   */
  expect(bytes: number): void {
    this.#expectedBytes = Math.min(bytes, this.#boundBytes)
  }

  /** Whether a size is being probed, or about to be. */
  get isActive(): boolean {
    return this.#probedBytes > 0
  }

  /** When the next probe is due; one that was sent is answered within `waitMs`, or lost. */
  dueMs(waitMs: number): number {
    if (this.isActive) return this.#probes === 0 ? this.#askedMs : this.#askedMs + waitMs
    if (this.#passedBytes >= this.#boundBytes || this.#sentBytes === 0) return Infinity
    const isBusy = this.#sentBytes >= RAISE_PROBES * this.#raisedBytes && this.#raisedBytes <= this.#expectedBytes
    return this.#endedMs + (isBusy ? RAISE_BUSY_MS : RAISE_MS)
  }

  /** Searches from a size that passes up to one that doesn't; `Infinity`: any may pass. */
  start(passedBytes: number, failedBytes: number, nowMs: number): void {
    this.#passedBytes = passedBytes
    this.#failedBytes = failedBytes
    this.#isRaising = false
    this.#next(nowMs)
  }

  /** Nothing is searched until the next start. */
  stop(): void {
    this.#probedBytes = 0
    this.#sentBytes = 0
  }

  /** So much was sent: a search after a while costs little of it. */
  sent(bytes: number): void {
    this.#sentBytes += bytes
  }

  /** Returns the size that has to be probed now; 0: none. */
  poll(waitMs: number, nowMs: number): number {
    if (nowMs < this.dueMs(waitMs)) return 0
    if (!this.isActive) this.#raise()
    else if (this.#probes >= PROBES_MAX) this.failed(this.#probedBytes, nowMs)
    if (!this.isActive) return 0
    this.#probes++
    this.#askedMs = nowMs
    return this.#probedBytes
  }

  /** A datagram of this size came through. */
  passed(bytes: number, nowMs: number): void {
    if (bytes <= this.#passedBytes) return
    this.#passedBytes = bytes
    // A size that failed before may have been lost by chance, or the path is another one.
    if (this.#isRaising || bytes >= this.#failedBytes) this.#failedBytes = Infinity
    this.#isRaising = false
    if (!this.isActive || this.#probedBytes > bytes) return
    this.#next(nowMs)
  }

  /** Datagrams of this size don't pass. */
  failed(bytes: number, nowMs: number): void {
    if (bytes <= this.#passedBytes) return
    this.#failedBytes = Math.min(this.#failedBytes, bytes)
    if (!this.isActive || this.#probedBytes < bytes) return
    if (this.#isRaising) return this.#end(nowMs)
    this.#next(nowMs)
  }

  #next(nowMs: number): void {
    this.#probes = 0
    this.#askedMs = nowMs
    this.#probedBytes = this.#chosenBytes()
    if (this.#probedBytes === 0) this.#end(nowMs)
  }

  #end(nowMs: number): void {
    this.stop()
    this.#endedMs = nowMs
    const [passed, expected] = [this.#passedBytes, this.#expectedBytes]
    const usual = USUAL_BYTES.find((bytes) => bytes >= passed + STEP_BYTES) ?? this.#boundBytes
    if (passed < expected) this.#raisedBytes = Math.min(usual, expected)
    else this.#raisedBytes = Math.min(Math.max(usual, LARGER_BYTES[0]!), this.#boundBytes)
  }

  #raise(): void {
    this.#isRaising = true
    this.#probes = 0
    this.#probedBytes = this.#raisedBytes
  }

  /**
   * What is expected first, since most paths carry it, and then by steps up to the bound. Once a size has failed, the
   * middle one of the usual sizes that are left, then the middle. Beyond jumbo frames that isn't worth the probes.
   */
  #chosenBytes(): number {
    const [passed, failed] = [this.#passedBytes, this.#failedBytes]
    const [bound, expected] = [this.#boundBytes, this.#expectedBytes]
    if (failed > bound) {
      const step = passed < expected ? expected : (LARGER_BYTES.find((bytes) => bytes > passed) ?? bound)
      return passed < bound ? Math.min(step, bound) : 0
    }
    const isBeyond = passed >= expected
    if (isBeyond && failed <= LARGER_BYTES[0]!) return 0
    const usual = USUAL_BYTES.filter((bytes) => bytes > passed && bytes < failed)
    if (usual.length > 0) return usual[usual.length >> 1]!
    if (isBeyond && passed >= LARGER_BYTES.at(-1)!) return 0
    return failed - passed <= STEP_BYTES ? 0 : (passed + failed) >> 1
  }
}
