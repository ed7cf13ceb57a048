/**
 * Applies the protocol's results to the application's objects: an event changes its peer or stream, and is queued for
 * the listeners. No function of the application runs here, except message handlers.
 *
 * @module
 */

import type { ProtocolConsumer } from "../driver.ts"
import type { PeerState } from "../peer/peer-state.ts"
import type { JoinCall } from "../join/join-call.ts"
import type { JoinResult, ProtocolEvent } from "../protocol/events.ts"
import type { MessageSource } from "../streams/incoming-message.ts"
import type { OutgoingState } from "../streams/outgoing-state.ts"
import type { Connection } from "./connection.ts"
import type { EndpointEvents } from "./endpoint-events.ts"
import type { Events } from "./events.ts"
import { IncomingHandle, type IncomingHost } from "./incoming-stream.ts"
import type { OutgoingHandle } from "./outgoing-stream.ts"
import { PeerHandle, type PeerHost } from "./peer.ts"

/** What this needs of its endpoint. */
export interface OutcomesHost {
  readonly peers: PeerHost
  readonly incoming: IncomingHost
  readonly events: Events<EndpointEvents>
  readonly connections: Iterable<Connection>
  /** Stands for the application, which keeps the peers that it joined itself. */
  readonly application: object
  /** Says goodbye to a peer that nothing needs. */
  letGo(peer: PeerHandle): Promise<void>
}

/** Keeps a peer that joined us: it decides itself when it leaves. */
const ITSELF = {}

export class Outcomes implements ProtocolConsumer {
  readonly #host: OutcomesHost
  /** The callbacks of joins under way. */
  readonly #joining = new Map<JoinCall, (result: JoinResult) => void>()

  constructor(host: OutcomesHost) {
    this.#host = host
  }

  /** The application's object for a peer. */
  peerOf(state: PeerState): PeerHandle {
    state.owner ??= new PeerHandle(state, this.#host.peers)
    return state.owner as PeerHandle
  }

  /** Calls `onSettled` once, when a join ends. */
  await(call: JoinCall, onSettled: (result: JoinResult) => void): void {
    this.#joining.set(call, onSettled)
  }

  /** Nothing waits for this join any more. */
  forget(call: JoinCall): void {
    this.#joining.delete(call)
  }

  hand(source: MessageSource): void {
    const { message } = source
    const stream = message.stream.consumer as IncomingHandle
    if (message.isOffer) message.isWelcome = stream.mayTake(message.type)
    else stream.take(source)
  }

  apply(event: ProtocolEvent): void {
    const { events } = this.#host
    switch (event.kind) {
      case "progress":
        return this.#progress(event.peer, event.stream)
      case "gap":
        return (event.stream.consumer as IncomingHandle).gap(event.messages)
      case "room-asked":
        return void (event.stream.consumer as IncomingHandle).roomReturned()
      case "stream-begun":
        event.stream.consumer = new IncomingHandle(
          this.peerOf(event.peer),
          event.peer,
          event.stream,
          this.#host.incoming,
        )
        return
      case "stream-opened":
        return events.emit("stream", event.stream.consumer as IncomingHandle)
      case "stream-closed":
        return (event.stream.consumer as IncomingHandle).settle(event.isComplete, event.reason)
      case "join-settled":
        this.#joining.get(event.call)?.(event.result)
        return
      case "answered":
        return this.peerOf(event.peer).noteAnswer(event.ping)
      case "joined":
        return events.emit("joined", this.#joined(event.peer))
      case "replaced":
        return this.#replaced(event.before, event.peer, event.isRestart)
      case "reachable":
      case "unreachable":
        return events.emit(event.kind, this.peerOf(event.peer))
      case "moved":
        return events.emit("moved", this.peerOf(event.peer), event.from)
      case "left":
        return this.#left(event)
    }
  }

  #progress(peer: PeerState, state: OutgoingState): void {
    state.isTold = false
    const stream = state.owner as OutgoingHandle | undefined
    if (stream === undefined) return
    stream.onProgress()
    // In modes without acknowledgements nothing counts as missing.
    if (state.isCutOff && state.stream.traits.isAcknowledged) this.peerOf(peer).account(stream.account)
  }

  #joined(state: PeerState): PeerHandle {
    const peer = this.peerOf(state)
    if (state.association?.isOurs === false) peer.keep(ITSELF)
    return peer
  }

  #replaced(before: PeerState, after: PeerState, isRestart: boolean): void {
    const { events, connections, application } = this.#host
    const peer = this.#joined(after)
    const lost = this.peerOf(before)
    // Everything that kept the old peer keeps this one.
    if (lost.isKeptBy(application)) peer.keep(application)
    const heirs = [...connections].filter((connection) => connection.lost === lost)
    events.emit(isRestart ? "restarted" : "rejoined", peer, lost)
    for (const connection of heirs) connection.use(peer)
    // The connections that had it may have been closed just now.
    if (heirs.length > 0) void this.#host.letGo(peer)
  }

  #left({ peer: state, why: { reason, text }, address }: Extract<ProtocolEvent, { kind: "left" }>): void {
    const { events, connections } = this.#host
    const peer = this.peerOf(state)
    peer.settle(address)
    const { unconfirmed, dropped } = peer.lost
    const why = { reason, text, unconfirmed, dropped }
    events.emit("left", peer, why)
    for (const connection of [...connections]) connection.lose(peer, why)
  }
}
