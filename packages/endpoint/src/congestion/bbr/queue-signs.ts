/**
 * What a round trip tells of the queue on the way, compared with the least one. A datagram on a slow link delays the
 * next one without any queue, so each bound has room for a few.
 *
 * @module
 */

export interface QueueSigns {
  /** Up to this round trip there is no queue, milliseconds. */
  readonly quietMs: number
  /** No round trip of a quiet round is longer. */
  readonly calmMs: number
  /** A round whose shortest round trip is longer had a queue all the time. */
  readonly queuedMs: number
  /** With round trips this long and a rate far below what was expected, the path carries less than it did. */
  readonly droppedMs: number
  /** A probe for more has filled the path. */
  readonly filledMs: number
}

/** A queue that is worth doing something about takes at least this long, milliseconds. */
const QUEUE_MS_MIN = 5

/** `leastMs`: the least round trip; `datagramMs`: how long the path needs for a datagram. */
export function queueSigns(leastMs: number, datagramMs: number): QueueSigns {
  return {
    quietMs: 1.05 * leastMs + 0.5 + datagramMs,
    calmMs: 1.25 * leastMs + 2 + 4 * datagramMs,
    // Less than a few milliseconds may be a busy process at either end.
    queuedMs: Math.max(1.2 * leastMs + 1, leastMs + QUEUE_MS_MIN) + 2 * datagramMs,
    droppedMs: Math.max(1.5 * leastMs + 5, leastMs + 2 * QUEUE_MS_MIN) + 5 * datagramMs,
    // A quarter of a round trip, as much as a probe adds in one; on long paths less, so that the queue stays short.
    filledMs: leastMs + Math.max(1 + 4 * datagramMs, Math.min(leastMs / 4, 12)),
  }
}
