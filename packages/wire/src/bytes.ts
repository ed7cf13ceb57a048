/**
 * The bytes of a view as a `Uint8Array`, not copied. For fields that aren't on the hot path: such an array costs about
 * 40 ns.
 */
export function bytesAt(view: DataView, offset: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, length)
}

/** Writes these bytes; returns the offset after them. */
export function writeBytes(view: DataView, at: number, bytes: Uint8Array): number {
  bytesAt(view, at, bytes.length).set(bytes)
  return at + bytes.length
}

/** A copy of the bytes of a view. */
export function copyAt(view: DataView, at: number, length: number): Uint8Array {
  return bytesAt(view, at, length).slice()
}

/** The first byte in `[offset, end)` that isn't zero, or `end`. */
export function firstNonZero(view: DataView, offset: number, end: number): number {
  while (offset < end && view.getUint8(offset) === 0) offset++
  return offset
}

/**
 * Whether `[offset, end)` is well-formed UTF-8 (Unicode 15, table 3-7): no overlong forms, no surrogates, nothing above
 * U+10FFFF.
 */
export function isUtf8(view: DataView, offset: number, end: number): boolean {
  while (offset < end) {
    const lead = view.getUint8(offset++)
    if (lead < 0x80) continue
    if (lead < 0xc2 || lead > 0xf4) return false
    const more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3
    if (end - offset < more) return false
    const second = view.getUint8(offset)
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
    if (second < low || second > high) return false
    for (let i = 1; i < more; i++) if (view.getUint8(offset + i) >>> 6 !== 0b10) return false
    offset += more
  }
  return true
}
