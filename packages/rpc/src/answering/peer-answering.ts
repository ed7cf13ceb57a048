/**
 * What one peer asks: its streams, its requests, and the answers to it. A stream is paused while a request of it waits
 * for a place, and while answers to its peer wait for room.
 *
 * @module
 */

import type { IncomingStream, Peer } from "@x/endpoint"
import type { AnsweringDrops } from "../stats.ts"
import { encodeFailure } from "../format/failure.ts"
import { ID_BYTES, KIND } from "../format/head.ts"
import type { Writers } from "../format/writers.ts"
import type { RequestError } from "../request-error.ts"
import { Answers } from "./answers.ts"
import type { AnsweredCall, Asker, Origin } from "./call.ts"
import { Calls } from "./calls.ts"
import type { Share } from "./places.ts"

/** Streams of one number that a peer may have: one that it has ended, and the next. Each may have a request that waits. */
const STREAMS_MAX = 2

/** What the streams of one number have together. */
interface Streams extends Share {
  streams: number
}

/** A stream of requests of one number. */
export class AskStream implements Origin {
  readonly stream: IncomingStream
  readonly asker: PeerAnswering
  readonly number: number
  readonly share: Streams
  waiting: AnsweredCall | undefined
  isClosed = false

  constructor(stream: IncomingStream, asker: PeerAnswering, number: number, share: Streams) {
    this.stream = stream
    this.asker = asker
    this.number = number
    this.share = share
  }

  release(): void {
    if (this.waiting !== undefined) return
    if (this.isClosed) this.asker.forget(this)
    else if (this.asker.answers.waiting === 0 && this.stream.isPaused) this.stream.resume()
  }
}

export class PeerAnswering implements Asker {
  readonly peer: Peer
  readonly calls: Calls<AnsweredCall> = new Calls<AnsweredCall>()
  readonly answers: Answers
  readonly #streams = new Set<AskStream>()
  /** By number: several streams of one number share. */
  readonly #shares = new Map<number, Streams>()
  readonly #drops: AnsweringDrops
  readonly #writers: Writers

  constructor(peer: Peer, drops: AnsweringDrops, writers: Writers) {
    this.peer = peer
    this.#drops = drops
    this.#writers = writers
    this.answers = new Answers(peer, {
      onBacklog: (isThere) => {
        for (const ask of this.#streams)
          if (isThere) ask.stream.pause()
          else ask.release()
      },
      onUnanswerable: (count) => (drops.unanswerable += count),
    })
  }

  /** A stream of requests that the peer has opened; `undefined`: it has too many of them. */
  open(stream: IncomingStream, number: number): AskStream | undefined {
    const share = this.#shares.get(number) ?? { taken: 0, streams: 0 }
    if (share.streams >= STREAMS_MAX) return undefined
    share.streams++
    this.#shares.set(number, share)
    const ask = new AskStream(stream, this, number, share)
    this.#streams.add(ask)
    if (this.answers.waiting > 0) stream.pause()
    void stream.closed.then(() => {
      ask.isClosed = true
      ask.release()
    })
    return ask
  }

  /** A stream is closed, and no request of it waits: else whoever closes streams could have any number wait. */
  forget(ask: AskStream): void {
    if (!this.#streams.delete(ask)) return
    ask.share.streams--
    this.endIfIdle()
  }

  /** Its stream of answers is ended once it can ask nothing, and has all answers: else it would keep the peer here. */
  endIfIdle(): void {
    if (this.#streams.size > 0 || this.calls.count > 0 || this.answers.waiting > 0) return
    this.answers.end()
    // What a cancelled request still holds counts on the next streams, too.
    for (const [number, { streams, taken }] of this.#shares)
      if (streams === 0 && taken === 0) this.#shares.delete(number)
  }

  /** Answers by a failure. */
  refuse(slot: number, generation: number, error: RequestError): void {
    const writer = this.#writers.take()
    writer.plain(KIND.failure, slot, generation, encodeFailure(error, this.peer.messageBytesMax - ID_BYTES))
    if (!this.answers.send(writer)) this.#drops.unanswerable++
    this.#writers.give(writer)
  }

  /** Takes no more of it. */
  stop(): void {
    for (const { stream } of this.#streams) stream.stop()
    this.answers.end()
  }
}
