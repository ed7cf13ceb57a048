/**
 * Streams of packets over an unreliable path: in order, once, and complete where that is promised. The package is pure:
 * time is an argument, it needs no randomness, and the caller moves the bytes in and out.
 *
 * @module
 */

export { GapTracker } from "./gap-tracker.ts"
export { DEFAULT_STREAM_OPTIONS, REORDER_PACKETS_MAX, type StreamOptions, streamOptions } from "./options.ts"
export { PacketPool, type PacketPoolOptions, type PacketSlots } from "./packet-pool.ts"
export { type Allowance, FixedAllowance, PoolShare } from "./pool-share.ts"
export { ChargedRows, ROWS_LOT, ROWS_MAX, type RowAllowance } from "./receive/charged-rows.ts"
export { type SkippedPackets } from "./receive/gone-packets.ts"
export { createKeptPacket, type KeptPacket } from "./receive/kept-packets.ts"
export { type ReceiveStreamOptions } from "./receive/receive-stream-options.ts"
export { type ReceiveState, ReceiveStream, type Verdict } from "./receive-stream.ts"
export { Repeater, RepeatPace } from "./repeater.ts"
export { GRANULARITY_MS, INITIAL_RTT_MS, RttEstimator } from "./rtt.ts"
export { type PacketFilling } from "./send/packet-filling.ts"
export { type PacketRange } from "./send/packet-ranges.ts"
export { type MessageFate, type SentMessages } from "./send/message-account.ts"
export { PacketLog } from "./send/packet-log.ts"
export { createOutgoingPacket, type OutgoingPacket } from "./send/outgoing-packet.ts"
export { type ByteAllowance } from "./send/send-ring.ts"
export { type SendState } from "./send/send-life.ts"
export { type SharedPacket } from "./send/shared-packet.ts"
export { type SendStreamOptions, slotBytesOf } from "./send/send-stream-options.ts"
export { SendStream } from "./send-stream.ts"
