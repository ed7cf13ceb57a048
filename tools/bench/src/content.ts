/**
 * The content of messages: their number three times, and bytes that depend on their position. So a lost, mixed or
 * shifted message shows.
 */

/** The least bytes of a message. */
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

/** Bytes at the front that a workload may use: a number twice, and a time. */
const FRONT_BYTES = 16

/**
 * Checks that a message has the expected number, and one byte of it at a position that differs from message to message.
 * Throws.
 */
export function check(view: DataView, offset: number, length: number, size: number, expected: number): void {
  const value = view.getUint32(offset, true)
  const inner = length - FRONT_BYTES - 4
  // The value must fit a small integer: for anything larger the remainder is one of doubles, which takes longer than
  // all the rest.
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
