/** Options of a peer and its streams, and a peer's statistics. */

import type { Charges } from "../schedule/ledger.ts"
import { type Delivery, DELIVERIES, traitsNamed } from "@x/wire"
import {
  ABORT_SIGNAL,
  check,
  type Kinds,
  oneOf,
  orInfinity,
  positive,
  PRIORITY,
  RATE,
  TEXT,
  TIMEOUT,
  WEIGHT,
  whole,
} from "../errors/check.ts"
import { EndpointError } from "../errors/endpoint-error.ts"

/** Options of a stream to a peer. */
export interface OpenOptions {
  /**
   * What the stream promises, default `"reliable"`: each message, once and in order. `"reliable-unordered"`: each
   * message as soon as it is complete. `"best-effort"`: in order; the oldest messages are given up when there is no
   * room. `"latest"`: only the newest; an unsent message makes way for the next, which only `account.dropped` shows.
   * `"fire-and-forget"`: once or not at all, in any order.
   */
  readonly delivery?: Delivery
  /** Sent to the peer with the stream; at most 1024 bytes of UTF-8, less with smaller datagrams; default empty. */
  readonly label?: string
  /** 0 to 255, higher goes first; default 128. */
  readonly priority?: number
  /** Weight among the streams of the same priority, 1 to 100, default 1. */
  readonly weight?: number
  /**
   * `best-effort` only: a message is given up once it is this old, milliseconds above 0 (twice that while it is half
   * sent). Default: `Infinity`, never.
   */
  readonly lifetimeMs?: number
  /**
   * `best-effort` only: a message is given up once one of its packets was resent this often, from 0. Default:
   * `Infinity`, never.
   */
  readonly resendsMax?: number
  /**
   * Not for `latest` and `fire-and-forget`: each packet is sent this often more before anybody asks for it, 0 to 3,
   * default 0. Then a loss costs no round trip, and all costs so much more. Small packets ride in datagrams that go
   * anyway.
   */
  readonly copies?: number
  /**
   * Milliseconds from a packet to its copy, and from one copy to the next; 0 to 1,000, default 0, which counts as 1: as
   * long as bursts of losses last.
   */
  readonly copySpreadMs?: number
}

const OPEN_OPTIONS: Kinds<OpenOptions> = {
  delivery: oneOf(...DELIVERIES),
  label: TEXT,
  priority: PRIORITY,
  weight: WEIGHT,
  lifetimeMs: orInfinity(positive(), "never"),
  resendsMax: orInfinity(whole(0), "never"),
  copies: whole(0, 3),
  copySpreadMs: whole(0, 1_000),
}

/** A peer's share in what this endpoint sends. */
export interface ShareOptions {
  /** 0 to 255: peers of a higher priority go first; initially 128. */
  readonly priority?: number
  /** 1 to 100: weight among peers of the same priority; initially 1. */
  readonly weight?: number
}

export const SHARE_OPTIONS: Kinds<ShareOptions> = { priority: PRIORITY, weight: WEIGHT }

/** Caps of the rate, of a peer or of all together. */
export interface LimitOptions {
  /**
   * Bytes of datagrams with data, resends included, that go to it in a second: 1,000 to 1,000,000,000,000, or
   * `Infinity`: no cap.
   */
  readonly sendRateBytesPerSecondMax?: number
  /** The same that it is asked to send to us at most. */
  readonly receiveRateBytesPerSecondMax?: number
}

export const LIMIT_OPTIONS: Kinds<LimitOptions> = {
  sendRateBytesPerSecondMax: orInfinity(RATE, "no cap"),
  receiveRateBytesPerSecondMax: orInfinity(RATE, "no cap"),
}

/** How long `peer.ping` waits. */
export interface PingOptions {
  /** Cancels the ping: it rejects with `aborted`. */
  readonly signal?: AbortSignal
  /** Milliseconds, default 10,000; `Infinity`: until the peer has left. */
  readonly timeoutMs?: number
}

export const PING_OPTIONS: Kinds<PingOptions> = { signal: ABORT_SIGNAL, timeoutMs: TIMEOUT }

/** The memory that is charged to one peer, bytes, by what it is for. */
export interface PeerMemory extends Charges<number> {
  /** Copies of messages that wait for their consumers, and their objects. */
  readonly queues: number
}

/**
 * What was sent to a peer and what became of it, at this moment. Bytes of datagrams are UDP payload, prefix and tag
 * included.
 */
export interface PeerStats {
  /** The smoothed round trip, milliseconds; 100 before the first sample. */
  readonly rttMs: number
  /** The least round trip seen, milliseconds; `Infinity` before the first sample. */
  readonly rttMinMs: number
  /** The smoothed deviation of round trips from the smoothed one, milliseconds. */
  readonly rttVarianceMs: number
  /** Datagrams sent, resends included. */
  readonly datagramsSent: number
  /** Bytes of the datagrams sent. */
  readonly bytesSent: number
  /** Genuine datagrams received, without duplicates. */
  readonly datagramsReceived: number
  /** Bytes of the datagrams received. */
  readonly bytesReceived: number
  /** Packets with data, resends included. */
  readonly packetsSent: number
  /** Of these, packets that were sent before. */
  readonly packetsResent: number
  /** Packets sent again before anybody asked, by the option `copies` of streams. */
  readonly packetsCopied: number
  /** Statuses received that told of losses. */
  readonly naksReceived: number
  /** Bytes of datagrams with data that are in flight, as far as is known. */
  readonly inFlightBytes: number
  /** Bytes of the largest datagram that is sent to it: by both ends' `datagramBytes`, and by what the path carries. */
  readonly datagramBytes: number
  /** Bytes that may be in flight: by the congestion controller, and by what the peer can hold. */
  readonly windowBytes: number
  /**
   * Bytes that may be sent in a millisecond, by the congestion controller or by a cap of this peer, whichever is less;
   * `Infinity`: as fast as the window opens.
   */
  readonly paceBytesPerMs: number
  /** Bytes of datagrams that feedback reported as received. */
  readonly bytesDelivered: number
  /** Bytes of datagrams that feedback reported as lost. */
  readonly bytesLost: number
  /**
   * Whether datagrams to it are sent as ECN-capable, so that queues can mark them instead of dropping them: `"capable"`:
   * all are, `"testing"`: a few are, to see whether the path carries marks, `"failed"`: it doesn't, `"off"`: our
   * transport can't, or our congestion controller doesn't answer marks.
   */
  readonly ecn: "off" | "testing" | "capable" | "failed"
  /** Datagrams to it that a queue on the way has marked, by its feedback, as far as congestion control was told. */
  readonly marksOut: number
  /** Datagrams from it that a queue on the way has marked. */
  readonly marksIn: number
  /** How often it has proved another address than before. */
  readonly addressMoves: number
  /**
   * Addresses that its datagrams came from, and where it did not answer a challenge, or where it turned out not to be.
   */
  readonly addressesRefused: number
  /** The memory that is charged to it, bytes, by what it is for. */
  readonly memory: PeerMemory
  /** Streams to it. */
  readonly streamsOut: number
  /** Streams from it. */
  readonly streamsIn: number
}

const ENCODER = new TextEncoder()

/** Completes the options of a stream. Throws `EndpointError` `invalid-option`. */
export function checkOpenOptions(options: OpenOptions, labelBytesMax: number): Required<OpenOptions> {
  const {
    delivery = "reliable",
    label = "",
    priority = 128,
    weight = 1,
    lifetimeMs = Infinity,
    resendsMax = Infinity,
    copies = 0,
    copySpreadMs = 0,
  } = check.options("the stream", options, OPEN_OPTIONS)
  const { givesUp, isAcknowledged } = traitsNamed(delivery)
  if (!givesUp && (lifetimeMs !== Infinity || resendsMax !== Infinity))
    throw new EndpointError("invalid-option", `lifetimeMs and resendsMax are for "best-effort", not "${delivery}"`)
  const { length } = ENCODER.encode(label)
  if (length > labelBytesMax)
    throw new EndpointError("invalid-option", `label must have at most ${labelBytesMax} bytes of UTF-8, not ${length}`)
  if (copies > 0 && !isAcknowledged)
    throw new EndpointError("invalid-option", `copies are for modes with acknowledgements, not "${delivery}"`)
  return { delivery, label, priority, weight, lifetimeMs, resendsMax, copies, copySpreadMs }
}
