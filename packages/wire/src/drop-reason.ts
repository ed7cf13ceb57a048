/**
 * Why something from the network was not applied: one name for each receiver obligation (PROTOCOL.md §11), in its
 * order. The list is closed: code that counts drops has a counter for each.
 *
 * @module
 */

/** Reasons to refuse a whole datagram, decided from its bytes and the association's counter and key alone. */
export const DATAGRAM_DROP_REASONS = [
  "too-short",
  "too-long",
  "version",
  "profile",
  "reserved",
  "unknown-slot",
  "stale",
  "duplicate",
  "tag",
  "kind",
  "option",
  "length",
  "truncated",
  "trailing",
  "class",
  "delivery",
  "ranges",
  "number",
  "value",
  "padding",
  "payload",
] as const

/** Reasons to drop one packet of a good datagram, decided by the receiver's state. */
export const PACKET_DROP_REASONS = [
  "token",
  "unexpected",
  "peers-full",
  "streams-full",
  "stream-closed",
  "mode-changed",
  "beyond-spread",
  "duplicate-packet",
  "not-sent",
  "no-room",
  "piece-conflict",
  "message-too-large",
  "not-welcome",
  "rate",
  "not-open",
  "late",
  "not-received",
] as const

/** One of {@link DATAGRAM_DROP_REASONS}. */
export type DatagramDropReason = (typeof DATAGRAM_DROP_REASONS)[number]
/** One of {@link PACKET_DROP_REASONS}. */
export type PacketDropReason = (typeof PACKET_DROP_REASONS)[number]
/** Why a datagram or a packet was dropped: the names of obligations O1 to O38. */
export type DropReason = DatagramDropReason | PacketDropReason

/** All reasons, those of datagrams first. */
export const DROP_REASONS: readonly DropReason[] = [...DATAGRAM_DROP_REASONS, ...PACKET_DROP_REASONS]
