/**
 * The delivery byte: a stream's promise (mode) and what a payload holds (form), PROTOCOL.md §3.
 *
 * @module
 */

/** Delivery promises, chosen for each stream when it is opened. */
export const MODE = { "fire-and-forget": 0, latest: 1, "best-effort": 2, reliable: 3, "reliable-unordered": 4 } as const

/** The name of a delivery promise, as users write it. */
export type Delivery = keyof typeof MODE
export type Mode = (typeof MODE)[Delivery]

export const DELIVERIES: readonly Delivery[] = ["fire-and-forget", "latest", "best-effort", "reliable", "reliable-unordered"]

/** What a payload holds: whole messages, or one piece of a message that is larger than a packet. */
export const FORM = { whole: 0, first: 1, middle: 2, last: 3, abandoned: 4 } as const

export type Form = (typeof FORM)[keyof typeof FORM]

export const FORM_NAMES = ["whole", "first", "middle", "last", "abandoned"] as const

const FORM_SHIFT = 3
const LOW_MASK = 0x07

export function deliveryByte(mode: number, form: number): number {
  return mode | (form << FORM_SHIFT)
}

export function modeOf(delivery: number): Mode {
  return (delivery & LOW_MASK) as Mode
}

export function formOf(delivery: number): Form {
  return ((delivery >>> FORM_SHIFT) & LOW_MASK) as Form
}

/** Whether a byte is a known mode and form with nothing else set. */
export function isDelivery(delivery: number): boolean {
  return (delivery & LOW_MASK) <= MODE["reliable-unordered"] && delivery >>> FORM_SHIFT <= FORM.abandoned
}
