/**
 * Requests with types: the meaning of a number on the wire, and how question and answer become bytes.
 *
 * @module
 */

import type { Codec, WritingCodec } from "@x/endpoint"
import { type Kind, objectWith, whole } from "@x/transport/check"
import { check } from "./errors.ts"

/** A codec of either kind. */
export type AnyCodec<T> = Codec<T> | WritingCodec<T>

/** An answer in parts, each made by this codec. Made by `stream(codec)`. */
export class Parts<A> {
  /** Encodes and decodes the parts. */
  readonly codec: AnyCodec<A>

  /** @internal */
  constructor(codec: AnyCodec<A>) {
    this.codec = codec
  }
}

/** What requests of both kinds have. */
class RequestType<Q, A> {
  /** 0 to 65,535. */
  readonly number: number
  /** Of the question. */
  readonly question: AnyCodec<Q>
  /** Of the answer, or of each of its parts. */
  readonly answer: AnyCodec<A>

  /** @internal */
  constructor(number: number, question: AnyCodec<Q>, answer: AnyCodec<A>) {
    this.number = number
    this.question = question
    this.answer = answer
  }
}

/** A request with one answer. Made by `defineRequest`. */
export class SingleRequest<Q, A> extends RequestType<Q, A> {
  /** Tells it from a request with an answer in parts. */
  readonly isInParts = false
}

/** A request with an answer in parts. Made by `defineRequest`. */
export class PartsRequest<Q, A> extends RequestType<Q, A> {
  /** Tells it from a request with one answer. */
  readonly isInParts = true
}

/** A request of either kind. */
export type AnyRequest<Q, A> = SingleRequest<Q, A> | PartsRequest<Q, A>

/** Says that an answer comes in parts, each of them a value of this codec. */
export function stream<A>(codec: AnyCodec<A>): Parts<A> {
  return new Parts(checkCodec("the codec of the parts", codec))
}

const NUMBER = whole(0, 65_535)
const DECODER = objectWith<AnyCodec<unknown>>("a codec", "decode")
const CODEC: Kind<AnyCodec<unknown>> = {
  takes: "a codec, which has encode and decode, or size, write and decode",
  has: (value): value is AnyCodec<unknown> =>
    DECODER.has(value) && (hasFunction(value, "encode") || (hasFunction(value, "size") && hasFunction(value, "write"))),
}

function hasFunction(value: object, name: string): boolean {
  return typeof (value as Readonly<Record<string, unknown>>)[name] === "function"
}

function checkCodec<T>(what: string, codec: AnyCodec<T>): AnyCodec<T> {
  return check.value(what, codec, CODEC as Kind<AnyCodec<T>>)
}

/**
 * Defines a request: its number, the same at both ends and apart from the types of messages, and the codecs of question
 * and answer. Throws `RequestError` `invalid-option`.
 */
export function defineRequest<Q, A>(number: number, question: AnyCodec<Q>, answer: Parts<A>): PartsRequest<Q, A>
export function defineRequest<Q, A>(number: number, question: AnyCodec<Q>, answer: AnyCodec<A>): SingleRequest<Q, A>
export function defineRequest<Q, A>(
  number: number,
  question: AnyCodec<Q>,
  answer: AnyCodec<A> | Parts<A>,
): AnyRequest<Q, A> {
  check.value("the number of a request", number, NUMBER)
  checkCodec("the codec of the question", question)
  if (answer instanceof Parts) return new PartsRequest(number, question, answer.codec)
  return new SingleRequest(number, question, checkCodec("the codec of the answer", answer))
}
