/**
 * Two endpoints, brought into a state that an application can see, and what is done to them there: the results of a
 * call, the events, and the next state. Deterministic: the path works, or is cut, and nothing is random.
 */

import {
  type Connection,
  Endpoint,
  EndpointError,
  type EndpointOptions,
  type IncomingStream,
  type NamedStream,
  type OutgoingStream,
  type Peer,
  type Replies,
  type SendOptions,
} from "@x/endpoint"
import { systemHost } from "@x/transport"
import { createNetwork, type Network, type SimulatedHost } from "@x/transport/simulated"
import { hostWith } from "./host-with.ts"
import { describe, PromiseWatch, type Waiter } from "./promise-watch.ts"
import { PORT } from "./world.ts"

/**
 * Longer than anything takes on a working path, and than a probe waits on one that was cut; shorter than the silence
 * that a peer may keep.
 */
const TURN_MS = 1_500
/** The time limit of a call that gives up by itself. */
export const SOON_MS = 500
const LINGER_MS = 20_000
const GOODBYE_MS = 2_000
const SILENCE_MS = 12_000
const HEALING_MS = 3_500
/** The time limit of other calls: longer than two doings take. */
const LIMIT_MS = 4_000
const JOIN_MS = 8_000
/** How long a message waits for a handler: longer than it takes to reach a state, and two doings. */
const UNCLAIMED_MS = 8_000
const OPTIONS: EndpointOptions = {
  unreachableMs: 10_000,
  leaveMs: 10_000,
  lingerMs: LINGER_MS,
  windowPackets: 4,
  parkedMessagesMax: 2,
  queuedMessagesMax: 2,
  unclaimedMs: UNCLAIMED_MS,
}
const BYTES = new Uint8Array(1_000)

/** Something that an application holds, in one of its states. */
export interface Subject {
  /** The visible state: the name of a state, or the beginning of such names. */
  observe(): string
}

export interface Thing<S extends Subject = Subject> {
  /** Reaches each state. */
  readonly states: Readonly<Record<string, (walk: Walk) => Promise<S>>>
  /** What can be done to it, or can happen to it. */
  readonly doings: Readonly<Record<string, (walk: Walk, subject: S) => unknown>>
  /**
   * Doings that may have happened without being visible, in any state or (`state: doing`) in one: if the path is cut
   * they show once it heals.
   */
  readonly unseen?: readonly string[]
}

export class Walk implements Waiter {
  readonly network: Network
  readonly watch: PromiseWatch
  readonly isGone = false
  /** The events since the last doing, in order. */
  told: string[] = []
  isCut = false
  a!: Endpoint
  b!: Endpoint
  hostB!: SimulatedHost
  readonly incoming: IncomingStream[] = []
  readonly #outgoing: OutgoingStream[] = []
  readonly #endpoints: Endpoint[] = []
  #takesMs = 0
  /** Resolved when everything is over: then held work goes on. */
  readonly released: Promise<void>
  #release!: () => void

  private constructor() {
    // The results of a simulated host, but faster.
    this.network = createNetwork({ seed: 1, link: { delayMs: 5 }, crypto: systemHost().crypto })
    this.watch = new PromiseWatch(() => this.network.now)
    this.released = new Promise((resolve) => (this.#release = resolve))
  }

  static async begin(): Promise<Walk> {
    const walk = new Walk()
    walk.a = await walk.#bind(walk.network.host("a"))
    await walk.startB()
    return walk
  }

  async #bind(host: SimulatedHost): Promise<Endpoint> {
    const director = this.network.host("director")
    const slow = hostWith(host, {
      resolve: async (name, signal) => {
        if (name !== "slow") return host.resolve(name, signal)
        await new Promise<void>((resolve) => director.wakeUp(resolve).at(director.now() + 100_000))
        return host.resolve("b")
      },
    })
    const endpoint = await Endpoint.bind({ ...OPTIONS, port: PORT, host: slow })
    this.#endpoints.push(endpoint)
    return endpoint
  }

  /** A process on b, which keeps the incoming streams. */
  async startB(): Promise<void> {
    this.hostB = this.network.host("b")
    this.b = await this.#bind(this.hostB)
    this.b.handle(1, () => {})
    this.b.on("stream", (stream) => void this.incoming.push(stream))
  }

  /** From now on datagrams to b find nobody. */
  crashB(): void {
    this.hostB.crash()
    this.#endpoints.splice(this.#endpoints.indexOf(this.b), 1)
  }

  async join(): Promise<Peer> {
    const peer = await this.network.until(this.a.join(`b:${PORT}`))
    await this.network.when(() => this.b.peers.length === 1)
    return peer
  }

  open(peer: Peer, label = ""): OutgoingStream {
    const stream = peer.open({ label })
    this.keep(stream)
    return stream
  }

  keep(stream: OutgoingStream): void {
    this.#outgoing.push(stream)
  }

  /** The other end of the stream that a opened last. */
  async arrival(): Promise<IncomingStream> {
    await this.network.when(() => this.incoming.length > 0)
    return this.incoming.at(-1)!
  }

  cut(): void {
    this.isCut = true
    this.network.partition("a", "b")
  }

  heal(): void {
    this.isCut = false
    this.network.heal()
  }

  tell(name: string): void {
    this.told.push(`"${name}"`)
  }

  /** Follows a promise that a call returned. */
  follow(name: string, promise: Promise<unknown>): void {
    void this.watch.add(name, promise, { owner: this })
  }

  async pass(ms = TURN_MS): Promise<void> {
    await this.network.advance(ms)
  }

  /** A doing that takes this much time. */
  take(ms: number): void {
    this.#takesMs = ms
  }

  /** Does something, and returns the resulting cell of the table. */
  async do(name: string, thing: Thing, subject: Subject): Promise<string> {
    this.told = []
    const before = subject.observe()
    const said = await this.#said(name, () => thing.doings[name]!(this, subject))
    // Promises that were seen once are followed from then on.
    subject.observe()
    await this.pass(1)
    const after = subject.observe()
    const parts = [...(said === "" ? [] : [said]), ...this.told]
    return [parts.join(", "), ...(after === before ? [] : [`→ ${after}`])].join(" ").trim()
  }

  async #said(name: string, run: () => unknown): Promise<string> {
    let answer: unknown
    this.#takesMs = TURN_MS
    try {
      answer = run()
    } catch (error) {
      await this.pass()
      return error instanceof EndpointError ? `throws ${error.code}` : `throws ${describe(error)}`
    }
    if (!(answer instanceof Promise)) {
      await this.pass(this.#takesMs)
      return typeof answer === "string" ? answer : ""
    }
    let said = "waits"
    void this.watch
      .add(name, answer, { owner: this })
      .then((code) => (said = code === undefined ? "resolves" : `rejects ${code}`))
    await this.pass()
    return said
  }

  /**
   * The path works again, and everything is closed: nothing is pending, nothing is held, and the accounts balance.
   * Returns what is wrong.
   */
  async end(): Promise<readonly string[]> {
    this.heal()
    this.#release()
    await this.pass()
    for (const stream of this.incoming) stream.resume()
    const closing = this.#endpoints.map((endpoint) => endpoint.close())
    for (const promise of closing)
      void this.watch.add("endpoint.close()", promise, { owner: this, withinMs: LINGER_MS + GOODBYE_MS })
    await this.network.until(Promise.all(closing), LINGER_MS + GOODBYE_MS + 1)
    for (const stream of this.incoming) stream.resume()
    await this.pass(100)
    this.watch.check()
    const failures = [
      ...this.watch.failures,
      ...this.watch.pending().map((name) => `${name} is pending, and all is closed`),
    ]
    for (const { account } of this.#outgoing)
      if (account.accepted !== account.acknowledged + account.unconfirmed + account.dropped || account.pending !== 0)
        failures.push(`an account doesn't balance: ${JSON.stringify(account)}`)
    for (const { sizes } of this.#endpoints)
      for (const [name, size] of Object.entries(sizes))
        if (size !== 0) failures.push(`a closed endpoint holds ${name} ${String(size)}`)
    return failures
  }
}

/** How a promise stands: its result is recorded when it settles. */
function standing(walk: Walk, name: string, promise: Promise<unknown>): () => string {
  let is = "waiting"
  void walk.watch.add(name, promise, { owner: walk }).then((code) => {
    is = "settled"
    walk.told.push(code === undefined ? "resolves" : `rejects ${code}`)
  })
  return () => is
}

/** What was sent in vain is repeated after a second or two. */
function heals(walk: Walk): void {
  walk.take(HEALING_MS)
  walk.heal()
}

async function silence(walk: Walk): Promise<void> {
  walk.cut()
  await walk.pass(SILENCE_MS)
}

// --- endpoint

interface EndpointSubject extends Subject {
  readonly it: Endpoint
}

function endpointSubject(walk: Walk): EndpointSubject {
  let isOver = false
  const { a: it } = walk
  return {
    it,
    observe() {
      if (!it.isClosed) return "bound"
      void it.close().then(() => (isOver = true))
      return isOver ? "closed" : "closing"
    },
  }
}

const endpoint: Thing<EndpointSubject> = {
  states: {
    async bound(walk) {
      return endpointSubject(walk)
    },
    async closing(walk) {
      const stream = walk.open(await walk.join())
      walk.cut()
      stream.trySend(1, BYTES)
      walk.follow("close", walk.a.close())
      return endpointSubject(walk)
    },
    async closed(walk) {
      const subject = endpointSubject(walk)
      walk.follow("close", walk.a.close())
      await walk.pass()
      subject.observe()
      await walk.pass()
      return subject
    },
  },
  doings: {
    join: (_, { it }) => it.join(`b:${PORT}`, { timeoutMs: SOON_MS }),
    connect(walk, { it }) {
      walk.follow("connection.joined", it.connect(`b:${PORT}`).joined())
    },
    handle: (_, { it }) => it.handle(7, () => {})(),
    on: (_, { it }) => it.on("joined", () => {})(),
    once: (_, { it }) => it.once("joined", () => {})(),
    stats: (_, { it }) => void it.stats(),
    close: (_, { it }) => it.close(),
    dispose: (_, { it }) => it[Symbol.asyncDispose](),
    "the path heals": heals,
  },
}

// --- peer

interface PeerSubject extends Subject {
  readonly it: Peer
}

async function peerSubject(walk: Walk): Promise<PeerSubject> {
  const it = await walk.join()
  for (const name of ["unreachable", "reachable", "left", "joined", "rejoined", "restarted"] as const)
    walk.a.on(name, (...[told]: readonly [Peer, unknown?]) => void (told === it && walk.tell(name)))
  return { it, observe: () => it.state }
}

const peer: Thing<PeerSubject> = {
  states: {
    joined: peerSubject,
    async unreachable(walk) {
      const subject = await peerSubject(walk)
      await silence(walk)
      return subject
    },
    async "left, goodbye unanswered"(walk) {
      const subject = await peerSubject(walk)
      walk.cut()
      walk.follow("leave", subject.it.leave())
      await walk.pass(1)
      return subject
    },
    async left(walk) {
      const subject = await peerSubject(walk)
      walk.follow("leave", subject.it.leave())
      await walk.pass()
      return subject
    },
  },
  doings: {
    open: (walk, { it }) => walk.open(it).state,
    setShare: (_, { it }) => it.setShare({ weight: 2 }),
    ping: (_, { it }) => it.ping({ timeoutMs: SOON_MS }),
    messages: (_, { it }) => it.messages(9).return!(),
    leave: (_, { it }) => it.leave(),
    "it leaves": (walk) => {
      for (const other of walk.b.peers) walk.follow("leave of b", other.leave())
    },
    "its endpoint closes": (walk) => walk.follow("close of b", walk.b.close()),
    "it joins": (walk) => {
      if (!walk.b.isClosed) walk.follow("join by b", walk.b.join(`a:${PORT}`, { timeoutMs: SOON_MS }))
    },
    "the path heals": heals,
    "endpoint closes": (walk) => walk.follow("close", walk.a.close()),
  },
  unseen: ["it leaves", "its endpoint closes", "it joins"],
}

// --- outgoing stream

interface OutgoingSubject extends Subject {
  readonly it: OutgoingStream
}

async function outgoingSubject(walk: Walk, isTold = true): Promise<OutgoingSubject> {
  const it = walk.open(await walk.join())
  if (isTold) for (const name of ["drain", "closed"] as const) it.on(name, () => walk.tell(name))
  await walk.pass()
  let isEnded = false
  void it.closed.then(({ isComplete }) => (isEnded = isComplete))
  const observe = (): string => {
    if (it.state === "closed")
      return `closed${isEnded ? ", ended" : ""}${it.peer.state === "left" ? ", peer left" : ""}`
    const { messages } = it.parked
    if (it.state === "ending") return messages === 0 ? "ending" : "ending, parked"
    return messages === 0 ? "open" : messages < 2 ? "open, parked" : "open, full"
  }
  return { it, observe }
}

/** Messages that are sent while the path is cut. */
async function cut<S extends { readonly it: OutgoingStream | Replies }>(
  walk: Walk,
  made: Promise<S>,
  messages: number,
): Promise<S> {
  const subject = await made
  walk.cut()
  for (let i = 0; i < messages; i++) subject.it.trySend(1, BYTES)
  await walk.pass()
  return subject
}

function filled(walk: Walk, messages: number, isTold = true): Promise<OutgoingSubject> {
  return cut(walk, outgoingSubject(walk, isTold), messages)
}

const outgoing: Thing<OutgoingSubject> = {
  states: {
    open: (walk) => outgoingSubject(walk),
    "open, parked": (walk) => filled(walk, 5),
    "open, full": (walk) => filled(walk, 6),
    async ending(walk) {
      const subject = await filled(walk, 4)
      walk.follow("end", subject.it.end())
      return subject
    },
    async "ending, parked"(walk) {
      const subject = await filled(walk, 5)
      walk.follow("end", subject.it.end())
      return subject
    },
    async "closed, reset, unanswered"(walk) {
      const subject = await filled(walk, 5)
      subject.it.reset()
      await walk.pass()
      return subject
    },
    async "closed, ended"(walk) {
      const subject = await outgoingSubject(walk)
      walk.follow("end", subject.it.end())
      await walk.pass()
      return subject
    },
    async "closed, ended, peer left"(walk) {
      const subject = await outgoingSubject(walk)
      walk.follow("end", subject.it.end())
      await walk.pass()
      walk.follow("leave", subject.it.peer.leave())
      await walk.pass()
      return subject
    },
    async "closed, reset"(walk) {
      const subject = await outgoingSubject(walk)
      subject.it.reset()
      await walk.pass()
      return subject
    },
    async "closed, stopped"(walk) {
      const subject = await outgoingSubject(walk)
      subject.it.trySend(1, BYTES)
      ;(await walk.arrival()).stop()
      await walk.pass()
      return subject
    },
    async "closed, peer left"(walk) {
      const subject = await filled(walk, 5)
      walk.follow("leave", subject.it.peer.leave())
      await walk.pass()
      return subject
    },
    async "closed, peer left, all delivered"(walk) {
      const subject = await outgoingSubject(walk)
      walk.follow("leave", subject.it.peer.leave())
      await walk.pass()
      return subject
    },
  },
  doings: {
    trySend: (_, { it }) => it.trySend(1, BYTES),
    write: (_, { it }) => it.write(1, 10, (bytes, offset) => bytes.fill(1, offset, offset + 10)),
    send: (_, { it }) => it.send(1, BYTES),
    "send with a receipt": (_, { it }) => it.send(1, BYTES, { receipt: true }),
    flush: (_, { it }) => it.flush(),
    end: (_, { it }) => it.end(),
    reset: (_, { it }) => it.reset(),
    closed: (_, { it }) => it.closed,
    writer: (_, { it }) => writeAndForget(it),
    "the peer stops it": (walk) => walk.incoming.at(-1)?.stop(),
    "the peer leaves": (walk) => {
      for (const other of walk.b.peers) walk.follow("leave of b", other.leave())
    },
    "leave the peer": (walk, { it }) => walk.follow("leave", it.peer.leave()),
    "the path heals": heals,
  },
  unseen: ["the peer stops it", "the peer leaves"],
}

/** A web stream of it, written to once and released. */
async function writeAndForget(it: OutgoingStream): Promise<void> {
  const writer = it.writable(1).getWriter()
  writer.closed.catch(() => {})
  writer.ready.catch(() => {})
  try {
    await writer.write(BYTES)
  } finally {
    writer.releaseLock()
  }
}

// --- replies

interface RepliesSubject extends Subject {
  readonly it: Replies
  readonly peer: Peer
  readonly asking: OutgoingStream
}

/** The replies of a to b, which has a stream to ask on. */
async function repliesSubject(walk: Walk): Promise<RepliesSubject> {
  const to = await walk.join()
  let isAsked = true
  walk.a.on("stream", (stream) => void stream.closed.then(() => (isAsked = false)))
  const asking = walk.open(walk.b.peers[0]!)
  await walk.pass()
  const it = to.replies
  const observe = (): string => {
    if (to.state === "left") return "peer left"
    const { current } = it
    if (current !== undefined) walk.keep(current)
    const state = !isAsked ? "unasked" : current === undefined ? "none" : "open"
    return `${state}${current !== undefined && current.account.pending > 0 ? ", pending" : walk.isCut ? ", cut off" : ""}`
  }
  return { it, peer: to, asking, observe }
}

async function unaskedReplies(walk: Walk): Promise<RepliesSubject> {
  const subject = await repliesSubject(walk)
  subject.it.trySend(1, BYTES)
  await walk.pass()
  walk.follow("end", subject.asking.end())
  await walk.pass()
  return subject
}

/** The path is cut, and perhaps it answers then. */
const replies: Thing<RepliesSubject> = {
  states: {
    none: repliesSubject,
    async open(walk) {
      const subject = await repliesSubject(walk)
      subject.it.trySend(1, BYTES)
      await walk.pass()
      return subject
    },
    "open, pending": (walk) => cut(walk, repliesSubject(walk), 1),
    "none, cut off": (walk) => cut(walk, repliesSubject(walk), 0),
    unasked: unaskedReplies,
    "unasked, pending": (walk) => cut(walk, unaskedReplies(walk), 1),
    "unasked, cut off": (walk) => cut(walk, unaskedReplies(walk), 0),
    async "peer left"(walk) {
      const subject = await repliesSubject(walk)
      subject.it.trySend(1, BYTES)
      await walk.pass()
      walk.follow("leave", subject.peer.leave())
      await walk.pass()
      return subject
    },
  },
  doings: {
    trySend: (_, { it }) => it.trySend(1, BYTES),
    send: (_, { it }) => it.send(1, BYTES),
    "send with a receipt": (_, { it }) => it.send(1, BYTES, { receipt: true }),
    "reset the stream": (_, { it }) => it.current?.reset(),
    "end the stream": (walk, { it }) => {
      if (it.current !== undefined) walk.follow("end", it.current.end())
    },
    "the peer stops it": (walk) => walk.incoming.at(-1)?.stop(),
    "it can't ask any more": (walk, { asking }) => walk.follow("end", asking.end()),
    "leave the peer": (walk, { peer: to }) => walk.follow("leave", to.leave()),
    "the path heals": heals,
  },
  unseen: ["the peer stops it", "it can't ask any more"],
}

// --- what waits: a parked message, a receipt, a flush, an end, a ping, a join

interface Waiting extends Subject {
  readonly it: OutgoingStream
  readonly controller: AbortController
}

async function waitingOn(
  walk: Walk,
  name: string,
  messages: number,
  call: (it: OutgoingStream, options: SendOptions) => Promise<unknown>,
  timeoutMs = 100_000,
): Promise<Waiting> {
  const { it } = await filled(walk, messages, false)
  const controller = new AbortController()
  const stand = standing(walk, name, call(it, { signal: controller.signal, timeoutMs }))
  return { it, controller, observe: stand }
}

const settledBy = {
  abort: (_: Walk, { controller }: Waiting) => controller.abort(),
  reset: (_: Walk, { it }: Waiting) => it.reset(),
  end: (walk: Walk, { it }: Waiting) => walk.follow("end", it.end()),
  "the peer stops it": (walk: Walk) => walk.incoming.at(-1)?.stop(),
  "leave the peer": (walk: Walk, { it }: Waiting) => walk.follow("leave", it.peer.leave()),
  "the path heals": heals,
  "silence until it has left": (walk: Walk) => walk.take(25_000),
  "endpoint closes": (walk: Walk) => walk.follow("close", walk.a.close()),
}

/** The operation that it waited for is settled: nothing happens to it any more. */
async function settled<S extends Asking>(walk: Walk, make: (walk: Walk) => Promise<S>, isAborted = false): Promise<S> {
  const subject = await make(walk)
  if (isAborted) subject.controller.abort()
  else walk.heal()
  await walk.pass()
  return subject
}

function promised(
  call: (it: OutgoingStream, options: SendOptions) => Promise<unknown>,
  name: string,
  messages: number,
): Thing<Waiting> {
  const waiting = (walk: Walk): Promise<Waiting> => waitingOn(walk, name, messages, call)
  return {
    states: { waiting, settled: (walk) => settled(walk, waiting) },
    doings: settledBy,
    unseen: ["the peer stops it"],
  }
}

const sending = (it: OutgoingStream, options: SendOptions): Promise<void> => it.send(1, new Uint8Array(8_000), options)
const parked: Thing<Waiting> = {
  states: {
    waiting: (walk) => waitingOn(walk, "send", 5, sending),
    "waiting, half sent": (walk) => waitingOn(walk, "send", 0, sending),
    "waiting, with a time limit": (walk) => waitingOn(walk, "send", 5, sending, LIMIT_MS),
    "settled, resolved": (walk) => settled(walk, (it) => waitingOn(it, "send", 5, sending)),
    "settled, aborted": (walk) => settled(walk, (it) => waitingOn(it, "send", 5, sending), true),
  },
  doings: { ...settledBy, "time passes": (walk) => walk.take(LIMIT_MS) },
  unseen: ["the peer stops it"],
}

const receiving = (it: OutgoingStream, options: SendOptions): Promise<void> =>
  it.send(1, BYTES, { ...options, receipt: true })
const receipt: Thing<Waiting> = {
  states: {
    "waiting, parked": (walk) => waitingOn(walk, "receipt", 5, receiving),
    "waiting, sent": (walk) => waitingOn(walk, "receipt", 0, receiving),
    "waiting, with a time limit": (walk) => waitingOn(walk, "receipt", 0, receiving, LIMIT_MS),
    "settled, resolved": (walk) => settled(walk, (it) => waitingOn(it, "receipt", 0, receiving)),
    "settled, aborted": (walk) => settled(walk, (it) => waitingOn(it, "receipt", 0, receiving), true),
  },
  doings: { ...settledBy, "time passes": (walk) => walk.take(LIMIT_MS) },
  unseen: ["the peer stops it"],
}

interface Asking extends Subject {
  readonly controller: AbortController
}

async function pinging(walk: Walk): Promise<Asking & { readonly it: Peer }> {
  const it = await walk.join()
  walk.cut()
  const controller = new AbortController()
  const stand = standing(walk, "ping", it.ping({ signal: controller.signal, timeoutMs: LIMIT_MS }))
  return { it, controller, observe: stand }
}

const ping: Thing<Asking & { readonly it: Peer }> = {
  states: {
    waiting: pinging,
    "settled, resolved": (walk) => settled(walk, pinging),
    "settled, aborted": (walk) => settled(walk, pinging, true),
  },
  doings: {
    abort: (_, { controller }) => controller.abort(),
    "time passes": (walk) => walk.take(LIMIT_MS),
    "leave the peer": (walk, { it }) => walk.follow("leave", it.leave()),
    "the path heals": heals,
    "endpoint closes": (walk) => walk.follow("close", walk.a.close()),
  },
}

async function joining(walk: Walk, host: string, timeoutMs = JOIN_MS): Promise<Asking> {
  walk.network.linkOf("a", "b")
  walk.network.linkOf("b", "a")
  if (host === "b") walk.cut()
  const controller = new AbortController()
  const stand = standing(walk, "join", walk.a.join(`${host}:${PORT}`, { signal: controller.signal, timeoutMs }))
  await walk.pass(1)
  return { controller, observe: stand }
}

const join: Thing<Asking> = {
  states: {
    "waiting, for the name": (walk) => joining(walk, "slow"),
    waiting: (walk) => joining(walk, "b"),
    "settled, resolved": (walk) => settled(walk, (it) => joining(it, "b")),
    "settled, aborted": (walk) => settled(walk, (it) => joining(it, "b"), true),
  },
  doings: {
    abort: (_, { controller }) => controller.abort(),
    "time passes": (walk) => walk.take(JOIN_MS),
    "join again": (walk) => walk.follow("join again", walk.a.join(`b:${PORT}`, { timeoutMs: 2 * JOIN_MS })),
    "it joins": (walk) => walk.follow("join by b", walk.b.join(`a:${PORT}`, { timeoutMs: 2 * JOIN_MS })),
    "the path heals": heals,
    "endpoint closes": (walk) => walk.follow("close", walk.a.close()),
  },
  unseen: ["join again", "it joins"],
}

const flush = promised((it) => it.flush(), "flush", 5)

// --- incoming stream

interface IncomingSubject extends Subject {
  readonly it: IncomingStream
  readonly from: OutgoingStream
}

/** `type`: 1 has a handler, 2 has none. */
async function incomingSubject(
  walk: Walk,
  messages: number,
  before: (it: IncomingStream) => void = () => {},
  type = 1,
): Promise<IncomingSubject> {
  walk.b.on("unhandled", () => walk.tell("unhandled"))
  walk.b.on("stream", (stream) => {
    stream.on("gap", () => walk.tell("gap"))
    before(stream)
  })
  const from = walk.open(await walk.join(), "it")
  for (let i = 0; i < messages; i++) from.trySend(type, BYTES)
  const it = await walk.arrival()
  let isClosed = false
  void it.closed.then(() => (isClosed = true))
  await walk.pass()
  const observe = (): string => {
    if (isClosed) return "closed"
    const { messages: queued } = it.queued
    const isOver = from.state === "closed" || it.peer.state === "left"
    const waits = queued === 0 ? "" : queued < 2 ? ", queued" : ", full"
    const holds =
      from.state === "ending" ? ", ending" : from.state === "open" && from.account.pending > 0 ? ", held" : ""
    return `${it.isPaused ? "paused" : "flowing"}${isOver ? ", over" : `${waits}${holds}`}`
  }
  return { it, from, observe }
}

/** A slow handler has the first message. */
function busySubject(walk: Walk, messages: number): Promise<IncomingSubject> {
  return incomingSubject(walk, messages, (it) => it.handleAsync(1, () => walk.released))
}

async function ended(walk: Walk, made: Promise<IncomingSubject>): Promise<IncomingSubject> {
  const subject = await made
  walk.follow("end", subject.from.end())
  await walk.pass()
  return subject
}

const incoming: Thing<IncomingSubject> = {
  states: {
    flowing: (walk) => incomingSubject(walk, 0),
    paused: (walk) => incomingSubject(walk, 0, (it) => it.pause()),
    "paused, queued": (walk) => incomingSubject(walk, 1, (it) => it.pause()),
    "paused, full": (walk) => incomingSubject(walk, 2, (it) => it.pause()),
    "paused, full, held": (walk) => incomingSubject(walk, 5, (it) => it.pause()),
    "paused, full, ending": (walk) =>
      ended(
        walk,
        incomingSubject(walk, 5, (it) => it.pause()),
      ),
    "paused, over": (walk) =>
      ended(
        walk,
        incomingSubject(walk, 1, (it) => it.pause()),
      ),
    "flowing, busy": (walk) => busySubject(walk, 1),
    "flowing, queued": (walk) => busySubject(walk, 2),
    "flowing, full": (walk) => busySubject(walk, 3),
    "flowing, full, held": (walk) => busySubject(walk, 6),
    "flowing, full, ending": (walk) => ended(walk, busySubject(walk, 6)),
    "flowing, over": (walk) => ended(walk, busySubject(walk, 2)),
    "flowing, queued, unclaimed": (walk) => incomingSubject(walk, 1, undefined, 2),
    "flowing, over, unclaimed": (walk) => ended(walk, incomingSubject(walk, 1, undefined, 2)),
    closed: (walk) => ended(walk, incomingSubject(walk, 1)),
    async "closed, stopped"(walk) {
      const subject = await incomingSubject(walk, 1)
      subject.it.stop()
      await walk.pass()
      return subject
    },
  },
  doings: {
    pause: (_, { it }) => it.pause(),
    resume: (_, { it }) => it.resume(),
    stop: (_, { it }) => it.stop(),
    "read once": async (_, { it }) => {
      const reader = it.messages()
      await reader.next()
      await reader.return!()
    },
    "read and cancel": (_, { it }) => it.readable.cancel(),
    handle: (_, { it }) => it.handle(7, () => {})(),
    "handle what has no handler"(_, { it }) {
      try {
        it.handle(2, () => {})
      } catch {
        // It has one by now.
      }
    },
    "the bound passes": (walk) => walk.take(UNCLAIMED_MS + 100),
    "a message comes": (_, { from }) => void from.trySend(1, BYTES),
    "it is ended": (walk, { from }) => walk.follow("end", from.end()),
    "it is reset": (_, { from }) => from.reset(),
    "leave the peer": (walk, { it }) => walk.follow("leave", it.peer.leave()),
  },
  // These are invisible: that a handler is at work, that nothing consumes waiting messages, and that a stream was read,
  // so that its messages wait for the next reader.
  unseen: [
    ...["pause", "a message comes", "read once"].map((doing) => `flowing, queued, unclaimed: ${doing}`),
    "flowing, over, unclaimed: pause",
    ...["busy", "queued", "full", "full, held", "full, ending", "over"].map((name) => `flowing, ${name}: pause`),
    ...["full", "full, held", "full, ending"].map((name) => `paused, ${name}: read once`),
  ],
}

// --- connection and named stream

interface ConnectionSubject extends Subject {
  readonly it: Connection
}

async function connectionSubject(walk: Walk, isThere: boolean, isTold = true): Promise<ConnectionSubject> {
  walk.network.linkOf("a", "b")
  walk.network.linkOf("b", "a")
  if (!isThere) walk.cut()
  const it = walk.a.connect(`b:${PORT}`, { retry: { minMs: 100, maxMs: 200 } })
  if (isTold) for (const name of ["up", "down"] as const) it.on(name, () => walk.tell(name))
  await walk.pass()
  let isOver = false
  const observe = (): string => {
    if (!it.isClosed) return it.peer === undefined ? "looking" : "up"
    void it.close().then(() => (isOver = true))
    return isOver ? "closed" : "closing"
  }
  return { it, observe }
}

async function restartB(walk: Walk): Promise<void> {
  walk.crashB()
  await walk.startB()
}

const connection: Thing<ConnectionSubject> = {
  states: {
    looking: (walk) => connectionSubject(walk, false),
    up: (walk) => connectionSubject(walk, true),
    async closing(walk) {
      const subject = await connectionSubject(walk, true)
      const named = subject.it.stream({ label: "x" })
      walk.cut()
      named.trySend(1, BYTES)
      walk.follow("close", subject.it.close(LINGER_MS))
      return subject
    },
    async closed(walk) {
      const subject = await connectionSubject(walk, true)
      walk.follow("close", subject.it.close())
      await walk.pass()
      subject.observe()
      await walk.pass(1)
      return subject
    },
  },
  doings: {
    joined: (_, { it }) => it.joined(),
    stream: (_, { it }) => void it.stream({ label: "y" }),
    "stream that can't be": (_, { it }) => void it.stream({ label: "y".repeat(2_000) }),
    close: (_, { it }) => it.close(),
    dispose: (_, { it }) => it[Symbol.asyncDispose](),
    "leave the peer": (walk, { it }) => {
      if (it.peer !== undefined) walk.follow("leave", it.peer.leave())
    },
    "the peer restarts": (walk) => void restartB(walk),
    "the path heals": heals,
    "endpoint closes": (walk) => walk.follow("close", walk.a.close()),
  },
  unseen: ["the peer restarts"],
}

interface NamedSubject extends Subject {
  readonly it: NamedStream
  readonly connection: Connection
}

async function namedSubject(walk: Walk, isThere: boolean): Promise<NamedSubject> {
  const { it: held } = await connectionSubject(walk, isThere, false)
  const it = held.stream({ label: "x" })
  for (const name of ["open", "unconfirmed", "closed"] as const) it.on(name, () => walk.tell(name))
  await walk.pass()
  const observe = (): string =>
    `${it.state}${it.state === "open" && it.current!.account.pending > 0 ? ", pending" : ""}`
  return { it, connection: held, observe }
}

async function pendingNamed(walk: Walk): Promise<NamedSubject> {
  const subject = await namedSubject(walk, true)
  walk.cut()
  subject.it.trySend(1, BYTES)
  return subject
}

const named: Thing<NamedSubject> = {
  states: {
    waiting: (walk) => namedSubject(walk, false),
    open: (walk) => namedSubject(walk, true),
    "open, pending": pendingNamed,
    async ending(walk) {
      const subject = await pendingNamed(walk)
      walk.follow("end", subject.it.end())
      return subject
    },
    async closed(walk) {
      const subject = await namedSubject(walk, true)
      subject.it.trySend(1, BYTES)
      await walk.pass()
      walk.incoming.at(-1)!.stop()
      await walk.pass()
      return subject
    },
    async "ended, delivered"(walk) {
      const subject = await namedSubject(walk, true)
      walk.follow("end", subject.it.end())
      await walk.pass()
      return subject
    },
    async "ended, cut off"(walk) {
      const subject = await pendingNamed(walk)
      walk.follow("connection.close", subject.connection.close(0))
      await walk.pass(3_000)
      return subject
    },
    async "ended, peer left"(walk) {
      const subject = await pendingNamed(walk)
      walk.follow("end", subject.it.end())
      walk.follow("leave", subject.connection.peer!.leave())
      await walk.pass()
      return subject
    },
  },
  doings: {
    trySend: (_, { it }) => it.trySend(1, BYTES),
    send: (_, { it }) => it.send(1, BYTES),
    "send with a receipt": (_, { it }) => it.send(1, BYTES, { receipt: true }),
    reopen: (_, { it }) => void it.reopen(),
    end: (_, { it }) => it.end(),
    closed: (_, { it }) => it.closed,
    "the peer stops it": (walk) => walk.incoming.at(-1)?.stop(),
    "the peer restarts": (walk) => void restartB(walk),
    "leave the peer": (walk, { connection: { peer: other } }) => {
      if (other !== undefined) walk.follow("leave", other.leave())
    },
    "the path heals": heals,
    "connection closes": (walk, { connection: held }) => {
      walk.take(9_000)
      walk.follow("connection.close", held.close(5_000))
    },
  },
  unseen: ["the peer stops it", "the peer restarts"],
}

/** By the headings of the document. */
export const THINGS: Readonly<Record<string, Thing<any>>> = {
  Endpoint: endpoint,
  Peer: peer,
  Connection: connection,
  "Named stream": named,
  "Outgoing stream": outgoing,
  Replies: replies,
  "Incoming stream": incoming,
  "Parked message": parked,
  Join: join,
  Receipt: receipt,
  Flush: flush,
  Ping: ping,
}
