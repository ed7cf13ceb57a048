import { MODE, type Mode } from "@x/wire"

/** The bounds of a run of the model. */
export interface StreamScope {
  readonly mode: Mode
  readonly messages: number
  readonly windowPackets: number
  /** How many packets are lost or duplicated. */
  readonly faults: number
  /** While this many packets are under way, nothing is written and nothing times out. */
  readonly inFlightMax: number
  /** How many deadlines come before the packets under way arrive. */
  readonly timeouts: number
  /** `best-effort`: the age at which a message is given up. */
  readonly lifetimeMs?: number
  /** A defect put between the machines, to see that it is found. */
  readonly defect?: StreamDefect
}

export type StreamDefect =
  | "window-ignored"
  | "duplicate-delivered"
  | "early-delivered"
  | "eviction-untold"
  | "gap-told-twice"
  | "acknowledged-early"
  | "asked-beyond"
  | "acknowledged-sent-again"
  | "edge-set-back"
  | "payload-changed"
  | "naks-lost"
  | "write-forgotten"
  | "edge-ahead"

/** Three messages in a window of two, in the modes whose packets are acknowledged and in the one that forgets. */
export const MODES = ["reliable", "reliable-unordered", "best-effort", "latest"] as const

/** `test` takes seconds, `small` a minute or two, `large` longer. */
export const SCOPES = {
  test: { faults: 1, timeouts: 0, inFlightMax: 2 },
  small: { faults: 1, timeouts: 1, inFlightMax: 2 },
  large: { faults: 2, timeouts: 2, inFlightMax: 3 },
} as const
export type ScopeName = keyof typeof SCOPES

export function streamScope(mode: keyof typeof MODE, name: ScopeName): StreamScope {
  return { mode: MODE[mode], messages: 3, windowPackets: 2, ...SCOPES[name] }
}
