/**
 * The side that asks: finds the peer, sends the request there, and asks again where that is allowed.
 *
 * @module
 */

import type { Connection, Endpoint, Peer } from "@x/endpoint"
import type { Alarm } from "../alarm.ts"
import { abortedError, check, closedError, maybeDoneBefore } from "../errors.ts"
import type { Writers } from "../format/writers.ts"
import type { RequestError } from "../request-error.ts"
import type { PartsRequest, SingleRequest } from "../request-type.ts"
import type { AskingDrops } from "../stats.ts"
import type { Asked } from "./asked.ts"
import { PartsAnswer } from "./parts-answer.ts"
import { PeerAsking, type Times } from "./peer-asking.ts"
import { PeerWaits } from "./peer-waits.ts"
import { Single } from "./single.ts"

/** An idempotent request is asked so often again: it may be what its peers die of. */
const RETRIES_MAX = 3

const FOR_EVER: Times = { dueMs: Infinity, remainingMs: Infinity }

/** Of a call, once its options are checked. */
export interface AskOptions {
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number
  readonly isIdempotent: boolean
}

export class Asking {
  readonly #alarm: Alarm
  readonly #peers = new Map<Peer, PeerAsking>()
  readonly #waits: PeerWaits
  readonly drops: AskingDrops = { malformed: 0, "unknown-answer": 0, "unasked-form": 0, "untold-cancel": 0 }
  readonly #context: ConstructorParameters<typeof PeerAsking>[1]
  readonly #endpoint: Endpoint
  #isClosed = false

  constructor(endpoint: Endpoint, alarm: Alarm, writers: Writers, outstandingMax: number) {
    this.#endpoint = endpoint
    this.#alarm = alarm
    this.#waits = new PeerWaits(alarm, outstandingMax)
    this.#context = { alarm, writers, drops: this.drops, outstandingMax }
  }

  get outstanding(): number {
    let count = 0
    for (const peer of this.#peers.values()) count += peer.outstanding
    return count
  }

  get waitingForPeer(): number {
    return this.#waits.count
  }

  /** What was asked of a peer; `undefined`: nothing. */
  of(peer: Peer): PeerAsking | undefined {
    return this.#peers.get(peer)
  }

  get peers(): Iterable<Peer> {
    return this.#peers.keys()
  }

  #askingOf(peer: Peer): PeerAsking {
    const known = this.#peers.get(peer)
    if (known !== undefined) return known
    // Its answers would come to the other endpoint.
    if (peer.state !== "left" && !this.#endpoint.peers.includes(peer))
      throw check.wrong("the target of a request", "a peer of this endpoint", peer)
    const asking = new PeerAsking(peer, this.#context)
    // One that has left takes no requests, and is told as left no more.
    if (peer.state !== "left") this.#peers.set(peer, asking)
    return asking
  }

  single(
    target: Peer | Connection,
    request: SingleRequest<unknown, unknown>,
    question: unknown,
    options: AskOptions,
  ): Promise<unknown> {
    const { signal, timeoutMs } = options
    const times = this.#timesOf(timeoutMs)
    const peer = peerOf(target)
    if (options.isIdempotent || peer === undefined)
      return this.#persist(target, request, question, {
        ...{ signal, dueMs: times.dueMs },
        tries: options.isIdempotent ? RETRIES_MAX : 0,
      })
    const single = new Single(request)
    this.#ask(single, peer, question, times, signal)
    return single.promise
  }

  #timesOf(timeoutMs: number): Times {
    return timeoutMs === Infinity ? FOR_EVER : { dueMs: this.#alarm.now() + timeoutMs, remainingMs: timeoutMs }
  }

  /** The times of a request that has waited already. */
  #timesLeft(dueMs: number): Times {
    return dueMs === Infinity ? FOR_EVER : { dueMs, remainingMs: dueMs - this.#alarm.now() }
  }

  #ask(asked: Asked, peer: Peer, question: unknown, times: Times, signal: AbortSignal | undefined): void {
    if (this.#isClosed) return this.#refuse(asked, closedError("not-done"))
    if (signal?.aborted === true) return this.#refuse(asked, abortedError(signal, "not-done"))
    this.#askingOf(peer).ask(asked, question, times, signal)
  }

  #refuse(asked: Asked, error: RequestError): void {
    asked.isDone = true
    asked.fail(error, true)
  }

  /** Waits for the peer, and asks again after it was lost, as often as it may. */
  async #persist(
    target: Peer | Connection,
    request: SingleRequest<unknown, unknown>,
    question: unknown,
    { signal, dueMs, tries }: { signal: AbortSignal | undefined; dueMs: number; tries: number },
  ): Promise<unknown> {
    let wasMaybeDone = false
    for (let left = tries; ; left--) {
      try {
        const peer = peerOf(target) ?? (await this.#waits.wait(target as Connection, signal, dueMs))
        const single = new Single(request)
        this.#ask(single, peer, question, this.#timesLeft(dueMs), signal)
        return await single.promise
      } catch (error) {
        const failure = error as RequestError
        if (left === 0 || !mayAskAgain(target, failure)) throw wasMaybeDone ? maybeDoneBefore(failure) : failure
        wasMaybeDone ||= failure.outcome === "maybe-done"
      }
    }
  }

  parts(
    target: Peer | Connection,
    request: PartsRequest<unknown, unknown>,
    question: unknown,
    { signal, timeoutMs }: AskOptions,
  ): PartsAnswer {
    const times = this.#timesOf(timeoutMs)
    const parts = new PartsAnswer(request)
    const peer = peerOf(target)
    if (peer !== undefined) this.#ask(parts, peer, question, times, signal)
    else void this.#partsLater(parts, target as Connection, question, { signal, dueMs: times.dueMs })
    return parts
  }

  async #partsLater(
    parts: PartsAnswer,
    connection: Connection,
    question: unknown,
    { signal, dueMs }: { signal: AbortSignal | undefined; dueMs: number },
  ): Promise<void> {
    try {
      const peer = await this.#waits.wait(connection, signal, dueMs, parts)
      parts.forget = undefined
      if (!parts.isDone) this.#ask(parts, peer, question, this.#timesLeft(dueMs), signal)
    } catch (error) {
      this.#refuse(parts, error as RequestError)
    }
  }

  /** A peer has left. */
  lose(peer: Peer): void {
    const asking = this.#peers.get(peer)
    this.#peers.delete(peer)
    asking?.lose()
  }

  close(): void {
    this.#isClosed = true
    this.#waits.close()
    for (const asking of this.#peers.values()) asking.close(closedError)
    this.#peers.clear()
  }
}

/** The peer to ask now; `undefined`: the connection is down. */
function peerOf(target: Peer | Connection): Peer | undefined {
  if (!isConnection(target)) return target
  const { peer } = target
  return peer === undefined || peer.state === "left" ? undefined : peer
}

function isConnection(target: Peer | Connection): target is Connection {
  return "joined" in target
}

function mayAskAgain(target: Peer | Connection, { code }: RequestError): boolean {
  if (code !== "left" && code !== "stream-closed") return false
  return isConnection(target) ? !target.isClosed : target.state !== "left"
}
