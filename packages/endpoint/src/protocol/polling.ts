/**
 * What is done when the endpoint is polled, and in which order: what is due of the endpoint itself, then the control
 * packets of all peers, then data, peers in turn.
 *
 * @module
 */

import { REASON } from "@x/wire"
import type { Joins } from "../join/joins.ts"
import type { Associations } from "../path/associations.ts"
import type { PeerState } from "../peer/peer-state.ts"
import type { Membership } from "./membership.ts"
import type { Peers } from "./peers.ts"
import type { ReceiveRates } from "./receive-rates.ts"
import type { SharedMemory } from "./shared-memory.ts"
import type { Standing } from "./standing.ts"
import type { Turns } from "./turns.ts"

/** A process that is woken this much later than it asked was suspended, or its clock has leapt; milliseconds. */
const ABSENT_MS = 1_000

export interface PollingParts {
  readonly turns: Pick<Turns, "nextTimeoutMs" | "rouseDue" | "next" | "serve" | "sendData">
  readonly joins: Pick<Joins, "nextTimeoutMs" | "poll">
  readonly membership: Pick<Membership, "settle" | "probe">
  readonly peers: Pick<Peers, "forget"> & { readonly table: { values(): Iterable<PeerState> } }
  readonly associations: Pick<Associations, "release">
  readonly receiveRates: Pick<ReceiveRates, "nextTimeoutMs" | "poll">
  readonly memory: Pick<SharedMemory, "nextTimeoutMs" | "takeStalled" | "trim">
  /** In profiles with keys. */
  readonly standing: Pick<Standing, "nextTimeoutMs" | "poll"> | undefined
}

export class Polling {
  readonly #parts: PollingParts
  /** When the next poll is due, as of the last one. */
  #expectedMs = Infinity

  constructor(parts: PollingParts) {
    this.#parts = parts
  }

  /** When `poll` has something to do of its own accord. */
  get nextTimeoutMs(): number {
    const { turns, joins, receiveRates, memory, standing } = this.#parts
    const [turnsMs, joinsMs, standingMs] = [turns.nextTimeoutMs, joins.nextTimeoutMs, standing?.nextTimeoutMs]
    return Math.min(turnsMs, joinsMs, receiveRates.nextTimeoutMs, memory.nextTimeoutMs, standingMs ?? Infinity)
  }

  /** Handles what is due and sends what there is. `mayJudge`: peers may count as silent. */
  poll(nowMs: number, mayJudge: boolean): void {
    const { turns, joins, membership, peers, receiveRates, memory, standing } = this.#parts
    // While nobody was here to listen nobody was silent.
    if (nowMs > this.#expectedMs + ABSENT_MS)
      for (const peer of peers.table.values()) peer.presence.excuse(nowMs - this.#expectedMs, nowMs)
    turns.rouseDue(nowMs)
    standing?.poll(nowMs)
    joins.poll(nowMs)
    membership.settle(nowMs)
    receiveRates.poll(nowMs)
    for (const peer of memory.takeStalled(peers.table.values(), nowMs))
      peer.leave(REASON.stalled, "it took nothing for a while, and held memory that others needed", nowMs)
    for (let peer = turns.next(); peer !== undefined; peer = turns.next())
      if (this.#pollControl(peer, nowMs, mayJudge)) turns.serve(peer)
    turns.sendData(nowMs)
    memory.trim(nowMs)
    this.#expectedMs = Math.max(nowMs, this.nextTimeoutMs)
  }

  /** Returns whether the peer is still there. */
  #pollControl(peer: PeerState, nowMs: number, mayJudge: boolean): boolean {
    const { associations, peers, membership } = this.#parts
    if (!peer.beginTurn(nowMs)) return true
    for (const association of peer.handleTimeout(nowMs)) associations.release(association, nowMs)
    peer.pollControl(nowMs, mayJudge)
    if (peer.presence.isGone(nowMs)) {
      peers.forget(peer, nowMs)
      return false
    }
    if (peer.presence.isProbeWanted) {
      peer.presence.isProbeWanted = false
      membership.probe(peer, nowMs)
    }
    return true
  }
}
