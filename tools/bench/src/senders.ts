/** The two ways to send numbered messages on a link. */

import { nowMs } from "./clock.ts"
import { Content } from "./content.ts"
import { LARGE_BYTES, type Link } from "./link.ts"

const LARGE_BUFFERS = 16
/** Where a message has the time at which it was due, by `nowMs`. */
export const DUE_AT = 8

/** As fast as they go. Returns a function that tells how many messages were offered so far. */
export function sendFlatOut(link: Link, bytes: number): () => number {
  const contents = Array.from({ length: bytes >= LARGE_BYTES ? LARGE_BUFFERS : 1 }, () => new Content(bytes))
  let number = 0
  const write = (): void => {
    // Ends the turn now and then, so that timers run even with a library that always has room.
    for (let i = 0; i < 100_000; i++) if (!link.send(contents[number % contents.length]!.number(number++))) return
    setImmediate(write)
  }
  link.onWritable(() => setImmediate(write))
  write()
  return () => number
}

/**
 * Sends messages at their times, however long earlier ones took. The latency of a late message counts from when it was
 * due, also of one that waited because the library had no room. The sender's process is busy all the time.
 */
export function sendAtRate(link: Link, bytes: number, perSecond: number): void {
  const content = new Content(bytes)
  const intervalMs = 1_000 / perSecond
  const startMs = nowMs()
  let number = 0
  let isWaiting = false
  const turn = (): void => {
    const dueMs = nowMs()
    for (let atMs = startMs + number * intervalMs; atMs <= dueMs && !isWaiting; atMs = startMs + number * intervalMs) {
      content.number(number++)
      content.view.setFloat64(DUE_AT, atMs, true)
      isWaiting = !link.send(content.bytes)
    }
    setImmediate(turn)
  }
  link.onWritable(() => (isWaiting = false))
  turn()
}
