/**
 * How a request failed. Codes are text, and the other side's are taken as they are: an application adds its own by
 * throwing a `RequestError` in a handler.
 *
 * @module
 */

/** Whether a request that failed may have had its effect: on `not-done` it is safe to ask again, anywhere. */
export type Outcome = "not-done" | "maybe-done"

/** The codes of the layer itself; an answerer's own are any other text. */
export type RequestErrorCode =
  /** The peer answers no requests of this number. */
  | "no-handler"
  /** The question stands for no value at the peer, or the answer for none here. */
  | "undecodable"
  /** The question, or the answer, has no bytes by its codec. */
  | "unencodable"
  /** The peer couldn't read the request at all. */
  | "malformed"
  /** There is no room: too many requests are outstanding, too many messages wait, or the peer takes no more streams. */
  | "busy"
  /** The peer's handler threw: what, its own `error` event tells. */
  | "failed"
  /** The question, or the answer, is larger than a message may be. */
  | "too-large"
  /** There was no answer within `timeoutMs`. */
  | "deadline"
  /** The caller's signal aborted; `cause` is its reason. */
  | "aborted"
  /** The peer has left: by a goodbye, by silence, or since it was started anew. */
  | "left"
  /** The stream that carried the request, or its answer, was closed by the peer, or cut off. */
  | "stream-closed"
  /** The `Rpc` or its endpoint was closed. */
  | "closed"
  /** An option or argument is invalid. Nothing has changed. */
  | "invalid-option"

/**
 * The one error class of this package. A handler that throws one answers with its code and text; anything else that it
 * throws is told as `error` on its own side, and the asker gets the code `failed`.
 */
export class RequestError extends Error {
  /** Identifies it where `instanceof` doesn't: with two copies of the package, say. */
  override readonly name = "RequestError"
  /** What went wrong, for programs: one of `RequestErrorCode`, or the answerer's own. */
  readonly code: RequestErrorCode | (string & {})
  /** The same for people, as the other side said it. */
  readonly text: string
  /** Whether the request may have had its effect. */
  readonly outcome: Outcome

  /** `code` has 1 to 64 bytes of UTF-8; of `text` at most 1,024 bytes cross the wire. */
  constructor(
    code: RequestErrorCode | (string & {}),
    text: string,
    outcome: Outcome = "maybe-done",
    options?: { readonly cause?: unknown },
  ) {
    super(text === "" ? code : text, options)
    this.code = code
    this.text = text
    this.outcome = outcome
  }
}
