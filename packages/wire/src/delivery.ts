/**
 * The delivery byte: a stream's promise (mode) and what a payload holds (form), PROTOCOL.md §3.
 *
 * @module
 */

/** Delivery promises, chosen for each stream when it is opened. */
export const MODE = {
  /** Sent once, in any order, no duplicates. */
  "fire-and-forget": 0,
  /** Sent once; what is older than something delivered is dropped. */
  latest: 1,
  /** Resent and in order; messages may be given up, and the receiver is told of the gap. */
  "best-effort": 2,
  /** Every message, once, in order. */
  reliable: 3,
  /** Every message, once, as soon as it is whole. */
  "reliable-unordered": 4,
} as const

/** The name of a delivery promise, as users write it. */
export type Delivery = keyof typeof MODE
/** A mode as a number, 0 to 4: what the wire has for a {@link Delivery}. */
export type Mode = (typeof MODE)[Delivery]

/** The name of each mode, by its number. */
export const DELIVERIES: readonly Delivery[] = ["fire-and-forget", "latest", "best-effort", "reliable", "reliable-unordered"]

/** What a payload holds: whole messages, or one piece of a message that is larger than a packet. */
export const FORM = {
  /** One message or more, back to back. */
  whole: 0,
  /** The piece that a large message begins with. It has the type. */
  first: 1,
  /** A piece that touches neither end. */
  middle: 2,
  /** The piece that a large message ends with. */
  last: 3,
  /** No bytes: the rest of this message won't come. */
  abandoned: 4,
} as const

/** A form as a number, 0 to 4. */
export type Form = (typeof FORM)[keyof typeof FORM]

/** The name of each form, by its number. */
export const FORM_NAMES = ["whole", "first", "middle", "last", "abandoned"] as const

const FORM_SHIFT = 3
const LOW_MASK = 0x07

/** The delivery byte of a mode and a form. */
export function deliveryByte(mode: number, form: number): number {
  return mode | (form << FORM_SHIFT)
}

/** The mode of a delivery byte that `isDelivery` accepts. */
export function modeOf(delivery: number): Mode {
  return (delivery & LOW_MASK) as Mode
}

/** The form of a delivery byte that `isDelivery` accepts. */
export function formOf(delivery: number): Form {
  return ((delivery >>> FORM_SHIFT) & LOW_MASK) as Form
}

/** Whether a byte is a known mode and form with nothing else set. */
export function isDelivery(delivery: number): boolean {
  return (delivery & LOW_MASK) <= MODE["reliable-unordered"] && delivery >>> FORM_SHIFT <= FORM.abandoned
}
