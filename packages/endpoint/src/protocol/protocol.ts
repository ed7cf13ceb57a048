/**
 * The endpoint without clock and sockets: batches and timeouts in, datagrams and events out. Finds out what a datagram belongs to, keeps the peers,
 * and decides what replaces what.
 *
 * @module
 */

import { AssemblyBudget } from "@x/fragment"
import { PacketPool } from "@x/stream"
import type { ReceiveBatch, SyncCrypto, Transport } from "@x/transport/host"
import * as wire from "@x/wire"
import type { Settings } from "../settings.ts"
import type { Association } from "../path/association.ts"
import { ControlWriter } from "../datagram/control-writer.ts"
import type { CookieHost } from "../join/cookie.ts"
import { type Due, DueQueue } from "../schedule/due-queue.ts"
import { compare, isSameKey, newIdentity } from "../keys/identity.ts"
import { Joiner } from "../join/joiner.ts"
import { JoinCall, type JoinFailure } from "../join/join-call.ts"
import { Joins, type JoinTarget, type PendingJoin, type SlotOwner, ZERO_SEED } from "../join/joins.ts"
import type { ProtocolListener } from "./listener.ts"
import { Outbox } from "../datagram/outbox.ts"
import type { OutgoingState } from "../streams/outgoing-streams.ts"
import { HEAD_ROOM_BYTES, PeerState, type PeerContext } from "../peer/peer-state.ts"
import { PeerTable } from "./peer-table.ts"
import { NO_OPENER } from "../keys/protection.ts"
import { Quota } from "../schedule/quota.ts"
import { createScratch } from "../datagram/scratch.ts"
import { type Identity, SealedHandshakes } from "../keys/sealed-handshakes.ts"
import { SlotTable } from "../path/slots.ts"

/** Hints: one a second to an address, and so many addresses are remembered for it. */
const HINT_INTERVAL_MS = 1_000
const HINT_ADDRESSES_MAX = 1_024
/** Who is woken so much later than asked for was suspended, or its clock has leapt. */
const ABSENT_MS = 1_000
/** Places for peers with something to do that are kept though nobody needs them. */
const AWAKE_KEPT = 64
/** Datagrams of one peer before the next one has its turn, for each unit of its weight. */
const QUANTUM_DATAGRAMS = 8
/** Kernel memory that a datagram of usual size takes in a socket buffer, bytes: two pages with its bookkeeping, measured. */
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
  readonly listener: ProtocolListener
  readonly random: () => number
  readonly cookies: CookieHost
  /** In profiles `mac` and `aead`: what their keys are made with, and of. */
  readonly keys?: { readonly crypto: SyncCrypto; readonly secrets: readonly Uint8Array[]; readonly identity: Identity | undefined }
  readonly nowMs: number
  /** Called when there is something to send before the next timeout. */
  readonly onWork: () => void
}

export class Protocol {
  readonly unique: Uint8Array
  readonly peers: PeerTable = new PeerTable()
  readonly drops: Record<wire.DropReason, number>
  /** Peers by the address that datagrams to them go to. */
  readonly #byAddress = new Map<number, PeerState>()
  readonly #settings: Settings
  readonly #transport: Transport
  readonly #listener: ProtocolListener
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
  readonly #due = new DueQueue<Due>()
  /** Peers with something to send, or something that may be due. */
  readonly #awake: PeerState[] = []
  #awakePeers = 0
  readonly #joins: Joins
  /** When each address was last sent a hint. */
  readonly #hinted = new Map<number, number>()
  readonly #limits: wire.Limits
  readonly #sealed: SealedHandshakes | undefined
  readonly #cursor = new wire.PacketCursor()
  readonly #onWork: () => void
  readonly #views: DataView[] = []
  /** Rows of the batch under way that were dropped before their tags were checked. */
  #isRefused = new Uint8Array(0)
  /** The time of the batch or poll under way. */
  #nowMs = 0
  /** When the next poll is due, as of the last one. */
  #expectedMs = Infinity

  constructor({ settings, transport, listener, random, cookies, keys, nowMs, onWork }: ProtocolOptions) {
    this.#settings = settings
    this.#transport = transport
    this.#listener = listener
    this.#onWork = onWork
    this.unique = newIdentity((out) => cookies.entropy(out))
    this.drops = Object.fromEntries(wire.DROP_REASONS.map((reason) => [reason, 0])) as Record<wire.DropReason, number>
    this.#limits = {
      datagramBytes: Math.max(settings.datagramBytes, wire.DATAGRAM_BYTES_BASE),
      inFlight:
        settings.inFlightMax ??
        Math.min(
          wire.IN_FLIGHT_MAX,
          Math.max(wire.IN_FLIGHT_MIN, Math.floor(transport.capabilities.receiveBufferBytes / SOCKET_BYTES_PER_DATAGRAM)),
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
      const host = { crypto: keys.crypto, identity: keys.identity, entropy: (out: Uint8Array): void => cookies.entropy(out) }
      this.#sealed = new SealedHandshakes(host, keys.secrets, this.#limits.datagramBytes)
    }
    this.#outbox = new Outbox(transport, settings.profile, this.#limits.datagramBytes, this.#sendPool)
    this.#pool = new PacketPool({ slotBytes: this.#limits.datagramBytes, slotsMax: settings.poolPacketsMax })
    this.#budget = new AssemblyBudget(settings.assemblyBytesMax)
    this.#quota = new Quota(settings)
    this.#context = {
      settings,
      transport,
      outbox: this.#outbox,
      pool: this.#pool,
      budget: this.#budget,
      listener,
      congestion: settings.congestion,
      sendPool: this.#sendPool,
      slabOf: (slot) => this.#slabOf(slot),
      quota: this.#quota,
      control: new ControlWriter(this.#outbox),
      scratch: createScratch(),
      drop: (reason) => void this.drops[reason]++,
      wake: (peer) => this.#wake(peer),
      hasten: (peer, deadlineMs) => this.#hasten(peer, deadlineMs),
      forsake: (peer) => this.#joins.forget(peer, this.#nowMs),
    }
    this.#joins = new Joins(
      {
        ...{ unique: this.unique, settings, transport, cookies, random, onWork },
        ...{ limits: this.#limits, outbox: this.#outbox, slots: this.#slots, due: this.#due, context: this.#context, peers: this.peers },
        sealed: this.#sealed === undefined ? undefined : { handshakes: this.#sealed, crypto: keys!.crypto },
        refuse: (reason) => void this.#refuse(reason),
        establish: (peer, association, at) => this.#establish(peer, association, at),
        dissociate: (association, at) => this.#dissociate(association, at),
        peerAt: (address) => this.#byAddress.get(address),
        found: (peer, address, at) => this.#found(peer, address, at),
      },
      nowMs,
    )
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
      timers: this.#due.count,
      sendPool: this.#sendPool.used,
      // What is still read of an endpoint that is closed takes nobody's place.
      streams: this.#isReleased ? 0 : this.#quota.streams.used,
    }
  }

  /** How often there was no place, by what was full. */
  get full(): Full {
    const { poolShares, sendPoolShares, poolLoans, sendPoolLoans, halfOpenShares, streamsRefused: streams } = this.#quota
    const [pool, sendPool] = [this.#pool.refused + poolLoans, this.#sendPool.refused + sendPoolLoans]
    return {
      ...{ pool, poolPerPeer: poolShares, sendPool, sendPoolPerPeer: sendPoolShares },
      ...{ streams, halfOpenPerHost: halfOpenShares },
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
    for (let row = 0; row < batch.count; row++) {
      // A handler may have transferred the memory to a worker: what was still in it is lost like any datagram.
      if (this.#isRefused[row] === 0 && batch.slabs[batch.slab[row]!]!.length > 0) this.#receiveRow(batch, row, nowMs)
    }
  }

  #viewOf(batch: ReceiveBatch, row: number): DataView {
    const id = batch.slab[row]!
    const slab = batch.slabs[id]!
    let view = this.#views[id]
    if (view === undefined || view.buffer !== slab.buffer)
      this.#views[id] = view = new DataView(slab.buffer, slab.byteOffset, slab.byteLength)
    return view
  }

  /** The sealer to check a datagram with, 0 if it has no tag or is outside an association, {@link REFUSED} if it was dropped. */
  #openerOf(batch: ReceiveBatch, row: number): number {
    const view = this.#viewOf(batch, row)
    const offset = batch.offset[row]!
    const reason = wire.checkPrefix(view, offset, batch.length[row]!, this.#settings.profile, this.#limits.datagramBytes)
    if (reason !== undefined) return this.#refuse(reason)
    if (wire.prefixHandshake(view, offset)) return 0
    const slot = wire.prefixSlot(view, offset)
    const owner = this.#slots.get(slot)
    if (owner?.kind !== "association") {
      this.#hint(batch, row, slot)
      return this.#refuse("unknown-slot")
    }
    const { replay, protection } = owner.association
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
    if (wire.prefixHandshake(view, offset)) return this.#receiveHandshake(view, bytes, offset, length, batch.address[row]!, nowMs)
    // Datagrams before this one in the batch may have ended the association, or been its twin.
    const owner = this.#slots.get(wire.prefixSlot(view, offset))
    if (owner?.kind !== "association") return void this.#refuse("unknown-slot")
    const { peer, association } = owner
    const counter = wire.prefixCounter(view, offset)
    const stale = association.replay.check(counter)
    if (stale !== undefined) return void this.#refuse(stale)
    if (batch.opener[row] !== 0 && batch.verdict[row] !== 1) return void this.#refuse("tag")
    const reason = wire.checkPackets(view, offset, length, this.#settings.profile)
    if (reason !== undefined) return void this.#refuse(reason)
    // Who joined is where the join came from, and has our answer. A copy of the join from elsewhere must not aim what we say.
    if (!association.isConfirmed && batch.address[row] !== association.address) return void this.#refuse("unexpected")
    association.received(counter, this.#epochOf(view, offset), length, nowMs)
    if (!association.isConfirmed) this.#joins.confirm(peer, association, nowMs)
    peer.heard(nowMs)
    this.#wake(peer)
    this.#apply(peer, association, view, bytes, offset, length, nowMs)
  }

  #apply(
    peer: PeerState,
    association: Association,
    view: DataView,
    bytes: Uint8Array,
    offset: number,
    length: number,
    nowMs: number,
  ): void {
    const cursor = this.#cursor
    cursor.start(view, offset, length, this.#settings.profile)
    // A handler may have transferred the memory of the datagram.
    while (bytes.length > 0 && cursor.next()) {
      const { kind, body, end, wanted } = cursor
      // What a handler or a listener does may end the peer in the middle of a datagram.
      if (peer.liveness === "left") return
      if (peer.liveness === "leaving" && kind !== wire.KIND.goodbye) continue
      this.#applyPacket(peer, association, view, bytes, kind, body, end, wanted, nowMs)
    }
  }

  #applyPacket(
    peer: PeerState,
    association: Association,
    view: DataView,
    bytes: Uint8Array,
    kind: number,
    body: number,
    end: number,
    wanted: boolean,
    nowMs: number,
  ): void {
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

  /** Tells whoever still sends to a slot we don't have, at most once a second and in fewer bytes. Only in profiles without keys. */
  #hint(batch: ReceiveBatch, row: number, slot: number): void {
    const address = batch.address[row]!
    const nowMs = this.#nowMs
    if (this.#sealed !== undefined) return
    const view = this.#viewOf(batch, row)
    const counter = wire.prefixCounter(view, batch.offset[row]!)
    if (slot === 0 || counter === 0 || counter > wire.NUMBER_MAX || address === 0 || batch.length[row]! <= this.#hintBytes()) return
    if ((this.#hinted.get(address) ?? -Infinity) + HINT_INTERVAL_MS > nowMs) return
    if (this.#hinted.size >= HINT_ADDRESSES_MAX) this.#hinted.clear()
    this.#hinted.set(address, nowMs)
    if (!this.#outbox.makeRoom()) return
    this.#outbox.compose()
    const { writer } = this.#outbox
    writer.finish(wire.writeHint(writer.view, writer.begin(wire.KIND.hint), { slot, counter }))
    this.#outbox.postHandshake(address, 0, 0, ZERO_SEED)
    this.#onWork()
  }

  /** Somebody wants to join, and waits so long; `onDone` is called once, unless it is cancelled. */
  callJoin(timeoutMs: number, onDone: (result: PeerState | JoinFailure) => void, nowMs: number): JoinCall {
    return this.#joins.call(timeoutMs, onDone, nowMs)
  }

  /** Asks the peer at one of these addresses to associate. */
  join(call: JoinCall, target: JoinTarget, nowMs: number): void {
    this.#joins.ask(call, target, nowMs)
  }

  cancelJoin(call: JoinCall, nowMs: number): void {
    this.#joins.cancel(call, nowMs)
  }

  /** A hint is never longer than what it answers. */
  #hintBytes(): number {
    const { profile } = this.#settings
    return wire.PREFIX_BYTES[profile]! + wire.PACKET_OVERHEAD_BYTES + wire.HINT_BYTES + wire.TAG_BYTES[profile]!
  }

  #receiveHandshake(view: DataView, bytes: Uint8Array, offset: number, length: number, address: number, nowMs: number): void {
    const slot = wire.prefixSlot(view, offset)
    const owner = slot === 0 ? undefined : this.#slots.get(slot)
    if (slot !== 0 && owner === undefined) return void this.#refuse("unknown-slot")
    // The source can't be answered: it is no address we know how to write.
    if (address === 0) return void this.#refuse("unexpected")
    // Answers to a join that is over have no seed to check them with any more.
    if (owner?.kind === "association") return void this.#refuse("unexpected")
    if (this.#sealed !== undefined) return this.#receiveSealed(this.#sealed, owner?.pending, view, bytes, offset, length, address, nowMs)
    const seed = owner === undefined ? ZERO_SEED : this.#joins.seedOf(owner.pending, address)
    if (this.#settings.profile === wire.PROFILE.checksum && !wire.openChecksum(bytes, offset, length, seed)) return void this.#refuse("tag")
    const reason = wire.checkPackets(view, offset, length, this.#settings.profile)
    if (reason !== undefined) return void this.#refuse(reason)
    const cursor = this.#cursor
    cursor.start(view, offset, length, this.#settings.profile)
    cursor.next()
    const { kind, body, end, addressForm } = cursor
    const attempt = wire.prefixCounter(view, offset)
    if (kind === wire.KIND.join)
      return this.#joins.handleJoin(wire.readJoin(view, body, addressForm), attempt, length, address, nowMs, undefined)
    if (kind === wire.KIND.hint) return this.#handleHint(wire.readHint(view, body), address, nowMs)
    if (kind === wire.KIND.loose) return void this.#refuse("not-welcome")
    if (owner === undefined || attempt === 0 || attempt > owner.pending.joiner.attempt) return void this.#refuse("unexpected")
    if (kind === wire.KIND.challenge)
      return this.#joins.handleChallenge(owner.pending, wire.readChallenge(view, body), attempt, address, nowMs)
    if (kind === wire.KIND.accept) {
      const accept = wire.readAccept(view, body, addressForm)
      return this.#joins.handleAccept(owner.pending, accept, length, address, nowMs)
    }
    this.#joins.handleRefuse(owner.pending, wire.readReasonText(view, body, end), attempt, address, nowMs)
  }

  /** A datagram outside an association in a profile with keys: a join, or an answer to ours. Nothing else is said there. */
  #receiveSealed(
    sealed: SealedHandshakes,
    pending: PendingJoin | undefined,
    view: DataView,
    bytes: Uint8Array,
    offset: number,
    length: number,
    address: number,
    nowMs: number,
  ): void {
    const attempt = wire.prefixCounter(view, offset)
    const exchange = pending?.joiner.exchange(attempt)
    if (pending !== undefined && (exchange === undefined || pending.joiner.candidateAt(address) === undefined))
      return void this.#refuse("unexpected")
    const opened =
      exchange === undefined ? sealed.openJoin(bytes, offset, length) : sealed.openAnswer(exchange.initiator, bytes, offset, length)
    if (typeof opened === "string") return void this.#refuse(opened)
    const plain = sealed.view
    const reason = wire.checkPackets(plain, 0, sealed.length, this.#settings.profile)
    if (reason !== undefined) return void this.#refuse(reason)
    const cursor = this.#cursor
    cursor.start(plain, 0, sealed.length, this.#settings.profile)
    cursor.next()
    const { kind, body, end, addressForm } = cursor
    if (opened.kind === "join") {
      if (kind !== wire.KIND.join) return void this.#refuse("unexpected")
      return this.#joins.handleJoin(wire.readJoin(plain, body, addressForm), attempt, length, address, nowMs, opened)
    }
    if (pending === undefined || (opened.kind === "accept") !== (kind === wire.KIND.accept)) return void this.#refuse("unexpected")
    if (opened.kind === "accept") {
      const accept = wire.readAccept(plain, body, addressForm)
      return this.#joins.handleAccept(pending, accept, length, address, nowMs, exchange, opened.result)
    }
    if (kind === wire.KIND.challenge) return this.#joins.handleChallenge(pending, wire.readChallenge(plain, body), attempt, address, nowMs)
    this.#joins.handleRefuse(pending, wire.readReasonText(plain, body, end), attempt, address, nowMs)
  }

  /** Joins go out under the first of these secrets from now on, and are taken under each. What is joined stays so. */
  setSecrets(secrets: readonly Uint8Array[]): void {
    this.#sealed?.setSecrets(secrets)
  }

  /** An association is complete: it may be the peer's first, one more, or that of a state which replaces another. */
  #establish(peer: PeerState, association: Association, nowMs: number): void {
    association.establishedMs = nowMs
    this.#joins.prefer(peer, association.address, nowMs)
    const known = this.peers.get(peer.unique, peer.publicKey)
    if (known === peer) {
      const before = this.#formerAt(association.address, peer)
      this.#choose(peer, association, nowMs)
      if (before !== undefined && before !== peer) this.#replace(before, wire.REASON.restarted, nowMs)
      if (peer.association === association) this.#joins.satisfy(peer, nowMs)
      return
    }
    const before = known ?? this.#formerAt(association.address, peer)
    this.#use(peer, association, nowMs)
    this.peers.set(peer)
    this.#wake(peer)
    // A peer that is leaving was reported as left: what comes now begins anew.
    const isReplaced = before !== undefined && (before.liveness === "joined" || before.liveness === "unreachable")
    if (before !== undefined) this.#replace(before, known === undefined ? wire.REASON.restarted : wire.REASON.unspecified, nowMs)
    peer.isAnnounced = true
    if (isReplaced) this.#listener.onReplaced(before, peer, known === undefined)
    else this.#listener.onJoined(peer)
    this.#joins.satisfy(peer, nowMs)
  }

  /** Whom we had at this address. Members with keys of their own don't stand for each other: who shows another key is somebody else, wherever he is. */
  #formerAt(address: number, { publicKey }: PeerState): PeerState | undefined {
    const former = this.#byAddress.get(address)
    return former !== undefined && isSameKey(former.publicKey, publicKey) ? former : undefined
  }

  #use(peer: PeerState, association: Association, nowMs: number): void {
    this.#unindex(peer)
    peer.use(association, nowMs)
    this.#byAddress.set(association.address, peer)
  }

  #unindex(peer: PeerState): void {
    const address = peer.association?.address
    if (address !== undefined && this.#byAddress.get(address) === peer) this.#byAddress.delete(address)
  }

  /** Of two associations of one session that of the higher order stays, and of two of the same the one begun by the smaller unique: both sides see it alike. */
  #choose(peer: PeerState, association: Association, nowMs: number): void {
    const current = peer.association
    const oursStays = compare(this.unique, peer.unique) < 0
    const isAbove =
      current === undefined ||
      (association.order === current.order
        ? association.isOurs === current.isOurs || association.isOurs === oursStays
        : association.order > current.order)
    if (isAbove) this.#use(peer, association, nowMs)
    else peer.retire(association, nowMs)
  }

  #found(peer: PeerState, address: number, nowMs: number): boolean {
    const others = [...this.peers.values()].filter(
      (other) => other !== peer && other.association?.address === address && isSameKey(other.publicKey, peer.publicKey),
    )
    for (const other of others) this.#replace(other, wire.REASON.restarted, nowMs)
    return others.length > 0
  }

  #replace(before: PeerState, reason: number, nowMs: number): void {
    before.end(reason, "")
    this.#forget(before, nowMs)
  }

  #forget(peer: PeerState, nowMs: number): void {
    this.peers.delete(peer)
    this.#unindex(peer)
    this.#due.remove(peer)
    peer.isAwake = false
    peer.end(wire.REASON.unspecified, "")
    this.#outbox.flush()
    for (const association of peer.associations) this.#dissociate(association, nowMs)
  }

  #dissociate(association: Association, nowMs: number): void {
    this.#outbox.discard(association)
    this.#slots.free(association.slot, nowMs)
    this.#transport.releaseAddress(association.address)
    association.protection.release()
  }

  /** Our datagram met nobody: find out who is there now. Nothing is replaced on a hint's word. */
  #handleHint(hint: wire.Hint, address: number, nowMs: number): void {
    const peer = this.#byAddress.get(address)
    const association = peer?.association
    if (peer !== undefined && association?.remoteSlot === hint.slot && association.hasSent(hint.counter)) this.#probe(peer, nowMs)
    else this.#refuse("unexpected")
  }

  /** Joins again where a peer was, to learn whether it still is. */
  #probe(peer: PeerState, nowMs: number): void {
    const address = peer.association?.address
    if (address !== undefined) this.#joins.probe(address, peer.publicKey, nowMs)
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
    return this.#awakePeers > 0 && !this.#outbox.isBlocked ? -Infinity : this.#due.nextMs
  }

  /** Handles what is due and sends what there is. */
  poll(nowMs: number, mayJudge = true): void {
    this.#nowMs = nowMs
    // While nobody was here to listen nobody was silent.
    if (nowMs > this.#expectedMs + ABSENT_MS) for (const peer of this.peers.values()) peer.excuse(nowMs - this.#expectedMs, nowMs)
    for (let due = this.#due.takeDue(nowMs); due !== undefined; due = this.#due.takeDue(nowMs)) {
      if (due instanceof PeerState) this.#rouse(due)
      else if (due instanceof Joiner) this.#joins.poll(due, nowMs)
      else if (due instanceof JoinCall) this.#joins.expire(due, nowMs)
      else this.#joins.expireHalfOpen(nowMs)
    }
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
    if (this.#sendPool.available > 0) this.#listener.onMemory()
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

  /** Sends data of a peer, of which this stream has much, as far as window and pace allow; everything else is for the next `poll`. */
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
    for (const association of peer.handleTimeout(nowMs)) this.#dissociate(association, nowMs)
    peer.pollControl(nowMs, mayJudge)
    if (peer.isGone(nowMs)) {
      this.#forget(peer, nowMs)
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
    const peer = this.#byAddress.get(address)
    peer?.limitPath(bytes)
    peer?.outgoing.handlePathLimit(nowMs)
  }

  /** Closes packets that are being filled: the turn is over. */
  closePackets(): void {
    for (let i = 0; i < this.#awakePeers; i++) this.#awake[i]!.outgoing.closePackets()
  }

  /** Says goodbye to all, also to those whose join we accepted and who haven't been heard since. */
  leave(reason: number, nowMs: number): void {
    for (const { peer, association } of this.#joins.takeHalfOpen()) {
      const known = this.peers.get(peer.unique, peer.publicKey)
      // Taken into use here: a datagram that still comes confirms nothing more.
      association.isConfirmed = true
      if (known === peer) peer.retire(association, nowMs)
      else if (known !== undefined) this.#dissociate(association, nowMs)
      else {
        this.#use(peer, association, nowMs)
        this.peers.set(peer)
      }
    }
    for (const peer of [...this.peers.values()]) peer.leave(reason, "", nowMs)
  }

  /** Gives back what it registered; after this nothing may be called. */
  release(nowMs: number): void {
    this.#joins.release(nowMs)
    for (const peer of [...this.peers.values()]) this.#replace(peer, wire.REASON.closing, nowMs)
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

/** No sealer has this id: the row was dropped. */
const REFUSED = -1

/**
 * What peers are told: no more than the pool keeps for one of them. Whoever sends further ahead of a missing packet sends what is refused, and all of
 * that again.
 */
function spreadOf({ spreadPackets, poolPacketsPerPeer }: Settings): number {
  return Math.min(spreadPackets, Math.max(wire.SPREAD_MIN, 1 << (31 - Math.clz32(poolPacketsPerPeer))))
}
