/**
 * Checks of options and arguments with this package's error, and its texts.
 *
 * @module
 */

import { Checks, textOf } from "@x/transport/check"
import { type Outcome, RequestError } from "./request-error.ts"

const own = new WeakSet<RequestError>()

/** Marks an error that this layer has made for a call of its own side. */
export function markOwn(error: RequestError): RequestError {
  own.add(error)
  return error
}

/**
 * Whether a call of this side has failed with it. A handler that lets such an error pass, of a request of its own, hasn't
 * chosen it as its answer.
 */
export function isOwn(error: RequestError): boolean {
  return own.has(error)
}

/** Options and arguments: `RequestError` `invalid-option`. */
export const check: Checks = new Checks((message) => make("invalid-option", message, "not-done"))

export function leftError(outcome: Outcome): RequestError {
  return make("left", `the peer has left${sayOf(outcome)}`, outcome)
}

export function streamClosedError(outcome: Outcome): RequestError {
  return make("stream-closed", `the peer closed the stream${sayOf(outcome)}`, outcome)
}

export function deadlineError(outcome: Outcome): RequestError {
  return make("deadline", `there was no answer in time${sayOf(outcome)}`, outcome)
}

export function abortedError(signal: AbortSignal, outcome: Outcome): RequestError {
  const cause: unknown = signal.reason
  return make("aborted", `the caller aborted${sayOf(outcome)}`, outcome, { cause })
}

export function closedError(outcome: Outcome): RequestError {
  return make("closed", `requests were closed here${sayOf(outcome)}`, outcome)
}

/** Of a request that was asked for again: what its last try says of itself isn't so of the earlier ones. */
export function maybeDoneBefore(error: RequestError): RequestError {
  if (error.outcome === "maybe-done") return error
  const { code, text } = error
  return make(code, `${text}; but it was asked for before, and may have been done then`, "maybe-done", { cause: error })
}

export function busyError(why: string): RequestError {
  return make("busy", why, "not-done")
}

function sayOf(outcome: Outcome): string {
  return outcome === "not-done" ? "; the request was not sent" : "; the request may have been done"
}

export function undecodableError(number: number, cause: unknown): RequestError {
  const text = `the answer to request ${number} can't be decoded (${textOf(cause)}); both ends have to define it alike`
  return make("undecodable", text, "maybe-done", { cause })
}

export function tooLargeError(what: string, outcome: Outcome): RequestError {
  return make("too-large", `the ${what} is larger than a message may be`, outcome)
}

/** What a codec threw for a question. */
export function unencodableError(number: number, cause: unknown): RequestError {
  return make("unencodable", `request ${number} can't be made of this question: ${textOf(cause)}`, "not-done", {
    cause,
  })
}

/** What the asker learns of a handler that threw. */
export function failureOf(number: number): RequestError {
  return make("failed", `the handler of request ${number} failed`, "maybe-done")
}

function make(...args: ConstructorParameters<typeof RequestError>): RequestError {
  return markOwn(new RequestError(...args))
}
