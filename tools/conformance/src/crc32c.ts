/** §2: Castagnoli's CRC, a bit at a time: reflected polynomial 82F63B78, start and final XOR FFFFFFFF. */
export function crc32c(bytes: Uint8Array): number {
  let register = 0xffffffff
  for (const byte of bytes) {
    register = (register ^ byte) >>> 0
    for (let bit = 0; bit < 8; bit++) {
      const carry = register & 1
      register = register >>> 1
      if (carry === 1) register = (register ^ 0x82f63b78) >>> 0
    }
  }
  return (register ^ 0xffffffff) >>> 0
}
