/**
 * Numbers that aren't small integers to V8, although they look like them.
 *
 * V8 keeps a field that begins with a small integer as one. When it first holds a fraction, or 2^31, V8 gives up that
 * form of the object, and all code that it had compiled for it: for a total of bytes after seconds of work, for a time at
 * the first packet. What begins as a double stays one.
 *
 * @module
 */

/** 0 as a double, which only memory of doubles gives: what most of these fields begin with. */
export const ZERO: number = new Float64Array(1)[0]!

/**
 * The same number, as a double: for fields that will hold times, rates, or totals without a bound. Not for what stays
 * below 2^31, such as offsets and sizes: small integers are faster.
 */
export function double(value: number): number {
  return value + ZERO
}
