/** One stream: the real sender and receiver, and a network that does anything within the scope's bounds. */
import {
  createKeptPacket,
  createOutgoingPacket,
  ReceiveStream,
  RttEstimator,
  SendStream,
  type StreamOptions,
  streamOptions,
} from "@x/stream"
import { createStatus, createSync, MessageCursor, MODE, type Status, wholeHeaderBytes, writeWholeHeader } from "@x/wire"
import type { State, Violation } from "./explore.ts"
import type { StreamScope } from "./scopes.ts"
import { FewSlots } from "./slots.ts"
import { copyOf } from "./snapshot.ts"
import { describeStream } from "./stream-key.ts"
import { closedStatus, nameOf, type Packet, trimmed } from "./stream-packet.ts"

/** The properties of every state or step; the last one is a property of every fair continuation. */
export const STREAM_PROPERTIES = [
  "delivered at most once",
  "delivered in order",
  "delivered was sent",
  "edges never go back",
  "edges stay below what was sent",
  "window kept",
  "acknowledged was delivered",
  "account balances",
  "asked only for what was sent",
  "acknowledged is not sent again",
  "gaps are told once",
  "invariants of the machines",
  "nothing throws",
  "converges",
] as const
type StreamProperty = (typeof STREAM_PROPERTIES)[number]

const RTT_MS = 20
const MESSAGE_BYTES = 4
const FAIR_STEPS_MAX = 400

export class StreamState implements State {
  readonly scope: StreamScope
  nowMs = 0
  readonly sender: SendStream
  readonly receiver: ReceiveStream
  readonly inFlight: Packet[] = []
  written = 0
  faults = 0
  timeouts = 0
  readonly delivered: number[] = []
  /** Messages that the receiver saw begin or was told of, and messages that it was told are gone. */
  begun = 0
  gone = 0
  /** The number after the highest sent; the numbers that the sender knows to have arrived. */
  sent = 0
  readonly acknowledged: Set<number> = new Set()
  edge = 0
  low = 0
  violation: Violation | undefined
  #known: string | undefined

  constructor(scope: StreamScope) {
    this.scope = scope
    const { mode, lifetimeMs = Infinity } = scope
    const windowPackets = scope.windowPackets + (scope.defect === "window-ignored" ? 1 : 0)
    const options: StreamOptions = streamOptions({
      windowPackets,
      payloadBytesMax: 64,
      headRoomBytes: 0,
      tailRoomBytes: 0,
    })
    const rtt = new RttEstimator(RTT_MS)
    this.sender = new SendStream({ id: 1, mode, options, rtt, pool: new FewSlots(64, scope.messages + 1), lifetimeMs })
    this.receiver = new ReceiveStream({ id: 1, mode, options, rtt, pool: new FewSlots(64, scope.messages + 1) })
    this.sender.open(0)
    this.#flush()
  }

  clone(): State {
    return copyOf(this)
  }

  key(): string {
    return `${this.behaviour()};${this.faults},${this.timeouts}`
  }

  /** The state, without the rest of the scope's budgets. */
  behaviour(): string {
    return (this.#known ??= describeStream(this))
  }

  actions(): string[] {
    const { scope } = this
    const actions: string[] = []
    const isQuiet = this.inFlight.length < scope.inFlightMax
    if (isQuiet && this.#canWrite) actions.push("write")
    if (isQuiet && this.written === scope.messages && this.sender.state === "open") actions.push("end")
    const names = this.inFlight.map((packet) => nameOf(packet))
    for (const [i, name] of names.entries()) {
      // Among equal packets it doesn't matter which one arrives.
      if (names.indexOf(name) !== i) continue
      actions.push(`deliver ${name}`)
      if (this.faults < scope.faults) actions.push(`lose ${name}`, `duplicate ${name}`)
    }
    if (isQuiet && this.timeouts < scope.timeouts && this.#nextMs !== Infinity) actions.push("time out")
    return actions
  }

  get #canWrite(): boolean {
    if (this.written >= this.scope.messages || this.sender.state !== "open") return false
    return this.sender.roomPackets > 0 || this.#givesUp
  }

  get #givesUp(): boolean {
    return this.scope.mode === MODE["best-effort"] || this.scope.mode === MODE.latest
  }

  get #nextMs(): number {
    return Math.min(this.sender.nextTimeoutMs, this.receiver.nextTimeoutMs)
  }

  apply(action: string): void {
    const name = action.slice(action.indexOf(" ") + 1)
    const index = this.inFlight.findIndex((packet) => nameOf(packet) === name)
    if (action === "write") this.#write()
    else if (action === "end") this.sender.end(this.nowMs)
    else if (action === "time out") {
      this.timeouts++
      this.nowMs = Math.max(this.nowMs, this.#nextMs)
    } else if (action.startsWith("lose")) {
      this.faults++
      this.inFlight.splice(index, 1)
    } else if (action.startsWith("duplicate")) {
      this.faults++
      this.inFlight.push(this.inFlight[index]!)
    } else this.#arrive(this.inFlight.splice(index, 1)[0]!)
    this.#flush()
  }

  /** Packets arrive in order, without loss; deadlines come only when nothing is under way. */
  converge(known: Set<string>): Violation | undefined {
    const passed: string[] = []
    for (let step = 0; step < FAIR_STEPS_MAX; step++) {
      const behaviour = this.behaviour()
      if (known.has(behaviour)) break
      passed.push(behaviour)
      if (this.#canWrite) this.#write()
      else if (this.written === this.scope.messages && this.sender.state === "open") this.sender.end(this.nowMs)
      else if (this.inFlight.length > 0) this.#arrive(this.inFlight.shift()!)
      else if (this.sender.state === "closed") break
      else if (this.#nextMs === Infinity) return { property: "converges", seen: "nothing will happen any more" }
      else this.nowMs = Math.max(this.nowMs, this.#nextMs)
      this.#flush()
      if (this.violation !== undefined) return this.violation
      if (step === FAIR_STEPS_MAX - 1) return { property: "converges", seen: `not over after ${FAIR_STEPS_MAX} steps` }
    }
    // Met a state from which the end is known to come about.
    if (this.sender.state === "closed" && this.inFlight.length === 0) {
      const missing = this.#missing()
      if (missing !== undefined) return { property: "converges", seen: missing }
    }
    for (const behaviour of passed) known.add(behaviour)
    return undefined
  }

  /** The promises that weren't kept at the end. */
  #missing(): string | undefined {
    const { messages, mode } = this.scope
    if (!this.receiver.isComplete) return "the sender is closed and the receiver is not complete"
    if (mode === MODE.latest) return undefined
    if (this.delivered.length + this.gone !== messages)
      return `${this.delivered.length} of ${messages} messages were delivered and ${this.gone} told as gone`
    if (mode !== MODE["best-effort"] && this.delivered.length !== messages)
      return `only ${this.delivered.length} messages were delivered`
    return this.sender.messages.pending === 0 ? undefined : "messages are still pending"
  }

  #write(): void {
    const bytes = wholeHeaderBytes(MESSAGE_BYTES) + MESSAGE_BYTES
    if (this.scope.mode === MODE.latest) this.sender.supersede()
    let offset = this.sender.reserve(bytes)
    if (offset < 0 && this.#givesUp && this.sender.makeRoom()) offset = this.sender.reserve(bytes)
    if (offset < 0) return
    const at = writeWholeHeader(this.sender.view, offset, 1, MESSAGE_BYTES)
    this.sender.view.setUint32(at, this.written++)
    this.sender.setTime(this.nowMs)
    if (this.scope.defect !== "write-forgotten") this.sender.commit(bytes)
    this.sender.closePacket()
  }

  /** Sends everything that may be sent now, as an endpoint does at the end of each turn, and checks the properties. */
  #flush(): void {
    this.#known = undefined
    const { sender, receiver, nowMs, scope } = this
    sender.handleTimeout(nowMs)
    const open = sender.pollOpen(nowMs)
    if (open !== undefined) this.#send({ kind: "open", open })
    const out = createOutgoingPacket()
    while (sender.take(nowMs, out)) {
      const { number, delivery, offset, length, wanted } = out
      this.#noteSent(number)
      this.sent = Math.max(this.sent, number + 1)
      this.#send({ kind: "data", number, delivery, wanted, bytes: out.bytes.slice(offset, offset + length) })
    }
    const close = sender.pollClose(nowMs)
    if (close !== undefined) this.#send({ kind: "close", close })
    const sync = createSync()
    if (sender.pollSync(nowMs, sync)) {
      this.sent = Math.max(this.sent, sync.high)
      const { low, begun, gone } = sync
      const told =
        scope.defect === "eviction-untold"
          ? { low: Math.min(low, sender.low), begun: 0, gone: { ...gone, count: 0 } }
          : { low, begun, gone }
      this.#send({
        kind: "sync",
        sync: { ...sync, ...told, gone: { ...trimmed(told.gone), begun: told.gone.begun.slice(0, told.gone.count) } },
      })
    }
    const status = createStatus()
    if (receiver.pollStatus(nowMs, status)) this.#report(status)
    if (receiver.isComplete && receiver.final !== Infinity) receiver.close()
    this.#check()
  }

  #report(status: Status): void {
    const { defect, messages } = this.scope
    const received = trimmed(status.received)
    const missing = defect === "naks-lost" ? { count: 0, edges: new Float64Array(0) } : trimmed(status.missing)
    if (defect === "asked-beyond" && missing.count > 0) missing.edges[2 * missing.count - 1] = messages + 1
    const early = defect === "acknowledged-early" && status.cumulative > 0 && status.cumulative < this.sent ? 1 : 0
    const asked = missing.count === 0 ? 0 : missing.edges[2 * missing.count - 1]!
    if (asked > this.sent) this.#fail("asked only for what was sent", `asked for up to ${asked}, sent are ${this.sent}`)
    this.#send({ kind: "status", status: { ...status, cumulative: status.cumulative + early, received, missing } })
  }

  #arrive(packet: Packet): void {
    const { receiver, sender, nowMs } = this
    switch (packet.kind) {
      case "open":
        return receiver.handleOpen(packet.open.first, nowMs)
      case "close":
        if (receiver.state === "closed") return this.#send({ kind: "status", status: closedStatus(packet.close.final) })
        // An end that overtook its opening has no effect.
        if (receiver.isStarted) receiver.handleEnd(packet.close.final)
        return
      case "sync":
        receiver.handleSync(packet.sync, true, nowMs)
        return this.#dispatchKept()
      case "status":
        return this.#takeStatus(packet.status, sender)
      case "data":
        return this.#takeData(packet)
    }
  }

  #takeStatus(status: Status, sender: SendStream): void {
    if (sender.handleStatus(status, this.nowMs) !== undefined) return
    const { received, cumulative } = status
    for (let number = 0; number < cumulative; number++) this.acknowledged.add(number)
    for (let i = 0; i < received.count; i++)
      for (let number = received.edges[2 * i]!; number < received.edges[2 * i + 1]!; number++)
        this.acknowledged.add(number)
    if (this.scope.defect === "acknowledged-sent-again" && cumulative > 0) this.#noteSent(cumulative - 1)
  }

  #noteSent(number: number): void {
    if (this.acknowledged.has(number)) this.#fail("acknowledged is not sent again", `packet ${number}`)
  }

  #takeData({ number, delivery, wanted, bytes }: Extract<Packet, { kind: "data" }>): void {
    const { receiver, nowMs } = this
    const { mode, defect } = this.scope
    const verdict = receiver.handlePacket(number, delivery, wanted, bytes, 0, bytes.length, nowMs)
    const isWrong =
      (defect === "duplicate-delivered" && verdict === "duplicate-packet") ||
      (defect === "early-delivered" && verdict === "kept")
    if (isWrong) this.#dispatch(new DataView(bytes.buffer), 0, bytes.length)
    if (verdict !== "deliver") return
    this.#dispatch(new DataView(bytes.buffer), 0, bytes.length)
    if (mode === MODE["reliable-unordered"]) receiver.accept(number, nowMs)
    else if (mode === MODE.latest) receiver.pass(number)
    else receiver.advance()
    this.#dispatchKept()
  }

  #dispatchKept(): void {
    const skipped = { begun: 0 }
    const kept = createKeptPacket()
    for (;;) {
      if (this.receiver.skip(skipped)) {
        if (skipped.begun < 0) continue
        const told = skipped.begun - this.begun
        if (told < 0) this.#fail("gaps are told once", `${told} messages`)
        this.gone += this.scope.defect === "gap-told-twice" ? 2 * told : told
        this.begun = skipped.begun
      } else if (this.receiver.peekKept(kept)) {
        this.#dispatch(kept.view, kept.offset, kept.offset + kept.length)
        this.receiver.advance()
      } else return
    }
  }

  #dispatch(view: DataView, offset: number, end: number): void {
    const cursor = new MessageCursor()
    cursor.start(view, offset, end)
    while (cursor.next()) {
      const message = view.getUint32(cursor.offset) + (this.scope.defect === "payload-changed" ? 100 : 0)
      if (message >= this.written) this.#fail("delivered was sent", `message ${message}`)
      if (this.delivered.includes(message)) this.#fail("delivered at most once", `message ${message}`)
      const isOrdered = this.scope.mode !== MODE["reliable-unordered"]
      if (isOrdered && message < (this.delivered.at(-1) ?? -1))
        this.#fail("delivered in order", `${message} behind ${this.delivered.join()}`)
      this.delivered.push(message)
      this.begun++
    }
  }

  #check(): void {
    const { sender, receiver, scope } = this
    const edge =
      receiver.cumulative -
      (scope.defect === "edge-set-back" && this.edge > 1 ? 1 : 0) +
      (scope.defect === "edge-ahead" ? 1 : 0)
    if (edge < this.edge || sender.low < this.low)
      this.#fail("edges never go back", `${this.edge} to ${edge}, ${this.low} to ${sender.low}`)
    this.edge = edge
    this.low = sender.low
    if (edge > this.sent || sender.low > sender.high)
      this.#fail("edges stay below what was sent", `${edge} of ${this.sent}`)
    if (sender.unackedPackets > scope.windowPackets) this.#fail("window kept", `${sender.unackedPackets} packets`)
    const { accepted, acknowledged, unconfirmed, dropped, pending } = sender.messages
    if (acknowledged > this.delivered.length)
      this.#fail("acknowledged was delivered", `${acknowledged} of ${this.delivered.length}`)
    if (accepted !== acknowledged + unconfirmed + dropped + pending || accepted !== this.written)
      this.#fail(
        "account balances",
        `${this.written} = ${accepted} = ${acknowledged} + ${unconfirmed} + ${dropped} + ${pending}`,
      )
    if (this.gone + this.delivered.length > this.written)
      this.#fail("gaps are told once", `${this.gone} gone, ${this.delivered.length} delivered, of ${this.written}`)
    try {
      sender.assertInvariants()
      receiver.assertInvariants()
    } catch (error) {
      this.#fail("invariants of the machines", (error as Error).message)
    }
  }

  /** Packets are never changed, so copies of a state share them. */
  #send(packet: Packet): void {
    this.inFlight.push(Object.freeze(packet))
  }

  #fail(property: StreamProperty, seen: string): void {
    this.violation ??= { property, seen }
  }
}
