import type { Address } from "@x/transport/host"
import type { EndpointError } from "../errors/endpoint-error.ts"
import type { Listener } from "./events.ts"
import type { IncomingStream, Peer, Unhandled } from "./handles.ts"

/** Why a peer left, and what became of the messages to it. */
export interface Departure {
  /** One of `REASON`, or the application's own; `reasonName` returns its name. */
  readonly reason: number
  /** Text that came with the reason, for people to read: at most 256 bytes of UTF-8, and mostly empty. */
  readonly text: string
  /** Messages on streams with acknowledgements that were sent and not acknowledged: they may have been delivered. */
  readonly unconfirmed: number
  /** Messages that were accepted and not completely sent: they were not delivered. */
  readonly dropped: number
}

/** The events of an endpoint, with their arguments. There are no others. */
export interface EndpointEvents {
  /**
   * A peer joined us, or we joined it. The joining side gets the event first, then its `join` settles. The other side
   * gets it about half a round trip later, once it has heard that its accept arrived, and before any message of the
   * peer. Until then it has no such peer. What either side sends on a reliable stream after its own `joined` arrives,
   * unless the peer is reported as `left`.
   */
  joined: (peer: Peer) => void
  /**
   * The same incarnation joined anew: it had forgotten us. `before` was reported as `left` just before. Comes instead
   * of `joined`.
   */
  rejoined: (peer: Peer, before: Peer) => void
  /**
   * Another incarnation joined from the address of `before`, which was reported as `left` just before, with its
   * unconfirmed messages. Comes instead of `joined`.
   */
  restarted: (peer: Peer, before: Peer) => void
  /** Nothing was heard of the peer for `unreachableMs`; its streams wait. */
  unreachable: (peer: Peer) => void
  /** The peer is heard again. */
  reachable: (peer: Peer) => void
  /**
   * The peer has proved that it is at another address than before, `from`: its NAT gave out another port, or it is on
   * another network. Its streams go on.
   */
  moved: (peer: Peer, from: Address) => void
  /** The peer is gone, by its own goodbye, by ours or by silence; its streams are closed. */
  left: (peer: Peer, why: Departure) => void
  /** The peer opened a stream to us. */
  stream: (stream: IncomingStream) => void
  /**
   * Messages of a type on a stream were neither handled nor read for `unclaimedMs`, or until this endpoint closed. They
   * are dropped, and so are later messages of the type there, unless a handler or reader appears. Once for each stream
   * and type; only the first sixteen types of a stream are reported.
   */
  unhandled: (unhandled: Unhandled) => void
  /**
   * The endpoint has other sockets, bound to these addresses: by `rebind`, or since the former ones have ended or their
   * address is gone.
   */
  rebound: (addresses: readonly Address[]) => void
  /**
   * Something failed that no call of the application waits for; the `code` says what. `handler-failed`: a function of the
   * application threw, or what it returned rejected. Without a listener that is thrown as an uncaught exception, unless
   * `cause` only says how a call of this package ended (`not-joined`, `refused` …). `undecodable`: a message that its
   * codec doesn't decode; its stream was stopped. `socket-ended`: a socket was closed or shut down, and not by the endpoint,
   * which opens others on the same port. Without a listener these two are only counted.
   */
  error: (error: EndpointError) => void
}

/** The name of an event of an endpoint. */
export type EventName = keyof EndpointEvents

/**
 * A function that is called with an event. If it is async, nothing waits for it; a rejection becomes an `error` of the
 * endpoint.
 */
export type EventListener<K extends EventName> = Listener<EndpointEvents, K>

export const ENDPOINT_EVENTS: readonly EventName[] = [
  ...([
    "joined",
    "rejoined",
    "restarted",
    "unreachable",
    "reachable",
    "moved",
    "left",
    "stream",
    "unhandled",
    "rebound",
    "error",
  ] as const),
]
