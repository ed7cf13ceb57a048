/** Damage that a path or an attacker does to a datagram: bits, bytes, fields, cuts, splices. */
import type { Random } from "@x/transport/simulated"
import { bytes, pick } from "@x/testkit"
import { viewOf } from "./seal.ts"

const BYTES = [0, 1, 0x7f, 0x80, 0xff, 64, 65]
const FIELDS = [0, 1, 2 ** 15, 0xffff, 2 ** 31 - 1, 2 ** 31, 0xffff_fffe, 0xffff_ffff]

/** One alteration; `other` lends its tail. */
export function alter(random: Random, datagram: Uint8Array, other: Uint8Array): Uint8Array {
  const { length } = datagram
  if (length === 0) return bytes(random, 1 + random.below(40))
  const out = datagram.slice()
  // Most decisions depend on the first fields.
  const at = random.below(random.below(2) === 0 ? Math.min(40, length) : length)
  switch (random.below(9)) {
    case 0:
      return out.slice(0, random.below(length))
    case 1:
      return Uint8Array.of(...out, ...bytes(random, 1 + random.below(20)))
    case 2:
      return Uint8Array.of(...out.subarray(0, at), ...other.subarray(random.below(other.length + 1)))
    case 3:
      return Uint8Array.of(...out.subarray(0, at), ...out.subarray(at + 1 + random.below(8)))
    case 4:
      out[at] = pick(random, BYTES)
      return out
    case 5:
      if (at + 2 <= length) viewOf(out).setUint16(at, pick(random, FIELDS) & 0xffff, true)
      return out
    case 6:
      if (at + 4 <= length) viewOf(out).setUint32(at, pick(random, FIELDS), true)
      return out
    case 7:
      out[at] = random.below(256)
      return out
    default:
      out[at]! ^= 1 << random.below(8)
      return out
  }
}
