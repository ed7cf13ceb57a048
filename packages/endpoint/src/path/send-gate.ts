/**
 * Whether data may go to a peer now: the window of its congestion controller, the pace, and what happens when the
 * window stays shut. The sender reports bytes as it sends them.
 *
 * @module
 */

import { ZERO } from "@x/wire"
import type { CongestionController, DeliverySample } from "../congestion/controller.ts"
import { Pacer } from "./pacer.ts"
import type { PathSize } from "./path-size.ts"
import { RateCaps } from "./rate-caps.ts"
import { RecentLeast } from "./recent-least.ts"
import type { SentDatagrams } from "./sent-datagrams.ts"

/** A window that stays shut is probed at least this often, milliseconds. */
const SHUT_PROBE_MS_MAX = 1_000
/** An application that waited for room writes on within this time, milliseconds, unless it has nothing more. */
const RELEASED_MS = 1
/** The time to the next probe doubles at most this many times. */
const SHUT_DOUBLINGS_MAX = 10
/**
 * After a challenge, for this long: our address, as the peer sees it, may have changed again, and then it can't answer
 * before it hears from us. So the time doubles no more. Milliseconds.
 */
const RESTLESS_MS = 5_000

/** Intervals of changing length: those of a NAT that forgets us every so often must not always end in between. */
export function restlessTimes(probe: number): number {
  return 1 + (probe % 4) / 4
}

export class SendGate {
  readonly controller: CongestionController
  readonly #caps: RateCaps
  readonly #size: PathSize
  readonly #timerMs: number
  readonly #rtt: { readonly ptoMs: number }
  readonly #pacer = new Pacer()
  readonly #leastRtt = new RecentLeast()
  /** Since when the window has been shut with data waiting; `Infinity`: it isn't shut. */
  #shutMs = Infinity
  #shutProbes = 0
  #restlessUntilMs = -Infinity
  /** When something was last sent. */
  #sentMs = Infinity
  /** When an application that had waited for room was let go on, and wrote nothing yet; `Infinity`: none. */
  #releasedMs = Infinity
  /** Why sending stopped: the window (true), or the pace. */
  #isShut = false
  #isPaced = false
  /** Sending stopped since no more may go to an address that isn't proved. */
  #isCapped = false
  /** Sending stopped since a cap of the rate allows no more: of this peer, or of all together. */
  #isRateCapped = false
  #isSharedFull = false
  /**
   * Of the present turn: its time, window and pace, the bytes sent in it, those of the largest datagram, and the bytes
   * in flight before.
   */
  #nowMs = ZERO
  #windowBytes = ZERO
  #paceBytesPerMs = ZERO
  #spentBytes = 0
  #largestBytes = 0
  #inFlightBytesBefore = ZERO
  #sent: SentDatagrams | undefined

  /** `timerMs`: the resolution of timers, milliseconds. */
  constructor(
    controller: CongestionController,
    size: PathSize,
    timerMs: number,
    rtt: { readonly ptoMs: number },
    caps: RateCaps = new RateCaps(),
  ) {
    this.#caps = caps
    this.controller = controller
    this.#size = size
    this.#timerMs = timerMs
    this.#rtt = rtt
  }

  /** Bytes that may be in flight. */
  get windowBytes(): number {
    return Math.min(this.controller.windowBytes, this.#takenBytes())
  }

  /**
   * Bytes that the peer takes: what its socket holds, and what is on the way meanwhile. Where nothing is paced, nothing
   * is known of that.
   */
  #takenBytes(): number {
    const { paceBytesPerMs } = this
    const { ms } = this.#leastRtt
    const onWayBytes = paceBytesPerMs < Infinity && ms < Infinity ? paceBytesPerMs * ms : 0
    return this.#size.heldBytesMax + onWayBytes
  }

  /** What the controller says, unless the peer's cap allows less. */
  get paceBytesPerMs(): number {
    return Math.min(this.controller.paceBytesPerMs, this.#caps.bytesPerMs)
  }

  /** Whether window, pace and caps stopped nothing in the last turn. */
  get isOpen(): boolean {
    return !this.#isShut && !this.#isPaced && !this.#isCapped && !this.#isSharedFull
  }

  /** Whether nothing but the cap of all peers together stopped sending in the last turn. */
  get isSharedFull(): boolean {
    return this.#isSharedFull
  }

  /**
   * What stopped sending in the last turn: the window, by the controller or by what the peer takes; a cap of the rate;
   * or the pace.
   */
  get limit(): "congestion" | "peer" | "cap" | "pace" | undefined {
    if (this.#isShut) return this.controller.windowBytes > this.#takenBytes() ? "peer" : "congestion"
    if (this.#isRateCapped) return "cap"
    return this.#isPaced ? "pace" : undefined
  }

  /** The window is shut with data waiting. */
  get isShut(): boolean {
    return this.#shutMs !== Infinity
  }

  /** A turn begins: the datagrams sent in it are counted in `sent`. */
  begin(sent: SentDatagrams, nowMs: number): void {
    this.#sent = sent
    this.#nowMs = nowMs
    this.#recall()
    if (nowMs > this.#releasedMs + RELEASED_MS) sent.limitByApplication(true)
    this.#spentBytes = this.#largestBytes = 0
    this.#inFlightBytesBefore = sent.inFlightBytes
    this.#isPaced = this.#isShut = this.#isCapped = this.#isRateCapped = this.#isSharedFull = false
  }

  /** The controller answers once for a turn, not for each packet. */
  #recall(): void {
    this.#windowBytes = this.windowBytes
    this.#paceBytesPerMs = this.paceBytesPerMs
  }

  /** Whether window, pace and caps let a packet of this size go now. */
  mayGo(bytes: number): boolean {
    const { inFlightBytes } = this.#sent!
    if (inFlightBytes === 0) this.#tellIdle()
    this.#isShut = inFlightBytes > 0 && inFlightBytes + bytes > this.#windowBytes
    if (this.#isShut) return false
    this.#isPaced = !this.#pacer.isOpen(this.#paceBytesPerMs, inFlightBytes === 0, this.#nowMs)
    this.#isSharedFull = !this.#isPaced && this.#caps.shared?.isOpen(this.#nowMs) === false
    this.#isRateCapped = this.#isSharedFull || (this.#isPaced && this.#caps.bytesPerMs <= this.#paceBytesPerMs)
    return !this.#isPaced && !this.#isSharedFull
  }

  /** Data is about to be sent after a pause with nothing in flight: what the controller knows may be out of date. */
  #tellIdle(): void {
    if (this.#nowMs - this.#sentMs <= this.#rtt.ptoMs) return
    this.controller.onIdle?.(this.#sentMs, this.#nowMs)
    this.#sentMs = this.#nowMs
    this.#recall()
  }

  /** No more may go before the peer has proved its address, or more came from there. */
  cap(): void {
    this.#isCapped = true
  }

  /** Whether a packet of this size leaves no room in the window for another full one. */
  isFilledBy(bytes: number): boolean {
    return this.#sent!.inFlightBytes + bytes + this.#size.payloadBytesMax > this.#windowBytes
  }

  /** A datagram of this size went out. */
  spend(bytes: number): void {
    this.#spentBytes += bytes
    if (bytes > this.#largestBytes) this.#largestBytes = bytes
    this.#pacer.spend(bytes)
    this.#caps.shared?.spend(bytes)
  }

  /** Bytes sent in the present turn, or the last one. */
  get spentBytes(): number {
    return this.#spentBytes
  }

  /** Bytes of the largest datagram of that turn. */
  get largestBytes(): number {
    return this.#largestBytes
  }

  /**
   * The turn is over. `hasMore`: data is left over, or waits for the window of its stream. `wasFull`: some waited for
   * that a moment ago. An application that was just let go on is idle only once it has had time to write.
   */
  end(hasMore: boolean, wasFull: boolean): void {
    const sent = this.#sent!
    const { inFlightBytes } = sent
    const hasRoom = this.isOpen && inFlightBytes + this.#size.datagramBytesMax <= this.#windowBytes
    const isIdle = !hasMore && hasRoom
    // What caps it is no more the path than an application with nothing to send.
    sent.limitByApplication(this.#isCapped || this.#isRateCapped || (isIdle && !wasFull))
    this.#releasedMs = isIdle && wasFull ? this.#nowMs : Infinity
    if (this.#spentBytes > 0) {
      this.#sentMs = this.#nowMs
      this.controller.onSent(this.#spentBytes, inFlightBytes, this.#nowMs)
    }
    if (!this.#isShut) this.#shutMs = Infinity
    else if (this.#shutMs === Infinity || inFlightBytes > this.#inFlightBytesBefore) this.#shutMs = this.#nowMs
  }

  /** Nothing is known of the path: it is another one. */
  restart(nowMs: number): void {
    this.#leastRtt.restart()
    this.controller.onPathChange?.(nowMs)
  }

  handleFeedback(sample: DeliverySample): void {
    if (sample.rttMs >= 0) this.#leastRtt.handleRtt(sample.rttMs, sample.nowMs)
    this.controller.onFeedback(sample)
    this.#shutMs = Infinity
    this.#shutProbes = 0
  }

  /**
   * When the window has been shut for so long that everything in flight may be lost: then a heartbeat asks. `usualMs`:
   * when feedback is expected.
   */
  shutDueMs(usualMs: number): number {
    const waitMs = this.isRestless(this.#shutMs)
      ? this.#rtt.ptoMs * restlessTimes(this.#shutProbes)
      : usualMs * (1 << Math.min(this.#shutProbes, SHUT_DOUBLINGS_MAX))
    return this.#shutMs + Math.min(waitMs, SHUT_PROBE_MS_MAX)
  }

  /** The peer asks whether we are at the address that it sees. */
  challenged(nowMs: number): void {
    this.#restlessUntilMs = nowMs + RESTLESS_MS
  }

  /** Whether our address, as the peer sees it, has changed just now, and may change again. */
  isRestless(nowMs: number): boolean {
    return nowMs < this.#restlessUntilMs
  }

  /** A heartbeat has asked. */
  shutProbed(nowMs: number): void {
    if (this.#shutMs === Infinity) return
    this.#shutMs = nowMs
    this.#shutProbes++
  }

  /** When the pace, which stopped sending, allows it again. */
  get paceDueMs(): number {
    return this.#isPaced ? this.#pacer.nextMs(this.paceBytesPerMs, this.#timerMs) : Infinity
  }
}
