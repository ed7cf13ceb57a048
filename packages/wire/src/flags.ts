/**
 * The flag byte of a packet (PROTOCOL.md §3): kind, option and whether a length, and so another packet, follows.
 *
 * @module
 */

/** Kinds of packets. The two high bits of a kind are its class. */
export const KIND = {
  /** Data of a numbered stream. */
  sequenced: 1,
  /** A part of the payload of a `sequenced` packet that the path no longer carries whole. */
  part: 2,
  /** Data without a number: sent once. */
  fireAndForget: 3,
  /** Begins a stream: mode, priority, metadata. */
  open: 8,
  /** No more packets: the final number. */
  end: 9,
  /** The sender gives the stream up. */
  reset: 10,
  /** The receiver wants no more of the stream. */
  stop: 11,
  /** What a receiver has, and what it asks for (the NAK). */
  status: 12,
  /** A sender's marks, and what it won't send (again). */
  sync: 13,
  /** What arrived in the association, for round trips and rates. */
  feedback: 14,
  /** A sign of life, without a body. */
  heartbeat: 15,
  /** The association is over: a reason and a text. */
  goodbye: 16,
  /** 16 bytes that only a host at the address can answer. */
  pathChallenge: 17,
  /** The 16 bytes of a `path-challenge`. */
  pathResponse: 18,
  /** Asks whether a datagram of this size gets through, or answers that question. */
  mtuProbe: 19,
  /** Asks to be sent no more than this in a second, or answers that. */
  rate: 20,
  /** Asks for an association. */
  join: 24,
  /** Asks a joiner to show, by a token, that it is at its address. */
  challenge: 25,
  /** Accepts a joiner. */
  accept: 26,
  /** Refuses a joiner: a reason and a text. */
  refuse: 27,
  /** A datagram came for a slot that isn't in use. */
  hint: 28,
  /** A message without an association. */
  loose: 29,
} as const

/** A kind of packet as a number. */
export type Kind = (typeof KIND)[keyof typeof KIND]

/** The name of each kind, as PROTOCOL.md spells it; `undefined` for a kind that isn't one. */
export const KIND_NAMES: readonly (string | undefined)[] = Array.from({ length: 32 }, (_, kind) =>
  Object.entries(KIND)
    .find(([, value]) => value === kind)?.[0]
    .replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
)

/** Classes of kinds: they never share a datagram. */
export const CLASS = {
  /** Kinds 0 to 7: messages. */
  data: 0,
  /** Kinds 8 to 23: of streams and of the association. */
  control: 1,
  /** Kinds 24 to 31: outside an association. */
  handshake: 2,
} as const

/** The class of a kind. */
export function classOf(kind: number): number {
  return kind < 8 ? CLASS.data : kind < 24 ? CLASS.control : CLASS.handshake
}

/** Bit "L": a length follows and, after the body, another packet. */
export const FLAG_LENGTH = 0x80
/** Bit "W": a status, or the answer to this kind, is wanted. */
export const FLAG_WANTED = 0x20
/** Bits "A": form of the declared reply address. */
export const ADDRESS_FORM_SHIFT = 5

const KIND_MASK = 0x1f
const OPTION_MASK = 0x60

/** The kind in a flag byte: its low five bits, known or not. */
export function kindOf(flags: number): number {
  return flags & KIND_MASK
}

const set = (...kinds: number[]): number => kinds.reduce((bits, kind) => bits | (1 << kind), 0)
const WITH_WANTED = set(KIND.sequenced, KIND.sync, KIND.heartbeat, KIND.goodbye, KIND.mtuProbe, KIND.rate)
const WITH_ADDRESS = set(KIND.join, KIND.accept)
const ALONE = set(KIND.part, KIND.mtuProbe, KIND.join, KIND.challenge, KIND.accept, KIND.refuse, KIND.hint, KIND.loose)

/** Whether the kind has these option bits. */
export function isOptionOf(kind: number, flags: number): boolean {
  const option = flags & OPTION_MASK
  if (option === 0) return true
  if ((WITH_WANTED >>> kind) & 1) return option === FLAG_WANTED
  if ((WITH_ADDRESS >>> kind) & 1) return option !== OPTION_MASK
  return false
}

/** Whether a packet of this kind must be alone in its datagram. */
export function isAlone(kind: number): boolean {
  return ((ALONE >>> kind) & 1) === 1
}
