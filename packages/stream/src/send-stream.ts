/**
 * The sending end of a stream: numbers packets, keeps them until they are acknowledged or given up, resends those that
 * are asked for, and asks for a status when nothing moves (PROTOCOL.md §8). It knows payloads, and of messages only
 * where they begin and end. It is composed of machines, each of which knows only those above it:
 *
 *     life              the state of the stream, and the control packets that are repeated for it
 *     ledger            the packets' numbers and states, in a ring
 *     filling           the packet that is being filled
 *     window · account  how much may be written; what became of the messages
 *     queue · parts     which packet goes next; what is left of one that goes in parts
 *     sync              when a status is asked for
 *     giving up         what is given up when there is no room, or when it is too late
 *
 * The file is long, but one thing: half of it forwards questions to the machines, the rest tells each machine what
 * happened.
 *
 * @module
 */

import {
  double,
  type End,
  FORM,
  type Mode,
  type ModeTraits,
  type Open,
  type PacketDropReason,
  RANGES_MAX,
  type Reset,
  type Status,
  STATUS,
  type Sync,
  traitsOf,
} from "@x/wire"
import { lastEdge } from "./receive/append.ts"
import { PacketPool } from "./packet-pool.ts"
import { RepeatPace } from "./repeater.ts"
import { GRANULARITY_MS, type RttEstimator } from "./rtt.ts"
import { Copies } from "./send/copies.ts"
import { GivingUp } from "./send/giving-up.ts"
import { MessageAccount, type MessageFate, type SentMessages } from "./send/message-account.ts"
import { NO_BYTES, type OutgoingPacket } from "./send/outgoing-packet.ts"
import { PacketFilling } from "./send/packet-filling.ts"
import { hasUnacked, isGone, isPast, isSettled, type PacketRange } from "./send/packet-ranges.ts"
import { Resends } from "./send/resends.ts"
import { SendLedger } from "./send/send-ledger.ts"
import { SendLife, type SendState } from "./send/send-life.ts"
import { SendParts } from "./send/send-parts.ts"
import { SendQueue } from "./send/send-queue.ts"
import { PACKET } from "./send/send-ring.ts"
import { checkSendStreamOptions, type SendStreamOptions, slotBytesOf } from "./send/send-stream-options.ts"
import { SendWindow } from "./send/send-window.ts"
import type { SharedPacket } from "./send/shared-packet.ts"
import { SyncTimer } from "./send/sync-timer.ts"

/** How long an idle stream keeps its memory, milliseconds. */
const IDLE_MS = 1_000
/**
 * One stream as its sender sees it. The constructor throws a `RangeError` that names what is wrong and what would be
 * right.
 */
export class SendStream {
  /** The stream's id. */
  readonly id: number
  /** Its mode, one of `MODE`. */
  readonly mode: Mode
  /** What that mode promises. */
  readonly traits: ModeTraits
  /** 0 to 255; higher goes first. */
  readonly priority: number
  /** Sent to the peer with the opening. */
  readonly metadata: Uint8Array
  readonly #isAcknowledged: boolean
  readonly #waits: boolean
  /** Bytes after which a status is asked for. */
  readonly #askBytes: number
  readonly #rtt: RttEstimator
  readonly #pace: RepeatPace
  readonly #first: number
  readonly #resendsMax: number
  readonly #life: SendLife
  readonly #ledger: SendLedger
  readonly #filling: PacketFilling
  readonly #window: SendWindow
  readonly #account: MessageAccount
  readonly #queue: SendQueue
  readonly #parts: SendParts
  readonly #sync: SyncTimer
  readonly #resends: Resends
  readonly #copies: Copies
  readonly #givingUp: GivingUp
  /** Bytes sent since a status was last asked for; and when a packet last asked for one. */
  #unaskedBytes = 0
  #askedMs = -Infinity
  /** When the stream has been idle long enough to give back its memory. */
  #idleMs = Infinity

  constructor(given: SendStreamOptions) {
    const { id, mode, rtt, options, pace = new RepeatPace(), metadata = NO_BYTES } = given
    const traits = traitsOf(mode)
    const { first, priority, lifetimeMs, resendsMax, copies, copySpreadMs } = checkSendStreamOptions(given)
    const slotBytes = slotBytesOf(options)
    const { pool = new PacketPool({ slotBytes }) } = given
    if (pool.slotBytes < slotBytes)
      throw new RangeError(`the pool's slots have ${pool.slotBytes} B; ${slotBytes} B are needed`)
    this.id = id
    this.mode = mode
    this.traits = traits
    this.priority = priority
    this.metadata = metadata
    this.#isAcknowledged = traits.isAcknowledged
    this.#waits = traits.waits
    this.#askBytes = options.windowBytes / 4
    this.#rtt = rtt
    this.#pace = pace
    this.#first = traits.isNumbered ? first : 0
    this.#resendsMax = resendsMax
    const { waits, isAcknowledged } = traits
    const life = (this.#life = new SendLife(rtt, pace))
    const ledger = (this.#ledger = new SendLedger(pool, mode, this.#first, options.headRoomBytes, given.tables))
    const filling = (this.#filling = new PacketFilling(ledger, pool, options, waits))
    const window = (this.#window = new SendWindow({ life, ledger, filling, pool, options, waits }))
    const account = (this.#account = new MessageAccount(ledger, filling, traits.isOrdered))
    const queue = (this.#queue = new SendQueue(ledger))
    this.#parts = new SendParts(ledger, filling)
    const sync = (this.#sync = new SyncTimer({ life, ledger, queue, rtt, pace, options, isAcknowledged }))
    this.#resends = new Resends(ledger, rtt)
    this.#copies = new Copies(ledger, copies, copySpreadMs)
    this.#givingUp = new GivingUp({ life, ledger, filling, window, account, sync, pool, options, lifetimeMs })
  }

  /** The state of the stream. */
  get state(): SendState {
    return this.#life.state
  }

  /** Whether it was given up, by either side, before everything was delivered. */
  get wasReset(): boolean {
    return this.#life.wasReset
  }

  /** Whether nothing was left to be delivered when it was reset. */
  get wasDrained(): boolean {
    return this.#life.wasDrained
  }

  /** Why it was reset: one of `REASON`, or the application's own. */
  get reason(): number {
    return this.#life.reason
  }

  /** Whether the peer has confirmed the opening. */
  get isOpenAnswered(): boolean {
    return this.#life.isOpenAnswered
  }

  /** The largest payload of packets begun from now on, bytes. */
  get payloadBytesMax(): number {
    return this.#filling.payloadBytesMax
  }

  /**
   * From now on packets have payloads of at most this many bytes: 64 to 65,507, and at most what a slot of the pool
   * holds besides the head and tail room (a stream that is to grow needs a pool with larger slots, and so does its
   * receiver). Otherwise it throws a `RangeError` that states the limits. Packets that were closed before keep their
   * size. Those that are larger go in parts, when they are sent or resent; in modes without acknowledgements they go
   * whole. The open packet is closed now.
   */
  setPayloadBytesMax(bytes: number): void {
    if (this.#filling.setPayloadBytesMax(bytes)) this.#idleMs = Infinity
    // They may be too long for the path now. What is lost goes in parts.
    this.#copies.clear()
  }

  /** The packet that is being filled. Small messages are appended to it by its `roomBehind` and `commit`. */
  get openPacket(): PacketFilling {
    return this.#filling
  }

  /** The memory in which `reserve` last gave room. */
  get slab(): Uint8Array {
    return this.#filling.slab
  }

  /** A view of `slab`, whole. */
  get view(): DataView {
    return this.#filling.view
  }

  /** Whether a packet is being filled; it can be sent once it is closed. */
  get isFilling(): boolean {
    return this.#filling.bytes > 0
  }

  /** Whether the open packet is one that other streams may be filling, too. */
  get isSharing(): boolean {
    return this.#filling.isShared
  }

  /** Messages begun so far, which is the number of the next one. */
  get begun(): number {
    return this.#filling.begunInAll
  }

  /** What has become of its messages so far. */
  get messages(): SentMessages {
    return this.#account.messages
  }

  /** Messages that were begun and aren't settled. */
  get pendingMessages(): number {
    return this.#account.pending
  }

  /** Messages that are settled: the oldest ones, in ordered modes. */
  get settledMessages(): number {
    return this.#account.settled
  }

  /** This many of the oldest messages are acknowledged; abandoned ones count too. */
  get messagesBelowLow(): number {
    return this.#ledger.endedBelow(this.#ledger.low)
  }

  /**
   * What had become of a message when the stream was closed or reset, by its number (`begun` before it was written).
   * Before that it is `unsent`.
   */
  fateOf(message: number): MessageFate {
    return this.#account.fateOf(message)
  }

  /** The edge below which all packets are acknowledged, or known by the receiver to be gone. */
  get low(): number {
    return this.#ledger.low
  }

  /** The number of the next packet: the stream would end here now. */
  get high(): number {
    return this.#filling.high
  }

  /** Packets that are closed and were never sent. */
  get queuedPackets(): number {
    return this.#ledger.high - this.#ledger.next
  }

  /** Closed packets that are neither acknowledged nor given up. */
  get unackedPackets(): number {
    return this.#ledger.unackedPackets
  }

  /** Payload bytes of closed packets that are neither acknowledged nor given up. */
  get unackedBytes(): number {
    return this.#ledger.unackedBytes
  }

  /** Bytes that were sent and are neither acknowledged nor reported missing. */
  get inFlightBytes(): number {
    return this.#ledger.inFlightBytes
  }

  /** Packets that it has memory for; 0 once it is idle. */
  get rowsHeld(): number {
    return this.#ledger.rows
  }

  /** Resends so far. */
  get resentPackets(): number {
    return this.#queue.resent
  }

  /** Packets so far that were found to be lost, each time that they were. */
  get lostPackets(): number {
    return this.#queue.lostPackets
  }

  /** Syncs so far. */
  get syncsSent(): number {
    return this.#sync.sent
  }

  /** Whether everything written is acknowledged or known to be gone (in modes without acknowledgements: sent). */
  get isDrained(): boolean {
    return this.#filling.bytes === 0 && this.#ledger.low === this.#ledger.high
  }

  /** Whether the receiver said that it has no room. */
  get isHeld(): boolean {
    return this.#queue.isHeld
  }

  /** Whether the packets `[from, to)` are all acknowledged or given up. */
  isSettled(from: number, to: number): boolean {
    return isSettled(this.#ledger, from, to)
  }

  /**
   * Whether nothing below a packet will still be delivered: the receiver's edge has passed it, or everything left was
   * given up.
   */
  isPast(to: number): boolean {
    return isPast(this.#ledger, to)
  }

  /** Whether one of the packets `[from, to)` was given up and the receiver's edge has not passed it. */
  isGone(from: number, to: number): boolean {
    return isGone(this.#ledger, from, to)
  }

  /** Whether a packet with at least this many payload bytes waits for its acknowledgement. */
  hasUnacked(payloadBytes: number): boolean {
    return hasUnacked(this.#ledger, payloadBytes)
  }

  /**
   * Keeps a range on its packets until `unfollow`: the numbers of unsent packets are used again once those are given
   * up.
   */
  follow(range: PacketRange): void {
    this.#givingUp.follow(range)
  }

  /** The range is no longer kept up to date. */
  unfollow(range: PacketRange): void {
    this.#givingUp.unfollow(range)
  }

  /** Ranges that are kept up to date. */
  get followed(): number {
    return this.#givingUp.followed
  }

  /** Packets that could be begun now, by window and memory; the open one already has its place. */
  get roomPackets(): number {
    return this.#window.roomPackets
  }

  /**
   * Makes the window this many bytes, and packets in proportion, up to the spread; it never shrinks. Returns whether it
   * has grown: an eighth at least, or not at all.
   */
  growWindow(bytes: number): boolean {
    return this.#window.grow(bytes)
  }

  /** Whether the window is open, be there memory or not. */
  get isWindowOpen(): boolean {
    return this.#window.isOpen
  }

  /** Whether the window is open and there is no memory for a packet. */
  get isStarved(): boolean {
    return this.#window.isStarved
  }

  /**
   * Whether there is room for a run of packets: as many as go to the system in one call, or an eighth of those under
   * way, or one.
   */
  get hasRoomForRun(): boolean {
    return this.#window.hasRoomForRun
  }

  /** Whether there is memory for this many such runs. */
  hasMemoryForRuns(runs: number): boolean {
    return this.#window.hasMemoryFor(runs * this.#window.runPackets)
  }

  /** Packets that an empty window has room for. */
  get windowPackets(): number {
    return this.#window.packetsMax
  }

  /**
   * Returns an offset in `slab` for a whole message of `bytes` after those in the open packet, or −1: no packet is
   * open, or it has no room. Then `commit`.
   */
  roomBehind(bytes: number): number {
    return this.#filling.roomBehind(bytes)
  }

  /**
   * Returns room for `bytes` of whole messages, in the open packet or in a new one if they don't fit: an offset in
   * `slab`, or −1 while the window is shut or the pool is empty. Nothing has changed until `commit`.
   */
  reserve(bytes: number): number {
    const filling = this.#filling
    if (bytes > filling.payloadBytesMax)
      throw new RangeError(`${bytes} B don't fit a payload of ${filling.payloadBytesMax} B`)
    const offset = filling.roomBehind(bytes)
    return offset < 0 ? this.reservePiece(bytes) : offset
  }

  /**
   * Returns room for one piece of a large message, in a packet of its own: an offset in `slab`, or −1 while there is
   * none. `bytes`: no more than that will be written, default `payloadBytesMax`.
   */
  reservePiece(bytes: number = this.payloadBytesMax): number {
    // Nothing that others write comes before this, even if it has to wait.
    if (this.isSharing) this.closePacket()
    if (!this.#window.isOpen) return -1
    this.closePacket()
    return this.#filling.begin(bytes)
  }

  /** The time from which the lifetime of the next message counts. */
  setTime(nowMs: number): void {
    this.#filling.setTime(nowMs)
  }

  /** One whole message of `bytes`, header included, was written at the offset that `reserve` returned. */
  commit(bytes: number): void {
    this.#filling.commit(bytes)
  }

  /** A piece of this form and length, header included, was written. */
  commitPiece(form: number, bytes: number): void {
    if (!this.#filling.commitPiece(form, bytes)) return
    if (form === FORM.abandoned) this.#account.abandon()
    this.#idleMs = Infinity
  }

  /** Closes the open packet: it may be sent, and the next message goes into another. */
  closePacket(): void {
    if (this.#filling.close()) this.#idleMs = Infinity
  }

  /**
   * Takes a packet of a `PacketLog` as the next one. If more may be written to it, it is the open packet from now on, and
   * the caller writes at once. `false`: the window is shut, there is no memory for it, it is larger than
   * `payloadBytesMax`, or the mode gives messages up. Then nothing has changed, except that the open packet was closed.
   */
  share(packet: SharedPacket): boolean {
    if (!this.#waits || packet.bytesMax > this.payloadBytesMax) return false
    this.closePacket()
    if (!this.#window.isOpen || !this.#filling.share(packet)) return false
    this.#idleMs = Infinity
    if (packet.isShut) this.closePacket()
    return true
  }

  /** Payload bytes of the packet, or of the part, that `take` would return, or −1 when there is none. */
  peek(): number {
    if (this.#parts.number >= 0) return this.#parts.bytes
    const { next } = this.#queue
    const number = next < 0 ? this.#copies.next : next
    if (number < 0) return -1
    const bytes = this.#ledger.bytes(number)
    return this.#isAcknowledged && next >= 0 ? this.#parts.bytesOf(bytes) : bytes
  }

  /** Whether `take` would return another part of the packet that it returned last: it needs a datagram of its own. */
  get isInParts(): boolean {
    return this.#parts.number >= 0
  }

  /**
   * Fills in the next packet to send, lost ones first, and counts it as sent now. In modes without acknowledgements its
   * bytes are valid until the next `reserve`.
   */
  take(nowMs: number, out: OutgoingPacket): boolean {
    if (this.#parts.number >= 0) {
      this.#parts.take(nowMs, out)
      return true
    }
    const number = this.#queue.next
    if (number < 0) return this.#takeCopy(nowMs, out)
    if (!this.#isAcknowledged) return this.#takeUnanswered(number, nowMs, out)
    this.#ledger.send(number, nowMs, out)
    if (out.isResend) {
      this.#queue.shift()
      this.#resends.sent(number, nowMs)
    } else {
      if (!this.#waits) this.#noteSent(number)
      this.#copies.add(number, nowMs)
    }
    this.#unaskedBytes += out.length
    if (!this.#sync.isWaiting) this.#sync.wait(nowMs)
    this.#sync.follow(this.traits.isResent && this.#queue.next < 0, nowMs)
    if (this.#parts.isNeeded(out.length)) {
      this.#parts.begin(out)
      return true
    }
    out.wanted = this.#unaskedBytes >= this.#askBytes || this.#isStandstill(nowMs) || this.#resends.takeAsk(nowMs)
    if (out.wanted) {
      this.#unaskedBytes = 0
      this.#askedMs = nowMs
    }
    return true
  }

  #takeCopy(nowMs: number, out: OutgoingPacket): boolean {
    const number = this.#copies.next
    if (number < 0) return false
    this.#ledger.copy(number, out)
    out.wanted = false
    this.#copies.shift(nowMs)
    return true
  }

  #takeUnanswered(number: number, nowMs: number, out: OutgoingPacket): boolean {
    this.#window.noteSending(number)
    this.#account.sendUnanswered(this.#ledger.sendUnanswered(number, out))
    out.wanted = false
    if (this.isDrained) this.#idleMs = nowMs + IDLE_MS
    return true
  }

  /** In modes that don't wait, older sent packets make way for it. */
  #noteSent(number: number): void {
    this.#window.noteSending(number)
    this.#givingUp.trimSent()
    this.#queue.trim()
  }

  /**
   * Whether nothing can follow the packet taken last: the window is shut; or everything is sent, and no status was
   * asked for within the time after which one comes unasked. Otherwise small messages sent one by one would each cause
   * a status. A stream that gives up its oldest messages for lack of room asks every time.
   */
  #isStandstill(nowMs: number): boolean {
    if (this.#queue.next >= 0) return false
    if (!this.#window.isOpen || this.#queue.isAtAllowedEdge) return true
    const isSoon = this.#waits && nowMs - this.#askedMs < Math.max(GRANULARITY_MS, this.#rtt.srttMs / 4)
    return this.#filling.bytes === 0 && !isSoon
  }

  /**
   * Applies a status. Returns a reason if the status can't belong to this stream. `heardMs`: when the newest datagram was
   * sent that the receiver had by then; −Infinity: unknown.
   */
  handleStatus(status: Status, nowMs: number, heardMs: number = -Infinity): PacketDropReason | undefined {
    const life = this.#life
    if (life.state === "closed") return undefined
    // A receiver without room may allow packets that were never sent: none of that range is missing.
    const isAhead = (status.state & STATUS.ahead) !== 0
    const missing = status.missing.count - (isAhead ? 1 : 0)
    const { edges } = status.missing
    if ((status.state & STATUS.startUnknown) !== 0) {
      if (!life.isOpenAnswered || this.#ledger.low === this.#first) life.open(nowMs)
      return undefined
    }
    const highest = Math.max(status.cumulative, lastEdge(status.received), missing === 0 ? 0 : edges[2 * missing - 1]!)
    if (highest > this.#ledger.next) return "not-sent"
    life.handleOpenAnswered(nowMs)
    if (!life.isOpen && (status.state & STATUS.closed) !== 0) {
      if (life.isDelivering && this.#isAcknowledged) this.#acknowledge(status)
      this.#forget()
      life.close()
      return undefined
    }
    if (!this.#isAcknowledged || !life.isDelivering) return undefined
    // A status that was overtaken describes an older state.
    if (status.cumulative >= this.#ledger.low) this.#queue.hold((status.state & STATUS.noRoom) !== 0)
    const isLetGo = isAhead && this.#queue.allow(edges[2 * missing + 1]!)
    const hasMoved = this.#acknowledge(status)
    this.#handleMissing(edges, missing, nowMs)
    // Without room the list may begin anywhere.
    const listedTo = (status.state & STATUS.noRoom) !== 0 ? 0 : lastEdge(status.received)
    for (const number of this.#resends.judge(heardMs, listedTo)) if (!this.#resends.isInVain(number)) this.#lose(number)
    this.#queue.trim()
    if (hasMoved || isLetGo) this.#sync.move(nowMs)
    else if (this.#queue.isHeld && !this.#sync.isWaiting) this.#sync.wait(nowMs)
    if (this.isDrained && this.#idleMs === Infinity) this.#idleMs = nowMs + IDLE_MS
    return undefined
  }

  /** Moves the low mark, and frees packets received above it. Returns whether there were any. */
  #acknowledge({ cumulative, received }: Status): boolean {
    const ledger = this.#ledger
    const before = ledger.unackedPackets + ledger.gonePackets
    this.#account.acknowledge(ledger.advance(cumulative))
    const { edges, count } = received
    for (let i = 0; i < count; i++) ledger.receive(edges[2 * i]!, edges[2 * i + 1]!)
    return ledger.unackedPackets + ledger.gonePackets < before
  }

  /** Queues packets that are reported missing, each at most once a round trip, however often it is reported. */
  #handleMissing(edges: Float64Array, ranges: number, nowMs: number): void {
    const ledger = this.#ledger
    for (let i = 0; i < ranges; i++) {
      if (edges[2 * i]! < ledger.low) this.#sync.want()
      for (let number = Math.max(edges[2 * i]!, ledger.low); number < edges[2 * i + 1]!; number++) {
        const state = ledger.state(number)
        if (state === PACKET.gone) this.#sync.want()
        if (state !== PACKET.inFlight) continue
        if (this.#resends.hasRested(number, nowMs)) this.#lose(number)
      }
    }
  }

  /** A packet in flight was lost: it is sent again, or given up. */
  #lose(number: number): void {
    const ledger = this.#ledger
    // One that was sent again twice without an answer is named twice. Of one that goes in parts the rest is to be sent.
    if (ledger.state(number) !== PACKET.inFlight || number === this.#parts.number) return
    // A packet that the receiver refused because the opening was missing was not lost.
    if (ledger.sends(number) > this.#resendsMax && ledger.sentMs(number) >= this.#life.openAnsweredMs)
      this.#givingUp.giveUp(number)
    else this.#queue.push(number)
  }

  /** What was sent since then may have gone where the peer isn't: what isn't acknowledged of it is sent again at once. */
  resendSince(sentMs: number): void {
    if (!this.#isAcknowledged || !this.#life.isDelivering) return
    const ledger = this.#ledger
    for (let number = ledger.low; number < ledger.next; number++) {
      if (ledger.state(number) !== PACKET.inFlight || ledger.sentMs(number) < sentMs) continue
      if (ledger.sends(number) <= this.#resendsMax) this.#queue.push(number)
    }
    this.#queue.trim()
  }

  /**
   * `best-effort`: gives up messages until there is room for this many packets, along with messages that share their
   * packets. Returns whether there is room. A message that is half sent stays.
   */
  makeRoom(packets = 1): boolean {
    this.closePacket()
    const hasRoom = this.#givingUp.makeRoom(packets)
    this.#queue.trim()
    return hasRoom
  }

  /**
   * `latest`: forgets unsent messages, except for the rest of a message that is half sent: something newer follows. It
   * does nothing if that would make no room. Returns whether there is room for this many packets.
   */
  supersede(packets = 1): boolean {
    return this.#life.isOpen && this.#givingUp.supersede(packets)
  }

  /** Gives up messages that are too old, and gives back the memory of an idle stream. */
  handleTimeout(nowMs: number): void {
    if (this.#life.isDelivering) {
      this.#givingUp.expire(nowMs)
      this.#queue.trim()
      this.#copies.handleTimeout(nowMs)
    }
    if (nowMs < this.#idleMs) return
    this.#idleMs = Infinity
    if (!this.isDrained) return
    this.#filling.release()
    this.#ledger.clear()
  }

  /** Announces the stream; before its first packet. */
  open(nowMs: number): void {
    this.#life.open(nowMs)
  }

  /** Announces that the stream ends once everything is delivered. Nothing can be written any more. */
  end(nowMs: number): void {
    if (!this.#life.isOpen) return
    this.closePacket()
    this.#filling.release()
    this.#life.end(nowMs)
  }

  /** Gives up the stream: the receiver drops what it hasn't dispatched. */
  reset(reason: number, nowMs: number): void {
    if (!this.#life.isDelivering) return
    this.closePacket()
    const wasDrained = this.isPast(this.#ledger.high)
    this.#forget()
    this.#life.reset(reason, wasDrained, nowMs)
  }

  /** The remaining messages are counted as they stand, and their memory goes back. */
  #forget(): void {
    this.#account.settleAll()
    this.#filling.release()
    this.#ledger.forget()
    this.#queue.clear()
    this.#resends.clear()
    this.#copies.clear()
    this.#window.stopSending()
    this.#sync.stop()
    this.#idleMs = Infinity
  }

  /** When `handleTimeout`, `pollOpen`, `pollClose` or `pollSync` has something to do; `Infinity`: never. */
  get nextTimeoutMs(): number {
    const due = Math.min(this.#idleMs, this.#givingUp.expiryMs, this.#copies.dueMs)
    return this.#pace.isPaused ? due : Math.min(due, this.#life.openDueMs, this.#closeDueMs(), this.#sync.dueMs)
  }

  /** The end of a stream without acknowledgements goes after its data: otherwise it would overtake them. */
  #closeDueMs(): number {
    const isWaiting = !this.#isAcknowledged && this.#life.state === "ending" && !this.isDrained
    return isWaiting ? Infinity : this.#life.closeDueMs
  }

  /** Returns the opening, if it is due. */
  pollOpen(nowMs: number): Open | undefined {
    if (this.#life.openDueMs > nowMs) return undefined
    this.#life.saidOpen(nowMs)
    return {
      stream: this.id,
      first: double(this.#first),
      mode: this.mode,
      priority: this.priority,
      metadata: this.metadata,
    }
  }

  /** Returns the end or the reset, if it is due. Only a reset has a `reason`. */
  pollClose(nowMs: number): End | Reset | undefined {
    if (this.#closeDueMs() > nowMs) return undefined
    this.#life.saidClose(nowMs)
    const { high, begun } = this.#ledger
    const { id: stream } = this
    const final = double(this.traits.isNumbered ? high : 0)
    const { state, reason } = this.#life
    return state === "resetting" ? { stream, final, begun, reason } : { stream, final, begun }
  }

  /**
   * Fills in a sync with at most this many gone ranges, if one is due: nothing moved for a PTO, or the receiver has to
   * learn which packets are gone.
   */
  pollSync(nowMs: number, sync: Sync, rangesMax: number = RANGES_MAX): boolean {
    if (!this.#sync.poll(nowMs, sync, rangesMax)) return false
    sync.stream = this.id
    sync.mode = this.mode
    return true
  }

  /** Whether the sync that was polled last asks for a status. */
  get doesSyncAsk(): boolean {
    return this.#sync.doesAsk
  }

  /** The peer is heard again after a silence: repeats whose intervals had grown are due soon. */
  handleReachable(nowMs: number): void {
    this.#life.handleReachable(nowMs)
    this.#sync.handleReachable(nowMs)
  }

  /** For tests: throws if the numbers contradict each other. */
  assertInvariants(): void {
    if (this.#ledger.low < this.#first) throw new Error("marks are out of order")
    const { low, next } = this.#ledger
    if (!this.#isAcknowledged && low !== next) throw new Error("packets are kept that nothing answers for")
    this.#life.assertInvariants()
    this.#ledger.assertInvariants()
    this.#filling.assertInvariants()
    this.#window.assertInvariants()
    this.#account.assertInvariants()
    this.#queue.assertInvariants()
    this.#sync.assertInvariants()
    this.#givingUp.assertInvariants()
  }
}
