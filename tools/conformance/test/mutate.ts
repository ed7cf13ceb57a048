// Damage as done by a path or an attacker: bits, cuts, splices. Half of the datagrams get a new tag, so that they pass
// the checksum.
import { type Sample, framingOf, generateValid } from "./generate.ts"
import { withTag } from "./encode.ts"
import type { Random } from "./random.ts"

export function mutate(random: Random, sample: Sample): Sample {
  const { tagBytes } = framingOf(sample.context)
  let untagged: Uint8Array = sample.bytes.slice(0, sample.bytes.length - tagBytes)
  for (let count = random.pick([1, 1, 1, 2, 4]); count > 0; count--) untagged = mutateOnce(random, untagged)
  // The context stays: an endpoint has one profile, whatever it receives.
  if (tagBytes === 4 && random.once(4))
    return { ...sample, bytes: damageTag(random, withTag(untagged, framingOf(sample.context))) }
  return { ...sample, bytes: withTag(untagged, framingOf(sample.context)) }
}

function mutateOnce(random: Random, bytes: Uint8Array): Uint8Array {
  switch (random.below(7)) {
    case 0:
      return bytes.slice(0, random.between(0, bytes.length))
    case 1:
      return Uint8Array.from([...bytes, ...random.bytes(random.between(1, 20))])
    case 2: {
      // The head of one datagram and the tail of another.
      const other = generateValid(random).bytes
      return Uint8Array.from([
        ...bytes.subarray(0, random.between(0, bytes.length)),
        ...other.subarray(random.between(0, other.length)),
      ])
    }
    case 3: {
      // Bytes set to a meaningful value.
      const changed = bytes.slice()
      if (changed.length > 0) changed[random.below(changed.length)] = random.pick([0, 1, 0x7f, 0x80, 0xff, 64, 65])
      return changed
    }
    case 4: {
      // A byte of the first fields, on which most decisions depend.
      const changed = bytes.slice()
      const at = random.below(Math.min(40, changed.length))
      if (changed.length > 0) changed[at] = random.u32()
      return changed
    }
    case 5: {
      const at = random.between(0, bytes.length)
      return Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + random.between(1, 8))])
    }
    default: {
      const changed = bytes.slice()
      for (let flips = random.between(1, 4); flips > 0 && changed.length > 0; flips--) {
        const at = random.below(changed.length)
        changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8))
      }
      return changed
    }
  }
}

function damageTag(random: Random, bytes: Uint8Array): Uint8Array {
  const at = bytes.length - 1 - random.below(4)
  if (at >= 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
  return bytes
}
