/** The machines that a receiving stream is composed of, without the stream: each test drives those that it is about. */
import { GapTracker, PacketPool, RttEstimator, type StreamOptions, streamOptions } from "@x/stream"
import { createStatus, createSync, type Status, type Sync } from "@x/wire"
import fc from "fast-check"
import { GonePackets } from "../../src/receive/gone-packets.ts"
import { KeptPackets } from "../../src/receive/kept-packets.ts"
import { ReceiveEdges } from "../../src/receive/receive-edges.ts"
import { ReceiveRoom } from "../../src/receive/receive-room.ts"
import { StatusReport } from "../../src/receive/status-report.ts"
import { StatusTimer } from "../../src/receive/status-timer.ts"

export interface PartsOptions extends Partial<StreamOptions> {
  readonly first?: number
  readonly isOrdered?: boolean
  readonly slotsMax?: number
}

export class Parts {
  readonly options: StreamOptions
  readonly pool: PacketPool
  readonly rtt = new RttEstimator(20)
  readonly edges: ReceiveEdges
  readonly gaps = new GapTracker(3)
  readonly kept: KeptPackets
  readonly gone: GonePackets
  readonly statusTimer: StatusTimer
  readonly room: ReceiveRoom
  readonly report: StatusReport

  constructor({ first = 0, isOrdered = true, slotsMax = 1_000, ...given }: PartsOptions = {}) {
    const options = streamOptions({
      payloadBytesMax: 64,
      spreadPackets: 64,
      windowPackets: 8,
      statusPackets: 4,
      ...given,
    })
    const { rtt, gaps } = this
    const pool = new PacketPool({ slotBytes: 64, slotsMax })
    const edges = new ReceiveEdges(options.spreadPackets, true)
    const kept = new KeptPackets(edges, pool, options.spreadPackets)
    const gone = new GonePackets(edges, gaps, kept)
    const statusTimer = new StatusTimer(rtt, options)
    const room = new ReceiveRoom(edges, gaps, statusTimer, isOrdered)
    this.options = options
    this.pool = pool
    this.edges = edges
    this.kept = kept
    this.gone = gone
    this.statusTimer = statusTimer
    this.room = room
    this.report = new StatusReport({ edges, gaps, kept, gone, statusTimer, room, rtt, isOrdered })
    edges.start(first)
  }

  /** A packet of one byte, the lowest of its number, comes early; returns whether it is kept. */
  keep(number: number): boolean {
    const { edges, gaps, kept } = this
    if (!kept.keep(number, number % 200, Uint8Array.of(9, number % 256, 9), 1, 1)) return false
    if (number < edges.high) gaps.fill(number, 0, 0)
    else {
      gaps.add(edges.high, number, 0, false)
      gaps.arrived()
    }
    edges.raise(number + 1)
    return true
  }

  /** Packets up to here are known to be missing, for certain. */
  miss(high: number): void {
    this.gaps.add(this.edges.high, high, 0, true)
    this.edges.raise(high)
  }

  /** The status that would be sent now. */
  say(nowMs = 0, rangesMax = 64): Status {
    const status = createStatus()
    this.report.fill(status, nowMs, rangesMax)
    this.statusTimer.said(nowMs)
    return status
  }

  assertInvariants(): void {
    const { edges, gaps, kept, gone } = this
    for (const part of [edges, kept, gone]) part.assertInvariants()
    gaps.assertInvariants(edges.next, edges.high)
  }
}

/** A sync that reports gone packets: those below `low`, and the ranges; `begun` messages below the end of each. */
export function syncOf(low: number, begun: number, ...stretches: [from: number, to: number, begun: number][]): Sync {
  const sync = createSync()
  sync.low = low
  sync.begun = begun
  sync.gone.count = stretches.length
  for (const [i, [from, to, count]] of stretches.entries()) {
    sync.gone.edges[2 * i] = from
    sync.gone.edges[2 * i + 1] = to
    sync.gone.begun[i] = count
  }
  return sync
}

/** The ranges of a list, as pairs. */
export function rangesOf({ count, edges }: Status["missing"]): [number, number][] {
  return Array.from({ length: count }, (_, i) => [edges[2 * i]!, edges[2 * i + 1]!])
}

/** The first numbers of streams: also numbers that no longer fit a small integer. */
export const firsts: fc.Arbitrary<number> = fc.constantFrom(0, 5, 2 ** 31 - 20, 2 ** 32 - 20, 2 ** 47 - 20)
