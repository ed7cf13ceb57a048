/**
 * The wire format: pure functions between bytes and values, as PROTOCOL.md says.
 *
 * Writing: the caller is responsible for ranges, which its own constructors have checked. Reading: `checkPrefix`, then
 * the tag, then `checkPackets`; give the other read functions only what these accept.
 *
 * For each kind of packet there are three functions, with offsets into `view` in bytes. `write…` puts a body at `body`
 * and returns the offset after it. `read…` reads a checked body. `check…` says why `[body, end)` is refused, or
 * `undefined` if it is good.
 *
 * @module
 */

export * from "./connection.ts"
export { crc32c } from "./crc32c.ts"
export * from "./data.ts"
export * from "./datagram.ts"
export * from "./delivery.ts"
export { describeDatagram, type DatagramDescription, type PacketDescription } from "./describe.ts"
export * from "./drop-reason.ts"
export * from "./feedback.ts"
export * from "./flags.ts"
export * from "./handshake.ts"
export * from "./hint.ts"
export { IDENTITY_BYTES } from "./identity.ts"
export { EXCHANGE_BYTES } from "./key-exchange.ts"
export {
  DATAGRAM_BYTES_BASE,
  DATAGRAM_BYTES_FLOOR,
  DATAGRAM_BYTES_MAX,
  IN_FLIGHT_MAX,
  IN_FLIGHT_MIN,
  type Limits,
  LIMITS_BYTES,
  SPREAD_MIN,
  STATUS_DELAY_MS_MAX,
} from "./limits.ts"
export * from "./loose.ts"
export * from "./numbers.ts"
export * from "./payload.ts"
export * from "./prefix.ts"
export {
  createGoneList,
  createRangeList,
  type GoneList,
  GONE_RANGE_BYTES,
  RANGE_BYTES,
  type RangeList,
  RANGES_MAX,
  SPREAD_MAX,
} from "./ranges.ts"
export { double, ZERO } from "./double.ts"
export * from "./reason.ts"
export { addressForm, type ReplyAddress } from "./reply-address.ts"
export * from "./status.ts"
export * from "./stream-control.ts"
export * from "./sync.ts"
