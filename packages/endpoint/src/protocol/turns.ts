/**
 * Which peer has its turn: peers with something to do are awake, the others wait for their deadlines or to be woken.
 * Control packets of all peers go first, then data of the peers of the highest priority, by weight.
 *
 * @module
 */

import { DueQueue } from "@x/transport/host"
import type { PacketPool } from "@x/stream"
import type { Outbox } from "../datagram/outbox.ts"
import { SharedPace } from "../path/rate-caps.ts"
import type { PeerState } from "../peer/peer-state.ts"
import { FairQueue } from "../schedule/fair-queue.ts"
import type { OutgoingState } from "../streams/outgoing-state.ts"

/** Places for awake peers that are kept even when unused. */
const AWAKE_KEPT = 64
/** Datagrams of one peer before the next one has its turn, for each unit of weight: at most these bytes, or one. */
const QUANTUM_DATAGRAMS = 8
const QUANTUM_BYTES_MAX = 65_536
/** Under a cap of all peers together: milliseconds at its rate, and a datagram at least. */
const QUANTUM_MS = 0.125

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
  /** What all peers share, and the peers with data that wait for it. */
  readonly #pace: SharedPace
  readonly #fair = new FairQueue<PeerState>()

  /** `onWork` is called when there is something to send before the next timeout. */
  constructor(
    outbox: Outbox,
    sendPool: PacketPool,
    onWork: () => void,
    pace: SharedPace = new SharedPace(Infinity, 1),
  ) {
    this.#pace = pace
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
    if (this.#outbox.isBlocked) return this.#due.nextMs
    if (this.#awakePeers > 0) return -Infinity
    return this.#fair.count > 0 ? Math.min(this.#pace.dueMs, this.#due.nextMs) : this.#due.nextMs
  }

  /** Whatever was due of it and hasn't been handled is handled in its next turn. */
  #rouse(peer: PeerState): void {
    peer.disturb()
    if (!peer.isAwake) this.#awaken(peer)
  }

  #awaken(peer: PeerState): void {
    peer.isAwake = true
    // The array keeps its length: emptying it would give back its memory, only to take it again.
    this.#awake[this.#awakePeers++] = peer
  }

  /** The peer has something to send now. */
  wake(peer: PeerState): void {
    peer.disturb()
    this.wakeForData(peer)
  }

  /** Data of a peer came, or data to it was written: nothing else may be due by that. */
  wakeForData(peer: PeerState): void {
    if (peer.isAwake) return
    this.#awaken(peer)
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
    this.#fair.remove(peer)
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
    // What waits for a cap goes in turn, not as it is written.
    if (this.#outbox.isBlocked || this.#pace.isCapped) return
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
    if (this.#pace.isCapped) return this.#pollCapped(nowMs)
    // The cap was lifted.
    for (let peer = this.#fair.next(); peer !== undefined; peer = this.#fair.next())
      if (!serving.includes(peer)) serving.push(peer)
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

  /** As far as the cap of all peers together allows: a datagram or two of a peer, then of whoever has had least. */
  #pollCapped(nowMs: number): void {
    const pace = this.#pace
    const fair = this.#fair
    for (const peer of this.#serving) fair.add(peer)
    while (!this.#outbox.isBlocked && pace.isOpen(nowMs)) {
      const peer = fair.next()
      if (peer === undefined) break
      this.#serveCapped(peer, nowMs)
    }
    for (const peer of this.#serving.splice(0)) {
      if (this.#outbox.isBlocked) this.#rouse(peer)
      else if (!peer.turn.isWaiting) continue
      else if (peer.isSharedFull) this.#due.set(peer, peer.nextTimeoutMs())
      else {
        // It came too late, and learns that the cap is what it waits for.
        fair.remove(peer)
        this.#serveCapped(peer, nowMs)
      }
    }
  }

  /** A peer that the cap alone holds back waits on; any other is due as always. */
  #serveCapped(peer: PeerState, nowMs: number): void {
    const { spentBytes, bytesPerMs } = this.#pace
    // A lone peer has nobody to wait for.
    const quantum = this.#fair.count === 0 ? Infinity : Math.max(peer.datagramBytesMax, bytesPerMs * QUANTUM_MS)
    const hasMore = peer.pollData(quantum, nowMs)
    this.#fair.serve(peer, this.#pace.spentBytes - spentBytes)
    if (hasMore || peer.isSharedFull) this.#fair.add(peer)
    if (this.#outbox.isBlocked) this.#rouse(peer)
    else if (peer.liveness !== "left") this.#due.set(peer, peer.nextTimeoutMs())
  }

  /** Returns whether the peer has more that might go now. */
  #serveOne(peer: PeerState, peers: number, nowMs: number): boolean {
    // A lone peer has nobody to wait for.
    const quantum = peers === 1 ? Infinity : peer.weight * quantumBytes(peer.datagramBytesMax)
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

function quantumBytes(datagramBytes: number): number {
  return Math.min(QUANTUM_DATAGRAMS * datagramBytes, Math.max(datagramBytes, QUANTUM_BYTES_MAX))
}
