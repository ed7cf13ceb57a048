/**
 * What one subscriber has of a log, and since when it is behind.
 *
 * @module
 */

/** Why a subscriber that is behind is dropped out, as in `ENDS`. */
export type TooSlow = "behind-by-messages" | "behind-by-time" | "behind-by-memory"

/** One subscriber of a publication. It is exact at all times: `given` + `skipped` + what waits = all since `first`. */
export class Account {
  /** The position of the first message for it. */
  readonly first: number
  /** The position of the next message for it. */
  next: number
  /** Messages that were handed to its stream. */
  given = 0
  /** Messages that it was too slow for, and won't get. */
  skipped = 0
  /** Of those, what nobody was told of yet. */
  untold = 0
  /** What is before that it catches up with: where the log ended when it came, or further on, as more was published. */
  caughtUpAt: number
  /** Messages that waited when it came: it may be behind by them beside its lag, until it has caught up once. */
  #backlog: number
  /** When it last took a message of those, milliseconds. */
  #tookMs: number

  constructor(first: number, end: number, nowMs: number) {
    this.first = first
    this.next = first
    this.caughtUpAt = end
    this.#backlog = end - first
    this.#tookMs = nowMs
  }

  /** Whether it has yet to catch up with what was there when it came, and with what came meanwhile. */
  get isCatchingUp(): boolean {
    return this.next < this.caughtUpAt
  }

  /** Its stream took this many messages. */
  took(messages: number, nowMs: number): void {
    if (this.isCatchingUp) this.#tookMs = nowMs
    this.next += messages
    this.given += messages
  }

  /** It goes on with a later message; returns how many it won't get. */
  skipTo(position: number, nowMs: number): number {
    const messages = Math.max(0, position - this.next)
    if (this.isCatchingUp) this.#tookMs = nowMs
    this.next += messages
    this.skipped += messages
    this.untold += messages
    return messages
  }

  /**
   * It was given what its stream takes. It has caught up once no more waits for it than `messages`, in a log with this
   * end; until then it goes on with what was published since it came.
   */
  settle(end: number, messages: number): void {
    if (this.#backlog === 0 || this.isCatchingUp) return
    if (end - this.next > messages) this.caughtUpAt = end
    else this.#backlog = 0
  }

  /**
   * Messages that wait for it, in a log with this end. Until it has caught up only those by which it is further behind
   * than when it came: what was published since, less what it has had.
   */
  lag(end: number): number {
    return Math.max(0, end - this.next - this.#backlog)
  }

  /**
   * Since when it is behind, if its next message was published at `publishedMs`. While it catches up that is since it
   * took something; what was published meanwhile is as old as its catching up at most.
   */
  behindSinceMs(publishedMs: number): number {
    return this.isCatchingUp ? this.#tookMs : Math.max(publishedMs, this.#tookMs)
  }
}
