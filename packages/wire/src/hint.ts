/** `hint`: the answer to a datagram for a slot that isn't in use (PROTOCOL.md §7). */

import type { DatagramDropReason } from "./drop-reason.ts"
import { NUMBER_MAX, readNumber, writeNumber } from "./numbers.ts"

/** Names a datagram that came for a slot in no use: only its sender can know both the slot and the counter. */
export interface Hint {
  /** The slot that the datagram was for, never 0. */
  readonly slot: number
  /** The counter that it had, at least 1. */
  readonly counter: number
}

/** Bytes of the body of a `hint`. */
export const HINT_BYTES = 10

/** Writes the body of a `hint`; returns the offset after it. */
export function writeHint(view: DataView, body: number, hint: Hint): number {
  view.setUint32(body, hint.slot, true)
  writeNumber(view, body + 4, hint.counter)
  return body + HINT_BYTES
}

/** Reads a checked `hint`. */
export function readHint(view: DataView, body: number): Hint {
  return { slot: view.getUint32(body, true), counter: readNumber(view, body + 4) }
}

/** Why `[body, end)` is no `hint`, or `undefined` if it is one. */
export function checkHint(view: DataView, body: number, end: number): DatagramDropReason | undefined {
  if (end - body < HINT_BYTES) return "truncated"
  if (view.getUint32(body, true) === 0) return "value"
  const counter = readNumber(view, body + 4)
  if (counter > NUMBER_MAX) return "number"
  if (counter === 0) return "value"
  return end - body > HINT_BYTES ? "trailing" : undefined
}
