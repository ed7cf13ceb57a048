/**
 * The options of a sending stream, with their defaults and checks.
 *
 * @module
 */

import { checkWhole, type Mode, NUMBER_MAX, traitsOf } from "@x/wire"
import type { StreamOptions } from "../options.ts"
import type { PacketSlots } from "../packet-pool.ts"
import type { RepeatPace } from "../repeater.ts"
import type { RttEstimator } from "../rtt.ts"
import type { ByteAllowance } from "./send-ring.ts"

/** The limit of the wire format. */
const ID_MAX = 0xffff_ffff
const PRIORITY_MAX = 255
const COPIES_MAX = 3
const COPY_SPREAD_MS_MAX = 1_000

/** What a `SendStream` needs, and what it accepts. */
export interface SendStreamOptions {
  /** The stream's id, 1 to 2^32 − 1: its sender counts it up, and never uses it twice with a peer. */
  readonly id: number
  /** Its mode, one of `MODE`. */
  readonly mode: Mode
  /** Checked options, as `streamOptions` returns them. */
  readonly options: StreamOptions
  /** The round trip to the receiver: how long to wait before a probe or a resend. */
  readonly rtt: RttEstimator
  /** The number of the first packet, default 0. */
  readonly first?: number
  /** 0 to 255, default 128; higher goes first. */
  readonly priority?: number
  /** Sent to the peer with the opening, opaque, at most 1,024 bytes; default none. */
  readonly metadata?: Uint8Array
  /** Where packets are kept; its slots have at least `slotBytesOf(options)`. Default: a pool of its own. */
  readonly pool?: PacketSlots
  /** What tables of many packets are charged to, bytes; default: nothing bounds them. */
  readonly tables?: ByteAllowance
  /**
   * `best-effort`: a message is given up once it is this old, milliseconds, or twice that while it is half sent;
   * default `Infinity`.
   */
  readonly lifetimeMs?: number
  /** `best-effort`: a message is also given up once one of its packets was resent this often, default `Infinity`. */
  readonly resendsMax?: number
  /** In modes with acknowledgements: packets are sent this often more before anybody asks, 0 to 3, default 0. */
  readonly copies?: number
  /** From a packet to its copy, and to the next one, milliseconds; default 0: with the next datagram, after 1 ms. */
  readonly copySpreadMs?: number
  /** The longest interval between repeats; default: a second. */
  readonly pace?: RepeatPace
}

/** Bytes of a pool's slots: the payload and the room around it. */
export function slotBytesOf({ headRoomBytes, payloadBytesMax, tailRoomBytes }: StreamOptions): number {
  return headRoomBytes + payloadBytesMax + tailRoomBytes
}

/**
 * Returns the numbers of these with defaults filled in. Throws a `RangeError` that names what is wrong and what would
 * be right.
 */
export function checkSendStreamOptions(options: SendStreamOptions): {
  readonly first: number
  readonly priority: number
  readonly lifetimeMs: number
  readonly resendsMax: number
  readonly copies: number
  readonly copySpreadMs: number
} {
  const { id, mode, first = 0, priority = 128, lifetimeMs = Infinity, resendsMax = Infinity } = options
  const { copies = 0, copySpreadMs = 0 } = options
  checkWhole("copies", copies, 0, COPIES_MAX)
  if (!(copySpreadMs >= 0 && copySpreadMs <= COPY_SPREAD_MS_MAX))
    throw new RangeError(`copySpreadMs must be 0 to ${COPY_SPREAD_MS_MAX}, not ${String(copySpreadMs)}`)
  if (copies > 0 && !traitsOf(mode).isAcknowledged)
    throw new RangeError("copies are for modes with acknowledgements: of the others nothing is kept that was sent")
  checkWhole("first", first, 0, NUMBER_MAX)
  checkWhole("id", id, 0, ID_MAX)
  checkWhole("priority", priority, 0, PRIORITY_MAX)
  if (!(typeof lifetimeMs === "number" && lifetimeMs > 0))
    throw new RangeError(`lifetimeMs must be above 0, not ${String(lifetimeMs)}`)
  if (resendsMax !== Infinity) checkWhole("resendsMax", resendsMax, 0)
  if ((lifetimeMs !== Infinity || resendsMax !== Infinity) && !traitsOf(mode).givesUp)
    throw new RangeError(
      "lifetimeMs and resendsMax are for best-effort: the other modes keep what they promised, or promise nothing",
    )
  return { first, priority, lifetimeMs, resendsMax, copies, copySpreadMs }
}
