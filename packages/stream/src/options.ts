/**
 * The options of a stream, with their defaults and the reasons for them.
 *
 * @module
 */

import { checkWhole, SPREAD_MAX } from "@x/wire"

/** The smallest payload limit that a stream accepts, bytes. */
export const PAYLOAD_BYTES_MIN = 64
/** The largest: a UDP datagram's over IPv4. */
export const PAYLOAD_BYTES_MAX = 65_507

/** Both ends of a stream read these; the streams of a peer share one object. */
export interface StreamOptions {
  /** The largest payload, 64 to 65,507 B. Default 1173: a datagram of 1200 B less prefix, header and checksum. */
  readonly payloadBytesMax: number
  /**
   * Bytes kept free before each payload, for prefix and header, 0 to 256, default 24. A packet is sent from the memory
   * that it was written into.
   */
  readonly headRoomBytes: number
  /** Bytes kept free after each payload, for the tag, 0 to 256, default 16. */
  readonly tailRoomBytes: number
  /**
   * The most unacknowledged packets, 1 to `spreadPackets`, default 1024. In `best-effort`: the most unsent packets, and
   * as many again that were sent.
   */
  readonly windowPackets: number
  /** The most payload bytes in unacknowledged packets, from 1, default 1 MiB. One packet is always allowed. */
  readonly windowBytes: number
  /**
   * Packets from the cumulative edge to the newest, a power of two from 64 to 65,536, default 16,384. A receiver
   * refuses packets beyond it, which bounds its memory.
   */
  readonly spreadPackets: number
  /**
   * A gap counts as loss once this many later packets have come, 1 to 64, default 3 (RFC 9002 §6.1.1). It grows with
   * the reordering that is seen, up to 64.
   */
  readonly reorderPackets: number
  /** A status is sent at least every this many packets, 1 to `spreadPackets`, default 64. */
  readonly statusPackets: number
  /** The longest that a status waits, milliseconds, 1 to 1,000, default 25 (RFC 9000 `max_ack_delay`). */
  readonly statusDelayMs: number
  /** The longest that the peer says it delays a status, milliseconds, 1 to 1,000, default 25. */
  readonly peerStatusDelayMs: number
}

/** What `streamOptions` fills in; {@link StreamOptions} gives the reasons. */
export const DEFAULT_STREAM_OPTIONS: StreamOptions = {
  payloadBytesMax: 1_173,
  headRoomBytes: 24,
  tailRoomBytes: 16,
  windowPackets: 1_024,
  windowBytes: 1_048_576,
  spreadPackets: 16_384,
  reorderPackets: 3,
  statusPackets: 64,
  statusDelayMs: 25,
  peerStatusDelayMs: 25,
}

/**
 * Returns the options with defaults filled in. Throws a `RangeError` that names what is wrong and what would be right.
 */
export function streamOptions(options: Partial<StreamOptions> = {}): StreamOptions {
  const {
    payloadBytesMax = DEFAULT_STREAM_OPTIONS.payloadBytesMax,
    headRoomBytes = DEFAULT_STREAM_OPTIONS.headRoomBytes,
    tailRoomBytes = DEFAULT_STREAM_OPTIONS.tailRoomBytes,
    windowPackets = DEFAULT_STREAM_OPTIONS.windowPackets,
    windowBytes = DEFAULT_STREAM_OPTIONS.windowBytes,
    spreadPackets = DEFAULT_STREAM_OPTIONS.spreadPackets,
    reorderPackets = DEFAULT_STREAM_OPTIONS.reorderPackets,
    statusPackets = DEFAULT_STREAM_OPTIONS.statusPackets,
    statusDelayMs = DEFAULT_STREAM_OPTIONS.statusDelayMs,
    peerStatusDelayMs = DEFAULT_STREAM_OPTIONS.peerStatusDelayMs,
  } = options
  for (const name of Object.keys(options))
    if (!Object.hasOwn(DEFAULT_STREAM_OPTIONS, name))
      throw new RangeError(
        `there is no option "${name}" of a stream; there are ${Object.keys(DEFAULT_STREAM_OPTIONS).toSorted().join(", ")}`,
      )
  checkWhole("payloadBytesMax", payloadBytesMax, PAYLOAD_BYTES_MIN, PAYLOAD_BYTES_MAX)
  checkWhole("spreadPackets", spreadPackets, 64, SPREAD_MAX)
  if ((spreadPackets & (spreadPackets - 1)) !== 0)
    throw new RangeError(`spreadPackets must be a power of two, not ${spreadPackets}`)
  checkWhole("windowPackets", windowPackets, 1, spreadPackets)
  checkWhole("windowBytes", windowBytes, 1, Number.MAX_SAFE_INTEGER)
  checkWhole("headRoomBytes", headRoomBytes, 0, 256)
  checkWhole("tailRoomBytes", tailRoomBytes, 0, 256)
  checkWhole("reorderPackets", reorderPackets, 1, REORDER_PACKETS_MAX)
  checkWhole("statusPackets", statusPackets, 1, spreadPackets)
  checkWhole("statusDelayMs", statusDelayMs, 1, 1_000)
  checkWhole("peerStatusDelayMs", peerStatusDelayMs, 1, 1_000)
  // Of one shape, not made by a spread: streams read it for each packet.
  return {
    payloadBytesMax,
    headRoomBytes,
    tailRoomBytes,
    windowPackets,
    windowBytes,
    spreadPackets,
    reorderPackets,
    statusPackets,
    statusDelayMs,
    peerStatusDelayMs,
  }
}

/** The most later packets that a receiver learns to wait for. */
export const REORDER_PACKETS_MAX = 64
