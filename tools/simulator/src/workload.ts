/** What the application on a node does, one doing at a time. */

import { EndpointError, type Peer } from "@x/endpoint"
import { fillContent, HEADER_BYTES, makeContent } from "./content.ts"
import type { Draw } from "@x/testkit"
import { traitsNamed } from "@x/wire"
import type { Judge } from "./judge.ts"
import type { StreamLedger } from "./ledger.ts"
import { CONSUMERS, type Process } from "./process.ts"
import type { Traffic } from "./scenario.ts"

/** Errors that a send, a flush or an end may fail with, and what each means for the message. */
const WITHDRAWN = new Set([
  "aborted",
  "timeout",
  "refused",
  "dropped",
  "not-joined",
  "stream-closed",
  "closed",
  "too-large",
])

export interface WorkloadWorld {
  readonly judge: Judge
  readonly traffic: Traffic
  readonly draw: Draw
  nextKey(): number
  after(ms: number, run: () => void): void
}

export class Workload {
  readonly #world: WorkloadWorld
  readonly counts: Record<"sent" | "parked" | "refused" | "dropped" | "aborted", number> = {
    sent: 0,
    parked: 0,
    refused: 0,
    dropped: 0,
    aborted: 0,
  }

  constructor(world: WorkloadWorld) {
    this.#world = world
  }

  /** Does one thing in a process. */
  act(process: Process): void {
    const { draw, traffic } = this.#world
    const peers = [...process.peers]
    if (peers.length === 0) return
    const peer = draw.pick(peers)
    if (draw.whole(1, 100) <= traffic.oddities) return this.#oddity(process, peer)
    const ledger = this.#streamTo(process, peer)
    if (ledger === undefined) return
    for (let left = draw.whole(1, traffic.burst); left > 0; left--) this.#send(ledger)
  }

  /** Sends a message of this many bytes on a new reliable stream. */
  say(process: Process, peer: Peer, bytes: number): StreamLedger {
    const ledger = process.openStream(peer, this.#world.nextKey(), CONSUMERS.handler, { delivery: "reliable" })
    this.#offer(ledger, bytes)
    return ledger
  }

  #streamTo(process: Process, peer: Peer): StreamLedger | undefined {
    const { draw, traffic } = this.#world
    const open = [...process.open].filter(
      ({ stream, isOwn }) => stream.peer === peer && stream.state === "open" && !isOwn,
    )
    if (open.length > 0 && (open.length >= traffic.streamsPerPeer || draw.chance(0.9))) return draw.pick(open)
    const delivery = draw.pick(traffic.deliveries)
    const limits =
      traitsNamed(delivery).givesUp && draw.chance(0.5)
        ? { lifetimeMs: draw.scale(10, 5_000), resendsMax: draw.whole(0, 4) }
        : {}
    const options = { delivery, priority: draw.whole(0, 2), weight: draw.whole(1, 4), ...limits }
    const type = draw.pick(Object.values(CONSUMERS))
    try {
      return process.openStream(peer, this.#world.nextKey(), type, options)
    } catch (error) {
      this.#expected(error, ["refused", "not-joined"])
      return undefined
    }
  }

  #send(ledger: StreamLedger): void {
    const { draw } = this.#world
    const bytes = Math.min(Math.max(this.#drawBytes(), ledger.bytesMin), ledger.stream.messageBytesMax)
    const how = draw.whole(1, 10)
    if (how <= 6) this.#offer(ledger, bytes)
    else if (how <= 8) this.#write(ledger, bytes)
    else this.#sendAndWait(ledger, bytes)
  }

  #drawBytes(): number {
    const { draw, traffic } = this.#world
    const max = draw.weighted([
      [50, 64],
      [30, 1_100],
      [15, 2_600],
      [4, 20_000],
      [0.8, 200_000],
      [0.2, traffic.bytesMax],
    ])
    return draw.whole(0, Math.min(max, traffic.bytesMax))
  }

  #offer(ledger: StreamLedger, bytes: number): void {
    const { key, accepted, stream, type } = ledger
    this.#count(ledger, bytes, stream.trySend(type, makeContent(bytes, key, accepted)))
  }

  #write(ledger: StreamLedger, bytes: number): void {
    const { key, accepted, stream, type } = ledger
    const fill = (out: Uint8Array, offset: number): void => fillContent(out, offset, bytes, key, accepted)
    this.#count(ledger, bytes, stream.write(type, bytes, fill))
  }

  #count(ledger: StreamLedger, bytes: number, result: string): void {
    const { counts } = this
    if (result === "sent" || result === "parked") {
      ledger.accept(bytes)
      counts[result]++
    } else if (result === "dropped") counts.dropped++
    else counts.refused++
    this.#world.judge.check(
      result !== "too-large",
      "verdict",
      () => `${ledger.name}: ${bytes} B are too large, below messageBytesMax`,
    )
  }

  /** Sends with a receipt, a time limit, an abort, or none of these. */
  #sendAndWait(ledger: StreamLedger, bytes: number): void {
    const { draw, judge } = this.#world
    const { key, accepted, stream, type } = ledger
    const before = stream.account.accepted
    const canReceipt = traitsNamed(stream.delivery).isAcknowledged
    const receipt = canReceipt && draw.chance(0.5)
    const aborting = draw.chance(0.3) ? new AbortController() : undefined
    const timeoutMs = draw.chance(0.3) ? draw.scale(1, 5_000) : Infinity
    // A message that may or may not come has to be identifiable.
    if (receipt && (aborting !== undefined || timeoutMs < Infinity)) bytes = Math.max(bytes, HEADER_BYTES)
    const sending = stream.send(type, makeContent(bytes, key, accepted), {
      receipt,
      timeoutMs,
      ...(aborting === undefined ? {} : { signal: aborting.signal }),
    })
    const index = stream.account.accepted > before ? ledger.accept(bytes) : -1
    if (aborting !== undefined) this.#world.after(draw.scale(1, 1_000), () => aborting.abort())
    ledger.unanswered++
    sending.then(
      () => {
        ledger.unanswered--
        this.counts.sent++
        judge.check(index >= 0, "verdict", () => `${ledger.name}: a send settled well and was not accepted`)
        if (receipt) ledger.receipt(index)
      },
      (error: unknown) => {
        ledger.unanswered--
        const code = this.#expected(error, WITHDRAWN)
        if (index >= 0 && (code === "aborted" || code === "timeout")) {
          this.counts.aborted++
          // A message already sent may still come.
          if (isUndelivered(error)) ledger.withdraw(index)
          else ledger.release(index)
        }
      },
    )
  }

  #oddity(process: Process, peer: Peer): void {
    const { draw } = this.#world
    const ledger = [...process.open].find(
      ({ stream, isOwn }) => stream.peer === peer && stream.state === "open" && !isOwn,
    )
    const incoming = [...process.incoming]
    switch (draw.whole(1, 10)) {
      case 1:
      case 2:
      case 3:
        return this.#wait(ledger, () => ledger!.stream.end())
      case 4:
      case 5:
        return this.#wait(ledger, () => ledger!.stream.flush())
      case 6:
        return void (ledger !== undefined && draw.chance(0.3) && this.#reset(ledger))
      case 7:
        return void (incoming.length > 0 && draw.chance(0.2) && process.stop(draw.pick(incoming)))
      case 8:
      case 9: {
        const stream = incoming.length > 0 ? draw.pick(incoming) : undefined
        if (stream !== undefined) process.pause(stream)
        return this.#world.after(draw.scale(1, 5_000), () => stream?.resume())
      }
      default:
        peer
          .ping({ timeoutMs: draw.scale(10, 10_000) })
          .catch((error: unknown) => this.#expected(error, ["not-joined", "timeout"]))
    }
  }

  #reset(ledger: StreamLedger): void {
    ledger.forgo()
    ledger.stream.reset()
  }

  #wait(ledger: StreamLedger | undefined, start: () => Promise<void>): void {
    if (ledger === undefined) return
    ledger.unanswered++
    const done = (): void => void ledger.unanswered--
    start().then(done, (error: unknown) => {
      done()
      this.#expected(error, ["stream-closed", "not-joined", "closed"])
    })
  }

  /** Returns the code of an error, which must be an expected one. */
  #expected(error: unknown, codes: Iterable<string>): string {
    const code = error instanceof EndpointError ? error.code : "not an EndpointError"
    this.#world.judge.check([...codes].includes(code), "quiet", () => `unexpected ${code}: ${String(error)}`)
    return code
  }
}

/**
 * Whether the message was given up before all of it was sent; otherwise it may have been delivered, and the error says
 * so.
 */
export function isUndelivered(error: unknown): boolean {
  return error instanceof Error && error.message.includes("not delivered")
}
