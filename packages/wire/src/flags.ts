/**
 * The flag byte of a packet (PROTOCOL.md §3): kind, option and whether a length, and so another packet, follows.
 *
 * @module
 */

/** Kinds of packets. The two high bits of a kind are its class. */
export const KIND = {
  sequenced: 1,
  part: 2,
  fireAndForget: 3,
  open: 8,
  end: 9,
  reset: 10,
  stop: 11,
  status: 12,
  sync: 13,
  feedback: 14,
  heartbeat: 15,
  goodbye: 16,
  pathChallenge: 17,
  pathResponse: 18,
  mtuProbe: 19,
  join: 24,
  challenge: 25,
  accept: 26,
  refuse: 27,
  hint: 28,
  loose: 29,
} as const

export type Kind = (typeof KIND)[keyof typeof KIND]

/** The name of each kind, as PROTOCOL.md spells it; `undefined` for a kind that isn't one. */
export const KIND_NAMES: readonly (string | undefined)[] = Array.from({ length: 32 }, (_, kind) =>
  Object.entries(KIND)
    .find(([, value]) => value === kind)?.[0]
    .replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
)

/** Classes of kinds: they never share a datagram. */
export const CLASS = { data: 0, control: 1, handshake: 2 } as const

export function classOf(kind: number): number {
  return kind < 8 ? CLASS.data : kind < 24 ? CLASS.control : CLASS.handshake
}

/** Bit "L": a length follows and, behind the body, another packet. */
export const FLAG_LENGTH = 0x80
/** Bit "W": a status, or the answer to this kind, is wanted. */
export const FLAG_WANTED = 0x20
/** Bits "A": form of the declared reply address. */
export const ADDRESS_FORM_SHIFT = 5

const KIND_MASK = 0x1f
const OPTION_MASK = 0x60

export function kindOf(flags: number): number {
  return flags & KIND_MASK
}

const set = (...kinds: number[]): number => kinds.reduce((bits, kind) => bits | (1 << kind), 0)
const WITH_WANTED = set(KIND.sequenced, KIND.sync, KIND.heartbeat, KIND.goodbye, KIND.mtuProbe)
const WITH_ADDRESS = set(KIND.join, KIND.accept)
const ALONE = set(KIND.part, KIND.mtuProbe, KIND.join, KIND.challenge, KIND.accept, KIND.refuse, KIND.hint, KIND.loose)

/** Whether the option bits are ones that the kind has. */
export function isOptionOf(kind: number, flags: number): boolean {
  const option = flags & OPTION_MASK
  if (option === 0) return true
  if ((WITH_WANTED >>> kind) & 1) return option === FLAG_WANTED
  if ((WITH_ADDRESS >>> kind) & 1) return option !== OPTION_MASK
  return false
}

/** Whether a packet of this kind has its datagram to itself. */
export function isAlone(kind: number): boolean {
  return ((ALONE >>> kind) & 1) === 1
}
