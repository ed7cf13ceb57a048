/**
 * Streams of packets over an unreliable path: in order, once, and complete where that is promised. Pure: time is an argument, chance isn't
 * needed, and bytes go in and out by the caller.
 *
 * @module
 */

export { GapTracker } from "./gap-tracker.ts"
export { DEFAULT_STREAM_OPTIONS, REORDER_PACKETS_MAX, type StreamOptions, streamOptions } from "./options.ts"
export { type Allowance, PacketPool, type PacketPoolOptions, type PacketSlots, PoolShare } from "./packet-pool.ts"
export {
  createKeptPacket,
  type KeptPacket,
  type ReceiveState,
  ReceiveStream,
  type ReceiveStreamOptions,
  type SkippedPackets,
  type Verdict,
} from "./receive-stream.ts"
export { Repeater, RepeatPace } from "./repeater.ts"
export { GRANULARITY_MS, INITIAL_RTT_MS, RttEstimator } from "./rtt.ts"
export {
  createOutgoingPacket,
  type MessageFate,
  type OutgoingPacket,
  type PacketRange,
  type SendState,
  SendStream,
  type SendStreamOptions,
  type SentMessages,
  slotBytesOf,
} from "./send-stream.ts"
