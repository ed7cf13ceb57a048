/** Why a stream or an association ended, as reported to the other side (PROTOCOL.md §5). */
export const REASON = {
  /** None was given. */
  unspecified: 0,
  /** It was closed by its user. */
  closing: 1,
  /** The two peers have no version in common. */
  version: 2,
  /** The other side's limits are too low: a stream that is to be opened again doesn't fit. */
  limits: 3,
  /** The receiver has its maximum of peers. */
  peersFull: 4,
  /** The receiver has its maximum of streams. */
  streamsFull: 5,
  /** A message is larger than the receiver accepts. */
  messageTooLarge: 6,
  /** The path no longer carries a packet of the agreed size. */
  pathTooSmall: 7,
  /** The other side broke the protocol, or keys are used up. */
  protocolError: 8,
  /** The writer or reader gave up. */
  aborted: 9,
  /** A newer association or session of the same peer replaced it. */
  superseded: 10,
  /** A join to oneself. */
  self: 11,
  /** Nothing was heard for too long. Reported locally, never sent. */
  timeout: 12,
  /** The peer now has another incarnation. Reported locally, never sent. */
  restarted: 13,
  /** A join with a key that isn't accepted. */
  untrusted: 14,
  /** A member that no longer is one: its key isn't accepted any more, its secret was removed, or it was sent away. */
  expelled: 15,
  /** The bytes of a message stand for no value of its type. */
  undecodable: 16,
  /** It took nothing for a while, and held memory that others needed. */
  stalled: 17,
  /** The other side acknowledged what it was never sent, or never got. */
  falseAcknowledgement: 18,
} as const

/** The first of the application's own reasons; they go up to 65,535. */
export const REASON_APPLICATION = 32_768

const NAMES = new Map<number, string>(Object.entries(REASON).map(([name, code]) => [code, name]))

/** A reason in words, for logs and error texts: `"closing"`, `"application 7"`. */
export function reasonName(reason: number): string {
  return reason >= REASON_APPLICATION
    ? `application ${reason - REASON_APPLICATION}`
    : (NAMES.get(reason) ?? "unspecified")
}
