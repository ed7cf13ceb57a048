/**
 * A sending and a receiving end joined by a path that loses, doubles and reorders, in virtual time. No wire: packets
 * travel as values.
 */
import {
  createOutgoingPacket,
  createKeptPacket,
  PacketPool,
  ReceiveStream,
  RttEstimator,
  SendStream,
  slotBytesOf,
  type StreamOptions,
  streamOptions,
} from "@x/stream"
import {
  createStatus,
  createSync,
  type End,
  MODE,
  type Mode,
  type Open,
  type Reset,
  type Status,
  type Sync,
  wholeHeaderBytes,
  writeWholeHeader,
  MessageCursor,
} from "@x/wire"

export interface PathOptions {
  readonly delayMs: number
  readonly lossRate: number
  readonly duplicateRate: number
  readonly reorderRate: number
}

type Packet =
  | {
      readonly kind: "data"
      readonly number: number
      readonly delivery: number
      readonly wanted: boolean
      readonly bytes: Uint8Array
    }
  | { readonly kind: "open"; readonly open: Open }
  | { readonly kind: "close"; readonly end: End | Reset }
  | { readonly kind: "sync"; readonly sync: Sync }
  | { readonly kind: "status"; readonly status: Status; readonly heardMs: number }

export class Pair {
  now = 0
  readonly rtt: RttEstimator
  readonly sender: SendStream
  readonly receiver: ReceiveStream
  readonly pool: PacketPool
  readonly sendPool: PacketPool
  /** Messages that the receiver saw begin, or was told of; and those of them that it was told are gone. */
  begun = 0
  gone = 0
  /** Messages as numbers, in the order of their dispatch. */
  readonly delivered: number[] = []
  readonly sent = { data: 0, resent: 0, status: 0, naks: 0, sync: 0, open: 0, close: 0 }
  path: PathOptions
  /** Selects packets to lose, before chance decides. */
  drop: (kind: Packet["kind"], index: number) => boolean = () => false
  #random: () => number
  #inFlight: { atMs: number; sentMs: number; order: number; packet: Packet }[] = []
  /** When the newest packet was sent that has come to the receiver. */
  #heardMs = -Infinity
  #order = 0
  #counts: Record<string, number> = {}
  readonly #out = createOutgoingPacket()
  readonly #kept = createKeptPacket()
  readonly #skipped = { begun: 0 }
  readonly #cursor = new MessageCursor()

  constructor({
    path,
    random,
    options = {},
    first = 0,
    slotsMax = 1_000,
    mode = MODE.reliable,
    lifetimeMs = Infinity,
    resendsMax = Infinity,
  }: {
    path: PathOptions
    random: () => number
    options?: Partial<StreamOptions>
    first?: number
    slotsMax?: number
    mode?: Mode
    lifetimeMs?: number
    resendsMax?: number
  }) {
    this.path = path
    this.#random = random
    const all = streamOptions({ payloadBytesMax: 64, ...options })
    this.rtt = new RttEstimator(2 * path.delayMs + 1)
    this.pool = new PacketPool({ slotBytes: all.payloadBytesMax, slotsMax })
    this.sendPool = new PacketPool({ slotBytes: slotBytesOf(all) })
    this.sender = new SendStream({
      id: 1,
      mode,
      options: all,
      rtt: this.rtt,
      first,
      pool: this.sendPool,
      lifetimeMs,
      resendsMax,
    })
    this.receiver = new ReceiveStream({ id: 1, mode, options: all, rtt: this.rtt, pool: this.pool })
    this.sender.open(0)
  }

  /** Writes a message of four bytes and some filling; `false`: the window is shut. */
  send(value: number, filling = 0): boolean {
    const bytes = 4 + filling
    const offset = this.sender.reserve(wholeHeaderBytes(bytes) + bytes)
    if (offset < 0) return false
    const at = writeWholeHeader(this.sender.view, offset, 1, bytes)
    this.sender.view.setUint32(at, value)
    this.sender.setTime(this.now)
    this.sender.commit(wholeHeaderBytes(bytes) + bytes)
    return true
  }

  /** Writes a message by giving up older ones; `false`: all numbers of the spread are in flight. */
  force(value: number, filling = 0): boolean {
    return this.send(value, filling) || (this.sender.makeRoom() && this.send(value, filling))
  }

  /** Sends everything that may be sent now. */
  flush(): void {
    this.sender.closePacket()
    this.sender.handleTimeout(this.now)
    const open = this.sender.pollOpen(this.now)
    if (open !== undefined) this.#transmit({ kind: "open", open })
    while (this.sender.take(this.now, this.#out)) {
      const { number, delivery, offset, length, wanted, isResend } = this.#out
      if (isResend) this.sent.resent++
      this.#transmit({ kind: "data", number, delivery, wanted, bytes: this.#out.bytes.slice(offset, offset + length) })
    }
    const end = this.sender.pollClose(this.now)
    if (end !== undefined) this.#transmit({ kind: "close", end })
    const sync = createSync()
    if (this.sender.pollSync(this.now, sync)) this.#transmit({ kind: "sync", sync })
    const status = createStatus()
    if (this.receiver.pollStatus(this.now, status)) {
      if (status.missing.count > 0) this.sent.naks++
      this.#transmit({ kind: "status", status, heardMs: this.#heardMs })
    }
    this.sender.assertInvariants()
    this.receiver.assertInvariants()
  }

  /** The next time at which something happens; Infinity: never. */
  get nextMs(): number {
    const arrival = this.#inFlight.reduce((least, { atMs }) => Math.min(least, atMs), Infinity)
    return Math.min(arrival, this.sender.nextTimeoutMs, this.receiver.nextTimeoutMs)
  }

  /** Advances to the next event; `false` when there is none before `untilMs`. */
  step(untilMs = Infinity): boolean {
    this.flush()
    const next = Math.max(this.nextMs, this.now)
    if (next === Infinity || next > untilMs) return false
    this.now = next
    const due = this.#inFlight
      .filter(({ atMs }) => atMs <= next)
      .toSorted((a, b) => a.atMs - b.atMs || a.order - b.order)
    this.#inFlight = this.#inFlight.filter(({ atMs }) => atMs > next)
    for (const { packet, sentMs } of due) {
      if (packet.kind !== "status") this.#heardMs = Math.max(this.#heardMs, sentMs)
      this.#arrive(packet)
    }
    this.flush()
    return true
  }

  /** Runs until a condition holds; returns whether it did before `untilMs`. */
  runUntil(isDone: () => boolean, untilMs: number): boolean {
    while (!isDone()) if (!this.step(untilMs)) return isDone()
    return true
  }

  #transmit(packet: Packet): void {
    const index = this.#counts[packet.kind] ?? 0
    this.#counts[packet.kind] = index + 1
    this.sent[packet.kind]++
    if (this.drop(packet.kind, index)) return
    const { delayMs, lossRate, duplicateRate, reorderRate } = this.path
    if (this.#random() < lossRate) return
    const late = (): number => (this.#random() < reorderRate ? this.#random() * 4 * delayMs : 0)
    this.#inFlight.push({ atMs: this.now + delayMs + late(), sentMs: this.now, order: this.#order++, packet })
    if (this.#random() < duplicateRate)
      this.#inFlight.push({ atMs: this.now + delayMs + late(), sentMs: this.now, order: this.#order++, packet })
  }

  #arrive(packet: Packet): void {
    switch (packet.kind) {
      case "open":
        return this.receiver.handleOpen(packet.open.first, this.now)
      case "close":
        if ("reason" in packet.end) this.receiver.close()
        else this.receiver.handleEnd(packet.end.final)
        return
      case "sync":
        this.receiver.handleSync(packet.sync, true, this.now)
        return this.#dispatchKept()
      case "status":
        this.sender.handleStatus(packet.status, this.now, packet.heardMs)
        return
      case "data": {
        const { number, delivery, wanted, bytes } = packet
        const verdict = this.receiver.handlePacket(number, delivery, wanted, bytes, 0, bytes.length, this.now)
        if (verdict !== "deliver") return
        this.#dispatch(new DataView(bytes.buffer), 0, bytes.length)
        if (this.receiver.mode === MODE["reliable-unordered"]) this.receiver.accept(number, this.now)
        else if (this.receiver.mode === MODE.latest) this.receiver.pass(number)
        else this.receiver.advance()
        return this.#dispatchKept()
      }
    }
  }

  #dispatchKept(): void {
    for (;;) {
      if (this.receiver.skip(this.#skipped)) {
        if (this.#skipped.begun < 0) continue
        this.gone += this.#skipped.begun - this.begun
        this.begun = this.#skipped.begun
      } else if (this.receiver.peekKept(this.#kept)) {
        this.#dispatch(this.#kept.view, this.#kept.offset, this.#kept.offset + this.#kept.length)
        this.receiver.advance()
      } else {
        return
      }
    }
  }

  #dispatch(view: DataView, offset: number, end: number): void {
    this.#cursor.start(view, offset, end)
    while (this.#cursor.next()) {
      this.delivered.push(view.getUint32(this.#cursor.offset))
      this.begun++
    }
  }
}
