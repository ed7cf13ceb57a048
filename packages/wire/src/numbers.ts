/**
 * 48-bit numbers: packet numbers, datagram counters, message counts. Exact in a JavaScript number, so they need neither
 * BigInt nor wrap-around; every comparison and every field of this width goes through here.
 *
 * @module
 */

/**
 * The largest packet number or counter (2^48 − 2^20 − 1). A stream or an association is closed before it gets there;
 * the rest is headroom.
 */
export const NUMBER_MAX: number = 2 ** 48 - 2 ** 20 - 1

/** Bytes of a 48-bit field. */
export const NUMBER_BYTES = 6

const WORD = 2 ** 32

/**
 * The 48-bit number at `offset`, least significant byte first. It may be above {@link NUMBER_MAX}: the checks test for
 * that.
 */
export function readNumber(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getUint16(offset + 4, true) * WORD
}

/** Writes a number below 2^48, least significant byte first. */
export function writeNumber(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % WORD, true)
  view.setUint16(offset + 4, value / WORD, true)
}

/** Whether a value is a valid packet number, counter or edge; checks what callers pass in. */
export function isNumber(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= NUMBER_MAX
}

/**
 * Throws a `RangeError` unless a value is a whole number in a range: checks what callers of the packages above pass in.
 */
export function checkWhole(name: string, value: number, min: number, max: number = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return
  throw new RangeError(`${name} must be a whole number from ${min} to ${max}, not ${String(value)}`)
}

/**
 * The index of a number in a ring of `mask + 1` slots, a power of two: `&` takes it modulo 2^32, which keeps the low
 * bits of the 48.
 */
export function ringIndex(number: number, mask: number): number {
  return number & mask
}
