/**
 * When each thing of a peer is due. A deadline is stated here and nowhere else: what is handled and when to come back
 * both go by it, so nothing is due that isn't handled, and nothing handled that wasn't due.
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
import type { Retiring } from "./retiring.ts"

/** Streams in one direction. */
interface TimedStreams {
  /** When a message last went. */
  readonly lastDataMs: number
  nextTimeoutMs(): number
}

export interface TimerParts {
  readonly liveness: Liveness
  readonly goodbye: Goodbye
  readonly pings: Pings
  readonly feedback: FeedbackOwed
  readonly retiring: Retiring
  readonly outgoing: TimedStreams & { readonly hasData: boolean }
  readonly incoming: TimedStreams
  /** What the peer told of itself. */
  readonly limits: Limits
}

export type Timer =
  | "silence"
  | "absence"
  | "probe"
  | "heartbeat"
  | "shut"
  | "ping"
  | "goodbye"
  | "forget"
  | "feedback"
  | "retire"
  | "pace"
  | "outgoing"
  | "incoming"

type Due = (parts: TimerParts, path: Path, association: Association) => number

function lastDataMs({ outgoing, incoming }: TimerParts): number {
  return Math.max(outgoing.lastDataMs, incoming.lastDataMs)
}

/** `Infinity`: not at all. */
const DUE: Readonly<Record<Timer, Due>> = {
  /** It counts as unreachable; and then as gone. */
  silence: ({ liveness }, _path, association) => liveness.silenceDueMs(association),
  absence: ({ liveness }, _path, association) => liveness.absenceDueMs(association),
  /** A join asks who is there. */
  probe: (parts, _path, association) => parts.liveness.probeDueMs(association, lastDataMs(parts)),
  /** A heartbeat asks; and so it does where the window stays shut, and where an answer stays away. */
  heartbeat: (parts, _path, association) => parts.liveness.heartbeatDueMs(association, lastDataMs(parts)),
  shut: ({ liveness, limits }, { gate, rtt }) =>
    liveness.state === "joined" ? gate.shutDueMs(rtt.ptoMs + limits.statusDelayMs) : Infinity,
  ping: ({ liveness, pings }) => (liveness.state === "joined" ? pings.dueMs : Infinity),
  /** A goodbye is said; and the peer is forgotten. */
  goodbye: ({ goodbye }) => goodbye.dueMs,
  forget: ({ goodbye }) => goodbye.endMs,
  /** Feedback goes out by itself. */
  feedback: ({ feedback }) => feedback.dueMs,
  /** An association that another one replaced is forgotten. */
  retire: ({ retiring }) => retiring.dueMs,
  /** The pace lets data go again. */
  pace: ({ liveness, outgoing }, { gate }) =>
    liveness.state === "joined" && outgoing.hasData ? gate.paceDueMs : Infinity,
  outgoing: ({ outgoing }) => outgoing.nextTimeoutMs(),
  incoming: ({ incoming }) => incoming.nextTimeoutMs(),
}

const ALL: readonly Due[] = Object.values(DUE)

export class Timers {
  readonly #parts: TimerParts

  constructor(parts: TimerParts) {
    this.#parts = parts
  }

  isDue(timer: Timer, path: Path, association: Association, nowMs: number): boolean {
    return DUE[timer](this.#parts, path, association) <= nowMs
  }

  /** When the first of all is due, after what was due has been handled. */
  nextMs(path: Path, association: Association): number {
    let next = Infinity
    for (let i = 0; i < ALL.length; i++) next = Math.min(next, ALL[i]!(this.#parts, path, association))
    return next
  }
}
