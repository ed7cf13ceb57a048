/**
 * The side that answers: gives requests to their handlers, as many at a time as there are places, and sends what these
 * return.
 *
 * @module
 */

import type { Endpoint, IncomingStream, Message, Peer } from "@x/endpoint"
import { isThenable, textOf } from "@x/transport/check"
import type { Alarm } from "../alarm.ts"
import type { AnsweringDrops } from "../stats.ts"
import { failureOf, isOwn, leftError } from "../errors.ts"
import { Head, KIND } from "../format/head.ts"
import { MESSAGE } from "../format/labels.ts"
import type { Writers } from "../format/writers.ts"
import { RequestError } from "../request-error.ts"
import type { AnyRequest } from "../request-type.ts"
import { AnsweredCall, type Answerer, type Call, type CallHost, type Origin } from "./call.ts"
import { type AskStream, PeerAnswering } from "./peer-answering.ts"
import { openParts, PartsSending } from "./parts-sending.ts"
import type { Places } from "./places.ts"

const CANCELLED = new RequestError("aborted", "the asker has cancelled the request", "maybe-done")
const MALFORMED = new RequestError("malformed", "the request is none of this format", "not-done")

export class Answering implements CallHost {
  readonly #endpoint: Endpoint
  readonly #alarm: Alarm
  readonly #writers: Writers
  readonly #peers = new Map<Peer, PeerAnswering>()
  readonly #answerers = new Map<number, Answerer>()
  readonly #head = new Head()
  readonly #parts: PartsSending
  readonly drops: AnsweringDrops = {
    malformed: 0,
    duplicate: 0,
    cancelled: 0,
    expired: 0,
    "late-answer": 0,
    unanswerable: 0,
  }
  running = 0

  constructor(endpoint: Endpoint, alarm: Alarm, writers: Writers) {
    this.#endpoint = endpoint
    this.#alarm = alarm
    this.#writers = writers
    this.#parts = new PartsSending(writers, {
      onDone: (call) => this.#leave(call),
      fail: (call, cause) => this.#failureOf(call, cause),
      tooLarge: (call, bytes) => this.#tooLarge(call, bytes),
      unencodable: (call, cause) => this.#unencodable(call, cause),
    })
  }

  get peers(): Iterable<Peer> {
    return this.#peers.keys()
  }

  get waiting(): number {
    let count = 0
    for (const { places } of this.#answerers.values()) count += places.waiting
    return count
  }

  /** Answers that wait for room, and their bytes. */
  get unsent(): { answers: number; bytes: number } {
    const sum = { answers: 0, bytes: 0 }
    for (const { answers } of this.#peers.values()) {
      sum.answers += answers.waiting
      sum.bytes += answers.waitingBytes
    }
    return sum
  }

  has(number: number): boolean {
    return this.#answerers.has(number)
  }

  add(
    request: AnyRequest<unknown, unknown>,
    handler: (question: unknown, call: Call) => unknown,
    places: Places<AnsweredCall>,
  ): () => void {
    const answerer: Answerer = { request, handler, places, isServing: false }
    this.#answerers.set(request.number, answerer)
    return () => this.#remove(answerer)
  }

  /** Those that wait are refused, those that are being answered go on. */
  #remove(answerer: Answerer): void {
    const { number } = answerer.request
    if (this.#answerers.get(number) !== answerer) return
    this.#answerers.delete(number)
    for (const call of answerer.places.takeWaiting()) this.#refuse(call, noHandler(number))
  }

  #answeringOf(peer: Peer): PeerAnswering {
    let answering = this.#peers.get(peer)
    if (answering === undefined) this.#peers.set(peer, (answering = new PeerAnswering(peer, this.drops, this.#writers)))
    return answering
  }

  /** A stream of requests, or of cancels, that a peer has opened. */
  takeRequests(stream: IncomingStream, number: number): void {
    const ask = this.#answeringOf(stream.peer).open(stream, number)
    if (ask === undefined) {
      this.drops.malformed++
      return stream.stop()
    }
    stream.handle(MESSAGE, (message) => this.#onRequest(ask, message))
  }

  takeCancels(stream: IncomingStream): void {
    const asker = this.#answeringOf(stream.peer)
    stream.handle(MESSAGE, (message) => this.#onCancel(asker, message))
  }

  #onRequest(ask: AskStream, { view, offset, length }: Message): void {
    const head = this.#head
    const { asker } = ask
    if (!head.read(view, offset, length) || head.kind !== KIND.request) {
      this.drops.malformed++
      if (head.hasId) asker.refuse(head.slot, head.generation, MALFORMED)
      return
    }
    const verdict = asker.calls.judge(head.slot, head.generation)
    if (verdict !== "new") return void this.drops[verdict]++
    const answerer = this.#answerers.get(ask.number)
    if (answerer === undefined) return asker.refuse(head.slot, head.generation, noHandler(ask.number))
    const { remainingMs } = head
    const deadlineMs = remainingMs === Infinity ? Infinity : this.#alarm.now() + remainingMs
    const bytes = new Uint8Array(view.buffer, view.byteOffset + offset + head.bytes, length - head.bytes)
    const call = new AnsweredCall(head, ask, answerer, deadlineMs, this)
    const earlier = asker.calls.add(call)
    if (earlier !== undefined) this.#stop(earlier, CANCELLED)
    if (answerer.places.take(ask.share)) return this.#start(call, bytes)
    call.question = bytes.slice()
    ask.waiting = call
    ask.stream.pause()
    answerer.places.wait(call)
  }

  #onCancel(asker: PeerAnswering, { view, offset, length }: Message): void {
    const head = this.#head
    if (!head.read(view, offset, length) || head.kind !== KIND.cancel) return void this.drops.malformed++
    const call = asker.calls.cancel(head.slot, head.generation)
    if (call !== undefined) this.#stop(call, CANCELLED)
  }

  /** It has a place. */
  #start(call: AnsweredCall, bytes: Uint8Array): void {
    this.running++
    const { request, handler } = call.answerer
    let question
    try {
      question = request.question.decode(bytes)
    } catch (error) {
      return this.#refuse(call, undecodable(request.number, error))
    }
    if (request.isInParts) {
      const problem = openParts(call)
      if (problem !== undefined) return this.#refuse(call, problem)
      call.out!.on("closed", () => this.end(call, CANCELLED))
      this.watch(call)
    }
    let result
    let isLater
    try {
      result = handler(question, call)
      isLater = isThenable(result)
    } catch (error) {
      return this.#onThrown(call, error)
    }
    if (request.isInParts) void this.#parts.serve(call, result)
    else if (isLater)
      Promise.resolve(result).then(
        (value) => this.#onAnswered(call, value),
        (error: unknown) => this.#onThrown(call, error),
      )
    else this.#onAnswered(call, result)
  }

  #onAnswered(call: AnsweredCall, value: unknown): void {
    // One whose time is over was cancelled by its asker, or will be: the clock isn't asked for each.
    if (call.isOver) this.drops["late-answer"]++
    else this.#answer(call, value)
    this.#leave(call)
  }

  #isLate({ deadlineMs }: AnsweredCall): boolean {
    return deadlineMs !== Infinity && this.#alarm.now() >= deadlineMs
  }

  #answer(call: AnsweredCall, value: unknown): void {
    const { asker } = call.from
    const writer = this.#writers.take()
    let failure
    try {
      writer.answer(call.slot, call.generation, call.answerer.request.answer, value)
      if (!asker.answers.send(writer)) failure = this.#tooLarge(call, writer.bytes)
    } catch (error) {
      failure = this.#unencodable(call, error)
    } finally {
      this.#writers.give(writer)
    }
    if (failure !== undefined) asker.refuse(call.slot, call.generation, failure)
  }

  #onThrown(call: AnsweredCall, error: unknown): void {
    const failure = this.#failureOf(call, error)
    if (failure === undefined) this.drops["late-answer"]++
    else if (call.out === undefined) call.from.asker.refuse(call.slot, call.generation, failure)
    else this.#parts.fail(call, failure)
    this.#leave(call)
  }

  /** What the asker is told of what a handler threw; `undefined`: nobody asks any more. */
  #failureOf(call: AnsweredCall, error: unknown): RequestError | undefined {
    // What is thrown after the signal was told is mostly the signal's own reason.
    if (call.isOver || this.#isLate(call)) return undefined
    if (isAnswer(error)) return error
    const { number } = call.answerer.request
    this.#endpoint.reportFailure(error, `the answer to request ${number}`)
    return failureOf(number)
  }

  #tooLarge(call: AnsweredCall, bytes: number): RequestError {
    const { number } = call.answerer.request
    const text = `the answer to request ${number} has ${bytes} bytes, more than a message to this peer may have`
    this.#endpoint.reportFailure(new RangeError(text), `the answer to request ${number}`)
    return new RequestError("too-large", "the answer is larger than a message may be", "maybe-done")
  }

  #unencodable(call: AnsweredCall, error: unknown): RequestError {
    const { number } = call.answerer.request
    this.#endpoint.reportFailure(error, `the codec of the answer to request ${number}`)
    return new RequestError("unencodable", "the answer has no bytes, by its codec", "maybe-done")
  }

  // What ends.

  /** Refuses one that has a place, or waits for one. */
  #refuse(call: AnsweredCall, error: RequestError): void {
    call.from.asker.refuse(call.slot, call.generation, error)
    this.#leave(call)
  }

  /** Its handler is done: its place is another's. */
  #leave(call: AnsweredCall): void {
    if (!call.isOver) {
      call.isOver = true
      call.from.asker.calls.remove(call)
      this.#alarm.clear(call)
    }
    const { answerer, from } = call
    if (from.waiting === call) return this.#letGo(from)
    this.running--
    answerer.places.free(call.share)
    if (answerer.places.waiting > 0) this.#serve(answerer)
    from.asker.endIfIdle()
  }

  #letGo(from: Origin): void {
    from.waiting = undefined
    from.release()
  }

  /** Gives free places to those that wait, in turn. */
  #serve(answerer: Answerer): void {
    if (answerer.isServing) return
    answerer.isServing = true
    for (let call = answerer.places.next(); call !== undefined; call = answerer.places.next()) {
      const bytes = call.question!
      call.question = undefined
      this.#letGo(call.from)
      if (this.#isLate(call)) {
        this.drops.expired++
        this.running++
        this.#leave(call)
      } else this.#start(call, bytes)
    }
    answerer.isServing = false
  }

  watch(call: AnsweredCall): void {
    if (call.heapIndex < 0) this.#alarm.set(call, call.deadlineMs)
  }

  now(): number {
    return this.#alarm.now()
  }

  /** Nobody waits for the answer any more. */
  end(call: AnsweredCall, why: RequestError): void {
    if (call.isOver) return
    call.from.asker.calls.remove(call)
    this.#stop(call, why)
  }

  /** The same for one that was taken out of its table. */
  #stop(call: AnsweredCall, why: RequestError): void {
    this.#alarm.clear(call)
    call.abort(why)
    if (call.from.waiting === call) {
      this.drops.cancelled++
      call.answerer.places.forget(call)
      return this.#letGo(call.from)
    }
    if (call.out !== undefined) this.#parts.stop(call)
  }

  /** A peer has left. */
  lose(peer: Peer): void {
    const asker = this.#peers.get(peer)
    if (asker === undefined) return
    this.#peers.delete(peer)
    // Requests that wait in its streams would be begun for nobody, and no signal would be told.
    asker.stop()
    asker.answers.drop()
    const why = leftError("maybe-done")
    for (const call of asker.calls.clear()) this.#stop(call, why)
  }

  close(): void {
    this.#answerers.clear()
    for (const peer of [...this.#peers.keys()]) this.lose(peer)
  }
}

function noHandler(number: number): RequestError {
  return new RequestError("no-handler", `nothing answers request ${number} here`, "not-done")
}

function undecodable(number: number, error: unknown): RequestError {
  const text = `the question of request ${number} can't be decoded (${textOf(error)}); both ends have to define it alike`
  return new RequestError("undecodable", text, "not-done")
}

/** Whether a handler has chosen an error as its answer. */
function isAnswer(error: unknown): error is RequestError {
  if (!(error instanceof RequestError) || isOwn(error)) return false
  return typeof error.code === "string" && typeof error.text === "string"
}
