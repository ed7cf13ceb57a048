/** The decoder and every body reader, on bytes of any kind. */
import type { Random } from "@x/transport/simulated"
import * as wire from "@x/wire"
import { alter } from "./damage.ts"
import { bytes, pick } from "@x/testkit"
import { makeDatagram } from "./packets.ts"
import { reseal, viewOf, ZERO_SEED } from "./seal.ts"
import { must, type Target } from "./target.ts"

/** The body readers, and the checks before them. A test puts a faulty decoder here. */
export interface Decoder {
  check(view: DataView, offset: number, length: number, profile: wire.Profile): wire.DatagramDropReason | undefined
  describe(view: DataView, offset: number, length: number, profile: wire.Profile): wire.DatagramDescription
}

export const WIRE: Decoder = {
  check: (view, offset, length, profile) =>
    wire.checkPrefix(view, offset, length, profile, wire.DATAGRAM_BYTES_MAX) ??
    wire.checkPackets(view, offset, length, profile),
  describe: wire.describeDatagram,
}

const PROFILES: readonly wire.Profile[] = Object.values(wire.PROFILE)
const REASONS: ReadonlySet<string> = new Set(wire.DATAGRAM_DROP_REASONS)
/** Bytes around the datagram, as in a slab: a read there would read other datagrams. */
const MARGIN_BYTES = 24

/** Skips the tag: an attacker may be able to make a valid one, or may know the key. */
export function decode(input: Uint8Array, decoder: Decoder): void {
  const slab = new Uint8Array(input.length + 2 * MARGIN_BYTES)
  const answers = PROFILES.map((profile) => {
    const [clean, dirty] = [0, 0xff].map((filling) => {
      slab.fill(filling)
      slab.set(input, MARGIN_BYTES)
      return answer(slab, input.length, profile, decoder)
    })
    must(clean === dirty, () => `bytes outside of the datagram decide: ${clean} or ${dirty}`)
    return clean!
  })
  must(
    answers.filter((one) => !REASONS.has(one)).length <= 1,
    () => `more than one profile takes it: ${answers.join(" or ")}`,
  )
}

function answer(slab: Uint8Array, length: number, profile: wire.Profile, decoder: Decoder): string {
  const view = viewOf(slab)
  const reason = decoder.check(view, MARGIN_BYTES, length, profile)
  if (reason === undefined) return JSON.stringify(decoder.describe(view, MARGIN_BYTES, length, profile))
  must(REASONS.has(reason), () => `refused for "${reason}", which is no reason`)
  return reason
}

export function decodeTarget(decoder: Decoder = WIRE): Target {
  return { name: "decode", inputs: 300_000, make: makeNoise, run: (input) => decode(input, decoder) }
}

/** Random bytes, some with a valid prefix, some after the head of a datagram. */
function makeNoise(random: Random): Uint8Array {
  const noise = bytes(random, random.below(random.below(8) === 0 ? 1_500 : 80))
  switch (random.below(3)) {
    case 0:
      return noise
    case 1: {
      if (noise.length < 13) return noise
      const profile = pick(random, PROFILES)
      noise[0] = profile | pick(random, [0, 4])
      noise[10] = 0
      noise[wire.PREFIX_BYTES[profile]!] =
        pick(random, Object.values(wire.KIND)) | pick(random, [0, wire.FLAG_LENGTH, wire.FLAG_WANTED, 0x40])
      return noise
    }
    default: {
      const datagram = makeDatagram(random, pick(random, PROFILES))
      return Uint8Array.of(...datagram.subarray(0, random.below(datagram.length + 1)), ...noise)
    }
  }
}

/** Well-formed datagrams, then up to three alterations, sealed again. */
export function structuredTarget(decoder: Decoder = WIRE): Target {
  return {
    name: "structured",
    inputs: 200_000,
    make: (random) => {
      const profile = pick(random, PROFILES)
      let datagram = makeDatagram(random, profile)
      const reason = decoder.check(viewOf(datagram), 0, datagram.length, profile)
      must(
        reason === undefined,
        () => `a well-formed datagram is refused for "${reason}": ${Buffer.from(datagram).toString("hex")}`,
      )
      for (let count = random.below(4); count > 0; count--)
        datagram = alter(random, datagram, makeDatagram(random, profile))
      reseal(datagram, profile, ZERO_SEED)
      return datagram
    },
    run: (input) => decode(input, decoder),
  }
}
