/** All damages of one kind, one after the other, in one buffer: copy a datagram to keep it. */

/** Every truncation, from nothing to one byte less than all. */
export function* truncations(datagram: Uint8Array): Generator<Uint8Array> {
  for (let length = 0; length < datagram.length; length++) yield datagram.subarray(0, length)
}

/** Every datagram that differs in one bit. */
export function* bitFlips(datagram: Uint8Array): Generator<Uint8Array> {
  const flipped = datagram.slice()
  for (let bit = 0; bit < 8 * flipped.length; bit++) {
    flipped[bit >>> 3]! ^= 1 << (bit & 7)
    yield flipped
    flipped[bit >>> 3]! ^= 1 << (bit & 7)
  }
}
