import type { Transport, TransportCounters } from "@x/transport/host"
import type { DropReason } from "@x/wire"
import type { Charged, Charges, Ledger } from "../schedule/ledger.ts"
import type { QueueBudget } from "./queue-budget.ts"
import type { Protocol } from "../protocol/protocol.ts"
import type { Full } from "../protocol/sizes.ts"

/**
 * Memory that grows by what peers do or fail to do: bytes that are charged to them now, and the most that may be. The
 * bounds follow from options. Memory that was used once goes back within half a minute, but for a few megabytes that
 * stay for the next peer.
 */
export interface MemoryStats extends Charges<Charged> {
  /** Copies of messages that wait for their consumers, and their objects. */
  readonly queues: Charged
  /** Joins of others that aren't confirmed yet. */
  readonly joins: Charged
  /** All of it. */
  readonly total: Charged
}

export function memoryStats({ all, joins }: Ledger, queues: QueueBudget): MemoryStats {
  const kinds = { ...all, queues: { bytes: queues.charged, bytesMax: queues.bytesMax }, joins }
  const total = { bytes: 0, bytesMax: 0 }
  for (const { bytes, bytesMax } of Object.values(kinds)) {
    total.bytes += bytes
    total.bytesMax += bytesMax
  }
  return { ...kinds, total }
}

/** The state and the counters of an endpoint: a copy of this moment. */
export interface EndpointStats {
  /** Counts of datagrams and of failed socket calls, since it was bound. */
  readonly transport: TransportCounters
  /** Received datagrams and packets that were not applied, by reason. */
  readonly drops: Readonly<Record<DropReason, number>>
  /** Messages that were dropped because nothing handled their types. */
  readonly unhandled: number
  /** Messages whose bytes stood for no value of their types: their streams were stopped. */
  readonly undecodable: number
  /** Errors for `error` listeners while there were none, except for those that were thrown then. */
  readonly untoldErrors: number
  /** Peers that are joined, unreachable, or saying goodbye. */
  readonly peers: number
  /** Our joins under way. */
  readonly joins: number
  /** Joins of others that were accepted and aren't confirmed; at most `halfOpenMax`. */
  readonly halfOpen: number
  /** Early packets that are kept; at most `poolPacketsMax`. */
  readonly poolPackets: number
  /** Bytes of large messages under way; at most `assemblyBytesMax`, or an eighth more than `messageBytesMax`. */
  readonly assemblyBytes: number
  /** Packets that are written and not acknowledged; at most `sendPoolPacketsMax`. */
  readonly sendPoolPackets: number
  /** Streams of all peers, in both directions; at most `streamsTotalMax`. */
  readonly streams: number
  /** Bytes of copies that wait for their consumers, or that consumers are working on. */
  readonly queuedBytes: number
  /** The memory that is charged to peers, by what it is for. */
  readonly memory: MemoryStats
  /** How often it got other sockets. */
  readonly rebinds: number
  /** How often it found none. */
  readonly rebindsFailed: number
  /** Sockets that others in the process, or the system, have closed or shut down. */
  readonly socketsEnded: number
  /**
   * How often the system had no precise timer, as where the process is out of descriptors: deadlines are kept to
   * milliseconds meanwhile.
   */
  readonly timerFallbacks: number
  /** How often a bound of memory or number was met. Packets that were dropped for that count among the drops. */
  readonly full: Full & {
    /** A stream was held up, or dropped its oldest message, since too many copies of all streams wait for consumers. */
    readonly queues: number
  }
}

/** What an endpoint counts, where it is counted. */
export interface StatsParts {
  readonly protocol: Pick<Protocol, "sizes" | "drops" | "ledger" | "full">
  readonly transport: Pick<Transport, "counters">
  readonly driver: { readonly timerFallbacks: number }
  readonly queues: QueueBudget
  readonly routing: { readonly unhandled: number }
  readonly userCode: { readonly undecodable: number; readonly untold: number }
  readonly rebinding: { readonly count: number; readonly failed: number; readonly ended: number }
}

/** All of it, as it is now: nothing in it changes afterwards. */
export function statsOf(parts: StatsParts): EndpointStats {
  const { protocol, transport, driver, queues, routing, userCode, rebinding } = parts
  const { peers, joins, halfOpen, pool, assemblyBytes, sendPool, streams } = protocol.sizes
  const { counters } = transport
  return {
    transport: { ...counters, errors: { ...counters.errors } },
    drops: { ...protocol.drops },
    unhandled: routing.unhandled,
    undecodable: userCode.undecodable,
    untoldErrors: userCode.untold,
    peers,
    joins,
    halfOpen,
    poolPackets: pool,
    assemblyBytes,
    sendPoolPackets: sendPool,
    streams,
    queuedBytes: queues.bytes,
    memory: memoryStats(protocol.ledger, queues),
    rebinds: rebinding.count,
    rebindsFailed: rebinding.failed,
    socketsEnded: rebinding.ended,
    timerFallbacks: driver.timerFallbacks,
    full: { ...protocol.full, queues: queues.refused },
  }
}
