/** One incarnation of a node: its endpoint, the streams it opened, and the events it got. */

import {
  Endpoint,
  type EndpointOptions,
  type IncomingStream,
  type Message,
  type OutgoingStream,
  type Peer,
} from "@x/endpoint"
import type { SimulatedHost } from "@x/transport/simulated"
import { HEADER_BYTES, read32 } from "./content.ts"
import { StreamLedger } from "./ledger.ts"
import { isOfMix } from "./mix-streams.ts"
import { isPlanned } from "./planned-error.ts"
import type { ProcessWorld } from "./process-world.ts"
import { insideOf } from "@x/testkit"
import { traitsNamed } from "@x/wire"
import { watchTurns } from "./watched-host.ts"

export const PORT = 4_000

/** How the messages of a stream are consumed, by their type. */
export const CONSUMERS = { handler: 1, asyncHandler: 2, iterator: 3 } as const

/** The prefix of the labels of connections' streams. The content of a message tells which stream it belongs to. */
export const NAMED = "named "

/** The machines' structure is checked once in this many turns, since that check looks at everything. */
const TURNS_PER_STRUCTURE = 256

export class Process {
  readonly name: string
  readonly host: SimulatedHost
  readonly peers: Set<Peer> = new Set()
  /** Its peers that are none of the nodes. */
  readonly guests: Set<Peer> = new Set()
  readonly incoming: Set<IncomingStream> = new Set()
  /** Streams it opened that aren't over yet. */
  readonly open: Set<StreamLedger> = new Set()
  /** The ledgers of all named streams so far. */
  readonly named: StreamLedger[] = []
  /** Calls not yet answered. */
  readonly unanswered: Set<Promise<unknown>> = new Set()
  isOver = false
  isClosing = false
  readonly #world: ProcessWorld
  readonly #options: EndpointOptions
  readonly #ledgerOf = new WeakMap<IncomingStream, StreamLedger>()
  readonly #left = new WeakSet<Peer>()
  #endpoint: Endpoint | undefined
  #turns = 0
  #assemblyMax: number | undefined

  constructor(name: string, host: SimulatedHost, options: EndpointOptions, world: ProcessWorld) {
    this.name = name
    this.host = host
    this.#options = options
    this.#world = world
  }

  async bind(): Promise<void> {
    const endpoint = await Endpoint.bind({
      ...this.#options,
      port: PORT,
      host: watchTurns(this.host, () => this.#world.touched.add(this)),
    })
    this.#endpoint = endpoint
    endpoint.on("error", (error) => {
      if (!isPlanned(error)) this.#world.judge.fail("quiet", `${this.name}: ${error.message}`)
    })
    this.#world.onBound(this)
    endpoint.on("joined", (peer) => this.#meet(peer))
    endpoint.on("rejoined", (peer, before) => this.#replace(peer, before))
    endpoint.on("restarted", (peer, before) => this.#replace(peer, before))
    endpoint.on("moved", (peer) => this.#checkAddress(peer))
    endpoint.on("left", (peer, why) => this.#part(peer, why))
    endpoint.on("stream", (stream) => {
      if (this.#world.isGuest(stream.peer.unique) || isOfMix(stream)) return
      this.incoming.add(stream)
      void stream.closed.then(() => this.incoming.delete(stream))
    })
    endpoint.handle(CONSUMERS.handler, (message: Message) =>
      this.#take(message.peer, message.stream, message.bytes, 0, message.length),
    )
    endpoint.handleAsync(CONSUMERS.asyncHandler, async ({ peer, stream, bytes }) => {
      await this.#world.consumers.sleep(this.#world.handlingMs())
      this.#take(peer, stream, bytes, 0, bytes.length)
    })
  }

  get endpoint(): Endpoint {
    if (this.#endpoint === undefined) throw new Error(`${this.name} is not bound yet`)
    return this.#endpoint
  }

  get isUp(): boolean {
    return this.#endpoint !== undefined && !this.isOver && !this.isClosing
  }

  get port(): number {
    return this.#endpoint?.port ?? PORT
  }

  get unique(): string {
    return this.endpoint.unique
  }

  peerOf(other: Process): Peer | undefined {
    for (const peer of this.peers) if (peer.unique === other.#endpoint?.unique) return peer
    return undefined
  }

  openStream(peer: Peer, key: number, type: number, options: Parameters<Peer["open"]>[0]): StreamLedger {
    return this.#follow(peer.open({ ...options, label: `s${key}` }), key, type)
  }

  /** A named stream has opened another stream. */
  followNamed(stream: OutgoingStream, key: number, type: number): StreamLedger {
    const ledger = this.#follow(stream, key, type)
    ledger.isOwn = true
    this.named.push(ledger)
    return ledger
  }

  #follow(stream: OutgoingStream, key: number, type: number): StreamLedger {
    const ledger = new StreamLedger(key, stream, this.unique, type, this.#world.judge)
    this.#world.ledgers.set(key, ledger)
    this.open.add(ledger)
    return ledger
  }

  /** Stops a stream; messages that wait for its consumer are dropped. */
  stop(stream: IncomingStream): void {
    const ledger = this.#known(stream)
    ledger?.forgo()
    stream.stop()
  }

  /** Says goodbye to another process: its streams end at once, with what they have yet to deliver. */
  leave(other: Process): void {
    const peer = this.peerOf(other)
    if (peer === undefined) return
    for (const ledger of this.open) if (ledger.stream.peer === peer) ledger.forgo()
    void peer.leave()
  }

  pause(stream: IncomingStream): void {
    const ledger = this.#known(stream)
    if (ledger !== undefined) ledger.wasPaused = true
    stream.pause()
  }

  #known(stream: IncomingStream): StreamLedger | undefined {
    const known = this.#ledgerOf.get(stream)
    if (known !== undefined || !stream.label.startsWith(NAMED))
      return known ?? this.#world.ledgers.get(Number(stream.label.slice(1)))
    // Nothing of it has come yet. Among streams of the same name, the last is meant.
    const { label, peer } = stream
    const all = [...this.#world.ledgers.values()]
    return all.findLast((it) => it.from === peer.unique && it.to === this.unique && it.stream.label === label)
  }

  /**
   * Whether the messages of a stream still have to come if this process, or the owner of the stream, ends in order:
   * they do if the other process lives and knows this one.
   */
  isOwed(ledger: StreamLedger): boolean {
    return ledger.isReliable && !ledger.isCut && ledger.stream.peer.state === "joined" && this.#isKnownTo(ledger)
  }

  #isKnownTo({ to }: StreamLedger): boolean {
    for (const other of this.#world.processes())
      if (other.isUp && other.unique === to) return [...other.peers].some(({ unique }) => unique === this.unique)
    return false
  }

  /** Checks that the messages owed when the end began have reached the other process, if that still lives. */
  checkOrderly(owed: readonly StreamLedger[], what: string): void {
    for (const ledger of owed) {
      if (ledger.isForgone || !this.#lives(ledger)) continue
      const { pending, unconfirmed, dropped } = ledger.stream.account
      this.#world.judge.check(
        pending === 0 && unconfirmed + dropped <= ledger.givenUp,
        "orderly",
        () =>
          `${ledger.name}: ${what}, and ${pending} are pending, ${unconfirmed} unconfirmed, ${dropped} dropped; ${ledger.givenUp} were given up`,
      )
    }
  }

  #lives({ to }: StreamLedger): boolean {
    for (const other of this.#world.processes()) if (other.isUp && other.unique === to) return true
    return false
  }

  /** Checks that named streams have handed back unacknowledged messages, and that each call was answered. */
  checkOver(): void {
    const { judge } = this.#world
    for (const ledger of this.named)
      judge.check(
        ledger.isAccountedFor,
        "handed-back",
        () =>
          `${ledger.name}: of ${ledger.accepted} ${ledger.handedBack} were handed back; ${JSON.stringify(ledger.stream.account)}`,
      )
    judge.check(
      this.unanswered.size === 0,
      "answers",
      () => `${this.name} is closed, and ${this.unanswered.size} calls are not answered`,
    )
  }

  /** The process has ended: promises to it and by it no longer count. */
  end(): void {
    this.isOver = true
    for (const ledger of this.#world.ledgers.values())
      if (ledger.from === this.unique || ledger.to === this.unique) ledger.forgo()
    this.open.clear()
    this.peers.clear()
    this.guests.clear()
    this.incoming.clear()
  }

  /** Checks everything that may have changed in this step. */
  check(): void {
    if (this.#endpoint === undefined || this.isOver) return
    const { judge } = this.#world
    for (const ledger of this.open) {
      ledger.check()
      if (ledger.stream.state !== "closed") continue
      if (ledger.stream.account.unconfirmed > 0 || ledger.stream.account.dropped > 0) ledger.isCut = true
      if (ledger.unanswered === 0) this.open.delete(ledger)
    }
    this.#checkBudgets()
    this.#world.onTurn(this)
    if (this.#turns++ % TURNS_PER_STRUCTURE === 0) this.checkStructure()
    judge.checks++
  }

  checkStructure(): void {
    try {
      insideOf(this.endpoint).assertInvariants()
    } catch (error) {
      this.#world.judge.fail("structure", `${this.name}: ${String(error)}`)
    }
    const { queuedBytes } = this.endpoint.stats()
    const { queuedBytesTotalMax, messageBytesMax } = this.#options
    // A queue that has room at all takes one message.
    this.#world.judge.check(
      queuedBytes >= 0 && queuedBytes <= queuedBytesTotalMax! + messageBytesMax!,
      "budget",
      () => `${this.name}: ${queuedBytes} B wait for consumers`,
    )
  }

  /** Checks that members that are gone hold nothing. */
  checkGivenBack(): void {
    const { judge } = this.#world
    judge.check(this.hasGivenBack, "given-back", () => `${this.name}: ${JSON.stringify(this.#held)}`)
  }

  /** Whether nothing is held for members that are gone, and nothing is under way. */
  get hasGivenBack(): boolean {
    return Object.values(this.#held).every((size) => size === 0)
  }

  get #held(): Readonly<Record<string, number>> {
    const { assemblyBytes, sendPool, pool } = insideOf(this.endpoint).sizes
    const { queuedBytes } = this.endpoint.stats()
    return { guests: this.guests.size, assemblyBytes, sendPool, pool, queuedBytes }
  }

  #checkBudgets(): void {
    const { pool, sendPool, assemblyBytes, peers, streams, halfOpen } = insideOf(this.endpoint).sizes
    const { poolPacketsMax, sendPoolPacketsMax } = this.#options
    const holds =
      pool <= poolPacketsMax! &&
      sendPool <= sendPoolPacketsMax! &&
      assemblyBytes <= this.#assemblyBytesMax &&
      halfOpen <= 1_024 &&
      peers >= 0
    this.#world.judge.check(
      holds && streams >= 0,
      "budget",
      () => `${this.name}: ${JSON.stringify(insideOf(this.endpoint).sizes)}`,
    )
  }

  /** The most memory for messages under way, bytes. It is asked once: it doesn't change, and this is checked at each step. */
  get #assemblyBytesMax(): number {
    return (this.#assemblyMax ??= this.endpoint.stats().memory.messages.bytesMax)
  }

  #meet(peer: Peer): void {
    if (this.#world.isGuest(peer.unique)) {
      this.guests.add(peer)
      return void this.#read(peer)
    }
    this.#checkAddress(peer)
    for (const other of this.peers)
      this.#world.judge.check(other.unique !== peer.unique, "peers", () => `${this.name} has two peers ${peer.unique}`)
    this.peers.add(peer)
    void this.#read(peer)
  }

  #checkAddress(peer: Peer): void {
    this.#world.judge.check(
      !this.#world.isForged(peer.address),
      "hijack",
      () => `${this.name}: ${peer.unique} is held at the address of who copied its datagrams`,
    )
  }

  #replace(peer: Peer, before: Peer): void {
    if (this.#world.isGuest(before.unique)) return this.#meet(peer)
    this.#world.judge.check(
      this.#left.has(before),
      "peers",
      () => `${this.name}: ${before.unique} was replaced and had not left`,
    )
    this.#meet(peer)
  }

  #part(peer: Peer, { unconfirmed, dropped }: { readonly unconfirmed: number; readonly dropped: number }): void {
    if (this.guests.delete(peer)) return
    const { judge } = this.#world
    judge.check(!this.#left.has(peer), "peers", () => `${this.name}: ${peer.unique} left twice`)
    this.#left.add(peer)
    this.peers.delete(peer)
    this.#forsake(peer)
    let lost = 0
    for (const ledger of this.open) {
      if (ledger.stream.peer !== peer) continue
      const { wasOpen } = ledger
      ledger.isCut = true
      ledger.check()
      const { account, delivery } = ledger.stream
      judge.check(
        account.pending === 0,
        "departure",
        () => `${ledger.name}: its peer left, and ${account.pending} are pending`,
      )
      if (wasOpen && traitsNamed(delivery).isAcknowledged) lost += account.unconfirmed
    }
    judge.check(
      lost <= unconfirmed && dropped >= 0,
      "departure",
      () => `${this.name}: ${lost} unconfirmed, and told were ${unconfirmed}`,
    )
    this.#world.onAlone(this)
  }

  /**
   * A peer has left. If that one still has this process as a peer, then it is this one that gives the other up, by its
   * application's word or after silence: what the other has on its way is lost, even if it is just then ending in order.
   */
  #forsake({ unique }: Peer): void {
    for (const other of this.#world.processes()) {
      if (other.#endpoint?.unique !== unique || ![...other.peers].some((peer) => peer.unique === this.unique)) continue
      for (const ledger of this.#world.ledgers.values())
        if (ledger.from === unique && ledger.to === this.unique) ledger.isForgone = true
    }
  }

  async #read(peer: Peer): Promise<void> {
    try {
      for await (const { stream, bytes } of peer.messages(CONSUMERS.iterator)) {
        await this.#world.consumers.sleep(this.#world.handlingMs())
        this.#take(peer, stream, bytes, 0, bytes.length)
      }
    } catch (error) {
      this.#world.judge.fail("quiet", `${this.name}: an iterator threw ${String(error)}`)
    }
  }

  #take(peer: Peer, stream: IncomingStream, bytes: Uint8Array, offset: number, length: number): void {
    if (this.isOver || this.#world.isGuest(peer.unique)) return
    const { judge } = this.#world
    const ledger = this.#ledger(stream, bytes, offset, length)
    if (ledger === undefined) {
      // The opening of a stream without acknowledgements may come after its messages; a message that is too short
      // doesn't tell its stream.
      const mayBeUnknown = length < HEADER_BYTES && !traitsNamed(stream.delivery).isAcknowledged
      return judge.check(
        mayBeUnknown,
        "foreign",
        () => `${this.name}: a message of ${length} B on the unknown stream "${stream.label}"`,
      )
    }
    judge.check(
      ledger.to === this.unique && ledger.from === peer.unique,
      "foreign",
      () => `${ledger.name}: a message of it came to ${this.unique} from ${peer.unique}`,
    )
    ledger.take(bytes, offset, length, length < HEADER_BYTES ? undefined : read32(bytes, offset + 4))
  }

  #ledger(stream: IncomingStream, bytes: Uint8Array, offset: number, length: number): StreamLedger | undefined {
    const known = this.#ledgerOf.get(stream)
    if (known !== undefined) return known
    const isTold = stream.label === "" || stream.label.startsWith(NAMED)
    const key = isTold ? (length < HEADER_BYTES ? -1 : read32(bytes, offset)) : Number(stream.label.slice(1))
    const ledger = this.#world.ledgers.get(key)
    if (ledger !== undefined) this.#ledgerOf.set(stream, ledger)
    return ledger
  }
}
