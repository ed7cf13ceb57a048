/**
 * Whether all that was promised has happened on a network that is whole, and how long that may take.
 *
 * @module
 */

import type { EndpointOptions, OutgoingStream, Peer } from "@x/endpoint"
import type { LinkOptions } from "@x/transport/simulated"
import { traitsNamed } from "@x/wire"
import type { Process } from "./process.ts"

/** An endpoint may take a path for one of the smallest datagrams: 548 B, less prefix, header and tag. */
const PACKET_BYTES_MIN = 500
/**
 * The part of the slots for sent packets that one peer gets while no other holds any: a quarter of them is for floors,
 * and of the rest it is lent no more than twice what is free then, times the part that is free, which is half.
 */
const LENT_PART = 3 / 8
/** And the part of those that one of its streams leaves to the others. */
const LEFT_PART = 1 / 5
/** The most that data under way when the network healed may be late. */
const RTTS_TO_CONVERGE = 10
const GRACE_MS = 1_000
const BLACK_HOLE_MS = 5_000
const SUSPECTED_MS = 2_500

/** By default no incarnation is over that a process may still hold as a peer. */
const NONE: ReadonlySet<string> = new Set()

/** What convergence is seen by. */
export type ConvergingProcess = Pick<Process, "name" | "unique" | "peers" | "incoming" | "open">

/** What of a stream hasn't come. */
export interface Pending {
  readonly peer: Peer
  readonly messages: number
  readonly bytes: number
}

/** A process by what it has to send. */
export interface Sending {
  readonly peers: Iterable<Peer>
  readonly pending: readonly Pending[]
}

/** What a stream has taken and that wasn't acknowledged. */
export function pendingOf({ peer, account, parked, unacknowledgedBytes }: OutgoingStream): Pending {
  return { peer, messages: account.pending, bytes: parked.bytes + unacknowledgedBytes }
}

export interface ConvergenceBounds {
  /** What it takes where no window and no queue is in the way. */
  readonly strictMs: number
  /** The most that it may take. */
  readonly boundMs: number
}

/** The bounds of {@link sendingBounds} for what the processes send on streams that they have opened themselves. */
export function convergenceBounds(
  processes: readonly ConvergingProcess[],
  path: LinkOptions,
  options: EndpointOptions,
  gone: ReadonlySet<string> = NONE,
): ConvergenceBounds {
  const all = processes.map(({ peers, open }) => ({ peers, pending: [...open].map(({ stream }) => pendingOf(stream)) }))
  return sendingBounds(all, path, options, gone)
}

/**
 * 10 RTT + 1 s + twice the time for the pending bytes. RTT: that of the path, or the largest that an endpoint
 * estimates after the faults. The time for bytes: at the rate of the link and, to one peer or on one stream, at one
 * window (or the memory that the peer gets, or the queue of its consumer) per round trip, with the window that the
 * faults have left. A message that alone has memory at its receiver goes in the slots that other streams leave: their
 * packets are refused there, and stay in theirs until it is through.
 *
 * @param gone Incarnations that are over, and that a process may hold all the same: see {@link isConverged}.
 */
export function sendingBounds(
  processes: readonly Sending[],
  { delayMs = 0, jitterMs = 0, rateBitsPerSecond = Infinity, queueBytes = 0 }: LinkOptions,
  options: EndpointOptions,
  gone: ReadonlySet<string> = NONE,
): ConvergenceBounds {
  const { windowPackets, sendPoolPacketsMax, sendPoolPacketsPerPeer, queuedMessagesMax } = options
  const { messageBytesMax, assemblyBytesPerPeer } = options
  const pathMs = 2 * (delayMs + jitterMs)
  const poolPackets = Math.min(sendPoolPacketsPerPeer!, LENT_PART * sendPoolPacketsMax!)
  // Beside one of the largest size no other is sure to find memory at its receiver.
  const isOneAtATime = assemblyBytesPerPeer! < 2 * messageBytesMax!
  let bytes = queueBytes
  let rttMs = pathMs
  let windowsMs = 0
  for (const process of processes) {
    for (const peer of process.peers) {
      if (gone.has(peer.unique)) continue
      const { rttMs: knownMs, windowBytes } = peer.stats()
      const roundMs = Math.max(pathMs, knownMs)
      rttMs = Math.max(rttMs, roundMs)
      let toPeer = 0
      const packets = packetsOf(process.pending, peer)
      for (const pending of process.pending) {
        if (pending.peer !== peer) continue
        toPeer += pending.bytes
        windowsMs = Math.max(windowsMs, (pending.bytes * roundMs) / (windowPackets! * PACKET_BYTES_MIN))
        // Half a queue at a time, even if its consumer was behind only once. Neither the messages per packet nor the
        // packets per message are known.
        const portions = (pending.messages + pending.bytes / PACKET_BYTES_MIN) / (queuedMessagesMax! / 2)
        windowsMs = Math.max(windowsMs, portions * roundMs)
        if (!isOneAtATime) continue
        const others = packets - packetsOf([pending], peer)
        const left = Math.max(LEFT_PART * poolPackets, poolPackets - others)
        const underWay = Math.min(pending.bytes, messageBytesMax!)
        windowsMs = Math.max(windowsMs, (underWay * roundMs) / (left * PACKET_BYTES_MIN))
      }
      bytes += toPeer
      windowsMs = Math.max(windowsMs, (toPeer * roundMs) / Math.min(windowBytes, poolPackets * PACKET_BYTES_MIN))
    }
  }
  const linkMs = (bytes * 8_000) / rateBitsPerSecond
  return {
    strictMs: RTTS_TO_CONVERGE * pathMs + GRACE_MS + 2 * linkMs,
    boundMs: RTTS_TO_CONVERGE * rttMs + GRACE_MS + 2 * (linkMs + windowsMs),
  }
}

/** The most packets that what is pending to a peer may take: each has a message at least, or a full piece of one. */
function packetsOf(all: readonly Pending[], to: Peer): number {
  let packets = 0
  for (const { peer, messages, bytes } of all) if (peer === to) packets += messages + bytes / PACKET_BYTES_MIN
  return packets
}

/** What has just happened to paths and addresses when the network is whole. */
export interface PathState {
  /** Paths carry less from now on than they did, and nothing says so. */
  readonly isNarrow: boolean
  /** If a node may be elsewhere than others know: how long it may be quiet, ms. */
  readonly elsewhereMs: number | undefined
  /** Somebody has copied datagrams from another address. */
  readonly isSuspected: boolean
}

/**
 * How much longer convergence may take because of that, milliseconds: 0 where nothing of it happened.
 *
 * * A path that became narrow: the size in use is doubted at most 3 s after datagrams of it were sent, asked about
 *   after a PTO, which counts as 1 s at most, and left when ten probes of a lower one were answered, 100 ms apart.
 * * A node that is elsewhere: only itself can tell, and does with its next heartbeat. Copies of its datagrams may keep
 *   it from being found for as long as they go on.
 * * After copies from another address it is taken at its word no more: for 1 s others are not looked at, and it has to
 *   be silent where it was while a challenge lasts, 900 ms or 3 PTO.
 */
export function pathAllowanceMs({ isNarrow, elsewhereMs, isSuspected }: PathState): number {
  const movingMs = elsewhereMs === undefined ? 0 : elsewhereMs + (isSuspected ? SUSPECTED_MS : 0)
  return (isNarrow ? BLACK_HOLE_MS : 0) + movingMs
}

/**
 * Whether a process holds a peer that doesn't know it, where that one may no longer be. Nothing that it sends arrives, and
 * nobody tells it: it joins again once it has given the peer up, after `unreachableMs` and `leaveMs` of silence.
 *
 * @param moved Incarnations that may be held elsewhere than they are.
 */
export function isHeldInVain(processes: readonly ConvergingProcess[], moved: ReadonlySet<string>): boolean {
  const knows = (process: ConvergingProcess, other: ConvergingProcess): boolean =>
    [...process.peers].some(({ unique }) => unique === other.unique)
  return processes.some(
    (one) => moved.has(one.unique) && processes.some((other) => knows(other, one) && !knows(one, other)),
  )
}

/**
 * Whether all are joined with all (and, with `isHeard`, hear each other), nothing is pending or waits for its
 * consumer, and each send, flush and end was answered.
 *
 * @param gone Incarnations that are over and were known at an address that their node no longer has. The process that
 * came after is never met there, so they are held until they have been silent for long enough.
 */
export function isConverged(
  processes: readonly ConvergingProcess[],
  isHeard: boolean,
  gone: ReadonlySet<string> = NONE,
): boolean {
  for (const process of processes) {
    const peers = [...process.peers].filter(({ unique }) => !gone.has(unique))
    if (peers.length !== processes.length - 1) return false
    // A peer with nothing to send may be quiet for some seconds.
    if (isHeard) for (const peer of peers) if (peer.state !== "joined") return false
    for (const { queued } of process.incoming) if (queued.messages > 0) return false
    for (const { stream, unanswered } of process.open) {
      if (gone.has(stream.peer.unique)) continue
      // A stream without acknowledgements doesn't probe an unreachable peer: it goes on after the next heartbeat.
      const { isAcknowledged, isNewestOnly } = traitsNamed(stream.delivery)
      if (!isHeard && !isAcknowledged && stream.peer.state === "unreachable") continue
      if (unanswered > 0) return false
      if (stream.state !== "closed" && !isNewestOnly && stream.account.pending > 0) return false
    }
  }
  return true
}

/** What is missing, for a person to read. */
export function unfinished(processes: readonly ConvergingProcess[]): string {
  const found: string[] = []
  for (const process of processes) {
    const peers = [...process.peers].map(({ unique, state }) => `${unique} ${state}`)
    if (process.peers.size !== processes.length - 1 || peers.some((it) => !it.endsWith("joined")))
      found.push(`${process.name} ${process.unique} has peers ${peers.join(", ") || "none"}`)
    for (const ledger of process.open) {
      const { stream, unanswered } = ledger
      if (unanswered > 0 || (stream.state !== "closed" && stream.account.pending > 0))
        found.push(`${ledger.name}: ${unanswered} unanswered, ${stream.account.pending} pending, ${stream.state}`)
    }
  }
  return found.join("; ") || "messages wait for their consumers"
}
