/**
 * What the application does beside its streams: calls that are aborted, each of which is answered all the same; orderly
 * ends, by which nothing is lost; and connections with named streams, which survive restarts and hand back
 * unacknowledged messages.
 */

import { type Connection, EndpointError, type NamedStream, type Peer } from "@x/endpoint"
import { HEADER_BYTES, makeContent } from "./content.ts"
import type { Draw } from "@x/testkit"
import type { Judge } from "./judge.ts"
import type { StreamLedger } from "./ledger.ts"
import type { Node } from "./node.ts"
import { CONSUMERS, NAMED, PORT, type Process } from "./process.ts"
import type { Doing } from "./scenario.ts"
import { isUndelivered } from "./workload.ts"

const CONNECTIONS_MAX = 2
const NAMES_MAX = 3
const LINGER_MS = 2_000

export interface DoingsWorld {
  readonly judge: Judge
  readonly nodes: readonly Node[]
  readonly draw: Draw
  nextKey(): number
  after(ms: number, run: () => void): void
  /** Ends a node in order, and starts it again after this many milliseconds. */
  close(node: Node, ms: number): void
}

/** A named stream, and the ledger of its current stream: a new one for each incarnation. */
interface Named {
  readonly it: NamedStream
  ledger: StreamLedger | undefined
}

interface Held {
  readonly it: Connection
  readonly named: Map<string, Named>
  isUp: boolean
}

export class Doings {
  readonly counts: Partial<Record<Doing, number>> = {}
  readonly #world: DoingsWorld
  readonly #held = new WeakMap<Process, Held[]>()

  constructor(world: DoingsWorld) {
    this.#world = world
  }

  do(doing: Doing): void {
    const { nodes, draw } = this.#world
    const node = draw.pick(nodes)
    let other = draw.pick(nodes)
    while (other === node) other = draw.pick(nodes)
    if (!node.process.isUp) return
    this.counts[doing] = (this.counts[doing] ?? 0) + 1
    switch (doing) {
      case "aborts":
        return this.#abort(node.process, other)
      case "closes":
        return this.#close(node)
      case "connections":
        return this.#connect(node.process, other)
      case "short-lived":
        return this.#outlive(node.process, other)
    }
  }

  /** Each call is answered while its process lives; `codes`: the errors that it may fail with. */
  #answer(process: Process, name: string, promise: Promise<unknown>, codes: readonly string[]): void {
    process.unanswered.add(promise)
    const done = (): void => void process.unanswered.delete(promise)
    promise.then(done, (error: unknown) => {
      done()
      const code = error instanceof EndpointError ? error.code : "not an EndpointError"
      this.#world.judge.check(
        codes.includes(code),
        "answers",
        () => `${process.name}: ${name} was answered with ${code}: ${String(error)}`,
      )
    })
  }

  #abort(process: Process, other: Node): void {
    const world = this.#world
    const { draw } = world
    const aborting = new AbortController()
    const { signal } = aborting
    world.after(draw.scale(1, 1_000), () => aborting.abort())
    const peer = process.peerOf(other.process)
    const target = `${other.name}:${PORT}`
    switch (draw.whole(1, 4)) {
      case 1:
        return this.#answer(process, "join", process.endpoint.join(target, { signal }), [
          "aborted",
          "join-timeout",
          "join-refused",
          "closed",
        ])
      case 2:
        return peer === undefined
          ? undefined
          : this.#answer(process, "ping", peer.ping({ signal }), ["aborted", "timeout", "not-joined"])
      default:
        return peer === undefined ? undefined : void this.#pipe(process, peer)
    }
  }

  /** Sends a payload in parts, which is closed or aborted halfway. */
  async #pipe(process: Process, peer: Peer): Promise<void> {
    const world = this.#world
    const { draw } = world
    let ledger: StreamLedger
    try {
      ledger = process.openStream(peer, world.nextKey(), CONSUMERS.handler, { delivery: "reliable" })
    } catch (error) {
      return this.#world.judge.check(error instanceof EndpointError, "answers", () => `open threw ${String(error)}`)
    }
    ledger.isOwn = true
    const { stream, key } = ledger
    const writer = stream.writable(CONSUMERS.handler).getWriter()
    const codes = ["stream-closed", "not-joined", "refused", "closed"]
    const isAborted = draw.chance(0.5)
    const parts = draw.whole(1, 12)
    const afterMs = draw.scale(1, 500)
    this.#answer(process, "writer.closed", isAborted ? writer.closed.catch(() => {}) : writer.closed, codes)
    writer.ready.catch(() => {})
    // From now on each written part is sent at once.
    await Promise.resolve()
    const offer = (left: number): void => {
      if (left === 0 || process.isOver || stream.state !== "open") return
      const before = stream.account.accepted
      const bytes = draw.whole(HEADER_BYTES, 3_000)
      const writing = writer.write(makeContent(bytes, key, ledger.accepted))
      if (stream.account.accepted > before) ledger.accept(bytes)
      // Parts that wait behind others are sent later, out of sight: write one at a time.
      writing.then(
        () => offer(left - 1),
        () => {},
      )
    }
    offer(parts)
    world.after(afterMs, () => {
      if (process.isOver) return
      // The Streams standard has its own error for a stream that is closed or has already failed.
      if (!isAborted)
        return stream.state === "open" ? this.#answer(process, "writer.close", writer.close(), codes) : undefined
      ledger.forgo()
      this.#answer(process, "writer.abort", writer.abort(), codes)
    })
  }

  /** Writes more to a stream than is sent in time, and ends it at once: what is left expires while it ends. */
  #outlive(process: Process, other: Node): void {
    const world = this.#world
    const { draw, judge } = world
    const peer = process.peerOf(other.process)
    if (peer === undefined) return
    let ledger: StreamLedger
    try {
      const lifetimeMs = draw.scale(5, 500)
      ledger = process.openStream(peer, world.nextKey(), CONSUMERS.handler, { delivery: "best-effort", lifetimeMs })
    } catch (error) {
      return judge.check(error instanceof EndpointError, "answers", () => `open threw ${String(error)}`)
    }
    ledger.isOwn = true
    for (let left = draw.whole(20, 200); left > 0; left--) {
      const result = ledger.stream.trySend(ledger.type, makeContent(1_100, ledger.key, ledger.accepted))
      if (result === "sent") ledger.accept(1_100)
    }
    this.#answer(process, "end", ledger.stream.end(), ["stream-closed", "not-joined", "closed"])
  }

  /** Ends a connection or the whole process in order. */
  #close(node: Node): void {
    const { draw, judge } = this.#world
    const { process } = node
    const held = (this.#held.get(process) ?? []).filter(({ it }) => !it.isClosed)
    if (held.length > 0 && draw.chance(0.6)) {
      const { it, named } = draw.pick(held)
      const owed = [...named.values()].flatMap(({ ledger }) =>
        ledger !== undefined && process.isOwed(ledger) ? [ledger] : [],
      )
      const startMs = process.host.now()
      const closing = it.close(LINGER_MS).then(() => {
        // An endpoint that is closed meanwhile waits for less, and is judged by itself.
        if (process.isUp && process.host.now() - startMs < LINGER_MS)
          process.checkOrderly(owed, "its connection closed")
      })
      return this.#answer(process, "connection.close", closing, [])
    }
    // There is something to deliver.
    for (const ledger of process.open) if (ledger.isReliable && !ledger.isOwn && draw.chance(0.7)) this.#burst(ledger)
    for (const { named } of held)
      for (const stream of named.values()) if (draw.chance(0.7)) this.#send(process, stream, 1_000)
    const ms = draw.scale(100, 5_000)
    this.#world.close(node, ms)
    // An endpoint that is being closed refuses requests, and closing it again does nothing else.
    this.#answer(process, "close", process.endpoint.close(), [])
    this.#answer(process, "join of a closed endpoint", process.endpoint.join(`${node.name}:${PORT}`), ["closed"])
    try {
      process.endpoint.connect(`${node.name}:${PORT}`)
      judge.fail("answers", `${process.name}: a closed endpoint took a connection`)
    } catch (error) {
      judge.check(
        error instanceof EndpointError && error.code === "closed",
        "answers",
        () => `connect threw ${String(error)}`,
      )
    }
  }

  #burst(ledger: StreamLedger): void {
    const { draw } = this.#world
    for (let left = draw.whole(1, 12); left > 0; left--) {
      const bytes = draw.whole(HEADER_BYTES, 2_000)
      const result = ledger.stream.trySend(ledger.type, makeContent(bytes, ledger.key, ledger.accepted))
      if (result === "sent" || result === "parked") ledger.accept(bytes)
    }
  }

  /** Connects, names streams, and sends by name. */
  #connect(process: Process, other: Node): void {
    const { draw } = this.#world
    const held = this.#held.get(process) ?? []
    this.#held.set(process, held)
    const open = held.filter(({ it }) => !it.isClosed)
    if (open.length < CONNECTIONS_MAX && draw.chance(0.3)) return void held.push(this.#hold(process, other))
    if (open.length === 0) return
    const { it, named } = draw.pick(open)
    if (draw.chance(0.2)) this.#answer(process, "connection.joined", it.joined(), ["closed"])
    const label = `${NAMED}${draw.whole(1, NAMES_MAX)} of ${process.unique}/${held.findIndex((one) => one.it === it)}`
    const stream = named.get(label) ?? this.#name(process, it, named, label)
    for (let left = draw.whole(1, 6); left > 0; left--)
      this.#send(process, stream, draw.whole(HEADER_BYTES, draw.pick([64, 1_000, 5_000])))
  }

  #hold(process: Process, other: Node): Held {
    const { draw, judge } = this.#world
    const minMs = draw.whole(20, 200)
    const it = process.endpoint.connect(`${other.name}:${PORT}`, { retry: { minMs, maxMs: 10 * minMs } })
    const held: Held = { it, named: new Map(), isUp: false }
    it.on("up", () => {
      judge.check(!held.isUp, "connection", () => `${process.name}: up twice`)
      held.isUp = true
    })
    it.on("down", () => {
      judge.check(held.isUp, "connection", () => `${process.name}: down, and was not up`)
      held.isUp = false
    })
    return held
  }

  #name(process: Process, connection: Connection, all: Map<string, Named>, label: string): Named {
    const world = this.#world
    const { draw } = world
    const it = connection.stream({ label, delivery: draw.pick(["reliable", "reliable-unordered"] as const) })
    const named: Named = { it, ledger: undefined }
    all.set(label, named)
    // "open" may come after the stream has moved on: once for each stream, and never for one that wasn't seen.
    const open = (): void => {
      const { current } = it
      if (current === undefined || current === named.ledger?.stream) return
      named.ledger = process.followNamed(current, world.nextKey(), CONSUMERS.handler)
    }
    open()
    it.on("open", open)
    it.on("unconfirmed", (messages) => {
      const { ledger } = named
      for (const { bytes } of messages) ledger!.handBack(bytes)
    })
    return named
  }

  #send(process: Process, { it, ledger }: Named, bytes: number): void {
    const world = this.#world
    const { draw } = world
    if (ledger === undefined || it.current !== ledger.stream) return
    const content = makeContent(bytes, ledger.key, ledger.accepted)
    const before = ledger.stream.account.accepted
    if (draw.chance(0.6)) {
      const result = it.trySend(ledger.type, content)
      if (result === "sent" || result === "parked") ledger.accept(bytes)
      return
    }
    const aborting = new AbortController()
    const isAborted = draw.chance(0.3)
    const sending = it.send(ledger.type, content, { signal: aborting.signal, receipt: draw.chance(0.5) })
    const index = ledger.stream.account.accepted > before ? ledger.accept(bytes) : -1
    if (isAborted) world.after(draw.scale(1, 500), () => aborting.abort())
    this.#answer(process, "send by name", sending, ["aborted", "stream-closed", "not-joined", "refused", "closed"])
    sending.catch((error: unknown) => {
      if (index < 0 || !(error instanceof EndpointError) || error.code !== "aborted") return
      if (isUndelivered(error)) ledger.withdraw(index)
      else ledger.release(index)
    })
  }
}
