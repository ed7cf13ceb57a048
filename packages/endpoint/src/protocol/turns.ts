/**
 * Whose turn it is: peers that have something to say are awake, the others wait for their time or for being woken.
 * Control packets of all go first, then data of those of the highest priority, by weight.
 *
 * @module
 */

import type { PacketPool } from "@x/stream"
import type { Outbox } from "../datagram/outbox.ts"
import type { PeerState } from "../peer/peer-state.ts"
import { DueQueue } from "../schedule/due-queue.ts"
import type { OutgoingState } from "../streams/outgoing-state.ts"

/** Places for peers with something to do that are kept though nobody needs them. */
const AWAKE_KEPT = 64
/** Datagrams of one peer before the next one has its turn, for each unit of its weight. */
const QUANTUM_DATAGRAMS = 8

export class Turns {
  readonly #outbox: Outbox
  readonly #sendPool: PacketPool
  readonly #onWork: () => void
  readonly #due = new DueQueue<PeerState>()
  /** Peers with something to send, or something that may be due; and how many of them have had their turn. */
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

  /** Deadlines that are kept. */
  get timers(): number {
    return this.#due.count
  }

  /** When somebody has something to do. */
  get nextTimeoutMs(): number {
    return this.#awakePeers > 0 && !this.#outbox.isBlocked ? -Infinity : this.#due.nextMs
  }

  #rouse(peer: PeerState): void {
    if (peer.isAwake) return
    peer.isAwake = true
    // The array keeps its length: one that is emptied gives back its memory, to take it again.
    this.#awake[this.#awakePeers++] = peer
  }

  /** The peer has something to send now. */
  wake(peer: PeerState): void {
    if (peer.isAwake) return
    this.#rouse(peer)
    this.#onWork()
  }

  /** A peer that waits for room in the socket is awake already: it is looked at again no sooner than it is due. */
  hasten(peer: PeerState, deadlineMs: number): void {
    if (!peer.isAwake || !this.#outbox.isBlocked) return
    this.#due.set(peer, deadlineMs)
    this.#onWork()
  }

  /** The peer has no turns any more. */
  remove(peer: PeerState): void {
    this.#due.remove(peer)
    peer.isAwake = false
  }

  /** Those whose time has come are awake. */
  rouseDue(nowMs: number): void {
    for (let due = this.#due.takeDue(nowMs); due !== undefined; due = this.#due.takeDue(nowMs)) this.#rouse(due)
  }

  /** The next peer to say what is due, as far as the socket has room; {@link Turns.serve} goes on with it. */
  next(): PeerState | undefined {
    while (this.#polled < this.#awakePeers && (!this.#outbox.isBlocked || this.#outbox.flush())) {
      const peer = this.#awake[this.#polled++]!
      // It was forgotten in the meantime.
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

  /** The peer has said what was due, and may have data. */
  serve(peer: PeerState): void {
    this.#serving.push(peer)
  }

  /** Sends data of those that are served, in turn, as far as windows, paces and the socket allow. */
  sendData(nowMs: number): void {
    // A packet that nobody acknowledges gives its slot back as it is taken, and is sent from there.
    this.#sendPool.hold()
    this.#pollData(nowMs)
    this.#outbox.flush()
    this.#sendPool.unhold()
    if (this.#outbox.isBlocked) this.#expireBlocked(nowMs)
  }

  /**
   * Sends data of a peer, of which this stream has much, as far as window and pace allow; everything else is for the
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

  /** Of the highest priority first, and among those a quantum for each unit of weight. */
  #pollData(nowMs: number): void {
    const serving = this.#serving
    for (const peer of serving) {
      // Also what a listener wrote while another peer was polled.
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

  /** Answers whether the peer has more that might go now. */
  #serveOne(peer: PeerState, peers: number, nowMs: number): boolean {
    // Alone there is nobody to wait for.
    const quantum = peers === 1 ? Infinity : peer.weight * QUANTUM_DATAGRAMS * peer.datagramBytesMax
    const hasMore = !this.#outbox.isBlocked && peer.pollData(quantum, nowMs)
    if (hasMore) return true
    // What was due and couldn't be sent is tried again when the socket takes something.
    if (this.#outbox.isBlocked) this.#rouse(peer)
    else if (peer.liveness !== "left") this.#due.set(peer, peer.nextTimeoutMs())
    return false
  }

  /** Peers that wait for room in the socket are told of their deadlines all the same. */
  #expireBlocked(nowMs: number): void {
    for (let i = 0; i < this.#awakePeers; i++) {
      const peer = this.#awake[i]!
      const deadlineMs = peer.outgoing.expire(nowMs)
      if (deadlineMs < Infinity && peer.isAwake) this.#due.set(peer, deadlineMs)
    }
  }
}
