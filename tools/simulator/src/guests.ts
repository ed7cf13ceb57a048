/**
 * Members beside the nodes that do not keep their part: a process that is suspended or never acknowledges, one that
 * takes and doesn't use, and one that sends what no endpoint would send. Nobody relies on them; what counts is that the
 * nodes beside them don't notice.
 */

import { Endpoint, EndpointError, type EndpointOptions, type OutgoingStream, type Peer } from "@x/endpoint"
import type { Network, SimulatedHost } from "@x/transport/simulated"
import { type Draw, type HostileState, REWRITTEN_BYTES_MAX, type Rewrite, tampering, writeHostile } from "@x/testkit"
import { FLAG_LENGTH, KIND, PROFILE } from "@x/wire"
import type { GuestKind } from "./guest-scenario.ts"
import type { Node } from "./node.ts"
import { CONSUMERS, PORT } from "./process.ts"

/** How often a guest joins again whom it lost, and how often nodes send to it, in the mean. */
const REJOIN_MS = 5_000
const SEND_MS = 1_000
const MESSAGE_BYTES = 1_000
const BURST = 10
const HOARD_STREAMS = 6

export interface GuestsWorld {
  readonly network: Network
  readonly nodes: readonly Node[]
  readonly draw: Draw
  readonly options: EndpointOptions
  after(ms: number, run: () => void): void
  note(text: string): void
}

export class Guests {
  readonly #world: GuestsWorld
  readonly #guests: Guest[]
  readonly #uniques = new Set<string>()
  /** What the nodes send to their guests. */
  readonly #streams = new Map<Peer, OutgoingStream>()

  constructor(kinds: readonly GuestKind[], world: GuestsWorld) {
    this.#world = world
    this.#guests = kinds.map((kind, i) => new Guest(`g${i}`, kind, world))
  }

  /** Whether an incarnation is one of them. */
  has(unique: string): boolean {
    return this.#uniques.has(unique)
  }

  get count(): number {
    return this.#guests.length
  }

  start(): void {
    for (const guest of this.#guests) void guest.start((unique) => this.#uniques.add(unique))
    if (this.#guests.length > 0) this.#every(SEND_MS, () => this.#send())
  }

  /** They end without a word. */
  end(): void {
    for (const guest of this.#guests) guest.end()
  }

  #every(meanMs: number, run: () => void): void {
    every(this.#world, meanMs, run)
  }

  /** Each node sends to each guest as fast as its window lets it, as one does that tells all its members the same. */
  #send(): void {
    for (const { process } of this.#world.nodes) {
      if (!process.isUp) continue
      for (const peer of process.guests) {
        const stream = this.#streamTo(peer)
        const message = new Uint8Array(MESSAGE_BYTES)
        for (let left = BURST; left > 0; left--) if (stream?.trySend(CONSUMERS.handler, message) !== "sent") break
      }
    }
  }

  #streamTo(peer: Peer): OutgoingStream | undefined {
    const stream = this.#streams.get(peer)
    if (stream?.state === "open") return stream
    const opened = tryOpen(peer)
    if (opened !== undefined) this.#streams.set(peer, opened)
    return opened
  }
}

class Guest {
  readonly #name: string
  readonly #kind: GuestKind
  readonly #world: GuestsWorld
  readonly #host: SimulatedHost
  readonly #hostile: HostileState = { number: 0, message: 0 }
  #endpoint: Endpoint | undefined
  #isOver = false

  constructor(name: string, kind: GuestKind, world: GuestsWorld) {
    this.#name = name
    this.#kind = kind
    this.#world = world
    this.#host = world.network.host(name)
  }

  /** `met` hears who it is, before it joins anybody. */
  async start(met: (unique: string) => void): Promise<void> {
    const { options, draw } = this.#world
    const rewrite = this.#rewrite()
    const host =
      rewrite === undefined ? this.#host : tampering(this.#host, PROFILE[options.protection ?? "checksum"], rewrite)
    const endpoint = await Endpoint.bind({ ...options, port: PORT, host })
    this.#endpoint = endpoint
    met(endpoint.unique)
    endpoint.on("error", () => {})
    endpoint.handle(CONSUMERS.handler, () => {})
    if (this.#kind === "hoarder")
      endpoint.on("stream", (stream) => {
        if (draw.chance(0.7)) stream.pause()
      })
    this.#joinAll()
    this.#act()
  }

  end(): void {
    this.#isOver = true
    this.#host.crash()
  }

  #act(): void {
    const { draw } = this.#world
    switch (this.#kind) {
      case "silent":
        return this.#every(20_000, () => this.#suspend())
      case "mute":
        return
      case "hoarder":
        return this.#every(draw.scale(1_000, 10_000), () => this.#hoard())
      case "hostile-member":
        return this.#every(draw.scale(100, 2_000), () => this.#talk())
    }
  }

  #every(meanMs: number, run: () => void): void {
    every(this.#world, meanMs, () => this.#isOver || run())
  }

  #suspend(): void {
    const ms = this.#world.draw.scale(1_000, 120_000)
    this.#world.note(`suspend ${this.#name} ${Math.round(ms)} ms`)
    this.#host.suspend(ms)
  }

  /** Sends much, and ends the stream while most of it waits for its consumer; leaves others open, and messages begun. */
  #hoard(): void {
    const { draw } = this.#world
    const peers = this.#endpoint!.peers
    if (peers.length === 0) return
    const peer = draw.pick(peers)
    for (let left = draw.whole(1, HOARD_STREAMS); left > 0; left--) {
      const stream = tryOpen(peer)
      if (stream === undefined) return
      const type = draw.pick([CONSUMERS.asyncHandler, CONSUMERS.asyncHandler, CONSUMERS.iterator])
      const bytes = draw.pick([100, 1_000, 20_000, Math.min(200_000, stream.messageBytesMax)])
      for (let i = draw.whole(1, BURST); i > 0; i--) stream.trySend(type, new Uint8Array(bytes))
      const ending = draw.whole(0, 3)
      if (ending <= 1) stream.end().catch(() => {})
      else if (ending === 2) this.#world.after(draw.scale(1, 1_000), () => stream.reset())
    }
  }

  /** Each datagram of data that goes out gives room to a hostile one. */
  #talk(): void {
    for (const peer of this.#endpoint!.peers) peer.ping({ timeoutMs: 1_000 }).catch(() => {})
  }

  #rewrite(): Rewrite | undefined {
    const { draw, options } = this.#world
    if (this.#kind === "mute") return withoutStatuses
    if (this.#kind !== "hostile-member") return undefined
    const bytesMax = Math.min(REWRITTEN_BYTES_MAX, options.datagramBytes! - 30)
    return (_packets, writer) => {
      if (draw.chance(0.3)) return false
      const start = writer.end
      writeHostile(draw, writer, start + bytesMax, this.#hostile)
      return writer.end > start
    }
  }

  #joinAll(): void {
    const endpoint = this.#endpoint!
    for (const { name, process } of this.#world.nodes) {
      if (!process.isUp || endpoint.peers.some(({ unique }) => unique === process.unique)) continue
      endpoint.join(`${name}:${process.port}`).catch(() => {})
    }
    this.#world.after(this.#world.draw.around(REJOIN_MS), () => this.#isOver || this.#joinAll())
  }
}

/** What goes out but statuses: packets count as received, and nothing is ever acknowledged. */
const withoutStatuses: Rewrite = (packets, writer, bytes) => {
  const start = writer.end
  let statuses = 0
  while (packets.next()) {
    if (packets.kind === KIND.status) statuses++
    else {
      const body = writer.begin(packets.flags & ~FLAG_LENGTH)
      writer.copy(body, bytes, packets.body, packets.end - packets.body)
      writer.finish(body + packets.end - packets.body)
    }
  }
  if (statuses > 0 && writer.end === start) writer.begin(KIND.heartbeat)
  return statuses > 0
}

function tryOpen(peer: Peer): OutgoingStream | undefined {
  try {
    return peer.open({ delivery: "reliable" })
  } catch (error) {
    if (!(error instanceof EndpointError)) throw error
    return undefined
  }
}

function every(world: Pick<GuestsWorld, "after" | "draw">, meanMs: number, run: () => void): void {
  world.after(world.draw.around(meanMs), () => {
    run()
    every(world, meanMs, run)
  })
}
