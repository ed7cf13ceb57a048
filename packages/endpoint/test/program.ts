/**
 * Programs of calls, as data that fast-check can shrink; the small world in which one runs; and what has to hold
 * meanwhile and afterwards. A step names a call and picks its object by number, the newest first. It runs by itself, or
 * within the next callback of a kind.
 */

import {
  type Connection,
  type Delivery,
  Endpoint,
  EndpointError,
  type EndpointOptions,
  type IncomingStream,
  type NamedStream,
  type OutgoingStream,
  type Peer,
  REASON,
  type ReceivedMessage,
  type SendOptions,
} from "@x/endpoint"
import { systemHost } from "@x/transport"
import { createNetwork, type LinkOptions, type Network, type SimulatedHost } from "@x/transport/simulated"
import { traitsNamed } from "@x/wire"
import fc from "fast-check"
import { deliveriesDrawn } from "../../../tools/testkit/src/deliveries.ts"
import { hostWith } from "./host-with.ts"
import { describe, PromiseWatch, type Waiter } from "./promise-watch.ts"
import { PORT } from "./world.ts"

/** Where a step may run, besides by itself. */
export const PLACES = [
  ...([
    "handler",
    "async handler",
    "fill",
    "stream",
    "gap",
    "drain",
    "closed",
    "joined",
    "left",
    "unreachable",
    "reachable",
  ] as const),
  ...(["up", "down", "retry", "open", "unconfirmed", "iterator"] as const),
]
export type Place = (typeof PLACES)[number]

/** What is called, frequent calls more than once: sending, and time that passes. */
export const OPS_DRAWN = [
  ...([
    "advance",
    "advance",
    "advance",
    "advance",
    "trySend",
    "trySend",
    "trySend",
    "send",
    "send",
    "send",
    "open",
    "open",
  ] as const),
  ...([
    "write",
    "flush",
    "end",
    "reset",
    "writable",
    "webWrite",
    "webWrite",
    "webClose",
    "webAbort",
    "pause",
    "resume",
    "stop",
  ] as const),
  ...([
    "messages",
    "next",
    "return",
    "readable",
    "webRead",
    "webCancel",
    "join",
    "join",
    "connect",
    "joined",
    "name",
    "name",
  ] as const),
  ...([
    "nameSend",
    "nameSend",
    "nameSend",
    "reopen",
    "nameEnd",
    "part",
    "ping",
    "leave",
    "abort",
    "abort",
    "close",
    "crash",
    "bind",
    "bind",
  ] as const),
  ...(["reply", "reply", "suspend", "partition", "heal", "weather", "failSends", "throw", "rearm", "odd"] as const),
]
type Op = (typeof OPS_DRAWN)[number]

export interface Step {
  readonly op: Op
  readonly n: number
  readonly m: number
  readonly k: number
  readonly within?: Place | undefined
}

export interface Program {
  readonly seed: number
  readonly nodes: number
  readonly link: LinkOptions
  readonly isSecret: boolean
  readonly setup: number
  readonly steps: readonly Step[]
  /** Whether everything promised may take its time before the endpoints close; and which of them closes first. */
  readonly isPatient: boolean
  readonly first: number
}

const DELIVERIES = deliveriesDrawn()
const NAMES = ["a", "b", "c"] as const
/** Bytes of messages: in a packet with others, in a packet of its own, in several packets, larger than a window. */
const SIZES = [4, 40, 700, 3_000, 20_000]
const WAITS_MS = [1, 20, 100, 0, 300, 700, 2_000, 10]
const TIMEOUTS_MS = [30, 300, 1, 1_000]

/** An accepted message that fails with one of these was cut off with its stream. */
const CUT_CODES = new Set(["stream-closed", "not-joined", "closed"])

/** How messages are consumed, by their type. */
const TYPE = { handler: 1, asyncHandler: 2, iterator: 3 } as const

const LINGER_MS = 2_000
const GOODBYE_MS = 2_000
const HEARTBEAT_MS = 100
const GONE_MS = 1_500

/** So small that each bound is met now and then, and that time passes fast. */
const OPTIONS: EndpointOptions = {
  heartbeatMs: HEARTBEAT_MS,
  unreachableMs: 500,
  leaveMs: GONE_MS - 500,
  joinTimeoutMs: 1_000,
  lingerMs: LINGER_MS,
  messageBytesMax: 65_536,
  assemblyBytesPerPeer: 131_072,
  assemblyBytesMax: 262_144,
  windowPackets: 8,
  spreadPackets: 1_024,
  parkedMessagesMax: 4,
  parkedBytesMax: 131_072,
  queuedMessagesMax: 4,
  queuedBytesTotalMax: 65_536,
  unclaimedMs: 700,
  poolPacketsMax: 256,
  poolPacketsPerPeer: 64,
  sendPoolPacketsMax: 256,
  sendPoolPacketsPerPeer: 64,
}

/** One process: its endpoint, and what it holds. */
class Process implements Waiter {
  readonly name: string
  readonly host: SimulatedHost
  readonly endpoint: Endpoint
  readonly peers: Peer[] = []
  isGone = false
  isClosing = false
  isClosed = false
  /** Until then it is suspended, and calls nothing. */
  awayUntilMs = -Infinity
  constructor(name: string, host: SimulatedHost, endpoint: Endpoint) {
    this.name = name
    this.host = host
    this.endpoint = endpoint
  }
}

interface Sent {
  readonly id: number
  /** The process that it was meant for; a named stream's may be any. */
  readonly to: string | undefined
  delivered: number
}

/** A stream, and the messages that it accepted. */
class StreamLedger {
  readonly from: Process
  readonly stream: OutgoingStream
  readonly label: string
  readonly ids: number[] = []
  readonly withdrawn = new Set<number>()
  /** Something happened that ends it before everything is delivered. */
  isCut = false
  /** How often it was reported as closed. */
  closed = 0
  /** It belongs to a named stream: messages are sent only by its name. */
  readonly isNamed: boolean
  constructor(from: Process, stream: OutgoingStream, label: string, isNamed: boolean) {
    this.from = from
    this.stream = stream
    this.label = label
    this.isNamed = isNamed
  }

  get isReliable(): boolean {
    return traitsNamed(this.stream.delivery).waits
  }
}

/** A named stream, and what became of its accepted messages. */
class NamedLedger {
  readonly owner: Process
  readonly connection: Connection
  readonly named: NamedStream
  readonly delivery: Delivery
  readonly streams = new Set<OutgoingStream>()
  readonly ids: number[] = []
  readonly withdrawn = new Set<number>()
  readonly handedBack = new Set<number>()
  constructor(owner: Process, connection: Connection, named: NamedStream, delivery: Delivery) {
    this.owner = owner
    this.connection = connection
    this.named = named
    this.delivery = delivery
  }
}

interface Incoming {
  readonly owner: Process
  readonly stream: IncomingStream
  told: number
}

interface Owned<T> {
  readonly owner: Process
  readonly it: T
  readonly name: string
  isOver(): boolean
}

export class World implements Waiter {
  readonly isGone = false
  readonly network: Network
  readonly watch: PromiseWatch
  readonly failures: string[]
  readonly processes: (Process | undefined)[] = []
  readonly streams: StreamLedger[] = []
  readonly named: NamedLedger[] = []
  readonly connections: { readonly owner: Process; readonly it: Connection; isUp: boolean }[] = []
  readonly incoming: Incoming[] = []
  readonly controllers: AbortController[] = []
  readonly iterators: Owned<AsyncIterableIterator<ReceivedMessage>>[] = []
  readonly readers: Owned<ReadableStreamDefaultReader<Uint8Array>>[] = []
  readonly writers: (Owned<WritableStreamDefaultWriter<Uint8Array>> & {
    readonly ledger: StreamLedger
    isClosed: boolean
  })[] = []
  readonly counts = { calls: 0, accepted: 0, delivered: 0, within: 0, verdicts: 0 }
  readonly #program: Program
  readonly #director: SimulatedHost
  readonly #sent = new Map<number, Sent>()
  readonly #within = new Map<Place, Step[]>()
  readonly #joined = new WeakSet<Peer>()
  readonly #left = new WeakSet<Peer>()
  readonly #unreachable = new WeakSet<Peer>()
  /** Labels of streams whose messages don't all go to the endpoint's handler. */
  readonly #diverted = new Set<string>()
  /** Pairs of uniques that were separated by a goodbye or a cut: nothing is promised of messages between them. */
  readonly #severed = new Set<string>()
  /** Pairs of sender and receiver whose messages may be cut off. */
  readonly #cut = new Set<string>()
  #ids = 0
  #labels = 0
  /** Async handlers at work. */
  busy = 0
  /** Whether the path was at some time bad enough to lose a peer. */
  isRough: boolean
  busyUntilMs = 0
  /** Errors thrown on purpose, and reported as such. */
  planned = 0
  told = 0
  /** Consumers take everything that comes. */
  isFinal = false

  constructor(program: Program) {
    const { seed, link } = program
    this.#program = program
    this.network = createNetwork({ seed, link, crypto: systemHost().crypto })
    this.#director = this.network.host("director")
    this.watch = new PromiseWatch(() => this.network.now)
    this.failures = this.watch.failures
    this.isRough = (link.lossRate ?? 0) > 0
  }

  fail(text: string): void {
    this.failures.push(`${this.network.now.toFixed(1)} ms: ${text}`)
  }

  check(holds: boolean, text: () => string): void {
    if (!holds) this.fail(text())
  }

  later(ms: number): Promise<void> {
    return new Promise((resolve) => this.#director.wakeUp(resolve).at(this.#director.now() + ms))
  }

  /** Lets time pass; an uncaught error of a process is a failure. */
  async advance(ms: number): Promise<void> {
    try {
      await this.network.advance(ms)
    } catch (error) {
      this.fail(`uncaught: ${describe(error)}`)
    }
    this.checkAll()
  }

  async when(isDone: () => boolean, withinMs: number): Promise<void> {
    const endMs = this.network.now + withinMs
    while (!isDone() && this.network.now < endMs && this.failures.length === 0) await this.advance(20)
  }

  checkAll(): void {
    this.watch.check()
    for (const process of this.processes) {
      if (process === undefined || process.isGone || process.isClosed) continue
      try {
        process.endpoint.assertInvariants()
      } catch (error) {
        this.fail(`${process.name}: ${describe(error)}`)
      }
    }
    for (const { from, stream, label, ids, isNamed } of this.streams) {
      if (from.isGone) continue
      const { accepted, acknowledged, unconfirmed, dropped, pending } = stream.account
      this.check(
        accepted === acknowledged + unconfirmed + dropped + pending && (isNamed || accepted >= ids.length),
        () => `${label}: ${ids.length} accepted; account ${JSON.stringify(stream.account)}`,
      )
    }
  }

  async bind(index: number, variant: number): Promise<void> {
    const name = NAMES[index]!
    const host = this.network.host(name)
    // Some names take a while to resolve.
    const own = hostWith(host, {
      resolve: async (name, signal) => {
        if (!name.startsWith("slow-")) return host.resolve(name, signal)
        await this.later(400)
        return host.resolve(name.slice(5))
      },
    })
    const streamsMax = [64, 64, 64, 2, 1, 8, 64, 64][variant]!
    const secrets = this.#program.isSecret
      ? { protection: "mac" as const, secrets: ["what all members know"], rekeyAgeMs: 1_000 }
      : {}
    const endpoint = await this.network.until(
      Endpoint.bind({ ...OPTIONS, ...secrets, streamsMax, port: PORT, host: own }),
    )
    const process = new Process(name, host, endpoint)
    this.processes[index] = process
    this.#listen(process)
  }

  #listen(process: Process): void {
    const { endpoint, name } = process
    const meet = (peer: Peer, how: string): void => {
      this.check(!this.#joined.has(peer), () => `${name}: ${peer.unique} ${how} twice`)
      this.#joined.add(peer)
      this.#cut.delete(`${endpoint.unique}>${peer.unique}`)
      process.peers.push(peer)
      this.runWithin("joined")
    }
    endpoint.on("joined", (peer) => meet(peer, "joined"))
    for (const how of ["rejoined", "restarted"] as const)
      endpoint.on(how, (peer, before) => {
        this.check(this.#left.has(before), () => `${name}: ${before.unique} was replaced and had not left`)
        meet(peer, how)
      })
    endpoint.on("left", (peer, { unconfirmed, dropped, reason }) => {
      this.check(!this.#left.has(peer), () => `${name}: ${peer.unique} left twice`)
      this.check(
        unconfirmed >= 0 && dropped >= 0,
        () => `${name}: left with ${unconfirmed} unconfirmed and ${dropped} dropped`,
      )
      this.#left.add(peer)
      this.#part(process, peer, reason)
      this.runWithin("left")
    })
    endpoint.on("unreachable", (peer) => {
      this.check(
        !this.#unreachable.has(peer) && !this.#left.has(peer),
        () => `${name}: ${peer.unique} unreachable twice, or after it left`,
      )
      this.#unreachable.add(peer)
      this.runWithin("unreachable")
    })
    endpoint.on("reachable", (peer) => {
      this.check(this.#unreachable.delete(peer), () => `${name}: ${peer.unique} reachable, and was not unreachable`)
      this.runWithin("reachable")
    })
    endpoint.on("stream", (stream) => this.#meetStream(process, stream))
    endpoint.on("error", ({ message, cause }) => {
      if (cause === PLANNED) this.told++
      else this.fail(`${name}: error ${message}; ${describe(cause)}`)
    })
    endpoint.handle(TYPE.handler, ({ view, offset, length, stream }) => {
      this.deliver(process, stream, bytesOf(view, offset, length), false)
      this.runWithin("handler")
    })
    endpoint.handleAsync(TYPE.asyncHandler, async ({ bytes, stream }) => {
      this.busy++
      try {
        await this.later(this.isFinal ? 0 : [0, 0, 5, 200][this.#ids % 4]!)
        this.deliver(process, stream, bytes, false)
        this.runWithin("async handler")
      } finally {
        this.busy--
      }
    })
  }

  #meetStream(owner: Process, stream: IncomingStream): void {
    this.check(!this.incoming.some((it) => it.stream === stream), () => `${owner.name}: ${stream.label} was told twice`)
    const incoming: Incoming = { owner, stream, told: 0 }
    this.incoming.push(incoming)
    stream.on("gap", (messages) => {
      incoming.told += messages
      this.runWithin("gap")
    })
    const isOver = (): boolean =>
      stream.peer.state === "left" && stream.queued.messages === 0 && !stream.isPaused && this.busy === 0
    void this.watch.add(`closed of incoming ${stream.label}`, stream.closed, {
      owner,
      isOver: () => isOver() && this.isFinal,
    })
    this.runWithin("stream")
  }

  /** Messages to a peer that left are cut off; if nothing happened that makes it leave, nothing may be lost by that. */
  #part(process: Process, peer: Peer, reason: number): void {
    const isExplained =
      this.isRough || process.isClosing || this.#severed.has(pairKey(process.endpoint.unique, peer.unique))
    for (const ledger of this.streams) {
      const { stream, label, withdrawn, isCut, isReliable } = ledger
      if (stream.peer !== peer) continue
      const { unconfirmed, dropped } = stream.account
      if (!isExplained && !isCut && isReliable)
        this.check(
          unconfirmed + dropped <= withdrawn.size,
          () => `${label}: ${unconfirmed} unconfirmed and ${dropped} dropped, by a departure that nobody asked for`,
        )
      // What it closes itself is judged once that is done; silence is nobody's order.
      if (!process.isClosing || (this.isRough && reason === REASON.timeout)) ledger.isCut = true
    }
  }

  /** Whether a stream belongs to a connection. */
  isOf(connection: Connection, stream: OutgoingStream): boolean {
    return this.named.some((ledger) => ledger.connection === connection && ledger.streams.has(stream))
  }

  sever(a: string, b: string): void {
    this.#severed.add(pairKey(a, b))
    for (const ledger of this.streams) {
      const [from, to] = [ledger.from.endpoint.unique, ledger.stream.peer.unique]
      if ((from === a && to === b) || (from === b && to === a)) ledger.isCut = true
    }
  }

  /** Messages to and from a process have no promise any more; or only those to it. */
  severAll(process: Process, isOrderly: boolean): void {
    const { unique } = process.endpoint
    for (const ledger of this.streams)
      if (ledger.stream.peer.unique === unique || (!isOrderly && ledger.from === process)) ledger.isCut = true
    for (const other of this.processes)
      if (other !== undefined) this.#severed.add(pairKey(other.endpoint.unique, unique))
  }

  /** Messages from `from` to `to` have no promise any more. */
  /**
   * Messages from one process to another may be cut off, also on a stream that it opens until the other is there again.
   */
  cutTo(to: string, from: string): void {
    this.#cut.add(`${from}>${to}`)
    for (const ledger of this.streams)
      if (ledger.stream.peer.unique === to && ledger.from.endpoint.unique === from) ledger.isCut = true
  }

  cutLabel(label: string): void {
    for (const ledger of this.streams) if (ledger.label === label) ledger.isCut = true
  }

  divert(stream: IncomingStream): void {
    this.#diverted.add(stream.label)
  }

  divertLabel(label: string): void {
    this.#diverted.add(label)
  }

  /** Reads a stream, or the messages of a type from its peer. */
  read(owner: Process, stream: IncomingStream, isOfPeer = false): void {
    this.divert(stream)
    const it = this.attempt("messages", () => (isOfPeer ? stream.peer.messages(TYPE.iterator) : stream.messages()))
    if (it === undefined) return
    const isOver = (): boolean => stream.peer.state === "left" && this.isFinal && this.busy === 0
    this.iterators.push({ owner, it, name: `messages of ${isOfPeer ? "a peer" : stream.label}`, isOver })
  }

  isDiverted(label: string): boolean {
    return this.#diverted.has(label)
  }

  processOf(unique: string): Process | undefined {
    return this.processes.find((it) => it !== undefined && !it.isGone && !it.isClosed && it.endpoint.unique === unique)
  }

  message(to: string | undefined, k: number): { id: number; bytes: Uint8Array } {
    const id = ++this.#ids
    this.#sent.set(id, { id, to, delivered: 0 })
    return { id, bytes: contentOf(id, SIZES[k % SIZES.length]!) }
  }

  /** Each reader gets a copy; a handler gets each message once. */
  deliver(process: Process, stream: IncomingStream, bytes: Uint8Array, isCopy: boolean): void {
    const id = idOf(bytes)
    const sent = this.#sent.get(id)
    if (sent === undefined) return this.fail(`${process.name}: message ${id} of ${stream.label} was never sent`)
    this.counts.delivered++
    if (!isCopy) sent.delivered++
    this.check(
      sent.delivered === (isCopy ? sent.delivered : 1),
      () => `${process.name}: message ${id} came ${sent.delivered} times`,
    )
    this.check(
      sent.to === undefined || sent.to === process.endpoint.unique,
      () => `message ${id} for ${sent.to} came to ${process.endpoint.unique}`,
    )
    const isWhole = SIZES.includes(bytes.length) && Buffer.compare(bytes, contentOf(id, bytes.length)) === 0
    this.check(isWhole, () => `message ${id} came altered, with ${bytes.length} B`)
  }

  isDelivered(id: number): boolean {
    return this.#sent.get(id)!.delivered > 0
  }

  label(): string {
    return `s${this.#labels++}`
  }

  addStream(owner: Process, stream: OutgoingStream, label: string, isNamed: boolean): void {
    if (this.streams.some((it) => it.stream === stream)) return
    const ledger = new StreamLedger(owner, stream, label, isNamed)
    ledger.isCut = this.#cut.has(`${owner.endpoint.unique}>${stream.peer.unique}`)
    this.streams.push(ledger)
    stream.on("drain", () => this.runWithin("drain"))
    stream.on("closed", (end) => {
      ledger.closed++
      this.check(ledger.closed === 1, () => `${label} closed ${ledger.closed} times`)
      this.check(end.account.pending === 0, () => `${label} closed, with ${JSON.stringify(end)}`)
      if (this.isRough && end.reason === REASON.pathTooSmall) ledger.isCut = true
      this.runWithin("closed")
    })
    void this.watch.add(`closed of ${label}`, stream.closed, { owner, isOver: () => stream.state === "closed" })
  }

  /** Calls something: what it throws at once is an `EndpointError`, or an error thrown on purpose. */
  attempt<T>(name: string, call: () => T): T | undefined {
    this.counts.calls++
    try {
      return call()
    } catch (error) {
      if (error === PLANNED) throw error
      this.check(error instanceof EndpointError, () => `${name} threw ${describe(error)}`)
      return undefined
    }
  }

  /** Makes an invalid call. */
  refuse(name: string, owner: Waiter, call: () => unknown): void {
    const isRefusal = (error: unknown): boolean =>
      error instanceof EndpointError || error instanceof RangeError || error instanceof TypeError
    try {
      const answer = call()
      if (!(answer instanceof Promise)) return this.fail(`${name} was taken`)
      void this.watch
        .add(name, answer, { owner, withinMs: 0, mayReject: isRefusal })
        .then((code) => this.check(code !== undefined, () => `${name} was taken`))
    } catch (error) {
      this.check(isRefusal(error), () => `${name} threw ${describe(error)}`)
    }
  }

  schedule(step: Step): void {
    const list = this.#within.get(step.within!) ?? []
    this.#within.set(step.within!, list)
    list.push(step)
  }

  forgetSchedule(): void {
    this.#within.clear()
  }

  runWithin(place: Place): void {
    const step = this.#within.get(place)?.shift()
    if (step === undefined) return
    this.counts.within++
    try {
      this.run(step)
    } catch (error) {
      if (error !== PLANNED) this.fail(`${step.op} in ${place}: ${describe(error)}`)
      // In `fill`, the error goes to the caller that writes; a message from an iterator is not taken in a callback.
      if (place === "iterator") return
      if (place !== "fill") this.planned++
      throw error
    }
  }

  /** A step by itself. */
  async step(step: Step): Promise<void> {
    const { op, n, k } = step
    if (step.within !== undefined) return this.schedule(step)
    if (op === "advance") return this.advance(WAITS_MS[k]!)
    if (op === "bind") {
      const index = n % this.processes.length
      const before = this.processes[index]!
      return before.isGone || before.isClosed ? this.bind(index, k) : undefined
    }
    try {
      this.run(step)
    } catch (error) {
      if (error !== PLANNED) this.fail(`${op}: ${describe(error)}`)
    }
  }

  run({ op, n, m, k }: Step): void {
    OPS[op](this, n, m, k)
  }
}

/** The error that handlers and listeners throw on purpose. */
const PLANNED = new Error("thrown on purpose")
const REASON_OF_CALLER = new Error("the caller's own reason")

function pairKey(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`
}

function contentOf(id: number, bytes: number): Uint8Array {
  const content = new Uint8Array(bytes).fill(id)
  new DataView(content.buffer).setUint32(0, id)
  return content
}

function bytesOf({ buffer, byteOffset }: DataView, offset: number, length: number): Uint8Array {
  return new Uint8Array(buffer, byteOffset + offset, length)
}

function idOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0)
}

function pick<T>(list: readonly (T | undefined)[], n: number): T | undefined {
  return list.length === 0 ? undefined : list[list.length - 1 - (n % list.length)]
}

function up(world: World, n: number): Process | undefined {
  const process = world.processes[n % world.processes.length]
  return process === undefined || isAway(world, process) ? undefined : process
}

/** A process that is suspended, or gone, calls nothing. */
function isAway({ network }: World, { isGone, awayUntilMs }: Process): boolean {
  return isGone || network.now < awayUntilMs
}

/**
 * Web streams report some things with errors of their own: a state that doesn't allow a call, and the reason that the
 * caller gave.
 */
function isOfWebStreams(error: unknown): boolean {
  return (
    error === REASON_OF_CALLER || (error instanceof TypeError && "code" in error && error.code === "ERR_INVALID_STATE")
  )
}

/** Signals of several kinds: none, one that may be aborted later, and one that already was. */
function signalOf(world: World, k: number): AbortSignal | undefined {
  if (k % 4 === 1) return AbortSignal.abort(REASON_OF_CALLER)
  if (k % 4 < 2) return undefined
  const controller = new AbortController()
  world.controllers.push(controller)
  return controller.signal
}

function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}

/** Follows the promise of `send`, and what becomes of the message. */
function follow(
  world: World,
  owner: Process,
  name: string,
  sending: Promise<void>,
  options: SendOptions & { isOver: () => boolean },
  onCode: (code: string) => void,
): void {
  const { signal, timeoutMs = Infinity, isOver } = options
  const isDone = (): boolean => isOver() || signal?.aborted === true
  void world.watch.add(name, sending, { owner, withinMs: timeoutMs, isOver: isDone }).then((code) => {
    if (code === undefined) return
    if (code === "aborted") world.check(signal?.aborted === true, () => `${name} says aborted, and was not`)
    if (code === "timeout") world.check(timeoutMs < Infinity, () => `${name} says timeout, and has none`)
    onCode(code)
  })
}

function sendOptions(world: World, k: number, delivery: Delivery): SendOptions {
  const receipt = (k & 1) === 1 && traitsNamed(delivery).isAcknowledged
  const timeoutMs = (k & 2) === 2 ? TIMEOUTS_MS[k % TIMEOUTS_MS.length]! : undefined
  const signal = (k & 4) === 4 ? signalOf(world, k + 2) : undefined
  return { receipt, ...(timeoutMs === undefined ? {} : { timeoutMs }), ...withSignal(signal) }
}

function accept(world: World, ledger: StreamLedger, id: number, result: string): void {
  if (result !== "sent" && result !== "parked") return
  world.counts.accepted++
  ledger.ids.push(id)
}

/** Reads an iterator once; returns whether there is more. */
async function next(
  world: World,
  { it, owner, name, isOver }: Owned<AsyncIterableIterator<ReceivedMessage>>,
): Promise<boolean> {
  const taking = it.next()
  void world.watch.add(`${name}.next()`, taking, { owner, isOver })
  const { done, value } = await taking
  if (done === true) return false
  world.deliver(owner, value.stream, value.bytes, true)
  world.runWithin("iterator")
  return true
}

async function read(
  world: World,
  { it, owner, name, isOver }: Owned<ReadableStreamDefaultReader<Uint8Array>>,
): Promise<boolean> {
  const reading = it.read()
  void world.watch.add(`${name}.read()`, reading, { owner, isOver, mayReject: isOfWebStreams })
  try {
    const { done } = await reading
    return !done
  } catch {
    return false
  }
}

const OPS: Record<Op, (world: World, n: number, m: number, k: number) => void> = {
  // Time passes between steps only, and processes start then.
  advance() {},
  bind() {},

  open(world, n, m, k) {
    const process = up(world, n)
    const peer = process && pick(process.peers, m)
    if (process === undefined || peer === undefined) return
    const label = world.label()
    const stream = world.attempt("open", () => peer.open({ delivery: DELIVERIES[k % DELIVERIES.length]!, label }))
    if (stream !== undefined) world.addStream(process, stream, label, false)
  },

  trySend(world, n, m, k) {
    const ledger = pick(world.streams, n)
    if (ledger === undefined || isAway(world, ledger.from) || ledger.isNamed) return
    const type = [TYPE.handler, TYPE.handler, TYPE.asyncHandler, TYPE.iterator][m % 4]!
    if (type !== TYPE.handler) world.divertLabel(ledger.label)
    for (let i = 0; i <= k; i++) {
      const { id, bytes } = world.message(ledger.stream.peer.unique, m)
      const result = world.attempt("trySend", () =>
        ledger.stream.trySend(type, bytes, m === 5 ? { timeoutMs: 50 } : {}),
      )
      if (result !== undefined) accept(world, ledger, id, result)
      if (m === 5 && result === "parked") ledger.withdrawn.add(id)
    }
  },

  send(world, n, m, k) {
    const ledger = pick(world.streams, n)
    if (ledger === undefined || isAway(world, ledger.from) || ledger.isNamed) return
    const { stream, from } = ledger
    const { id, bytes } = world.message(stream.peer.unique, m)
    const before = stream.account.accepted
    const options = sendOptions(world, k, stream.delivery)
    const sending = world.attempt("send", () => stream.send(TYPE.handler, bytes, options))
    // A caller that lends bytes and transfers them meanwhile has given the message up.
    if (m === 5) structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] })
    if (stream.account.accepted > before) accept(world, ledger, id, "sent")
    if (sending === undefined) return
    const isOver = (): boolean => stream.state === "closed"
    follow(world, from, `send ${id} on ${ledger.label}`, sending, { ...options, isOver }, (code) => {
      if (!CUT_CODES.has(code)) ledger.withdrawn.add(id)
    })
  },

  /** An answer to a peer; if its stream isn't open, the answer opens it. */
  reply(world, n, m, k) {
    const process = up(world, n)
    const peer = process && pick(process.peers, m)
    if (process === undefined || peer === undefined) return
    const { id, bytes } = world.message(peer.unique, m)
    const before = peer.replies.current
    const accepted = before?.account.accepted ?? 0
    const options = sendOptions(world, k, "reliable")
    const sending = world.attempt("reply", () => peer.replies.send(TYPE.handler, bytes, options))
    const stream = peer.replies.current
    if (stream !== undefined && stream !== before) world.addStream(process, stream, "replies", true)
    const ledger = world.streams.find((it) => it.stream === stream)
    if (ledger !== undefined && stream!.account.accepted > (stream === before ? accepted : 0))
      accept(world, ledger, id, "sent")
    if (sending === undefined) return
    const isOver = (): boolean => stream === undefined || stream.state === "closed"
    follow(world, process, `send ${id} on the replies to ${peer.unique}`, sending, { ...options, isOver }, (code) => {
      if (!CUT_CODES.has(code)) ledger?.withdrawn.add(id)
    })
  },

  write(world, n, m, k) {
    const ledger = pick(world.streams, n)
    if (ledger === undefined || isAway(world, ledger.from) || ledger.isNamed) return
    const size = SIZES[m % SIZES.length]!
    const { id } = world.message(ledger.stream.peer.unique, m)
    try {
      const result = world.attempt("write", () =>
        ledger.stream.write(TYPE.handler, size, (bytes, offset) => {
          bytes.set(contentOf(id, size), offset)
          world.runWithin("fill")
          if (k === 7) throw PLANNED
        }),
      )
      if (result !== undefined) accept(world, ledger, id, result)
    } catch (error) {
      // In `fill`, the error goes to the caller.
      if (error !== PLANNED) throw error
    }
  },

  flush(world, n) {
    const ledger = pick(world.streams, n)
    if (ledger === undefined || isAway(world, ledger.from)) return
    const { stream, from: owner } = ledger
    void world.watch.add(`flush of ${ledger.label}`, stream.flush(), { owner, isOver: () => stream.state === "closed" })
  },

  end(world, n) {
    const ledger = pick(world.streams, n)
    if (ledger === undefined || isAway(world, ledger.from)) return
    const { stream, from: owner } = ledger
    void world.watch.add(`end of ${ledger.label}`, stream.end(), { owner, isOver: () => stream.state === "closed" })
  },

  reset(world, n) {
    const ledger = pick(world.streams, n)
    if (ledger === undefined || isAway(world, ledger.from)) return
    ledger.isCut = true
    world.attempt("reset", () => ledger.stream.reset())
  },

  writable(world, n) {
    const ledger = pick(world.streams, n)
    if (ledger === undefined || isAway(world, ledger.from) || ledger.isNamed) return
    const { stream, from: owner } = ledger
    const it = world.attempt("writable", () => stream.writable(TYPE.handler).getWriter())
    if (it === undefined) return
    const isOver = (): boolean => stream.state === "closed"
    const name = `the writer of ${ledger.label}`
    world.writers.push({ owner, it, name, isOver, ledger, isClosed: false })
    void world.watch.add(`${name}.closed`, it.closed, { owner, isOver, mayReject: isOfWebStreams })
  },

  webWrite(world, n, m) {
    const writer = pick(world.writers, n)
    if (writer === undefined || isAway(world, writer.owner)) return
    const { it, owner, name, isOver, ledger } = writer
    const { id, bytes } = world.message(ledger.stream.peer.unique, m)
    // Node itself fails on a write after a close.
    if (writer.isClosed) return
    void world.watch
      .add(`${name}.write()`, it.write(bytes), { owner, isOver, mayReject: isOfWebStreams })
      .then((code) => {
        if (code === undefined) accept(world, ledger, id, "sent")
        // A payload that lacks a part is given up as a whole.
        else ledger.isCut = true
      })
    void world.watch.add(`${name}.ready`, it.ready, { owner, isOver, mayReject: isOfWebStreams })
  },

  webClose(world, n) {
    const writer = pick(world.writers, n)
    if (writer === undefined || isAway(world, writer.owner)) return
    const { it, owner, name, isOver } = writer
    writer.isClosed = true
    void world.watch.add(`${name}.close()`, it.close(), { owner, isOver, mayReject: isOfWebStreams })
  },

  webAbort(world, n) {
    const writer = pick(world.writers, n)
    if (writer === undefined || isAway(world, writer.owner)) return
    const { it, owner, name, isOver, ledger } = writer
    ledger.isCut = true
    void world.watch.add(`${name}.abort()`, it.abort(REASON_OF_CALLER), {
      owner,
      isOver,
      withinMs: 0,
      mayReject: isOfWebStreams,
    })
  },

  pause(world, n) {
    const incoming = pick(world.incoming, n)
    if (incoming === undefined || isAway(world, incoming.owner) || world.isFinal) return
    world.divert(incoming.stream)
    world.attempt("pause", () => incoming.stream.pause())
  },

  resume(world, n) {
    const incoming = pick(world.incoming, n)
    if (incoming === undefined || isAway(world, incoming.owner)) return
    world.attempt("resume", () => incoming.stream.resume())
  },

  stop(world, n) {
    const incoming = pick(world.incoming, n)
    if (incoming === undefined || isAway(world, incoming.owner)) return
    world.cutLabel(incoming.stream.label)
    world.attempt("stop", () => incoming.stream.stop())
  },

  messages(world, n, m) {
    const incoming = pick(world.incoming, n)
    if (incoming === undefined || isAway(world, incoming.owner) || world.isFinal) return
    world.read(incoming.owner, incoming.stream, m >= 4)
  },

  next(world, n) {
    const iterator = pick(world.iterators, n)
    if (iterator !== undefined && !isAway(world, iterator.owner)) void next(world, iterator)
  },

  return(world, n) {
    const iterator = pick(world.iterators, n)
    if (iterator === undefined || isAway(world, iterator.owner)) return
    void world.watch.add(`${iterator.name}.return()`, iterator.it.return!(), { owner: iterator.owner, withinMs: 0 })
  },

  readable(world, n) {
    const incoming = pick(world.incoming, n)
    if (incoming === undefined || isAway(world, incoming.owner) || world.isFinal || incoming.stream.readable.locked)
      return
    const { stream, owner } = incoming
    world.divert(stream)
    const it = stream.readable.getReader()
    const isOver = (): boolean => stream.peer.state === "left" && world.isFinal && world.busy === 0
    const name = `the reader of ${stream.label}`
    world.readers.push({ owner, it, name, isOver })
    void world.watch.add(`${name}.closed`, it.closed, { owner, isOver, mayReject: isOfWebStreams })
  },

  webRead(world, n) {
    const reader = pick(world.readers, n)
    if (reader !== undefined && !isAway(world, reader.owner)) void read(world, reader)
  },

  webCancel(world, n) {
    const reader = pick(world.readers, n)
    if (reader === undefined || isAway(world, reader.owner)) return
    world.cutLabel(reader.name.slice("the reader of ".length))
    const { it, owner, name } = reader
    void world.watch.add(`${name}.cancel()`, it.cancel(REASON_OF_CALLER), {
      owner,
      withinMs: 0,
      mayReject: isOfWebStreams,
    })
  },

  join(world, n, m, k) {
    const process = up(world, n)
    if (process === undefined) return
    const target = NAMES[m % world.processes.length]!
    if (target === process.name) return
    const host = k === 5 ? "nowhere" : k === 6 ? `slow-${target}` : target
    const signal = k === 3 || k === 6 ? signalOf(world, m) : undefined
    const timeoutMs = [1_000, 1_000, 100, 1_000, 1, 1_000, 300, 1_000][k]!
    for (let i = 0; i <= (k === 7 ? 1 : 0); i++) {
      const joining = world.attempt("join", () =>
        process.endpoint.join(`${host}:${k === 4 ? 9 : PORT}`, { timeoutMs, ...withSignal(signal) }),
      )
      if (joining === undefined) continue
      const isOver = (): boolean => signal?.aborted === true || process.endpoint.isClosed
      const name = `join of ${host} by ${process.name}`
      // The transport reports a name that doesn't exist.
      void world.watch.add(name, joining, { owner: process, withinMs: timeoutMs, isOver })
    }
  },

  connect(world, n, m, k) {
    const process = up(world, n)
    const target = NAMES[m % world.processes.length]!
    if (process === undefined || target === process.name) return
    const retry = { minMs: 50, maxMs: [100, 400][k % 2]! }
    const it = world.attempt("connect", () =>
      process.endpoint.connect(`${k === 7 ? "slow-" : ""}${target}:${PORT}`, { retry }),
    )
    if (it === undefined) return
    const connection = { owner: process, it, isUp: false }
    world.connections.push(connection)
    it.on("up", () => {
      world.check(!connection.isUp, () => "up twice")
      connection.isUp = true
      world.runWithin("up")
    })
    it.on("down", () => {
      world.check(connection.isUp, () => "down, and was not up")
      connection.isUp = false
      world.runWithin("down")
    })
    it.on("retry", () => world.runWithin("retry"))
  },

  joined(world, n) {
    const connection = pick(world.connections, n)
    if (connection === undefined || isAway(world, connection.owner)) return
    const { it, owner } = connection
    const isOver = (): boolean => it.isClosed || it.peer !== undefined
    void world.watch.add("connection.joined()", it.joined(), { owner, isOver })
  },

  name(world, n, m, k) {
    const connection = pick(world.connections, n)
    if (connection === undefined || isAway(world, connection.owner)) return
    const { it, owner } = connection
    const delivery = DELIVERIES[k % DELIVERIES.length]!
    // One in eight is invalid: that is reported at once.
    const label = k === 7 ? "long".repeat(500) : `${delivery} ${m % 2}`
    const named = world.attempt("connection.stream", () => it.stream({ label, delivery }))
    if (named === undefined || world.named.some((ledger) => ledger.named === named)) return
    const ledger = new NamedLedger(owner, it, named, delivery)
    world.named.push(ledger)
    const use = (stream: OutgoingStream): void => {
      ledger.streams.add(stream)
      world.addStream(owner, stream, label, true)
    }
    if (named.current !== undefined) use(named.current)
    void world.watch.add(`closed of the name ${label}`, named.closed, { owner, isOver: () => named.state === "ended" })
    let opened = ledger.streams.size
    named.on("open", () => void opened++)
    named.on("closed", () => world.check(opened-- >= 0, () => `${label} closed more often than it was opened`))
    named.on("open", (stream) => {
      use(stream)
      world.runWithin("open")
    })
    named.on("unconfirmed", (messages) => {
      for (const { bytes } of messages) {
        world.check(!ledger.handedBack.has(idOf(bytes)), () => `message ${idOf(bytes)} was handed back twice`)
        ledger.handedBack.add(idOf(bytes))
      }
      world.runWithin("unconfirmed")
    })
  },

  nameSend(world, n, m, k) {
    const ledger = pick(world.named, n)
    if (ledger === undefined || isAway(world, ledger.owner)) return
    const { named, delivery, owner } = ledger
    const { id, bytes } = world.message(undefined, m)
    const { current } = named
    // Within the event that reports the stream it is not known yet.
    const ledgerOf = (): StreamLedger | undefined => world.streams.find((it) => it.stream === current)
    const take = (): void => {
      ledger.ids.push(id)
      const stream = ledgerOf()
      if (stream !== undefined) accept(world, stream, id, "sent")
    }
    if (k >= 4) {
      const result = world.attempt("named.trySend", () => named.trySend(TYPE.handler, bytes))
      if (result === "sent" || result === "parked") take()
      return
    }
    const before = current?.account.accepted ?? 0
    const options = sendOptions(world, k + 4 * (m & 1), delivery)
    const sending = world.attempt("named.send", () => named.send(TYPE.handler, bytes, options))
    if (current !== undefined && current.account.accepted > before) take()
    if (sending === undefined) return
    const isOver = (): boolean => current === undefined || current.state === "closed"
    follow(world, owner, `send ${id} on the name ${named.label}`, sending, { ...options, isOver }, (code) => {
      if (CUT_CODES.has(code)) return
      ledger.withdrawn.add(id)
      ledgerOf()?.withdrawn.add(id)
    })
  },

  reopen(world, n) {
    const ledger = pick(world.named, n)
    if (ledger !== undefined && !isAway(world, ledger.owner)) world.attempt("reopen", () => ledger.named.reopen())
  },

  nameEnd(world, n) {
    const ledger = pick(world.named, n)
    if (ledger === undefined || isAway(world, ledger.owner)) return
    const { named, owner } = ledger
    void world.watch.add(`end of the name ${named.label}`, named.end(), {
      owner,
      isOver: () => named.state === "ended",
    })
  },

  part(world, n, _, k) {
    const connection = pick(world.connections, n)
    if (connection === undefined || isAway(world, connection.owner)) return
    const lingerMs = [2_000, 100, 0, 2_000][k % 4]!
    const { it, owner } = connection
    if (lingerMs < 2_000) for (const ledger of world.streams) if (world.isOf(it, ledger.stream)) ledger.isCut = true
    const closing = it.close(lingerMs)
    void world.watch.add("connection.close()", closing, { owner, withinMs: lingerMs + GOODBYE_MS })
    // Messages of the other process to it may be cut off by that.
    const { peer } = it
    if (peer !== undefined) world.cutTo(owner.endpoint.unique, peer.unique)
  },

  ping(world, n, m, k) {
    const process = up(world, n)
    const peer = process && pick(process.peers, m)
    if (process === undefined || peer === undefined) return
    const signal = signalOf(world, k)
    const timeoutMs = TIMEOUTS_MS[k % TIMEOUTS_MS.length]!
    const pinging = world.attempt("ping", () => peer.ping({ timeoutMs, ...withSignal(signal) }))
    if (pinging === undefined) return
    const isOver = (): boolean => signal?.aborted === true || peer.state === "left"
    void world.watch.add(`ping by ${process.name}`, pinging, { owner: process, withinMs: timeoutMs, isOver })
  },

  leave(world, n, m) {
    const process = up(world, n)
    const peer = process && pick(process.peers, m)
    if (process === undefined || peer === undefined) return
    world.sever(process.endpoint.unique, peer.unique)
    void world.watch.add(`leave by ${process.name}`, peer.leave(), { owner: process, withinMs: GOODBYE_MS })
  },

  abort(world, n) {
    pick(world.controllers, n)?.abort(REASON_OF_CALLER)
  },

  close(world, n, _, k) {
    const process = up(world, n)
    if (process === undefined) return
    closeProcess(world, process)
    if (k >= 4) closeProcess(world, process)
  },

  crash(world, n) {
    const process = up(world, n)
    if (process === undefined) return
    world.isRough = true
    world.severAll(process, false)
    process.isGone = true
    process.host.crash()
  },

  suspend(world, n, _, k) {
    const process = up(world, n)
    if (process === undefined) return
    const ms = WAITS_MS[k]!
    world.isRough ||= ms > 400
    process.awayUntilMs = world.network.now + ms
    world.busyUntilMs = Math.max(world.busyUntilMs, process.awayUntilMs)
    world.watch.excuse(ms)
    if (k % 2 === 0) process.host.suspend(ms)
    else process.host.stall(ms)
  },

  partition(world, n, m, k) {
    world.isRough = true
    const [from, to] = [NAMES[n % world.processes.length]!, NAMES[m % world.processes.length]!]
    if (from !== to) world.network.partition(from, to, { both: k < 6 })
  },

  heal(world) {
    world.network.heal()
  },

  weather(world, n, m, k) {
    const [from, to] = [NAMES[n % world.processes.length]!, NAMES[m % world.processes.length]!]
    if (from === to) return
    const link: LinkOptions[] = [
      { delayMs: 5 },
      { delayMs: 50, jitterMs: 20 },
      { delayMs: 5, reorderRate: 0.3, reorderDelayMs: 40 },
      { delayMs: 5, lossRate: 0.3 },
      { delayMs: 5, mtuBytes: 600 },
      { delayMs: 5, mtuBytes: 560 },
      { delayMs: 5, duplicateRate: 0.3 },
      { delayMs: 5, lossRate: 0.7 },
    ]
    world.isRough ||= [3, 4, 5, 7].includes(k)
    world.network.link(from, to, link[k]!)
  },

  failSends(world, n, _, k) {
    const process = up(world, n)
    if (process === undefined) return
    world.isRough ||= k < 6
    process.host.failSends(k < 2 ? "full" : k < 4 ? "ENOBUFS" : k < 6 ? "ENETDOWN" : undefined)
  },

  throw() {
    throw PLANNED
  },

  /** Listeners that remove themselves and listen anew, each time. */
  rearm(world, n) {
    const ledger = pick(world.streams, n)
    if (ledger === undefined || isAway(world, ledger.from)) return
    let [calls, atMs] = [0, -1]
    const arm = (): void => {
      const off = ledger.stream.on("drain", () => {
        off()
        calls = atMs === world.network.now ? calls + 1 : 0
        atMs = world.network.now
        if (calls > 100) return world.fail(`${ledger.label}: a listener that listens anew is told without end`)
        arm()
      })
    }
    arm()
  },

  /** Invalid numbers: each is refused, and changes nothing. */
  odd(world, n, m, k) {
    const number = [Number.NaN, -1, Number.NaN, -Infinity][k % 4]!
    const process = up(world, n)
    const peer = process && pick(process.peers, 0)
    const stream = pick(world.streams, n)?.stream
    const connection = pick(world.connections, n)
    const target = NAMES[(n + 1) % world.processes.length]!
    const calls: ((() => unknown) | undefined)[] = [
      process && (() => process.endpoint.join(`${target}:${PORT}`, { timeoutMs: number })),
      process && (() => process.endpoint.connect(`${target}:${PORT}`, { retry: { minMs: number } })),
      peer && (() => peer.ping({ timeoutMs: number })),
      peer && (() => peer.open({ weight: number })),
      stream && (() => stream.send(TYPE.handler, new Uint8Array(4), { timeoutMs: number })),
      connection && (() => connection.it.close(number)),
    ]
    const call = calls[m]
    if (call !== undefined) world.refuse(`odd ${m} ${number}`, world, call)
  },
}

/** What exists before a program begins. */
const SETUPS: readonly (readonly Step[])[] = [
  [],
  [0, 1].map((n) => ({ op: "open", n, m: 0, k: 0 })),
  [
    { op: "connect", n: 0, m: 1, k: 0 },
    { op: "name", n: 0, m: 0, k: 0 },
  ],
  [
    { op: "open", n: 0, m: 0, k: 0 },
    { op: "connect", n: 0, m: 1, k: 0 },
    { op: "name", n: 0, m: 0, k: 0 },
    { op: "connect", n: 0, m: 1, k: 0 },
    { op: "name", n: 0, m: 1, k: 1 },
  ],
]

/**
 * Closes an endpoint; by then the messages that its streams accepted have arrived if the path is good and the other
 * process lives.
 */
function closeProcess(world: World, process: Process): void {
  const { endpoint, name } = process
  const owed = process.isClosing
    ? []
    : world.streams.filter((ledger) => ledger.from === process && isOwed(world, ledger))
  if (!process.isClosing) world.severAll(process, true)
  process.isClosing = true
  const isPromised = world.isFinal
  const closing = endpoint.close()
  void world.watch.add(`close of ${name}`, closing, { owner: process, withinMs: LINGER_MS + GOODBYE_MS }).then(() => {
    process.isClosed = true
    // What made the path bad while the endpoint lingered, such as a receiver away for as long, excuses a loss.
    if (world.isRough && !isPromised) return
    for (const ledger of owed) if (!ledger.isCut && isThere(world, ledger)) checkDelivered(world, ledger)
  })
}

/** Whether the process that the messages are for lives, knows the sender, and takes them. */
function isThere(world: World, { stream }: StreamLedger): boolean {
  const to = world.processOf(stream.peer.unique)
  return to !== undefined && !to.isClosing
}

function isOwed(world: World, ledger: StreamLedger): boolean {
  const { stream, from, label, isCut, isReliable } = ledger
  if (isCut || !isReliable || stream.peer.state === "left" || !isThere(world, ledger)) return false
  // A consumer that is behind holds up its sender for longer than the closing endpoint lingers.
  if (!world.isFinal && (world.isRough || world.isDiverted(label))) return false
  const to = world.processOf(stream.peer.unique)!
  return to.endpoint.peers.some(({ unique }) => unique === from.endpoint.unique)
}

function checkDelivered(world: World, { stream, label, ids, withdrawn }: StreamLedger): void {
  world.counts.verdicts++
  const { account } = stream
  world.check(
    account.pending === 0 && account.unconfirmed + account.dropped <= withdrawn.size,
    () =>
      `${label}: its endpoint closed in order, and the account is ${JSON.stringify(account)} with ${withdrawn.size} withdrawn`,
  )
  if (world.isDiverted(label)) return
  const missing = ids.filter((id) => !withdrawn.has(id) && !world.isDelivered(id))
  world.check(
    missing.length === 0,
    () => `${label}: its endpoint closed in order, and ${missing.length} of ${ids.length} never came`,
  )
}

/**
 * Runs a program to its end, and then checks: every call is answered, nothing is lost needlessly, and nothing is left.
 */
export async function runProgram(program: Program): Promise<World> {
  const world = new World(program)
  world.processes.length = program.nodes
  for (let i = 0; i < program.nodes; i++) await world.bind(i, 0)
  // Then most steps have something to work on.
  const [a] = world.processes
  await world.network.until(a!.endpoint.join(`b:${PORT}`, { timeoutMs: 10_000 }).catch(() => {}))
  await world.advance(100)
  for (const { op, n, m, k } of SETUPS[program.setup]!) world.run({ op, n, m, k })
  for (const step of program.steps) {
    await world.step(step)
    if (world.failures.length > 0) return world
  }
  await finish(world, program)
  return world
}

async function finish(world: World, { isPatient, first }: Program): Promise<void> {
  world.network.heal()
  world.network.links({ delayMs: 5 })
  // Pending events may still suspend a process; from then on nothing does.
  await world.advance(1)
  world.forgetSchedule()
  await world.advance(Math.max(0, world.busyUntilMs - world.network.now))
  world.isFinal = true
  for (const process of world.processes) if (process !== undefined && !process.isGone) process.host.failSends(undefined)
  consumeAll(world)
  const isWaiting = (): boolean => world.watch.pending().some((name) => /^(send|flush|end) /.test(name))
  if (isPatient) {
    // A peer that was not heard may still be given up.
    await world.when(() => !isWaiting(), 20_000)
    world.check(!isWaiting(), () => `the path is whole, and still pending: ${world.watch.pending().join(", ")}`)
  }
  // A peer that silence had nearly ended is heard.
  await world.advance(4 * HEARTBEAT_MS)
  // What was under way when the last reader left has come, and waits for the next one.
  consumeAll(world)
  if (world.failures.length > 0) return
  const order = world.processes
    .map((_, i) => world.processes[(i + first) % world.processes.length]!)
    .filter((it) => !it.isGone)
  if (first >= 3)
    for (const { owner, it } of world.connections)
      if (owner === order[0])
        void world.watch.add("connection.close()", it.close(2_000), { owner, withinMs: 2_000 + GOODBYE_MS })
  if (order[0] !== undefined) closeProcess(world, order[0])
  await world.when(() => order[0]?.isClosed !== false, LINGER_MS + GOODBYE_MS + 100)
  consumeAll(world)
  for (const process of order.slice(1)) closeProcess(world, process)
  await world.when(() => order.every((process) => process.isClosed), LINGER_MS + GOODBYE_MS + 100)
  consumeAll(world)
  await world.when(() => world.watch.pending().length === 0, 500)
  await world.advance(300)
  if (world.failures.length > 0) return
  world.check(
    world.watch.pending().length === 0,
    () => `all is closed, and still pending: ${world.watch.pending().join(", ")}`,
  )
  checkEnd(world)
}

/** Consumers that held something up take it now. */
function consumeAll(world: World): void {
  for (const { owner, stream } of world.incoming) {
    if (owner.isGone) continue
    stream.resume()
    // Messages that a reader left wait for the next one.
    if (stream.queued.messages > 0 && world.isDiverted(stream.label)) world.read(owner, stream)
  }
  for (const iterator of world.iterators.splice(0)) if (!iterator.owner.isGone) void drain(() => next(world, iterator))
  for (const reader of world.readers.splice(0)) if (!reader.owner.isGone) void drain(() => read(world, reader))
}

async function drain(once: () => Promise<boolean>): Promise<void> {
  while (await once()) {
    // Until there is no more.
  }
}

function checkEnd(world: World): void {
  for (const process of world.processes) {
    if (process === undefined || process.isGone) continue
    const { peers, joins, halfOpen, pool, sendPool, assemblyBytes, streams, slots } = process.endpoint.sizes
    const left = Object.entries({ peers, joins, halfOpen, pool, sendPool, assemblyBytes, streams, slots }).filter(
      ([, size]) => size !== 0,
    )
    world.check(
      left.length === 0,
      () => `${process.name} is closed and holds ${left.map(([what, size]) => `${what} ${size}`).join(", ")}`,
    )
    const { queuedBytes } = process.endpoint.stats()
    world.check(queuedBytes === 0, () => `${process.name} is closed, and ${queuedBytes} bytes are queued`)
  }
  for (const { owner, stream, told } of world.incoming)
    world.check(
      owner.isGone || told <= stream.gone,
      () => `${stream.label}: gaps of ${told} were told, ${stream.gone} are gone`,
    )
  for (const { owner, delivery, named, streams, ids, handedBack, withdrawn } of world.named) {
    if (owner.isGone || !traitsNamed(delivery).waits) continue
    let acknowledged = 0
    for (const { account } of streams) acknowledged += account.acknowledged
    world.check(
      acknowledged + new Set([...handedBack, ...withdrawn]).size >= ids.length,
      () =>
        `${named.label}: ${ids.length} accepted, ${acknowledged} acknowledged, ${handedBack.size} handed back, ${withdrawn.size} withdrawn`,
    )
  }
  if (world.processes.every((it) => it?.isGone === false))
    world.check(
      world.told === world.planned,
      () => `${world.planned} errors were thrown by the application, ${world.told} told`,
    )
}

const link: fc.Arbitrary<LinkOptions> = fc.constantFrom<LinkOptions>(
  { delayMs: 5 },
  { delayMs: 1 },
  { delayMs: 40, jitterMs: 20 },
  { delayMs: 5, reorderRate: 0.2, reorderDelayMs: 30, duplicateRate: 0.1 },
  { delayMs: 5, lossRate: 0.1 },
  { delayMs: 5, jitterMs: 5, lossRate: 0.3 },
)

const step: fc.Arbitrary<Step> = fc.record({
  op: fc.constantFrom(...OPS_DRAWN),
  n: fc.nat(5),
  m: fc.nat(5),
  k: fc.nat(7),
  within: fc.oneof(
    { weight: 7, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom(...PLACES) },
  ),
})

export const programs: fc.Arbitrary<Program> = fc.record({
  seed: fc.nat(),
  nodes: fc.constantFrom(2, 2, 3),
  link,
  isSecret: fc.constantFrom(false, false, false, false, false, false, false, true),
  setup: fc.constantFrom(3, 1, 2, 0),
  steps: fc.array(step, { maxLength: 60, size: "max" }),
  isPatient: fc.boolean(),
  first: fc.nat(5),
})
