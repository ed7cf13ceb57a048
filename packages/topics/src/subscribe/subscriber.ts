/**
 * Subscriptions to topics of peers: asks, waits for the answer and for the stream that it names, and passes on what the
 * publisher tells.
 *
 * @module
 */

import type { Alarm, Endpoint, IncomingStream, Peer } from "@x/endpoint"
import { REASON } from "@x/endpoint"
import { onAbort } from "@x/transport/host"
import { traitsNamed } from "@x/wire"
import { abortedError, endedError, refusedError, TopicError } from "../errors.ts"
import type { Telling } from "../events.ts"
import type { Line } from "../line.ts"
import { nextNumber } from "../numbers.ts"
import { endOf, refusalOf } from "../wire/codes.ts"
import type { Accepted, Beginning, Control } from "../wire/message.ts"
import { type Feed, FeedHandle } from "./feed.ts"
import type { Call, Subscribing } from "./subscribing.ts"

/** How to wait for an answer, and where to begin. */
export interface Asking {
  readonly beginning: Beginning
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number
}

/** What a subscriber needs of the topics of its endpoint. */
export interface SubscriberHost {
  readonly endpoint: Endpoint
  readonly telling: Telling
  readonly entryType: number
}

/** Subscriptions that were given up before the answer: of so many it is awaited, so that its stream is stopped. */
const GIVEN_UP_MAX = 64
/**
 * A publisher that has closed the stream of a subscription has this long to say why, and to answer one that was given
 * up, milliseconds.
 */
const END_WAIT_MS = 10_000
/**
 * A question that may have been answered on a stream that nobody hears is repeated after this long, or this many round
 * trips if they take longer, and then after twice as long each time, milliseconds.
 */
const REPEAT_ROUNDS = 4
const REPEAT_MS = 1_000
const REPEAT_MS_MAX = 16_000

export class Subscriber {
  readonly #host: SubscriberHost
  /** The stream for control on which each publisher was heard last, while it is open. */
  readonly #heard = new WeakMap<Peer, IncomingStream>()
  /** Publishers whose stream for control was closed, until they are heard on another: they may not know it yet. */
  readonly #unheard = new WeakSet<Peer>()

  constructor(host: SubscriberHost) {
    this.#host = host
  }

  /** Asks a peer for a topic. */
  subscribe(line: Line, topic: string, { beginning, signal, timeoutMs }: Asking): Promise<Feed> {
    if (signal?.aborted === true) return Promise.reject(abortedError(signal))
    return new Promise((resolve, reject) => {
      const id = nextNumber(this.#host.endpoint)
      line.control.send({ kind: "subscribe", id, beginning, name: topic })
      const it: Subscribing = {
        ...{ id, topic, beginning, isRepeated: false },
        ...{ call: undefined, accepted: undefined, feed: undefined, ended: undefined },
      }
      line.subscribing.set(id, it)
      if (this.#unheard.has(line.peer)) this.#repeat(line, it)
      const { endpoint } = this.#host
      const alarm = endpoint.alarm(() => this.#giveUp(line, it, timeoutError(topic, timeoutMs)))
      alarm.at(endpoint.now() + timeoutMs)
      const forget = signal && onAbort(signal, () => this.#aborted(line, it, signal))
      it.call = callOf(resolve, reject, alarm, forget)
    })
  }

  /** Asks again and again, under another number each time, until there is an answer. */
  #repeat(line: Line, it: Subscribing, waitMs = REPEAT_MS): void {
    it.isRepeated = true
    const { endpoint } = this.#host
    const { rttMs } = line.peer.stats()
    const alarm = endpoint.alarm(() => {
      if (it.call === undefined || it.accepted !== undefined || line.subscribing.get(it.id) !== it) return
      if (!line.control.isFull) {
        tell(line, { kind: "unsubscribe", id: it.id })
        line.subscribing.delete(it.id)
        it.id = nextNumber(endpoint)
        line.subscribing.set(it.id, it)
        tell(line, { kind: "subscribe", id: it.id, beginning: it.beginning, name: it.topic })
      }
      this.#repeat(line, it, Math.min(2 * waitMs, REPEAT_MS_MAX))
    })
    alarm.at(endpoint.now() + Math.max(waitMs, REPEAT_ROUNDS * rttMs))
  }

  /** A peer tells something on a stream on which it has told nothing so far. */
  heard(stream: IncomingStream): void {
    this.#heard.set(stream.peer, stream)
    this.#unheard.delete(stream.peer)
  }

  /** The signal is the caller's for as long as the feed lives. */
  #aborted(line: Line, it: Subscribing, signal: AbortSignal): void {
    if (it.feed === undefined) this.#giveUp(line, it, abortedError(signal))
    else it.feed.abort(signal.reason)
  }

  /** Nobody waits for the answer any more: if it is a yes, the stream is stopped once it comes. */
  #giveUp(line: Line, it: Subscribing, error: TopicError): void {
    const { call } = it
    it.call = undefined
    tell(line, { kind: "unsubscribe", id: it.id })
    call?.reject(error)
    this.#awaitNoLonger(line, it)
    const givenUp = [...line.subscribing.values()].filter(
      (other) => other.call === undefined && other.feed === undefined,
    )
    if (givenUp.length > GIVEN_UP_MAX) line.subscribing.delete(givenUp[0]!.id)
  }

  /**
   * What hasn't come by then, an answer, its stream or an end, may be lost with a stream for control. The publisher was
   * told of the end.
   */
  #awaitNoLonger(line: Line, it: Subscribing): void {
    const { endpoint } = this.#host
    const untilMs = endpoint.now() + END_WAIT_MS
    const alarm = endpoint.alarm(() => {
      if (line.subscribing.get(it.id) !== it || it.feed !== undefined) return
      line.subscribing.delete(it.id)
      this.#forgetStreams(line)
    })
    alarm.at(untilMs)
  }

  /** Our subscription of a number that a peer speaks of. `undefined`: there is none. */
  #find(line: Line, id: number, isAnswered: boolean): Subscribing | undefined {
    const it = line.subscribing.get(id)
    return it !== undefined && (it.accepted !== undefined) === isAnswered ? it : undefined
  }

  /** The peer takes us. `false`: we didn't ask. */
  accepted(line: Line, id: number, accepted: Accepted): boolean {
    const it = this.#find(line, id, false)
    if (it === undefined) return false
    it.accepted = accepted
    const stream = line.unknown.get(accepted.stream)
    if (stream !== undefined) this.#match(line, it, stream)
    this.#forgetStreams(line)
    return true
  }

  /** A peer has accepted what isn't ours any more. One that takes no word of it is told nothing. */
  disown(line: Line, id: number): void {
    if (!line.subscribing.has(id) && !line.control.isFull) tell(line, { kind: "unsubscribe", id })
  }

  /** The peer doesn't take us. `false`: we didn't ask. */
  refused(line: Line, id: number, code: number): boolean {
    const it = this.#find(line, id, false)
    if (it === undefined) return false
    line.subscribing.delete(id)
    this.#forgetStreams(line)
    it.call?.reject(refusedError(it.topic, refusalOf(code)))
    return true
  }

  /** A subscription is over. `false`: there is none. */
  ended(line: Line, id: number, code: number, end: number): boolean {
    const it = this.#find(line, id, true)
    if (it === undefined || it.ended !== undefined) return false
    const why = endOf(code)
    // Of a topic that was closed all comes, the stream included.
    if (it.feed === undefined && it.call !== undefined && why === "topic-closed") {
      it.ended = { code, end }
      return true
    }
    line.subscribing.delete(id)
    this.#forgetStreams(line)
    if (it.feed === undefined) it.call?.reject(endedError(it.topic, why))
    else it.feed.end(why, end)
    return true
  }

  /** Messages won't come. `false`: there is no such subscription. */
  gap(line: Line, id: number, messages: number): boolean {
    const feed = this.#find(line, id, true)?.feed
    feed?.gap(messages)
    return feed !== undefined
  }

  /** A peer that we wait for has opened a stream. */
  opened(line: Line, stream: IncomingStream): void {
    for (const it of line.subscribing.values()) {
      if (it.accepted?.stream === stream.id && it.feed === undefined) return this.#match(line, it, stream)
    }
    if (!isWaiting(line)) return
    line.unknown.set(stream.id, stream)
    void stream.closed.then(() => {
      if (line.unknown.get(stream.id) !== stream) return
      line.unknown.delete(stream.id)
      if (this.#heard.has(line.peer)) return
      this.#unheard.add(line.peer)
      for (const it of line.subscribing.values())
        if (it.accepted === undefined && !it.isRepeated) this.#repeat(line, it)
    })
  }

  /** The stream of a subscription has come. */
  #match(line: Line, it: Subscribing, stream: IncomingStream): void {
    line.unknown.delete(stream.id)
    const { call, accepted } = it
    if (call === undefined || accepted === undefined) return stream.stop(REASON.closing)
    it.call = undefined
    const feed = new FeedHandle(it.topic, stream, accepted, traitsNamed(stream.delivery).isOrdered, {
      ...{ telling: this.#host.telling, entryType: this.#host.entryType },
      onUnsubscribe: () => tell(line, { kind: "unsubscribe", id: it.id }),
      onOver: () => call.forget(),
    })
    it.feed = feed
    void stream.closed.then(() => this.#awaitEnd(line, it))
    if (it.ended !== undefined) {
      line.subscribing.delete(it.id)
      feed.end(endOf(it.ended.code), it.ended.end)
    }
    call.resolve(feed)
  }

  /** The stream of a subscription is closed: its end has been told, or is on its way. */
  #awaitEnd(line: Line, it: Subscribing): void {
    const isAwaited = (): boolean => line.subscribing.get(it.id) === it
    if (!isAwaited()) return
    const { endpoint } = this.#host
    const alarm = endpoint.alarm(() => {
      if (!isAwaited()) return
      line.subscribing.delete(it.id)
      it.feed!.end("stream-closed", undefined)
    })
    alarm.at(endpoint.now() + END_WAIT_MS)
  }

  #forgetStreams(line: Line): void {
    if (!isWaiting(line)) line.unknown.clear()
  }

  /** A peer has left, or can't be told anything any more. */
  forget(line: Line, why: "peer-left" | "stream-closed"): void {
    for (const { call, feed, topic } of line.subscribing.values()) {
      call?.reject(new TopicError("peer-left", `the peer left before it answered for ${JSON.stringify(topic)}`))
      if (why === "peer-left") feed?.end(why, undefined)
      else feed?.cut()
    }
    line.subscribing.clear()
    line.unknown.clear()
  }

  /**
   * A stream for control of a peer was closed: what wasn't answered on it is given up, and so is what was accepted and
   * whose stream has yet to come. Neither is awaited any more.
   */
  unheard(stream: IncomingStream, line: Line | undefined): void {
    const { peer } = stream
    if (this.#heard.get(peer) === stream) {
      this.#heard.delete(peer)
      this.#unheard.add(peer)
    }
    if (line !== undefined) this.#rejectAwaited(line)
  }

  #rejectAwaited(line: Line): void {
    for (const it of line.subscribing.values()) {
      // The stream of a topic that was closed comes all the same.
      if (it.feed !== undefined || it.ended !== undefined) continue
      line.subscribing.delete(it.id)
      if (it.call === undefined) continue
      tell(line, { kind: "unsubscribe", id: it.id })
      it.call.reject(
        new TopicError(
          "peer-left",
          `the peer closed its stream for control before a feed of ${JSON.stringify(it.topic)} had begun`,
        ),
      )
    }
    this.#forgetStreams(line)
  }

  /** Ends all feeds, and gives up what waits for an answer. */
  close(line: Line): void {
    for (const it of [...line.subscribing.values()]) {
      if (it.feed === undefined) this.#giveUp(line, it, new TopicError("closed", "the topics were closed"))
      else it.feed.unsubscribe()
    }
  }
}

/** A call that stops its clock once it is answered; its signal counts for as long as the feed lives. */
function callOf(
  resolve: (feed: Feed) => void,
  reject: (error: unknown) => void,
  alarm: Alarm,
  forget: () => void = () => {},
): Call {
  return {
    forget,
    resolve(feed) {
      alarm.at(Infinity)
      resolve(feed)
    },
    reject(error) {
      alarm.at(Infinity)
      forget()
      reject(error)
    },
  }
}

/** Whether an answer is awaited, or the stream that it named. */
function isWaiting({ subscribing }: Line): boolean {
  for (const { feed } of subscribing.values()) if (feed === undefined) return true
  return false
}

/** Tells a peer that takes no stream for it any more only that it has left. */
function tell(line: Line, control: Control): void {
  try {
    line.control.send(control)
  } catch {
    // Its end tells the same.
  }
}

function timeoutError(topic: string, timeoutMs: number): TopicError {
  return new TopicError(
    "timeout",
    `the peer didn't answer for ${JSON.stringify(topic)} within ${timeoutMs} ms; does it have topics, of the same types?`,
  )
}
