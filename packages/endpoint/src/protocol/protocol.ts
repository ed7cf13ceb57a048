/**
 * The endpoint without clock and sockets: batches and timeouts in, datagrams and events out. Finds out what a datagram
 * belongs to, keeps the peers, and decides what replaces what.
 *
 * @module
 */

import { AssemblyBudget } from "@x/fragment"
import { PacketPool } from "@x/stream"
import type { ReceiveBatch, SyncCrypto, Transport } from "@x/transport/host"
import * as wire from "@x/wire"
import { type Settings, spreadOf } from "../settings.ts"
import type { Association } from "../path/association.ts"
import { Associations } from "../path/associations.ts"
import type { Session } from "../path/session.ts"
import { ControlWriter } from "../datagram/control-writer.ts"
import type { CookieHost } from "../join/cookie.ts"
import type { Established, JoinEvent } from "../join/established.ts"
import type { HalfOpen } from "../join/half-open.ts"
import { Hints } from "../join/hints.ts"
import { DueQueue } from "../schedule/due-queue.ts"
import { newIdentity } from "../keys/identity.ts"
import type { JoinCall, JoinFailure } from "../join/join-call.ts"
import { Joins } from "../join/joins.ts"
import type { JoinTarget } from "../join/ours.ts"
import { Dispatch, type IncomingMessage, type MessageSource } from "../streams/dispatch.ts"
import { EventQueue, type ProtocolEvent } from "./events.ts"
import { Outbox } from "../datagram/outbox.ts"
import type { OutgoingState } from "../streams/outgoing-streams.ts"
import { HEAD_ROOM_BYTES, type PeerState, type PeerContext } from "../peer/peer-state.ts"
import type { PeerTable } from "./peer-table.ts"
import { type Change, Peers } from "./peers.ts"
import type { SlotOwner } from "./slot-owner.ts"
import { NO_OPENER } from "../keys/protection.ts"
import { Quota } from "../schedule/quota.ts"
import { createScratch } from "../datagram/scratch.ts"
import { type Identity, SealedHandshakes } from "../keys/sealed-handshakes.ts"
import { SlotTable } from "../path/slots.ts"

/** Who is woken so much later than asked for was suspended, or its clock has leapt. */
const ABSENT_MS = 1_000
/** Places for peers with something to do that are kept though nobody needs them. */
const AWAKE_KEPT = 64
/** Datagrams of one peer before the next one has its turn, for each unit of its weight. */
const QUANTUM_DATAGRAMS = 8
/**
 * Kernel memory that a datagram of usual size takes in a socket buffer, bytes: two pages with its bookkeeping,
 * measured.
 */
const SOCKET_BYTES_PER_DATAGRAM = 2_304

/** How often a bound was met. */
export interface Full {
  /** No slot for a packet that came early: others held too many. */
  readonly pool: number
  /** No slot for a packet that came early: its peer had all that one may have. */
  readonly poolPerPeer: number
  /** No slot for a packet to be sent: others held too many. */
  readonly sendPool: number
  /** No slot for a packet to be sent: its peer had all that one may have. */
  readonly sendPoolPerPeer: number
  /** No place for a stream in the process. Of one peer: the drop `streams-full`. */
  readonly streams: number
  /** A join from a host with too many half-open ones. Of the process: the drop `peers-full`. */
  readonly halfOpenPerHost: number
}

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
  readonly #settings: Settings
  readonly #transport: Transport
  /** What happened, and is still to be told. */
  readonly #events = new EventQueue()
  readonly #dispatch: Dispatch
  readonly #context: PeerContext
  readonly #outbox: Outbox
  readonly #pool: PacketPool
  readonly #sendPool: PacketPool
  /** The transport's numbers of the pool's memory, by chunk. */
  readonly #sendSlabs: (number | undefined)[] = []
  readonly #quota: Quota
  #isReleased = false
  /** Peers with data, those of the highest priority first, in the order of their turns. */
  readonly #serving: PeerState[] = []
  readonly #budget: AssemblyBudget
  readonly #slots = new SlotTable<SlotOwner>()
  readonly #due = new DueQueue<PeerState>()
  /** Peers with something to send, or something that may be due. */
  readonly #awake: PeerState[] = []
  #awakePeers = 0
  readonly #associations: Associations
  readonly #joins: Joins
  /** Those who are to be told what comes of their joins. */
  readonly #callers = new Map<JoinCall, (result: PeerState | JoinFailure) => void>()
  readonly #hints: Hints
  readonly #limits: wire.Limits
  readonly #sealed: SealedHandshakes | undefined
  readonly #cursor = new wire.PacketCursor()
  readonly #onWork: () => void
  readonly #views: DataView[] = []
  /** Rows of the batch under way that were dropped before their tags were checked. */
  #isRefused = new Uint8Array(0)
  /** The batch under way, and its next row. */
  #batch: ReceiveBatch | undefined
  #row = 0
  /** The datagram under way, whose packets the cursor walks: of whom it is, and in which memory. */
  #applied: PeerState | undefined
  #appliedOn!: Association
  #appliedView!: DataView
  #appliedBytes!: Uint8Array
  /** The time of the batch or poll under way. */
  #nowMs = 0
  /** When the next poll is due, as of the last one. */
  #expectedMs = Infinity

  constructor({ settings, transport, queues, random, cookies, keys, nowMs, onWork }: ProtocolOptions) {
    this.#settings = settings
    this.#transport = transport
    this.#onWork = onWork
    this.unique = newIdentity((out) => cookies.entropy(out))
    this.drops = Object.fromEntries(wire.DROP_REASONS.map((reason) => [reason, 0])) as Record<wire.DropReason, number>
    this.#limits = {
      datagramBytes: Math.max(settings.datagramBytes, wire.DATAGRAM_BYTES_BASE),
      inFlight:
        settings.inFlightMax ??
        Math.min(
          wire.IN_FLIGHT_MAX,
          Math.max(
            wire.IN_FLIGHT_MIN,
            Math.floor(transport.capabilities.receiveBufferBytes / SOCKET_BYTES_PER_DATAGRAM),
          ),
        ),
      spread: spreadOf(settings),
      streams: settings.streamsMax,
      messageBytes: settings.messageBytesMax,
      statusDelayMs: settings.statusDelayMs,
    }
    this.#sendPool = new PacketPool({
      slotBytes: HEAD_ROOM_BYTES + settings.datagramBytes,
      slotsMax: settings.sendPoolPacketsMax,
    })
    if (keys !== undefined) {
      const host = {
        crypto: keys.crypto,
        identity: keys.identity,
        entropy: (out: Uint8Array): void => cookies.entropy(out),
      }
      this.#sealed = new SealedHandshakes(host, keys.secrets, this.#limits.datagramBytes)
    }
    this.#outbox = new Outbox(transport, settings.profile, this.#limits.datagramBytes, this.#sendPool)
    this.#pool = new PacketPool({ slotBytes: this.#limits.datagramBytes, slotsMax: settings.poolPacketsMax })
    this.#budget = new AssemblyBudget(settings.assemblyBytesMax)
    this.#quota = new Quota(settings)
    const scratch = createScratch()
    const drop = (reason: wire.PacketDropReason): void => void this.drops[reason]++
    this.#dispatch = new Dispatch({ scratch, queues, drop })
    this.#context = {
      settings,
      transport,
      outbox: this.#outbox,
      pool: this.#pool,
      budget: this.#budget,
      events: this.#events,
      dispatch: this.#dispatch,
      sendPool: this.#sendPool,
      slabOf: (slot) => this.#slabOf(slot),
      quota: this.#quota,
      control: new ControlWriter(this.#outbox),
      scratch,
      drop,
      wake: (peer) => this.#wake(peer),
      hasten: (peer, deadlineMs) => this.#hasten(peer, deadlineMs),
      forsake: (peer, at) => this.#joins.drop(peer.session, at),
    }
    const { unique } = this
    const slots = this.#slots
    const outbox = this.#outbox
    this.#associations = new Associations({
      ...{ transport, settings, unique, slots, waiting: outbox, crypto: keys?.crypto },
      inFlightMax: this.#limits.inFlight,
    })
    const associations = this.#associations
    this.#peers = new Peers({ unique, context: this.#context, slots, associations, outbox, due: this.#due })
    this.peers = this.#peers.table
    this.#joins = new Joins({
      ...{ settings, transport, outbox, associations, peers: this.peers, cookies, sealed: this.#sealed, nowMs },
      own: { unique, limits: this.#limits },
      slots: {
        take: (at) => slots.take(random(), at),
        set: (slot, owner) => slots.set(slot, owner),
        free: (slot, at) => slots.free(slot, at),
      },
    })
    this.#hints = new Hints(outbox, settings.profile)
  }

  /** The transport's number for the memory of a slot; told to it when the first packet goes out from there. */
  #slabOf(slot: number): number {
    const chunk = this.#sendPool.chunk(slot)
    return (this.#sendSlabs[chunk] ??= this.#transport.registerSlab(this.#sendPool.bytes(slot)))
  }

  /** Sizes of what grows and shrinks, for tests of leaks and for statistics. */
  get sizes(): {
    peers: number
    slots: number
    joins: number
    halfOpen: number
    pool: number
    assemblyBytes: number
    timers: number
    sendPool: number
    streams: number
  } {
    return {
      peers: this.peers.size,
      slots: this.#slots.count,
      joins: this.#joins.count,
      halfOpen: this.#joins.halfOpenCount,
      pool: this.#pool.used,
      assemblyBytes: this.#budget.used,
      timers: this.#due.count + this.#joins.timers,
      sendPool: this.#sendPool.used,
      // What is still read of an endpoint that is closed takes nobody's place.
      streams: this.#isReleased ? 0 : this.#quota.streams.used,
    }
  }

  /** How often there was no place, by what was full. */
  get full(): Full {
    const { poolShares, sendPoolShares, poolLoans, sendPoolLoans, streamsRefused: streams } = this.#quota
    const [pool, sendPool] = [this.#pool.refused + poolLoans, this.#sendPool.refused + sendPoolLoans]
    return {
      ...{ pool, poolPerPeer: poolShares, sendPool, sendPoolPerPeer: sendPoolShares },
      ...{ streams, halfOpenPerHost: this.#joins.refusedOfHosts },
    }
  }

  // Datagrams in.

  /** Takes in a received batch: cheap checks first, then the tags of all in one call, then packets. */
  receive(batch: ReceiveBatch, nowMs: number): void {
    this.#nowMs = nowMs
    if (this.#isRefused.length < batch.count) this.#isRefused = new Uint8Array(batch.opener.length)
    for (let row = 0; row < batch.count; row++) {
      const opener = this.#openerOf(batch, row)
      this.#isRefused[row] = opener === REFUSED ? 1 : 0
      batch.opener[row] = Math.max(opener, 0)
    }
    this.#transport.open(batch)
    this.#batch = batch
    this.#row = 0
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

  /** There is memory for packets: a stream that found none may go on. */
  get hasSendRoom(): boolean {
    return this.#sendPool.available > 0
  }

  /**
   * Applies the packets of the batch, and what waited for its consumers, as far as the next message, which is in
   * `message` then. `false`: there is none, or something has happened that is to be told before it.
   */
  pollMessage(nowMs: number): boolean {
    const dispatch = this.#dispatch
    while (this.#events.isEmpty) {
      if (dispatch.poll(nowMs)) return true
      if (!dispatch.isBusy && !this.#applyNext(nowMs) && !this.#receiveNext(nowMs)) return false
    }
    return false
  }

  /** Most messages are small, and follow one another in a packet: what `pollMessage` would find next there. */
  next(): boolean {
    return this.#events.isEmpty && this.#dispatch.next()
  }

  /** Goes on to the next datagram of the batch; `false`: there is none. */
  #receiveNext(nowMs: number): boolean {
    const batch = this.#batch
    if (batch === undefined) return false
    const row = this.#row++
    if (row >= batch.count) {
      this.#batch = undefined
      return false
    }
    // A handler may have transferred the memory to a worker: what was still in it is lost like any datagram.
    if (this.#isRefused[row] === 0 && batch.slabs[batch.slab[row]!]!.length > 0) this.#receiveRow(batch, row, nowMs)
    return true
  }

  #viewOf(batch: ReceiveBatch, row: number): DataView {
    const id = batch.slab[row]!
    const slab = batch.slabs[id]!
    let view = this.#views[id]
    if (view === undefined || view.buffer !== slab.buffer)
      this.#views[id] = view = new DataView(slab.buffer, slab.byteOffset, slab.byteLength)
    return view
  }

  /**
   * The sealer to check a datagram with, 0 if it has no tag or is outside an association, {@link REFUSED} if it was
   * dropped.
   */
  #openerOf(batch: ReceiveBatch, row: number): number {
    const view = this.#viewOf(batch, row)
    const offset = batch.offset[row]!
    const reason = wire.checkPrefix(
      view,
      offset,
      batch.length[row]!,
      this.#settings.profile,
      this.#limits.datagramBytes,
    )
    if (reason !== undefined) return this.#refuse(reason)
    if (wire.prefixHandshake(view, offset)) return 0
    const slot = wire.prefixSlot(view, offset)
    const owner = this.#slots.get(slot)
    if (owner === undefined || owner.kind === "join") {
      this.#hint(batch, row, slot)
      return this.#refuse("unknown-slot")
    }
    const { replay, protection } = associationOf(owner)
    const stale = replay.check(wire.prefixCounter(view, offset))
    if (stale !== undefined) return this.#refuse(stale)
    const opener = protection.opener(this.#epochOf(view, offset), this.#nowMs)
    return opener === NO_OPENER ? this.#refuse("tag") : opener
  }

  #epochOf(view: DataView, offset: number): number {
    return this.#sealed === undefined ? 0 : wire.prefixEpoch(view, offset)
  }

  #refuse(reason: wire.DropReason): number {
    this.drops[reason]++
    return REFUSED
  }

  #receiveRow(batch: ReceiveBatch, row: number, nowMs: number): void {
    const view = this.#viewOf(batch, row)
    const bytes = batch.slabs[batch.slab[row]!]!
    const offset = batch.offset[row]!
    const length = batch.length[row]!
    if (wire.prefixHandshake(view, offset))
      return this.#receiveHandshake(view, bytes, offset, length, batch.address[row]!, nowMs)
    // Datagrams before this one in the batch may have ended the association, or been its twin.
    const owner = this.#slots.get(wire.prefixSlot(view, offset))
    if (owner === undefined || owner.kind === "join") return void this.#refuse("unknown-slot")
    const association = associationOf(owner)
    const counter = wire.prefixCounter(view, offset)
    const stale = association.replay.check(counter)
    if (stale !== undefined) return void this.#refuse(stale)
    if (batch.opener[row] !== 0 && batch.verdict[row] !== 1) return void this.#refuse("tag")
    const reason = wire.checkPackets(view, offset, length, this.#settings.profile)
    if (reason !== undefined) return void this.#refuse(reason)
    // The joiner is where the join came from, and has our answer. A copy of the join from elsewhere must not aim what
    // we say.
    if (owner.kind === "half-open" && batch.address[row] !== association.address) return void this.#refuse("unexpected")
    association.received(counter, this.#epochOf(view, offset), length, nowMs)
    const peer = owner.kind === "half-open" ? this.#confirm(owner.entry, nowMs) : owner.peer
    peer.heard(nowMs)
    this.#wake(peer)
    this.#applied = peer
    this.#appliedOn = association
    this.#appliedView = view
    this.#appliedBytes = bytes
    this.#cursor.start(view, offset, length, this.#settings.profile)
  }

  /** Applies the next packet of the datagram under way; `false`: there is none. */
  #applyNext(nowMs: number): boolean {
    const peer = this.#applied
    if (peer === undefined) return false
    // Between two packets a handler may have ended the peer, or transferred the memory of the datagram.
    if (peer.liveness === "left" || this.#appliedBytes.length === 0 || !this.#cursor.next()) {
      this.#applied = undefined
      return false
    }
    if (peer.liveness !== "leaving" || this.#cursor.kind === wire.KIND.goodbye) this.#applyPacket(peer, nowMs)
    return true
  }

  #applyPacket(peer: PeerState, nowMs: number): void {
    const association = this.#appliedOn
    const { kind, body, end, wanted } = this.#cursor
    const view = this.#appliedView
    const bytes = this.#appliedBytes
    switch (kind) {
      case wire.KIND.sequenced:
        return peer.incoming.handleSequenced(view, bytes, body, end, wanted, nowMs)
      case wire.KIND.fireAndForget:
        return peer.incoming.handleFireAndForget(view, bytes, body, end, nowMs)
      case wire.KIND.open:
        return peer.incoming.handleOpen(wire.readOpen(view, body, end), nowMs)
      case wire.KIND.end:
        return peer.incoming.handleEnd(wire.readEnd(view, body), nowMs)
      case wire.KIND.reset:
        return peer.incoming.handleReset(wire.readReset(view, body))
      case wire.KIND.stop:
        return peer.outgoing.handleStop(wire.readStop(view, body), nowMs)
      case wire.KIND.status:
        return peer.outgoing.handleStatus(view, body, nowMs)
      case wire.KIND.sync:
        return peer.incoming.handleSync(view, body, wanted, nowMs)
      case wire.KIND.feedback:
        return peer.handleFeedback(view, body, association, nowMs)
      case wire.KIND.heartbeat:
        return peer.handleHeartbeat(wanted)
      case wire.KIND.goodbye:
        return peer.handleGoodbye(wire.readReasonText(view, body, end), wanted, nowMs)
      case wire.KIND.pathChallenge:
        return peer.handlePathChallenge(wire.readPathData(view, body))
      case wire.KIND.mtuProbe:
        return wanted ? peer.handleMtuProbe(wire.readMtuProbe(view, body)) : void this.#refuse("unexpected")
      default:
        // A path response that nobody waits for; a part, which no sender of this version makes.
        return void this.#refuse("unexpected")
    }
  }

  /** Tells the sender of a datagram for a slot that we don't have. Only in profiles without keys. */
  #hint(batch: ReceiveBatch, row: number, slot: number): void {
    if (this.#sealed !== undefined) return
    const view = this.#viewOf(batch, row)
    const counter = wire.prefixCounter(view, batch.offset[row]!)
    if (this.#hints.answer(slot, counter, batch.length[row]!, batch.address[row]!, this.#nowMs)) this.#onWork()
  }

  /** Somebody wants to join, and waits this long; `onDone` is called once, unless it is cancelled. */
  callJoin(timeoutMs: number, onDone: (result: PeerState | JoinFailure) => void, nowMs: number): JoinCall {
    const call = this.#joins.call(timeoutMs, nowMs)
    this.#callers.set(call, onDone)
    this.#onWork()
    return call
  }

  /** Asks the peer at one of these addresses to associate. */
  join(call: JoinCall, target: JoinTarget, nowMs: number): void {
    this.#joins.ask(call, target, nowMs)
    this.#settleJoins(nowMs)
    this.#onWork()
  }

  cancelJoin(call: JoinCall, nowMs: number): void {
    this.#callers.delete(call)
    this.#joins.cancel(call, nowMs)
  }

  #receiveHandshake(
    view: DataView,
    bytes: Uint8Array,
    offset: number,
    length: number,
    address: number,
    nowMs: number,
  ): void {
    const slot = wire.prefixSlot(view, offset)
    const owner = slot === 0 ? undefined : this.#slots.get(slot)
    if (slot !== 0 && owner === undefined) return void this.#refuse("unknown-slot")
    // The source can't be answered: it is no address we know how to write.
    if (address === 0) return void this.#refuse("unexpected")
    // Answers to a join that is over have no seed to check them with any more.
    if (owner !== undefined && owner.kind !== "join") return void this.#refuse("unexpected")
    const dropped = this.#joins.receive({ view, bytes, offset, length, address }, owner?.pending, nowMs)
    if (dropped !== undefined) this.#refuse(dropped)
    this.#settleJoins(nowMs)
  }

  /** Does what follows from what happened to joins. */
  #settleJoins(nowMs: number): void {
    for (let event = this.#joins.pollEvent(); event !== undefined; event = this.#joins.pollEvent())
      this.#settleJoin(event, nowMs)
  }

  #settleJoin(event: JoinEvent, nowMs: number): void {
    switch (event.kind) {
      case "established": {
        const { session } = event.established
        const peer = this.#establish(event.established, nowMs)
        // Tells the other side that its accept has come.
        peer.ping(() => {})
        this.#settleJoins(nowMs)
        return this.#tell(event.calls, this.#peerOf(session) ?? peer)
      }
      case "settled": {
        const { result } = event
        const told = "kind" in result ? result : this.#peerOf(result)
        if (told !== undefined) this.#tell(event.calls, told)
        return
      }
      case "found": {
        const peer = this.#peerOf(event.session)
        if (peer !== undefined) this.#peers.found(peer, event.address, nowMs)
        return
      }
      case "hinted":
        return this.#handleHint(event.hint, event.address, nowMs)
    }
  }

  #peerOf({ unique, publicKey }: Session): PeerState | undefined {
    return this.peers.get(unique, publicKey)
  }

  #tell(calls: readonly JoinCall[], result: PeerState | JoinFailure): void {
    for (const call of calls) {
      const onDone = this.#callers.get(call)
      this.#callers.delete(call)
      onDone?.(result)
    }
  }

  /** Joins go out under the first of these secrets from now on, and are taken under each. What is joined stays so. */
  setSecrets(secrets: readonly Uint8Array[]): void {
    this.#sealed?.setSecrets(secrets)
  }

  /** A datagram came under a half-open association: the joiner has our accept. */
  #confirm(entry: HalfOpen, nowMs: number): PeerState {
    const peer = this.#establish(this.#joins.confirm(entry, nowMs), nowMs)
    this.#settleJoins(nowMs)
    return peer
  }

  #establish(established: Established, nowMs: number): PeerState {
    const { session, association } = established
    this.#joins.prefer(session, association.address, nowMs)
    const change = this.#peers.establish(established, nowMs)
    const { peer } = change
    if (change.kind !== "more") this.#announce(change)
    if (peer.association === association) this.#joins.satisfy(session, nowMs)
    return peer
  }

  #announce({ peer, before, isRestart }: Change): void {
    this.#wake(peer)
    if (before !== undefined) this.#events.push({ kind: "replaced", peer, before, isRestart: isRestart === true })
    else this.#events.push({ kind: "joined", peer })
  }

  /** Our datagram met nobody: find out who is there now. Nothing is replaced on a hint's word. */
  #handleHint(hint: wire.Hint, address: number, nowMs: number): void {
    const peer = this.peers.at(address)
    const association = peer?.association
    if (peer !== undefined && association?.remoteSlot === hint.slot && association.hasSent(hint.counter))
      this.#probe(peer, nowMs)
    else this.#refuse("unexpected")
  }

  /** Joins again where a peer was, to learn whether it still is. */
  #probe(peer: PeerState, nowMs: number): void {
    const address = peer.association?.address
    if (address !== undefined) this.#joins.probe(address, peer.session, this.#settings.joinTimeoutMs, nowMs)
  }

  // Datagrams out.

  #rouse(peer: PeerState): void {
    if (peer.isAwake) return
    peer.isAwake = true
    // The array keeps its length: one that is emptied gives back its memory, to take it again.
    this.#awake[this.#awakePeers++] = peer
  }

  #wake(peer: PeerState): void {
    if (peer.isAwake) return
    this.#rouse(peer)
    this.#onWork()
  }

  /** A peer that waits for room in the socket is awake already: it is looked at again no sooner than it is due. */
  #hasten(peer: PeerState, deadlineMs: number): void {
    if (!peer.isAwake || !this.#outbox.isBlocked) return
    this.#due.set(peer, deadlineMs)
    this.#onWork()
  }

  /** When `poll` has something to do of its own accord. */
  get nextTimeoutMs(): number {
    if (this.#awakePeers > 0 && !this.#outbox.isBlocked) return -Infinity
    return Math.min(this.#due.nextMs, this.#joins.nextTimeoutMs)
  }

  /** Handles what is due and sends what there is. */
  poll(nowMs: number, mayJudge = true): void {
    this.#nowMs = nowMs
    // While nobody was here to listen nobody was silent.
    if (nowMs > this.#expectedMs + ABSENT_MS)
      for (const peer of this.peers.values()) peer.excuse(nowMs - this.#expectedMs, nowMs)
    for (let due = this.#due.takeDue(nowMs); due !== undefined; due = this.#due.takeDue(nowMs)) this.#rouse(due)
    this.#joins.poll(nowMs)
    this.#settleJoins(nowMs)
    // Control of all peers goes before data of any.
    const awake = this.#awake
    let polled = 0
    for (; polled < this.#awakePeers && (!this.#outbox.isBlocked || this.#outbox.flush()); polled++) {
      const peer = awake[polled]!
      // It was forgotten in the meantime.
      if (!peer.isAwake) continue
      peer.isAwake = false
      if (this.#pollControl(peer, nowMs, mayJudge)) this.#serving.push(peer)
    }
    awake.copyWithin(0, polled, this.#awakePeers)
    this.#awakePeers -= polled
    if (awake.length > AWAKE_KEPT && this.#awakePeers < AWAKE_KEPT) awake.length = AWAKE_KEPT
    // A packet that nobody acknowledges gives its slot back as it is taken, and is sent from there.
    this.#sendPool.hold()
    this.#pollData(nowMs)
    this.#outbox.flush()
    this.#sendPool.unhold()
    if (this.#outbox.isBlocked) this.#expireBlocked(nowMs)
    this.#expectedMs = Math.max(nowMs, this.nextTimeoutMs)
  }

  /** Who waits for room in the socket is told of its deadlines all the same. */
  #expireBlocked(nowMs: number): void {
    for (let i = 0; i < this.#awakePeers; i++) {
      const peer = this.#awake[i]!
      const deadlineMs = peer.outgoing.expire(nowMs)
      if (deadlineMs < Infinity && peer.isAwake) this.#due.set(peer, deadlineMs)
    }
  }

  /**
   * Sends data of a peer, of which this stream has much, as far as window and pace allow; everything else is for the
   * next `poll`.
   */
  push(peer: PeerState, state: OutgoingState, nowMs: number): void {
    if (this.#outbox.isBlocked) return
    peer.outgoing.enlistOne(state)
    this.#sendPool.hold()
    peer.pollData(Infinity, nowMs)
    this.#outbox.flush()
    this.#sendPool.unhold()
  }

  /** Answers whether the peer is still there. */
  #pollControl(peer: PeerState, nowMs: number, mayJudge: boolean): boolean {
    for (const association of peer.handleTimeout(nowMs)) this.#associations.release(association, nowMs)
    peer.pollControl(nowMs, mayJudge)
    if (peer.isGone(nowMs)) {
      this.#peers.forget(peer, nowMs)
      return false
    }
    if (peer.isProbeWanted) {
      peer.isProbeWanted = false
      this.#probe(peer, nowMs)
    }
    return true
  }

  /** Data of the peers in turn: of the highest priority first, and among those a quantum for each unit of weight. */
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
        if (peer.priority === priority && !this.#serve(peer, serving.length, nowMs)) continue
        serving[kept++] = peer
      }
      serving.length = kept
    }
  }

  /** Answers whether the peer has more that might go now. */
  #serve(peer: PeerState, peers: number, nowMs: number): boolean {
    // Alone there is nobody to wait for.
    const quantum = peers === 1 ? Infinity : peer.weight * QUANTUM_DATAGRAMS * peer.datagramBytesMax
    const hasMore = !this.#outbox.isBlocked && peer.pollData(quantum, nowMs)
    if (hasMore) return true
    // What was due and couldn't be sent is tried again when the socket takes something.
    if (this.#outbox.isBlocked) this.#rouse(peer)
    else if (peer.liveness !== "left") this.#due.set(peer, peer.nextTimeoutMs())
    return false
  }

  /** The system refused a datagram as too long for the path. */
  handleTooLong(address: number, bytes: number, nowMs: number): void {
    const peer = this.peers.at(address)
    peer?.limitPath(bytes)
    peer?.outgoing.handlePathLimit(nowMs)
  }

  /** Closes packets that are being filled: the turn is over. */
  closePackets(): void {
    for (let i = 0; i < this.#awakePeers; i++) this.#awake[i]!.outgoing.closePackets()
  }

  /** Says goodbye to all, also to those whose join we accepted and who haven't been heard since. */
  leave(reason: number, nowMs: number): void {
    for (const entry of this.#joins.takeHalfOpen()) this.#peers.adopt(entry, nowMs)
    for (const peer of [...this.peers.values()]) peer.leave(reason, "", nowMs)
  }

  /** Gives back what it registered; after this nothing may be called. */
  release(nowMs: number): void {
    this.#joins.release(nowMs)
    for (const peer of [...this.peers.values()]) this.#peers.replace(peer, wire.REASON.closing, nowMs)
    this.#isReleased = true
    this.#outbox.release()
    // A piece of memory that nothing was sent from has no number.
    for (const slab of this.#sendSlabs) if (slab !== undefined) this.#transport.releaseSlab(slab)
  }

  /** For tests. */
  assertInvariants(): void {
    this.#quota.assertInvariants()
    for (const peer of this.peers.values()) peer.assertInvariants()
  }
}

function associationOf(owner: Exclude<SlotOwner, { kind: "join" }>): Association {
  return owner.kind === "association" ? owner.association : owner.entry.association
}

/** No sealer has this id: the row was dropped. */
const REFUSED = -1
