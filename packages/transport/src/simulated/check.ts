import { Checks, milliseconds, type NumberKind, real, whole } from "../check.ts"

/** What a simulated network is given is checked with errors of this class. */
export const checks: Checks = new Checks((message) => new RangeError(message))

export const PROBABILITY: NumberKind = real(0, 1)

/** With or without a sign. */
export const SEED: NumberKind = whole(-(2 ** 31), 2 ** 32 - 1)

/** Time that passes; virtual time has an end. */
export const DURATION: NumberKind = { ...milliseconds(), takes: "a time of 0 ms or more, below 2^53" }
