import { fileURLToPath } from "node:url"
import { isDeepStrictEqual } from "node:util"
import { expect, test } from "vitest"
import { decodeDatagram } from "../src/decode.ts"
import { readVectors, verify } from "../src/verify.ts"
import { toHex } from "./encode.ts"
import { generateValid, type Sample } from "./generate.ts"
import { mutate } from "./mutate.ts"
import { OPEN_POINTS, OPEN_POINTS_OF_VECTORS, type OpenPoint, type Result } from "./open-points.ts"
import { Random } from "./random.ts"
import { VIOLATIONS } from "./violations.ts"
import { decodeWithWire } from "./wire-adapter.ts"

// CONFORMANCE_SEED=… makes another run; a failure prints the seed, so that it can be repeated.
const SEED = Number(process.env["CONFORMANCE_SEED"] ?? 1)
const PACKETS = 100_000

test("the golden vectors and the decoder agree", () => {
  const vectors = readVectors(fileURLToPath(new URL("../../../packages/wire/test/vectors", import.meta.url)))
  expect(vectors.length).toBeGreaterThan(200)
  const shown = new Set<OpenPoint>()
  for (const { name, datagram: bytes, context, vector, decoder } of verify(vectors)) {
    judge(decoder, vector, { bytes, context }, [...OPEN_POINTS_OF_VECTORS, ...OPEN_POINTS], shown, name)
  }
  expectAll(OPEN_POINTS_OF_VECTORS, shown)
})

test(
  "the package and the decoder agree on 100,000 packets, half of them damaged, and on what breaks each obligation",
  { timeout: 300_000 },
  () => {
    const random = new Random(SEED)
    const shown = new Set<OpenPoint>()
    for (const { obligation, name, make } of VIOLATIONS) {
      for (let run = 0; run < 100; run++) compare(make(random), shown, `${obligation} ${name}, seed ${SEED}, run ${run}`)
    }
    let packets = 0
    for (let run = 0; packets < PACKETS; run++) {
      const valid = generateValid(random)
      compare(valid, shown, `seed ${SEED}, run ${run}`)
      compare(mutate(random, valid), shown, `seed ${SEED}, run ${run}, damaged`)
      packets += 2 * valid.datagram.packets.length
    }
    expectAll(OPEN_POINTS, shown)
  },
)

function compare(sample: Sample, shown: Set<OpenPoint>, what: string): void {
  judge(decodeDatagram(sample.bytes, sample.context), decodeWithWire(sample.bytes, sample.context), sample, OPEN_POINTS, shown, what)
}

/** Fails unless decoder and other agree, or differ in an open point; notes which. */
function judge(decoder: Result, other: Result, sample: Sample, points: OpenPoint[], shown: Set<OpenPoint>, what: string): void {
  if (isDeepStrictEqual(decoder, other)) return
  const point = points.find(({ shows }) => shows(decoder, other, sample))
  if (point === undefined) expect(other, `${what}: profile ${sample.context.profile}, ${toHex(sample.bytes)}`).toEqual(decoder)
  else shown.add(point)
}

function expectAll(points: OpenPoint[], shown: Set<OpenPoint>): void {
  const settled = points.filter((point) => !shown.has(point)).map(({ what }) => what)
  expect(settled, "settled points, to be struck from open-points.ts").toEqual([])
}
