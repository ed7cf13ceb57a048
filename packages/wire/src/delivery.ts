/**
 * The delivery byte: a stream's promise (mode) and what a payload holds (form), PROTOCOL.md §3.
 *
 * @module
 */

/** Delivery promises: each stream has one, chosen when it is opened. */
export const MODE = {
  /** Sent once, in any order, no duplicates. */
  "fire-and-forget": 0,
  /** Sent once; a message older than one already delivered is dropped. */
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
/** A mode as a number, 0 to 4: a {@link Delivery} on the wire. */
export type Mode = (typeof MODE)[Delivery]

/** The traits of a mode. Code tests the trait it depends on, never the mode's name or number. */
export interface ModeTraits {
  /** The name, as users write it. */
  readonly name: Delivery
  /** Its packets have numbers: they are sent as `sequenced`, and syncs cover them. */
  readonly isNumbered: boolean
  /** Messages are dispatched in the order in which they were sent. */
  readonly isOrdered: boolean
  /** Only the newest message counts: it replaces unsent ones, and older ones that arrive after it are dropped. */
  readonly isNewestOnly: boolean
  /** The receiver acknowledges packets; the sender keeps each until then. */
  readonly isAcknowledged: boolean
  /** Lost packets are sent again. */
  readonly isResent: boolean
  /** The sender may give up messages that already have numbers, and tells the receiver of the gap. */
  readonly givesUp: boolean
  /** Nothing is dropped for want of room: the sender waits for room, and messages wait for their consumer. */
  readonly waits: boolean
}

type Trait = Exclude<keyof ModeTraits, "name">

/** All rows have one shape, since each packet reads one. */
function row(name: Delivery, ...traits: readonly Trait[]): ModeTraits {
  const has = (trait: Trait): boolean => traits.includes(trait)
  return {
    name,
    isNumbered: has("isNumbered"),
    isOrdered: has("isOrdered"),
    isNewestOnly: has("isNewestOnly"),
    isAcknowledged: has("isAcknowledged"),
    isResent: has("isResent"),
    givesUp: has("givesUp"),
    waits: has("waits"),
  }
}

/** The traits of each mode, by its number. */
export const MODES: readonly ModeTraits[] = [
  row("fire-and-forget"),
  row("latest", "isNumbered", "isOrdered", "isNewestOnly"),
  row("best-effort", "isNumbered", "isOrdered", "isAcknowledged", "isResent", "givesUp"),
  row("reliable", "isNumbered", "isOrdered", "isAcknowledged", "isResent", "waits"),
  row("reliable-unordered", "isNumbered", "isAcknowledged", "isResent", "waits"),
]

/** The traits of a mode. */
export function traitsOf(mode: Mode): ModeTraits {
  return MODES[mode]!
}

/** The traits of the mode that has this name. */
export function traitsNamed(delivery: Delivery): ModeTraits {
  return MODES[MODE[delivery]]!
}

/** The name of each mode, by its number. */
export const DELIVERIES: readonly Delivery[] = MODES.map(({ name }) => name)

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
const MODE_COUNT = MODES.length

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
  return (delivery & LOW_MASK) < MODE_COUNT && delivery >>> FORM_SHIFT <= FORM.abandoned
}
