/** What a peer and its streams are asked for with, and what a peer tells of itself. */

import { type Delivery, DELIVERIES } from "@x/wire"
import {
  ABORT_SIGNAL,
  check,
  type Kinds,
  oneOf,
  orInfinity,
  positive,
  PRIORITY,
  TEXT,
  TIMEOUT,
  WEIGHT,
  whole,
} from "../errors/check.ts"
import { EndpointError } from "../errors/endpoint-error.ts"

/** What a stream to a peer is opened with. */
export interface OpenOptions {
  /**
   * What the stream promises, default `"reliable"`: each message, once and in order; `"reliable-unordered"`: each as
   * soon as it is whole; `"best-effort"`: in order, the oldest are given up where there is no room; `"latest"`: only
   * the newest, one that is unsent makes way for the next, which `account.dropped` alone tells; `"fire-and-forget"`:
   * once or not at all, in any order.
   */
  readonly delivery?: Delivery
  /** Told to the peer with the stream; at most 1024 bytes of UTF-8, less where datagrams are smaller; default empty. */
  readonly label?: string
  /** 0 to 255, higher goes first; default 128. */
  readonly priority?: number
  /** Share among the streams of the same priority, 1 to 100, default 1. */
  readonly weight?: number
  /**
   * `best-effort` only: a message is given up once it is so old, milliseconds above 0 (twice that, while it is half
   * sent). Default: `Infinity`, never.
   */
  readonly lifetimeMs?: number
  /**
   * `best-effort` only: a message is given up once a packet of it was resent so often, from 0. Default: `Infinity`,
   * never.
   */
  readonly resendsMax?: number
}

const OPEN_OPTIONS: Kinds<OpenOptions> = {
  delivery: oneOf(...DELIVERIES),
  label: TEXT,
  priority: PRIORITY,
  weight: WEIGHT,
  lifetimeMs: orInfinity(positive(), "never"),
  resendsMax: orInfinity(whole(0), "never"),
}

/** A peer's share in what is sent. */
export interface ShareOptions {
  /** 0 to 255: peers of a higher one go first; to begin with 128. */
  readonly priority?: number
  /** 1 to 100: counts among peers of the same priority; to begin with 1. */
  readonly weight?: number
}

export const SHARE_OPTIONS: Kinds<ShareOptions> = { priority: PRIORITY, weight: WEIGHT }

/** How long `peer.ping` waits. */
export interface PingOptions {
  /** Gives it up: it rejects with `aborted`. */
  readonly signal?: AbortSignal
  /** Milliseconds, default 10,000; `Infinity`: until the peer has left. */
  readonly timeoutMs?: number
}

export const PING_OPTIONS: Kinds<PingOptions> = { signal: ABORT_SIGNAL, timeoutMs: TIMEOUT }

/**
 * What was sent to a peer and came of it, as things stand. Bytes of datagrams are of UDP payload, prefix and tag
 * included.
 */
export interface PeerStats {
  /** Round trip, smoothed, milliseconds; 100 before the first sample. */
  readonly rttMs: number
  /** The least round trip seen, milliseconds; `Infinity` before the first sample. */
  readonly rttMinMs: number
  /** How far round trips are from the smoothed one, smoothed: milliseconds. */
  readonly rttVarianceMs: number
  /** Datagrams sent, resends included. */
  readonly datagramsSent: number
  /** Bytes of the datagrams sent. */
  readonly bytesSent: number
  /** Genuine datagrams that came, no duplicates. */
  readonly datagramsReceived: number
  /** Bytes of the datagrams that came. */
  readonly bytesReceived: number
  /** Packets with data, resends included. */
  readonly packetsSent: number
  /** Packets of these that were sent before. */
  readonly packetsResent: number
  /** Statuses that asked for missing packets. */
  readonly naksReceived: number
  /** Bytes of datagrams with data that are under way, as far as is known. */
  readonly inFlightBytes: number
  /** Bytes that may be under way: what the congestion controller says, and what the peer takes. */
  readonly windowBytes: number
  /** Bytes that may go out in a millisecond, by the congestion controller; `Infinity`: as fast as the window opens. */
  readonly paceBytesPerMs: number
  /** Bytes of datagrams that feedback told of as arrived. */
  readonly bytesDelivered: number
  /** Bytes of datagrams that feedback told of as lost. */
  readonly bytesLost: number
  /** Streams to it. */
  readonly streamsOut: number
  /** Streams from it. */
  readonly streamsIn: number
}

const ENCODER = new TextEncoder()

/** The options of a stream, complete. Throws `EndpointError` `invalid-option`. */
export function checkOpenOptions(options: OpenOptions, labelBytesMax: number): Required<OpenOptions> {
  const {
    delivery = "reliable",
    label = "",
    priority = 128,
    weight = 1,
    lifetimeMs = Infinity,
    resendsMax = Infinity,
  } = check.options("the stream", options, OPEN_OPTIONS)
  if (delivery !== "best-effort" && (lifetimeMs !== Infinity || resendsMax !== Infinity))
    throw new EndpointError("invalid-option", `lifetimeMs and resendsMax are for "best-effort", not "${delivery}"`)
  const { length } = ENCODER.encode(label)
  if (length > labelBytesMax)
    throw new EndpointError("invalid-option", `label must have at most ${labelBytesMax} bytes of UTF-8, not ${length}`)
  return { delivery, label, priority, weight, lifetimeMs, resendsMax }
}
