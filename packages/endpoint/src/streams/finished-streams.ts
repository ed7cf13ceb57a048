/**
 * Streams of a peer that are over: their numbers, and the answers to their ends that are owed (PROTOCOL.md §8). There
 * is no state of them left, so an end that is said again is answered from what it says itself.
 *
 * @module
 */

import * as wire from "@x/wire"
import type { ControlWriter } from "../datagram/control-writer.ts"
import { NumberSet } from "./number-set.ts"

/** Ids are kept in this many ranges at least; past that the oldest hole counts as finished. */
const RANGES_MAX = 1_024
/** Answers that wait for room in the socket, at most. */
const ANSWERS_MAX = 16_384

export class FinishedStreams {
  readonly #ids = new NumberSet()
  readonly #rangesMax: number
  /** The final number of each stream whose end is to be answered (again), by id. */
  readonly #answers = new Map<number, number>()

  /** `streamsMax`: this many streams of the peer are open at a time, at most. */
  constructor(streamsMax: number) {
    // An honest peer leaves no more holes than it may have streams open: none of them is filled before its stream has
    // come.
    this.#rangesMax = Math.max(RANGES_MAX, streamsMax + 1)
  }

  has(id: number): boolean {
    return this.#ids.has(id)
  }

  add(id: number): void {
    this.#ids.add(id)
    while (this.#ids.ranges > this.#rangesMax) this.#ids.fillLowestHole()
  }

  /** The end of a stream is to be answered. */
  answer(id: number, final: number): void {
    // A peer that asks for more at once asks again.
    if (this.#answers.size < ANSWERS_MAX) this.#answers.set(id, final)
  }

  /** Writes the answers; `false`: the socket is full. `status` is scratch. */
  compose(control: ControlWriter, status: wire.Status): boolean {
    if (this.#answers.size === 0) return true
    for (const [id, final] of this.#answers) {
      if (!control.hasRoom()) return false
      this.#answers.delete(id)
      status.stream = id
      status.cumulative = final
      status.state = wire.STATUS.closed
      status.received.count = status.missing.count = 0
      const body = control.begin(wire.KIND.status, wire.statusBytes(status))
      control.finish(wire.writeStatus(control.view, body, status))
    }
    return true
  }
}
