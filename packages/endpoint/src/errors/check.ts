/**
 * Checks of options and arguments, with this package's error: each of them is checked here when it enters, before
 * anything has changed. The kinds of a call's options are one table beside their interface, `Kinds<…>`, which doesn't
 * compile while one is missing.
 *
 * @module
 */

import { Checks, type Kind, milliseconds, type NumberKind, orInfinity, whole } from "@x/transport/check"
import { TYPE_MAX } from "@x/wire"
import { EndpointError } from "./endpoint-error.ts"

export * from "@x/transport/check"

/** Options, and arguments of calls that return promises: `EndpointError` `invalid-option`. */
export const check: Checks = new Checks((message) => new EndpointError("invalid-option", message))
/** Other arguments of calls. */
const checkArgument: Checks = new Checks((message) => new RangeError(message))
export const checkClass: Checks = new Checks((message) => new TypeError(message))

/** How long to wait. */
export const TIMEOUT: NumberKind = orInfinity(milliseconds(), "for ever")

/** A cap of a rate, bytes a second: at least a datagram in a second and a half, and no more than any machine sends. */
export const RATE: NumberKind = whole(1_000, 1e12, "of bytes a second")

/** 0 to 255; higher goes first. */
export const PRIORITY: NumberKind = whole(0, 255)
export const WEIGHT: NumberKind = whole(1, 100)

/** One of `REASON`, or the application's own. */
export const REASON_CODE: NumberKind = whole(0, 65_535)

export const BYTES: Kind<Uint8Array> = { takes: "a Uint8Array", has: (value) => value instanceof Uint8Array }

const TYPE = whole(0, TYPE_MAX)
const SIZE = whole(0, Number.MAX_SAFE_INTEGER, "of bytes")

export function checkType(type: unknown): void {
  checkArgument.value("a message type", type, TYPE)
}

export function checkSize(size: unknown): void {
  checkArgument.value("size", size, SIZE)
}

/** Checks a function that we will call. */
export function checkFunction(what: string, value: unknown, takes: string): void {
  if (typeof value !== "function") throw checkClass.wrong(what, takes, value)
}
