/**
 * Requests of an endpoint, as their user holds them.
 *
 * @module
 */

import type { Connection, Endpoint, IncomingStream, Peer } from "@x/endpoint"
import { ABORT_SIGNAL, FLAG, type Kinds, milliseconds, orInfinity, whole } from "@x/transport/check"
import { Alarm } from "../alarm.ts"
import { Answering } from "../answering/answering.ts"
import type { AnsweredCall, Call } from "../answering/call.ts"
import { Places } from "../answering/places.ts"
import { type AskOptions, Asking } from "../asking/asking.ts"
import { check } from "../errors.ts"
import { readLabel, SLOTS_MAX } from "../format/labels.ts"
import { Writers } from "../format/writers.ts"
import { type AnyRequest, PartsRequest, SingleRequest } from "../request-type.ts"
import type { RpcStats } from "../stats.ts"

/** Options of `new Rpc`. */
export interface RpcOptions {
  /** Requests that may be outstanding to one peer, 1 to 65,536; more fail with `busy`. Default: 65,536. */
  readonly outstandingMax?: number
}

/** Options of `answer`. */
export interface AnswerOptions {
  /** Requests of this number that are answered at a time, 1 to 65,536; others wait in their streams. Default: 1,024. */
  readonly concurrencyMax?: number
  /** How many of these one peer may have. Default: all. */
  readonly concurrencyMaxPerPeer?: number
}

/** Options of `request` where the answer comes in parts. */
export interface PartsOptions {
  /** Gives the request up: a `next()` that waits rejects at once, with `aborted`, and the answerer is told. */
  readonly signal?: AbortSignal
  /** Until the last part. Milliseconds; default: `Infinity`. */
  readonly timeoutMs?: number
}

/** Options of `request`. */
export interface RequestOptions {
  /** Gives the request up: it rejects at once, with `aborted`, and the answerer is told. */
  readonly signal?: AbortSignal
  /** Gives it up after this time, with `deadline`; the answerer knows how much is left. Milliseconds; default: 10,000. */
  readonly timeoutMs?: number
  /**
   * To do it twice is as good as once: if the peer is lost meanwhile, it is asked for again, up to three times, within
   * `timeoutMs`. Default: `false`.
   */
  readonly idempotent?: boolean
}

/** Answers a question, at once or by a promise. */
export type AnswerHandler<Q, A> = (question: Q, call: Call) => A | PromiseLike<A>
/** Answers a question in parts, as an async generator does. */
export type PartsHandler<Q, A> = (
  question: Q,
  call: Call,
) => AsyncIterable<A> | Iterable<A> | PromiseLike<AsyncIterable<A> | Iterable<A>>

const TIMEOUT = orInfinity(milliseconds(), "for ever")
const PLACES = whole(1, 65_536)
const RPC_OPTIONS: Kinds<RpcOptions> = { outstandingMax: whole(1, SLOTS_MAX) }
const ANSWER_OPTIONS: Kinds<AnswerOptions> = { concurrencyMax: PLACES, concurrencyMaxPerPeer: PLACES }
const PARTS_OPTIONS: Kinds<PartsOptions> = { signal: ABORT_SIGNAL, timeoutMs: TIMEOUT }
const REQUEST_OPTIONS: Kinds<RequestOptions> = { ...PARTS_OPTIONS, idempotent: FLAG }

const TIMEOUT_MS = 10_000
const CONCURRENCY_MAX = 1_024
const SINGLE_DEFAULTS: AskOptions = { signal: undefined, timeoutMs: TIMEOUT_MS, isIdempotent: false }
const PARTS_DEFAULTS: AskOptions = { signal: undefined, timeoutMs: Infinity, isIdempotent: false }

/** The streams of an endpoint's requests have one owner: peers go on answering on those that they have. */
const used = new WeakSet<Endpoint>()

/**
 * Asks peers of an endpoint, and answers them. Made right after `Endpoint.bind`, with its handlers: requests without a
 * handler are refused at once.
 *
 * @example
 * const rpc = new Rpc(endpoint)
 * rpc.answer(ASK, async (ask, { signal }) => quote(ask, signal), { concurrencyMax: 64 })
 * const quote = await rpc.request(peer, ASK, ask, { timeoutMs: 500 })
 */
export class Rpc {
  readonly #alarm: Alarm
  readonly #asking: Asking
  readonly #answering: Answering
  readonly #forget: () => void
  #isClosed = false

  /** Throws `RequestError` `invalid-option`, also for an endpoint that has one, or had one that was closed. */
  constructor(endpoint: Endpoint, options: RpcOptions = {}) {
    const { outstandingMax = SLOTS_MAX } = check.options("Rpc", options, RPC_OPTIONS)
    if (used.has(endpoint)) throw check.wrong("the endpoint", "one that had no Rpc before", endpoint)
    this.#alarm = new Alarm(endpoint)
    const writers = new Writers()
    this.#asking = new Asking(endpoint, this.#alarm, writers, outstandingMax)
    this.#answering = new Answering(endpoint, this.#alarm, writers)
    endpoint.on("stream", (stream) => this.#onStream(stream))
    this.#forget = endpoint.on("left", (peer) => {
      this.#asking.lose(peer)
      this.#answering.lose(peer)
    })
    used.add(endpoint)
  }

  #onStream(stream: IncomingStream): void {
    const labelled = readLabel(stream.label)
    if (labelled === undefined) return
    // Peers may not have heard that requests were closed here. What they send isn't the application's either.
    if (this.#isClosed) return stream.stop()
    const { peer, delivery } = stream
    const { kind } = labelled
    if (delivery !== (kind === "parts" ? "reliable" : "reliable-unordered")) return this.#refuse(stream)
    switch (kind) {
      case "ask":
        return this.#answering.takeRequests(stream, labelled.number)
      case "cancel":
        return this.#answering.takeCancels(stream)
      case "answer": {
        const asking = this.#asking.of(peer)
        return asking === undefined ? this.#refuse(stream) : asking.takeAnswers(stream)
      }
      case "parts":
        if (this.#asking.of(peer)?.takeParts(labelled.slot, labelled.generation, stream) !== true) stream.stop()
        return
      default:
        this.#refuse(stream)
    }
  }

  #refuse(stream: IncomingStream): void {
    this.#answering.drops.malformed++
    stream.stop()
  }

  /**
   * Answers the requests of a number, from all peers. What the handler throws is an `error` of the endpoint, and the
   * asker's code is `failed`, except for a `RequestError` of its own: that is its answer. Returns what takes the handler
   * away again. Throws `RequestError` `invalid-option`, also for a number that has a handler.
   */
  answer<Q, A>(request: SingleRequest<Q, A>, handler: AnswerHandler<Q, A>, options?: AnswerOptions): () => void
  answer<Q, A>(request: PartsRequest<Q, A>, handler: PartsHandler<Q, A>, options?: AnswerOptions): () => void
  answer(request: unknown, handler: unknown, options: AnswerOptions = {}): () => void {
    const { concurrencyMax = CONCURRENCY_MAX, concurrencyMaxPerPeer = concurrencyMax } = check.options(
      "answer",
      options,
      ANSWER_OPTIONS,
    )
    checkRequest(request)
    if (typeof handler !== "function") throw check.wrong("a handler", "a function that answers the question", handler)
    this.#checkOpen()
    if (this.#answering.has(request.number))
      throw check.wrong("the number", "one without a handler; take that away first", request.number)
    return this.#answering.add(
      request,
      handler as (question: unknown, call: Call) => unknown,
      new Places<AnsweredCall>(concurrencyMax, concurrencyMaxPerPeer),
    )
  }

  /**
   * Asks a peer, or whichever peer a connection is up to, by then or soon. Rejects with `RequestError`, whose `outcome`
   * says whether the request may have been done. Throws one at once for a question or an option that is none
   * (`unencodable`, `invalid-option`).
   */
  request<Q, A>(
    target: Peer | Connection,
    request: SingleRequest<Q, A>,
    question: Q,
    options?: RequestOptions,
  ): Promise<A>
  /**
   * The same with an answer in parts, in order. The request is sent at once. Parts wait for their reader, and their
   * sender with them; a loop that is left by `break` cancels the request.
   */
  request<Q, A>(
    target: Peer | Connection,
    request: PartsRequest<Q, A>,
    question: Q,
    options?: PartsOptions,
  ): AsyncIterableIterator<A, undefined>
  request(
    target: Peer | Connection,
    request: unknown,
    question: unknown,
    options?: RequestOptions,
  ): Promise<unknown> | AsyncIterableIterator<unknown, undefined> {
    if (typeof target !== "object" || target === null || !("open" in target || "joined" in target))
      throw check.wrong("the target of a request", "a Peer or a Connection", target)
    if (request instanceof SingleRequest)
      return this.#asking.single(
        target,
        request,
        question,
        options === undefined ? SINGLE_DEFAULTS : singleOptions(options),
      )
    checkRequest(request)
    return this.#asking.parts(
      target,
      request as PartsRequest<unknown, unknown>,
      question,
      options === undefined ? PARTS_DEFAULTS : partsOptions(options),
    )
  }

  #checkOpen(): void {
    if (this.#isClosed) throw check.wrong("the Rpc", "open", "closed")
  }

  /** Sizes and counters, as they are now. */
  stats(): RpcStats {
    const { answers, bytes } = this.#answering.unsent
    return {
      outstanding: this.#asking.outstanding,
      waitingForPeer: this.#asking.waitingForPeer,
      running: this.#answering.running,
      waiting: this.#answering.waiting,
      unsentAnswers: answers,
      unsentAnswerBytes: bytes,
      deadlines: this.#alarm.count,
      peers: new Set([...this.#asking.peers, ...this.#answering.peers]).size,
      dropped: { asking: { ...this.#asking.drops }, answering: { ...this.#answering.drops } },
    }
  }

  /**
   * Ends all requests: those that are outstanding fail with `closed`, those that are being answered have their signal
   * told, and their askers get `stream-closed`. The endpoint goes on. Nothing needs it before `endpoint.close()`.
   */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#forget()
    this.#asking.close()
    this.#answering.close()
  }
}

function checkRequest(request: unknown): asserts request is AnyRequest<unknown, unknown> {
  if (!(request instanceof SingleRequest || request instanceof PartsRequest))
    throw check.wrong("a request", "what defineRequest returns", request)
}

/** Most requests have a time-out and nothing else. */
function singleOptions(options: RequestOptions): AskOptions {
  let isPlain = true
  for (const name in options) if (name !== "timeoutMs") isPlain = false
  if (!isPlain || !TIMEOUT.has(options.timeoutMs)) options = check.options("request", options, REQUEST_OPTIONS)
  const { signal, timeoutMs = TIMEOUT_MS, idempotent = false } = options
  return { signal, timeoutMs, isIdempotent: idempotent }
}

function partsOptions(given: PartsOptions): AskOptions {
  const { signal, timeoutMs = Infinity } = check.options("request", given, PARTS_OPTIONS)
  return { signal, timeoutMs, isIdempotent: false }
}
