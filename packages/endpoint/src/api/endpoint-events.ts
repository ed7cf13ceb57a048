import type { EndpointError } from "../errors/endpoint-error.ts"
import type { Listener } from "./events.ts"
import type { IncomingStream, Peer, Unhandled } from "./handles.ts"

/** Why a peer left, and what is left of what was sent to it. */
export interface Departure {
  /** One of `REASON`, or the application's; `reasonName` tells what it means. */
  readonly reason: number
  /** What was said with it, for people to read: at most 256 bytes of UTF-8, and mostly empty. */
  readonly text: string
  /** Messages on streams that acknowledge, which were sent and not acknowledged: they may have been delivered. */
  readonly unconfirmed: number
  /** Messages that were accepted and not sent whole: they were not delivered. */
  readonly dropped: number
}

/** What an endpoint tells, and with what. The map is closed: there are no others. */
export interface EndpointEvents {
  /**
   * A peer joined us, or we it. Who joins is told first, and then its `join` settles; the other side is told about half
   * a round trip later, once it has heard that its answer was taken, and before any message of the peer's. Until then
   * it has no such peer. What either side sends on a reliable stream after its own `joined` arrives, unless the peer is
   * told as `left`.
   */
  joined: (peer: Peer) => void
  /**
   * The same incarnation joined anew: it had forgotten us. `before` was told as `left` just before. Comes instead of
   * `joined`.
   */
  rejoined: (peer: Peer, before: Peer) => void
  /**
   * Another incarnation joined from the address of `before`, which was told as `left` just before, with what was
   * unconfirmed. Comes instead of `joined`.
   */
  restarted: (peer: Peer, before: Peer) => void
  /** Nothing was heard of the peer for `unreachableMs`; its streams wait. */
  unreachable: (peer: Peer) => void
  /** It is heard again. */
  reachable: (peer: Peer) => void
  /** It is gone, by its own word, by ours or by silence; its streams are closed. */
  left: (peer: Peer, why: Departure) => void
  /** The peer opened a stream to us. */
  stream: (stream: IncomingStream) => void
  /**
   * Nobody handled or read messages of a type that came on a stream, for `unclaimedMs`, or until this endpoint closed:
   * they are dropped, and so is what comes of it there, unless somebody does then. Once for each stream and type; of
   * many types of a stream the first sixteen are told.
   */
  unhandled: (unhandled: Unhandled) => void
  /** A handler of the application threw. Without a listener the error is thrown where nobody catches it. */
  error: (error: EndpointError) => void
}

/** The name of an event of an endpoint. */
export type EventName = keyof EndpointEvents

/**
 * A function that is told of an event. Nothing waits for it if it is async; what it rejects with comes as `error` of
 * the endpoint.
 */
export type EventListener<K extends EventName> = Listener<EndpointEvents, K>

export const ENDPOINT_EVENTS: readonly EventName[] = [
  ...(["joined", "rejoined", "restarted", "unreachable", "reachable", "left", "stream", "unhandled", "error"] as const),
]
