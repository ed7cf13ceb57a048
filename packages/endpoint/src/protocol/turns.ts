/**
 * Which peer has its turn: peers with something to do are awake, the others wait for their deadlines or to be woken.
 * Control packets of all peers go first, then data of the peers of the highest priority, by weight.
 *
 * @module
 */

import type { PacketPool } from "@x/stream"
import type { Outbox } from "../datagram/outbox.ts"
import type { PeerState } from "../peer/peer-state.ts"
import { DueQueue } from "../schedule/due-queue.ts"
import type { OutgoingState } from "../streams/outgoing-state.ts"

/** Places for awake peers that are kept even when unused. */
const AWAKE_KEPT = 64
/** Datagrams of one peer before the next one has its turn, for each unit of weight. */
const QUANTUM_DATAGRAMS = 8

export class Turns {
  readonly #outbox: Outbox
  readonly #sendPool: PacketPool
  readonly #onWork: () => void
  readonly #due = new DueQueue<PeerState>()
  /** Peers that have something to send, or something that may be due; and how many of them have had their turn. */
  readonly #awake: PeerState[] = []
  #awakePeers = 0
  #polled = 0
  /** Peers with data, those of the highest priority first, in the order of their turns. */
  readonly #serving: PeerState[] = []

  /** `onWork` is called when there is something to send before the next timeout. */
  constructor(outbox: Outbox, sendPool: PacketPool, onWork: () => void) {
    this.#outbox = outbox
    this.#sendPool = sendPool
    this.#onWork = onWork
  }

  /** The number of deadlines. */
  get timers(): number {
    return this.#due.count
  }

  /** When the next peer has something to do. */
  get nextTimeoutMs(): number {
    return this.#awakePeers > 0 && !this.#outbox.isBlocked ? -Infinity : this.#due.nextMs
  }

  #rouse(peer: PeerState): void {
    if (peer.isAwake) return
    peer.isAwake = true
    // The array keeps its length: emptying it would give back its memory, only to take it again.
    this.#awake[this.#awakePeers++] = peer
  }

  /** The peer has something to send now. */
  wake(peer: PeerState): void {
    if (peer.isAwake) return
    this.#rouse(peer)
    this.#onWork()
  }

  /** A peer that waits for room in the socket is already awake: it is visited again no sooner than it is due. */
  hasten(peer: PeerState, deadlineMs: number): void {
    if (!peer.isAwake || !this.#outbox.isBlocked) return
    this.#due.set(peer, deadlineMs)
    this.#onWork()
  }

  /** The peer gets no more turns. */
  remove(peer: PeerState): void {
    this.#due.remove(peer)
    peer.isAwake = false
  }

  /** Rouses the peers that are due. */
  rouseDue(nowMs: number): void {
    for (let due = this.#due.takeDue(nowMs); due !== undefined; due = this.#due.takeDue(nowMs)) this.#rouse(due)
  }

  /**
   * Returns the next peer that writes what is due, as far as the socket has room; {@link Turns.serve} goes on with it.
   */
  next(): PeerState | undefined {
    while (this.#polled < this.#awakePeers && (!this.#outbox.isBlocked || this.#outbox.flush())) {
      const peer = this.#awake[this.#polled++]!
      // The peer was forgotten in the meantime.
      if (!peer.isAwake) continue
      peer.isAwake = false
      return peer
    }
    this.#awake.copyWithin(0, this.#polled, this.#awakePeers)
    this.#awakePeers -= this.#polled
    this.#polled = 0
    if (this.#awake.length > AWAKE_KEPT && this.#awakePeers < AWAKE_KEPT) this.#awake.length = AWAKE_KEPT
    return undefined
  }

  /** The peer has written what was due, and may have data. */
  serve(peer: PeerState): void {
    this.#serving.push(peer)
  }

  /** Sends data of the served peers, in turn, as far as windows, paces and the socket allow. */
  sendData(nowMs: number): void {
    // A packet without acknowledgements gives its slot back when it is taken, and is still sent from it.
    this.#sendPool.hold()
    this.#pollData(nowMs)
    this.#outbox.flush()
    this.#sendPool.unhold()
    if (this.#outbox.isBlocked) this.#expireBlocked(nowMs)
  }

  /**
   * Sends data of a peer, of which this stream has much, as far as window and pace allow; everything else waits for the
   * next turn.
   */
  push(peer: PeerState, state: OutgoingState, nowMs: number): void {
    if (this.#outbox.isBlocked) return
    peer.outgoing.enlistOne(state)
    this.#sendPool.hold()
    peer.pollData(Infinity, nowMs)
    this.#outbox.flush()
    this.#sendPool.unhold()
  }

  /** Closes packets that are being filled. */
  closePackets(): void {
    for (let i = 0; i < this.#awakePeers; i++) this.#awake[i]!.outgoing.closePackets()
  }

  /** Peers of the highest priority first, and among them a quantum for each unit of weight. */
  #pollData(nowMs: number): void {
    const serving = this.#serving
    for (const peer of serving) {
      // Including what a listener wrote while another peer was polled.
      peer.outgoing.closePackets()
      peer.outgoing.enlist()
    }
    if (serving.length > 1) serving.sort((a, b) => b.priority - a.priority)
    while (serving.length > 0) {
      const { priority } = serving[0]!
      let kept = 0
      for (let i = 0; i < serving.length; i++) {
        const peer = serving[i]!
        if (peer.priority === priority && !this.#serveOne(peer, serving.length, nowMs)) continue
        serving[kept++] = peer
      }
      serving.length = kept
    }
  }

  /** Returns whether the peer has more that might go now. */
  #serveOne(peer: PeerState, peers: number, nowMs: number): boolean {
    // A lone peer has nobody to wait for.
    const quantum = peers === 1 ? Infinity : peer.weight * QUANTUM_DATAGRAMS * peer.datagramBytesMax
    const hasMore = !this.#outbox.isBlocked && peer.pollData(quantum, nowMs)
    if (hasMore) return true
    // What was due and couldn't be sent is tried again when the socket has room.
    if (this.#outbox.isBlocked) this.#rouse(peer)
    else if (peer.liveness !== "left") this.#due.set(peer, peer.nextTimeoutMs())
    return false
  }

  /** Deadlines of peers that wait for room in the socket are handled too. */
  #expireBlocked(nowMs: number): void {
    for (let i = 0; i < this.#awakePeers; i++) {
      const peer = this.#awake[i]!
      const deadlineMs = peer.outgoing.expire(nowMs)
      if (deadlineMs < Infinity && peer.isAwake) this.#due.set(peer, deadlineMs)
    }
  }
}
