import type { JoinScope } from "./join-world.ts"

const NONE = { A: 0, B: 0 } as const
const ONE = { A: 1, B: 0 } as const
const BOTH = { A: 1, B: 1 } as const

/**
 * Each scope is small enough to be visited completely, except those of `large`: `test` takes seconds in total, `small`
 * minutes.
 */
export const JOIN_SCOPES = {
  "one joins": {
    test: { isJoined: false, joins: ONE, faults: 1, timeouts: 1, inFlightMax: 1 },
    small: { isJoined: false, joins: ONE, faults: 2, timeouts: 1 },
    large: { isJoined: false, joins: ONE, faults: 2, timeouts: 3 },
  },
  "both join at once": {
    test: { isJoined: false, joins: BOTH },
    small: { isJoined: false, joins: BOTH, faults: 1 },
    large: { isJoined: false, joins: BOTH, faults: 2, timeouts: 1 },
  },
  "joined, and one asks": {
    test: { isJoined: true, joins: NONE, probes: ONE, replays: 1, faults: 1 },
    small: { isJoined: true, joins: NONE, probes: BOTH, faults: 1 },
    large: { isJoined: true, joins: NONE, probes: BOTH, faults: 2 },
  },
  "joined, with one who repeats": {
    test: { isJoined: true, joins: NONE, probes: ONE, replays: 1 },
    small: { isJoined: true, joins: NONE, probes: ONE, replays: 2 },
    large: { isJoined: true, joins: NONE, probes: BOTH, replays: 2 },
  },
  "joined, with one who forges": {
    test: { isJoined: true, joins: NONE, forgeries: 1 },
    small: { isJoined: true, joins: NONE, probes: ONE, forgeries: 1 },
    large: { isJoined: true, joins: NONE, probes: BOTH, forgeries: 2 },
  },
  "one restarts": {
    test: { isJoined: true, joins: NONE, crashes: ONE, probes: { A: 0, B: 1 }, replays: 1 },
    small: { isJoined: true, joins: ONE, crashes: ONE, replays: 1, faults: 1 },
    large: { isJoined: true, joins: BOTH, crashes: BOTH },
  },
  "one leaves unheard and joins again": {
    test: { isJoined: true, joins: ONE, leaves: ONE, isLeavingUnheard: true, probes: { A: 0, B: 1 } },
    small: { isJoined: true, joins: ONE, leaves: ONE, isLeavingUnheard: true, probes: { A: 0, B: 1 }, replays: 1 },
    large: { isJoined: true, joins: BOTH, leaves: BOTH, probes: BOTH, faults: 2 },
  },
} as const satisfies Record<string, Record<"test" | "small" | "large", JoinScope>>
