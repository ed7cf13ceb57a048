import { fileURLToPath } from "node:url"
import { isDeepStrictEqual } from "node:util"
import { expect, test } from "vitest"
import { decodeDatagram } from "../src/decode.ts"
import { readVectors, verify } from "../src/verify.ts"
import { toHex } from "./encode.ts"
import { generateValid, type Sample } from "./generate.ts"
import { mutate } from "./mutate.ts"
import { Random } from "./random.ts"
import { VIOLATIONS } from "./violations.ts"
import { decodeWithWire } from "./wire-adapter.ts"

// CONFORMANCE_SEED=… makes another run; a failure prints the seed, so that it can be repeated.
const SEED = Number(process.env["CONFORMANCE_SEED"] ?? 1)
const PACKETS = 100_000

test("the golden vectors and the decoder agree", () => {
  const vectors = readVectors(fileURLToPath(new URL("../../../packages/wire/test/vectors", import.meta.url)))
  expect(vectors.length).toBeGreaterThan(400)
  expect(verify(vectors).map(({ name, vector, decoder }) => ({ name, vector, decoder }))).toEqual([])
})

test(
  "the package and the decoder agree on 100,000 packets, half of them damaged, and on what breaks each obligation",
  { timeout: 300_000 },
  () => {
    const random = new Random(SEED)
    for (const { obligation, name, make } of VIOLATIONS) {
      for (let run = 0; run < 100; run++) compare(make(random), `${obligation} ${name}, seed ${SEED}, run ${run}`)
    }
    let packets = 0
    for (let run = 0; packets < PACKETS; run++) {
      const valid = generateValid(random)
      compare(valid, `seed ${SEED}, run ${run}`)
      compare(mutate(random, valid), `seed ${SEED}, run ${run}, damaged`)
      packets += 2 * valid.datagram.packets.length
    }
  },
)

function compare({ bytes, context }: Sample, what: string): void {
  const decoder = decodeDatagram(bytes, context)
  const wire = decodeWithWire(bytes, context)
  // `expect` is slow, and a message for each datagram is slower still.
  if (!isDeepStrictEqual(wire, decoder))
    expect(wire, `${what}: profile ${context.profile}, ${toHex(bytes)}`).toEqual(decoder)
}
