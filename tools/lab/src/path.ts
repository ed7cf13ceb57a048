/**
 * One direction of a path, without clock and sockets, for the relay in TypeScript: a limit of length, losses, a queue in
 * front of a link with a rate, other losses, and a delay. It draws the same numbers as `c/path.c`, so that both treat
 * the same packets alike, but for two things that only C has: CoDel, which marks IP packets, and another rate for
 * packets that already wait.
 */

import { Random } from "@x/transport/simulated"
import type { Burst, Direction } from "./settings.ts"

export type Loss = "mtu" | "before" | "behind" | "queue"

const NO_BURST: Burst = { enter: 0, leave: 0, loss: 0 }

export class PathDirection {
  settings: Direction
  readonly lost: Record<Loss, number> = { mtu: 0, before: 0, behind: 0, queue: 0 }
  /** Those in front of the queue have one of their own: others may be drawn later than the packet comes. */
  readonly #random: Readonly<Record<"before" | "behind", Random>>
  /** Whether bursts are in their bad state, in front of the queue and behind it. */
  readonly #isBad = { before: false, behind: false }
  /** When packets that wait leave the queue for the link, and their lengths; the oldest first. */
  readonly #waiting: { startMs: number; bytes: number }[] = []
  #waitingBytes = 0
  #freeMs = 0
  #lastDueMs = 0

  /** Different labels draw independent numbers from one seed. */
  constructor(settings: Direction, seed: number, label: string) {
    this.settings = settings
    this.#random = { before: new Random(seed, `${label} before`), behind: new Random(seed, `${label} behind`) }
  }

  /** When a packet that comes now arrives, or why it doesn't. Call it in the order of time. */
  offer(bytes: number, nowMs: number): number | Loss {
    const { mtu = 0, rate = 0, delayMs = 0, jitterMs = 0, reorder = 0, reorderMs = 0 } = this.settings
    if (mtu > 0 && bytes > mtu) return this.#lose("mtu")
    if (this.#isLost("before", this.settings.lossBefore, this.settings.burstBefore)) return this.#lose("before")
    if (this.#isFull(bytes, nowMs)) return this.#lose("queue")
    const startMs = Math.max(this.#freeMs, nowMs)
    if (startMs > nowMs) {
      this.#waiting.push({ startMs, bytes })
      this.#waitingBytes += bytes
    }
    this.#freeMs = startMs + (rate > 0 ? (bytes * 8_000) / rate : 0)
    if (this.#isLost("behind", this.settings.lossBehind, this.settings.burstBehind)) return this.#lose("behind")
    const random = this.#random.behind
    const jitter = jitterMs > 0 ? random.fraction() * jitterMs : 0
    const dueMs = Math.max(this.#lastDueMs, this.#freeMs + delayMs + jitter)
    // Later ones overtake it: it doesn't count for their order.
    if (random.chance(reorder)) return dueMs + random.fraction() * reorderMs
    this.#lastDueMs = dueMs
    return dueMs
  }

  #isFull(bytes: number, nowMs: number): boolean {
    const waiting = this.#waiting
    while (waiting.length > 0 && waiting[0]!.startMs <= nowMs) this.#waitingBytes -= waiting.shift()!.bytes
    if (this.#freeMs <= nowMs) return false
    const { queuePackets = 0, queueBytes = 0, queueMs = 0 } = this.settings
    if (queuePackets > 0 && waiting.length + 1 > queuePackets) return true
    if (queueBytes > 0 && this.#waitingBytes + bytes > queueBytes) return true
    return queueMs > 0 && this.#freeMs - nowMs > queueMs
  }

  #isLost(where: "before" | "behind", loss = 0, burst = NO_BURST): boolean {
    const random = this.#random[where]
    if (burst.enter > 0) {
      const isBad = this.#isBad[where]
      this.#isBad[where] = isBad ? !random.chance(burst.leave) : random.chance(burst.enter)
      if (this.#isBad[where] && random.chance(burst.loss)) return true
    }
    return random.chance(loss)
  }

  #lose(why: Loss): Loss {
    this.lost[why]++
    return why
  }
}
