/**
 * Another way to compute the decoder's checksum, by a table instead of bit by bit: a mistake in one of the two shows.
 */
const TABLE = Array.from({ length: 256 }, (_, index) => {
  let value = index
  for (let bit = 0; bit < 8; bit++) value = value % 2 === 1 ? ((value >>> 1) ^ 0x82f63b78) >>> 0 : value >>> 1
  return value
})

export function crc32(bytes: Iterable<number>): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = ((crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] as number)) >>> 0
  return ~crc >>> 0
}
