import { describe, expect, test } from "vitest"
import { crc32c } from "../src/crc32c.ts"
import { decodeDatagram } from "../src/decode.ts"
import { crc32 } from "./crc-table.ts"
import { EVERY_KIND, generateValid } from "./generate.ts"
import { mutate } from "./mutate.ts"
import { Random } from "./random.ts"
import { VIOLATIONS } from "./violations.ts"

const SEED = Number(process.env["CONFORMANCE_SEED"] ?? 1)

test("the checksum of 123456789 is E3069283, bit by bit and by table", () => {
  const bytes = new TextEncoder().encode("123456789")
  expect(crc32c(bytes)).toBe(0xe3069283)
  expect(crc32(bytes)).toBe(0xe3069283)
})

test.each(EVERY_KIND)("what was encoded is decoded: %s", (kind) => {
  const random = new Random(SEED)
  for (let run = 0; run < 300; run++) {
    const { bytes, context, datagram } = generateValid(random, kind)
    expect(decodeDatagram(bytes, context), `seed ${SEED}, run ${run}`).toEqual(datagram)
  }
})

describe("a datagram that breaks an obligation is refused under its name", () => {
  test.each(VIOLATIONS)("$obligation $drop: $name", ({ drop, make }) => {
    const random = new Random(SEED)
    for (let run = 0; run < 300; run++) {
      const { bytes, context } = make(random)
      expect(decodeDatagram(bytes, context), `seed ${SEED}, run ${run}`).toEqual({ drop })
    }
  })
})

test("any bytes are decoded or refused, never thrown at", () => {
  const random = new Random(SEED)
  for (let run = 0; run < 3000; run++) {
    const { bytes, context } = mutate(random, generateValid(random))
    const result = decodeDatagram(bytes, context)
    expect("drop" in result || "packets" in result).toBe(true)
  }
})
