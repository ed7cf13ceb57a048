/**
 * The endpoint without clock and sockets: batches and timeouts in, datagrams and events out. Finds out what a datagram
 * belongs to, keeps the peers, and decides what replaces what.
 *
 * @module
 */

import type { PacketLog } from "@x/stream"
import type { ReceiveBatch, SyncCrypto, Transport } from "@x/transport/host"
import * as wire from "@x/wire"
import type { Settings } from "../settings.ts"
import { Associations } from "../path/associations.ts"
import { ControlWriter } from "../datagram/control-writer.ts"
import type { CookieHost } from "../join/cookie.ts"
import { Hints } from "../join/hints.ts"
import { newIdentity } from "../keys/identity.ts"
import type { JoinCall } from "../join/join-call.ts"
import { Joins } from "../join/joins.ts"
import type { JoinTarget } from "../join/ours.ts"
import { Dispatch } from "../streams/dispatch.ts"
import type { IncomingMessage, MessageSource } from "../streams/incoming-message.ts"
import { EventQueue, type ProtocolEvent } from "./events.ts"
import { Outbox } from "../datagram/outbox.ts"
import type { OutgoingState } from "../streams/outgoing-state.ts"
import type { PeerContext } from "../peer/peer-context.ts"
import type { PeerState } from "../peer/peer-state.ts"
import { limitsOf } from "./limits.ts"
import { PacketWalk } from "./packet-walk.ts"
import type { PeerTable } from "./peer-table.ts"
import { Membership } from "./membership.ts"
import { Peers } from "./peers.ts"
import { Polling } from "./polling.ts"
import { ReceiveRates } from "./receive-rates.ts"
import { associationOf, ReceivedBatch } from "./received-batch.ts"
import type { SlotOwner } from "./slot-owner.ts"
import { SharedMemory } from "./shared-memory.ts"
import type { Full, Sizes } from "./sizes.ts"
import { Standing } from "./standing.ts"
import { Turns } from "./turns.ts"
import type { Ledger } from "../schedule/ledger.ts"
import { createScratch } from "../datagram/scratch.ts"
import { type Identity, SealedHandshakes } from "../keys/sealed-handshakes.ts"
import { SharedPace } from "../path/rate-caps.ts"
import { SlotTable } from "../path/slots.ts"

export interface ProtocolOptions {
  readonly settings: Settings
  readonly transport: Transport
  /** Whether memory for messages that wait for their consumers may be short. */
  readonly queues: { readonly isTight: boolean }
  readonly random: () => number
  readonly cookies: CookieHost
  /** In profiles `mac` and `aead`: what their keys are made with, and of. */
  readonly keys?: {
    readonly crypto: SyncCrypto
    readonly secrets: readonly Uint8Array[]
    readonly identity: Identity | undefined
  }
  readonly nowMs: number
  /** Called when there is something to send before the next timeout. */
  readonly onWork: () => void
}

export class Protocol implements MessageSource {
  readonly unique: Uint8Array
  readonly peers: PeerTable
  readonly drops: Record<wire.DropReason, number>
  readonly #peers: Peers
  /** What happened, and is still to be told. */
  readonly #events = new EventQueue()
  readonly #dispatch: Dispatch
  readonly #outbox: Outbox
  readonly #memory: SharedMemory
  readonly #slots = new SlotTable<SlotOwner>()
  readonly #turns: Turns
  readonly #sharedPace: SharedPace
  readonly #receiveRates: ReceiveRates
  readonly #associations: Associations
  readonly #joins: Joins
  readonly #membership: Membership
  readonly #received: ReceivedBatch
  readonly #packets: PacketWalk
  readonly #limits: wire.Limits
  /** In profiles with keys. */
  readonly #standing: Standing | undefined
  readonly #onWork: () => void
  readonly #polling: Polling

  constructor({ settings, transport, queues, random, cookies, keys, nowMs, onWork }: ProtocolOptions) {
    this.#onWork = onWork
    const entropy = (out: Uint8Array): void => cookies.entropy(out)
    this.unique = newIdentity(entropy)
    this.drops = Object.fromEntries(wire.DROP_REASONS.map((reason) => [reason, 0])) as Record<wire.DropReason, number>
    this.#limits = limitsOf(settings, transport.capabilities.receiveBufferBytes)
    const memory = new SharedMemory(settings, this.#limits.datagramBytes, transport, {
      peers: () => this.peers.size,
      joinTries: () => this.#joins.halfOpenTries,
    })
    this.#memory = memory
    const { sendPool } = memory
    const sealed =
      keys &&
      new SealedHandshakes(
        { crypto: keys.crypto, identity: keys.identity, entropy },
        keys.secrets,
        this.#limits.datagramBytes,
      )
    this.#outbox = new Outbox(transport, settings.profile, this.#limits.datagramBytes, sendPool)
    const scratch = createScratch()
    const drop = (reason: wire.DropReason): void => void this.drops[reason]++
    const { timerMs } = transport.capabilities
    this.#sharedPace = new SharedPace(settings.sendRateBytesPerSecondMax / 1_000, timerMs)
    const turns = new Turns(this.#outbox, sendPool, onWork, this.#sharedPace)
    this.#turns = turns
    this.#dispatch = new Dispatch({ scratch, queues, drop })
    const context: PeerContext<PeerState> = {
      settings,
      transport,
      outbox: this.#outbox,
      pool: memory.pool,
      budget: memory.budget,
      events: this.#events,
      dispatch: this.#dispatch,
      sendPool,
      slabs: memory.slabs,
      starved: memory.starved,
      quota: memory.quota,
      accounts: memory.accounts,
      ledger: memory.ledger,
      control: new ControlWriter(this.#outbox),
      sharedPace: this.#sharedPace,
      random: () => random() / 2 ** 32,
      scratch,
      drop,
      wake: (peer) => turns.wake(peer),
      wakeForData: (peer) => turns.wakeForData(peer),
      hasten: (peer, deadlineMs) => turns.hasten(peer, deadlineMs),
      moved: (peer, from) => this.peers.moved(peer, from),
      forsake: (peer, at) => this.#joins.drop(peer.session, at),
    }
    const { unique } = this
    const slots = this.#slots
    const outbox = this.#outbox
    this.#associations = new Associations({
      ...{ transport, settings, unique, slots, waiting: outbox, crypto: keys?.crypto },
      entropy,
      inFlightMax: this.#limits.inFlight,
    })
    const associations = this.#associations
    this.#peers = new Peers({ unique, context, slots, associations, outbox, turns })
    this.peers = this.#peers.table
    this.#receiveRates = new ReceiveRates(settings.receiveRateBytesPerSecondMax, this.peers)
    this.#joins = new Joins({
      ...{ settings, transport, outbox, associations, peers: this.peers, cookies, sealed, nowMs },
      own: { unique, limits: this.#limits },
      slots: {
        take: (at) => slots.take(random(), at),
        set: (slot, owner) => slots.set(slot, owner),
        free: (slot, at) => slots.free(slot, at),
      },
    })
    this.#membership = new Membership({
      ...{ joins: this.#joins, peers: this.#peers, slots, turns, events: this.#events, drop },
      probeMs: settings.joinTimeoutMs,
    })
    this.#standing = sealed && new Standing({ sealed, joins: this.#joins, peers: this.peers, turns }, nowMs)
    this.#polling = new Polling({
      ...{ turns, joins: this.#joins, membership: this.#membership, peers: this.#peers, associations, memory },
      ...{ receiveRates: this.#receiveRates, standing: this.#standing },
    })
    const { profile } = settings
    this.#received = new ReceivedBatch({
      ...{ profile, datagramBytesMax: this.#limits.datagramBytes, slots, transport, drop, onWork },
      hints: sealed === undefined ? new Hints(outbox, profile, nowMs) : undefined,
      gate: sealed,
    })
    this.#packets = new PacketWalk(profile, drop)
  }

  /** Sizes of what grows and shrinks, for tests of leaks and for statistics. */
  get sizes(): Sizes {
    return {
      peers: this.peers.size,
      slots: this.#slots.count,
      joins: this.#joins.count,
      halfOpen: this.#joins.halfOpenCount,
      timers: this.#turns.timers + this.#joins.timers,
      ...this.#memory.sizes,
    }
  }

  /** How often there was no place, by what was full. */
  get full(): Full {
    return { ...this.#memory.full, halfOpenPerHost: this.#joins.refusedOfHosts, halfOpen: this.#joins.gaveWay }
  }

  /** The memory that is charged to peers. */
  get ledger(): Ledger {
    return this.#memory.ledger
  }

  // Datagrams in.

  /** Takes in a received batch: cheap checks first, then the tags of all in one call; packets as they are asked for. */
  receive(batch: ReceiveBatch, nowMs: number): void {
    this.#received.start(batch, nowMs)
  }

  /** The message that {@link Protocol.pollMessage} found. */
  get message(): IncomingMessage {
    return this.#dispatch.message
  }

  /** Something has happened that is to be told. */
  get hasEvents(): boolean {
    return !this.#events.isEmpty
  }

  /** What happened next, in order; `undefined`: nothing more. */
  pollEvent(): ProtocolEvent | undefined {
    return this.#events.shift()
  }

  /** Whether a stream that found no memory for a packet may go on: {@link Protocol.feed} lets it. */
  get hasStarved(): boolean {
    return this.#memory.hasStarved
  }

  feed(nowMs: number): void {
    this.#memory.feed(nowMs)
  }

  /**
   * Applies the packets of the batch, and what waited for its consumers, as far as the next message, which is in
   * `message` then. `false`: there is none, or something has happened that is to be told before it.
   */
  pollMessage(nowMs: number): boolean {
    const dispatch = this.#dispatch
    while (this.#events.isEmpty) {
      if (dispatch.isBusy) {
        if (dispatch.poll(nowMs)) return true
      } else if (!this.#packets.next(nowMs) && !this.#receiveNext(nowMs)) return false
    }
    return false
  }

  /** Most messages are small, and follow one another in a packet: what `pollMessage` would find next there. */
  next(): boolean {
    return this.#events.isEmpty && this.#dispatch.next()
  }

  /** Goes on to the next datagram of the batch; `false`: there is none. */
  #receiveNext(nowMs: number): boolean {
    const received = this.#received
    if (!received.next()) return false
    if (received.isHandshake) this.#receiveHandshake(nowMs)
    else this.#receivePackets(nowMs)
    return true
  }

  #receivePackets(nowMs: number): void {
    const received = this.#received
    const receiver = received.receiver()
    if (receiver === undefined) return
    const association = associationOf(receiver)
    const beforeMs = association.lastReceivedMs
    const { length } = received
    const isNewest = association.received(received, nowMs)
    const peer = receiver.kind === "half-open" ? this.#membership.confirm(receiver.entry, nowMs) : receiver.peer
    peer.heard(nowMs)
    const { address: source } = received
    // The source of most datagrams is where the peer is.
    if (source !== association.address || !association.addresses.isSettled) {
      peer.disturb()
      if (source !== 0 && association === peer.association)
        peer.moves.heard(association, { source, bytes: length, isNewest, beforeMs }, nowMs)
    }
    this.#turns.wakeForData(peer)
    this.#packets.start(received, peer, association)
  }

  #receiveHandshake(nowMs: number): void {
    const { view, bytes, offset, length, address, slot } = this.#received
    this.#membership.receive({ view, bytes, offset, length, address }, slot, nowMs)
  }

  // Joins.

  /** Somebody wants to join, and waits this long; how it ends is told by `join-settled`, unless it is cancelled. */
  callJoin(timeoutMs: number, nowMs: number): JoinCall {
    this.#onWork()
    return this.#joins.call(timeoutMs, nowMs)
  }

  /** Asks the peer at one of these addresses to associate. */
  join(call: JoinCall, target: JoinTarget, nowMs: number): void {
    this.#membership.ask(call, target, nowMs)
    this.#onWork()
  }

  cancelJoin(call: JoinCall, nowMs: number): void {
    this.#joins.cancel(call, nowMs)
  }

  /**
   * Joins go out under the first of these secrets from now on, and are taken under each. Peers that joined by another
   * one join again, or are expelled.
   */
  setSecrets(secrets: readonly Uint8Array[], nowMs: number): void {
    this.#standing?.setSecrets(secrets, nowMs)
    this.#onWork()
  }

  /** Asks about the static key of each peer now. */
  recheck(nowMs: number): void {
    this.#standing?.recheck(nowMs)
    this.#onWork()
  }

  // Datagrams out.

  /** When `poll` has something to do of its own accord. */
  get nextTimeoutMs(): number {
    return this.#polling.nextTimeoutMs
  }

  /** Handles what is due and sends what there is. `mayJudge`: peers may count as silent. */
  poll(nowMs: number, mayJudge = true): void {
    this.#polling.poll(nowMs, mayJudge)
  }

  /** Messages for several streams, each written once. */
  packetLog(): PacketLog {
    return this.#memory.packetLog()
  }

  /** Sends data of a peer, of which this stream has much; everything else is for the next `poll`. */
  push(peer: PeerState, state: OutgoingState, nowMs: number): void {
    this.#turns.push(peer, state, nowMs)
  }

  /** The system refused a datagram as too long for the path. */
  handleTooLong(address: number, bytes: number, nowMs: number): void {
    this.peers.at(address)?.handleTooLong(bytes, nowMs)
  }

  /** Whether joins of ours are under way. */
  get isJoining(): boolean {
    return this.#joins.count > 0
  }

  /** The system refused to send to an address. */
  handleUnsent(address: number, cause: unknown, nowMs: number): void {
    this.#joins.handleUnsent(address, cause, nowMs)
    this.#onWork()
  }

  /** Our sockets are others: each peer hears from them at once. */
  rebound(nowMs: number): void {
    for (const peer of this.peers.values()) peer.rebound(nowMs)
  }

  /** Caps what goes to all peers together, bytes a second; `Infinity`: no cap. In force at once. */
  limitSending(bytesPerSecond: number): void {
    this.#sharedPace.bytesPerMs = bytesPerSecond / 1_000
    this.#onWork()
  }

  /** Caps what all peers together are asked to send to us, bytes a second; `Infinity`: no cap. */
  limitReceiving(bytesPerSecond: number, nowMs: number): void {
    this.#receiveRates.limit(bytesPerSecond, nowMs)
    this.#onWork()
  }

  /** Closes packets that are being filled: the turn is over. */
  closePackets(): void {
    this.#turns.closePackets()
  }

  /** Says goodbye to all peers, also to those whose joins we accepted and that haven't been heard since. */
  leave(reason: number, nowMs: number): void {
    for (const entry of this.#joins.takeHalfOpen()) this.#peers.adopt(entry, nowMs)
    for (const peer of [...this.peers.values()]) peer.leave(reason, "", nowMs)
  }

  /** Gives back what it registered; after this nothing may be called. */
  release(nowMs: number): void {
    this.#joins.release(nowMs)
    for (const peer of [...this.peers.values()]) this.#peers.replace(peer, wire.REASON.closing, nowMs)
    this.#outbox.release()
    this.#memory.release()
  }

  /** For tests. */
  assertInvariants(): void {
    this.#memory.assertInvariants()
    for (const peer of this.peers.values()) peer.assertInvariants()
  }
}
