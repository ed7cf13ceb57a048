/**
 * Streams of a peer that are over: their ids, and the owed answers to their ends (PROTOCOL.md §8). No state of them is
 * left, so a repeated end is answered from its own fields.
 *
 * @module
 */

import { ChargedRows, type RowAllowance } from "@x/stream"
import * as wire from "@x/wire"
import type { ControlWriter } from "../datagram/control-writer.ts"
import { NumberSet } from "./number-set.ts"

/** Ids are kept in at least this many ranges; beyond that the oldest hole counts as finished. */
const RANGES_MAX = 1_024
/** Ranges that are charged as one row. */
const RANGES_PER_ROW = 8
/** The most answers that wait for room in the socket, and those that are charged as one row. */
const ANSWERS_MAX = 16_384
const ANSWERS_PER_ROW = 4

export class FinishedStreams {
  readonly #ids = new NumberSet()
  readonly #rangesMax: number
  readonly #rows: ChargedRows
  /** The final number of each stream whose end has to be answered (again), by id. */
  readonly #answers = new Map<number, number>()
  readonly #answerRows: ChargedRows

  /**
   * `streamsMax`: the most streams of the peer that are open at a time. `rows`: what the ranges are charged to; default:
   * nothing. Where it has no more, holes are filled.
   */
  constructor(streamsMax: number, rows?: RowAllowance) {
    // An honest peer leaves no more holes than it may have streams open: no hole is filled before its stream has come.
    this.#rangesMax = Math.max(RANGES_MAX, streamsMax + 1)
    this.#rows = new ChargedRows(rows, Infinity)
    this.#answerRows = new ChargedRows(rows, Math.ceil(ANSWERS_MAX / ANSWERS_PER_ROW))
  }

  has(id: number): boolean {
    return this.#ids.has(id)
  }

  add(id: number): void {
    this.#ids.add(id)
    while (this.#ids.ranges > this.#rangesMax || !this.#rows.fits(this.#rowsUsed())) this.#ids.fillLowestHole()
    this.#rows.keep(this.#rowsUsed())
  }

  #rowsUsed(): number {
    return Math.ceil(this.#ids.ranges / RANGES_PER_ROW)
  }

  /** The peer is gone: what was charged is given back. */
  close(): void {
    this.#rows.keep(0)
    this.#answers.clear()
    this.#answerRows.keep(0)
  }

  /** The end of a stream has to be answered. */
  answer(id: number, final: number): void {
    // A peer that needs more answers at once will repeat its ends.
    if (this.#answers.has(id) || this.#answerRows.fits(answerRows(this.#answers.size + 1))) this.#answers.set(id, final)
  }

  /** Writes the answers; `false`: the socket is full. `status` is scratch. */
  compose(control: ControlWriter, status: wire.Status): boolean {
    if (this.#answers.size === 0) return true
    const isDone = this.#compose(control, status)
    this.#answerRows.keep(answerRows(this.#answers.size))
    return isDone
  }

  #compose(control: ControlWriter, status: wire.Status): boolean {
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

function answerRows(answers: number): number {
  return Math.ceil(answers / ANSWERS_PER_ROW)
}
