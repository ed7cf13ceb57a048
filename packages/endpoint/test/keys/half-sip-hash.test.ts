import { expect, test } from "vitest"
import { HalfSipHash } from "../../src/keys/half-sip-hash.ts"

function hashOf(key: Uint8Array, data: Uint8Array): number {
  const view = new DataView(data.buffer)
  const words = [0, 4, 8, 12].map((at) => view.getInt32(at, true)) as [number, number, number, number]
  return new HalfSipHash(key).hash(...words) >>> 0
}

/** HalfSipHash-2-4 once more, of any length, on big integers and written from its reference. */
function slowly(key: Uint8Array, data: Uint8Array): number {
  const low = (value: bigint): bigint => BigInt.asUintN(32, value)
  const turn = (value: bigint, by: bigint): bigint => low(value << by) | (value >> (32n - by))
  const words = (of: Uint8Array): bigint[] => {
    const padded = new Uint8Array((of.length + 4) & ~3)
    padded.set(of)
    const view = new DataView(padded.buffer)
    return Array.from({ length: padded.length / 4 }, (_, i) => BigInt(view.getUint32(4 * i, true)))
  }
  const [k0, k1] = words(key) as [bigint, bigint]
  let [a, b, c, d] = [k0, k1, k0 ^ 0x6c796765n, k1 ^ 0x74656462n]
  const rounds = (count: number): void => {
    for (; count > 0; count--) {
      a = low(a + b)
      b = turn(b, 5n) ^ a
      a = turn(a, 16n)
      c = low(c + d)
      d = turn(d, 8n) ^ c
      a = low(a + d)
      d = turn(d, 7n) ^ a
      c = low(c + b)
      b = turn(b, 13n) ^ c
      c = turn(c, 16n)
    }
  }
  const all = words(data)
  all[all.length - 1]! |= BigInt(data.length & 255) << 24n
  for (const word of all) {
    d ^= word
    rounds(2)
    a ^= word
  }
  c ^= 0xffn
  rounds(4)
  return Number(b ^ d)
}

const counted = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i)

test("the definition gives the hash of no bytes that its authors published", () => {
  expect(slowly(counted(8), counted(0)).toString(16)).toBe("5b9f35a9")
})

test("any key and any 16 bytes have the hash of the definition", () => {
  let seed = 1
  const next = (): number => (seed = Math.imul(seed, 0x5bd1_e995) ^ (seed >>> 13)) >>> 8
  for (let i = 0; i < 500; i++) {
    const [key, data] = [Uint8Array.from(counted(8), next), Uint8Array.from(counted(16), next)]
    expect(hashOf(key, data)).toBe(slowly(key, data))
  }
})
