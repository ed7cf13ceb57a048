import { Checks, milliseconds, type NumberKind, real, whole } from "../check.ts"

/** Checks the options of a simulated network, and throws errors of this class. */
export const checks: Checks = new Checks((message) => new RangeError(message))

export const PROBABILITY: NumberKind = real(0, 1)

/** With or without a sign. */
export const SEED: NumberKind = whole(-(2 ** 31), 2 ** 32 - 1)

/** A span of time. Virtual time has an end. */
export const DURATION: NumberKind = { ...milliseconds(), takes: "a time of 0 ms or more, below 2^53" }
