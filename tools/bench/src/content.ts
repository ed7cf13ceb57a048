/**
 * What messages say: their number three times over, and bytes that tell their place. A lost, mixed or shifted one
 * shows.
 */

/** A message has at least so many bytes. */
export const MESSAGE_BYTES_MIN = 20

const patternAt = (position: number): number => (position * 31 + (position >>> 8) * 7) & 255

const mix = (number: number): number => Math.imul(number ^ 0x5bd1_e995, 0x9e37_79b1) >>> 0

export class Content {
  readonly bytes: Uint8Array
  readonly view: DataView

  constructor(length: number) {
    this.bytes = Uint8Array.from({ length }, (_, position) => patternAt(position))
    this.view = new DataView(this.bytes.buffer)
  }

  number(value: number): Uint8Array {
    const { view, bytes } = this
    view.setUint32(0, value, true)
    view.setUint32(4, mix(value), true)
    view.setUint32(bytes.length - 4, ~value >>> 0, true)
    return bytes
  }
}

/** Bytes at the front that a workload may use: a number twice, and an instant. */
const FRONT_BYTES = 16

/**
 * Checks a message against the number it should have, and a byte of it at a place that differs from one to the next.
 * Throws.
 */
export function check(view: DataView, offset: number, length: number, size: number, expected: number): void {
  const value = view.getUint32(offset, true)
  const inner = length - FRONT_BYTES - 4
  // Of what fits a small integer: the remainder of anything larger is that of doubles, which takes longer than all the
  // rest.
  const position = FRONT_BYTES + (inner > 0 ? (mix(value) >>> 8) % inner : 0)
  if (
    length !== size ||
    value !== expected ||
    view.getUint32(offset + 4, true) !== mix(value) ||
    view.getUint32(offset + length - 4, true) !== ~value >>> 0 ||
    (inner > 0 && view.getUint8(offset + position) !== patternAt(position))
  )
    throw new Error(`message ${expected} of ${size} B came as ${value} of ${length} B`)
}
