/**
 * When each thing of a peer is due. A deadline is stated here and nowhere else. Handling and the next timeout both use
 * it, so nothing is due without being handled, and nothing is handled without being due.
 *
 * @module
 */

import type { Limits } from "@x/wire"
import type { Association } from "../path/association.ts"
import type { Path } from "../path/path.ts"
import type { FeedbackOwed } from "./feedback-owed.ts"
import type { Goodbye } from "./goodbye.ts"
import type { Liveness } from "./liveness.ts"
import type { Pings } from "./pings.ts"
import type { RateAsked } from "./rate-asked.ts"
import type { Retiring } from "./retiring.ts"

/**
 * After a turn that handled everything, turns for data alone follow for this long, milliseconds. It bounds how late a
 * deadline is seen that only data has moved; the least of those that data moves at all are hundreds.
 */
const DATA_ALONE_MS = 50

/** Streams in one direction. */
interface TimedStreams {
  /** When a message was last sent or received. */
  readonly lastDataMs: number
  nextTimeoutMs(): number
}

export interface TimerParts {
  readonly liveness: Liveness
  readonly goodbye: Goodbye
  readonly pings: Pings
  readonly rate: RateAsked
  readonly feedback: FeedbackOwed
  readonly retiring: Retiring
  readonly outgoing: TimedStreams & { readonly hasData: boolean }
  readonly incoming: TimedStreams
  /** What the peer announced of itself. */
  readonly limits: Limits
}

export type Timer =
  | "silence"
  | "absence"
  | "probe"
  | "heartbeat"
  | "shut"
  | "ping"
  | "rate"
  | "goodbye"
  | "forget"
  | "feedback"
  | "retire"
  | "move"
  | "pace"
  | "mtu"
  | "outgoing"
  | "incoming"

type Due = (parts: TimerParts, path: Path, association: Association) => number

function lastDataMs({ outgoing, incoming }: TimerParts): number {
  return Math.max(outgoing.lastDataMs, incoming.lastDataMs)
}

/** `Infinity`: never. */
const DUE: Readonly<Record<Timer, Due>> = {
  /** The peer counts as unreachable, and later as gone. */
  silence: ({ liveness }, _path, association) => liveness.silenceDueMs(association),
  absence: ({ liveness }, _path, association) => liveness.absenceDueMs(association),
  /** A join asks which incarnation is there. */
  probe: (parts, _path, association) => parts.liveness.probeDueMs(association, lastDataMs(parts)),
  /** A heartbeat is sent; also when the window stays shut, and when an answer is missing. */
  heartbeat: (parts, _path, association) => parts.liveness.heartbeatDueMs(association, lastDataMs(parts)),
  shut: ({ liveness, limits }, { gate, rtt }) =>
    liveness.state === "joined" ? gate.shutDueMs(rtt.ptoMs + limits.statusDelayMs) : Infinity,
  ping: ({ liveness, pings }) => (liveness.state === "joined" ? pings.dueMs : Infinity),
  /** What we ask for is sent, again or at all. */
  rate: ({ liveness, rate }) => (liveness.state === "joined" ? rate.dueMs : Infinity),
  /** A goodbye is sent; and the peer is forgotten. */
  goodbye: ({ goodbye }) => goodbye.dueMs,
  forget: ({ goodbye }) => goodbye.endMs,
  /** An association that was replaced is forgotten. */
  retire: ({ retiring }) => retiring.dueMs,
  /** An address is challenged, or a challenge is over. */
  move: (_parts, _path, association) => association.addresses.dueMs,
  /** The path's MTU is probed, if the peer's address is proved. */
  mtu: ({ liveness }, { mtu, rtt }, { roomBytes }) =>
    liveness.state === "joined" && roomBytes === Infinity ? mtu.dueMs(rtt.ptoMs) : Infinity,
  /** Feedback is sent by itself. */
  feedback: ({ feedback }) => feedback.dueMs,
  /** The pace allows data again. */
  pace: ({ liveness, outgoing }, { gate }) =>
    liveness.state === "joined" && outgoing.hasData ? gate.paceDueMs : Infinity,
  outgoing: ({ outgoing }) => outgoing.nextTimeoutMs(),
  incoming: ({ incoming }) => incoming.nextTimeoutMs(),
}

/** Those that data moves, which are looked at in each turn; and the others. */
const OF_DATA: readonly Due[] = [DUE.feedback, DUE.pace, DUE.outgoing, DUE.incoming]
const OF_OTHERS: readonly Due[] = Object.values(DUE).filter((due) => !OF_DATA.includes(due))

export class Timers {
  readonly #parts: TimerParts
  /** Something happened, other than that data came or was written, which may have moved any deadline. */
  isUncertain = true
  /** When everything due was last handled; and whether the present turn does that, or is for data alone. */
  #handledMs = -Infinity
  #handlesAll = true
  /** When the first is due of those that data doesn't move, as of then. */
  #othersMs = Infinity

  constructor(parts: TimerParts) {
    this.#parts = parts
  }

  /**
   * A turn begins. Returns whether it has to handle everything that may be due. Most turns between those are for data
   * alone: then nothing else has happened, and the deadlines that data moves are looked at one by one.
   */
  begin(path: Path, association: Association | undefined, nowMs: number): boolean {
    const { liveness, feedback, incoming } = this.#parts
    this.#handlesAll =
      this.isUncertain ||
      nowMs - this.#handledMs >= DATA_ALONE_MS ||
      liveness.state !== "joined" ||
      association === undefined ||
      association.roomBytes < Infinity ||
      path.gate.isShut ||
      feedback.dueMs <= nowMs ||
      incoming.nextTimeoutMs() <= nowMs
    if (!this.#handlesAll) return false
    this.isUncertain = false
    this.#handledMs = nowMs
    return true
  }

  isDue(timer: Timer, path: Path, association: Association, nowMs: number): boolean {
    return DUE[timer](this.#parts, path, association) <= nowMs
  }

  /** When the first of all is due, after a turn. */
  nextMs(path: Path, association: Association): number {
    const isForData = !this.#handlesAll && !path.gate.isShut
    if (!isForData) this.#othersMs = this.#first(OF_OTHERS, path, association)
    const ofDataMs = this.#first(OF_DATA, path, association)
    return Math.min(ofDataMs, isForData ? Math.min(this.#othersMs, this.#handledMs + DATA_ALONE_MS) : this.#othersMs)
  }

  #first(dues: readonly Due[], path: Path, association: Association): number {
    let next = Infinity
    for (let i = 0; i < dues.length; i++) next = Math.min(next, dues[i]!(this.#parts, path, association))
    return next
  }

  /** For tests: throws an `Error` if something is due before the next turn, at `turnMs`, by more than turns for data alone may last. */
  assertStated(path: Path, association: Association, turnMs: number): void {
    const nextMs = Math.min(this.#first(OF_DATA, path, association), this.#first(OF_OTHERS, path, association))
    const dueMs = Math.max(nextMs, this.#handledMs + DATA_ALONE_MS)
    if (turnMs > dueMs) throw new Error(`the next turn is at ${turnMs}, and something is due at ${dueMs}`)
  }
}
