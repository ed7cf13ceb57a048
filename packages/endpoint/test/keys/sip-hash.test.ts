import { expect, test } from "vitest"
import { SipHash } from "../../src/keys/sip-hash.ts"

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i)

function hashOf(key: Uint8Array, data: Uint8Array): string {
  const hash = new SipHash(key)
  const view = new DataView(data.buffer)
  hash.hash(view.getInt32(0, true), view.getInt32(4, true), view.getInt32(8, true), view.getInt32(12, true))
  const out = new DataView(new ArrayBuffer(8))
  out.setInt32(0, hash.low, true)
  out.setInt32(4, hash.high, true)
  return Buffer.from(out.buffer).toString("hex")
}

/** SipHash-2-4 once more, on big integers and written from the paper. */
function slowly(key: Uint8Array, data: Uint8Array): string {
  const word = (of: Uint8Array, at: number): bigint => new DataView(of.buffer).getBigUint64(at, true)
  const low = (value: bigint): bigint => BigInt.asUintN(64, value)
  const turn = (value: bigint, by: bigint): bigint => low(value << by) | (value >> (64n - by))
  let [a, b, c, d] = [
    word(key, 0) ^ 0x736f6d6570736575n,
    word(key, 8) ^ 0x646f72616e646f6dn,
    word(key, 0) ^ 0x6c7967656e657261n,
    word(key, 8) ^ 0x7465646279746573n,
  ]
  const rounds = (count: number): void => {
    for (; count > 0; count--) {
      a = low(a + b)
      c = low(c + d)
      b = turn(b, 13n) ^ a
      d = turn(d, 16n) ^ c
      a = low(turn(a, 32n) + d)
      c = low(c + b)
      d = turn(d, 21n) ^ a
      b = turn(b, 17n) ^ c
      c = turn(c, 32n)
    }
  }
  for (const it of [word(data, 0), word(data, 8), BigInt(data.length) << 56n]) {
    d ^= it
    rounds(2)
    a ^= it
  }
  c ^= 0xffn
  rounds(4)
  const out = new DataView(new ArrayBuffer(8))
  out.setBigUint64(0, a ^ b ^ c ^ d, true)
  return Buffer.from(out.buffer).toString("hex")
}

test("16 bytes have the hash that the authors of SipHash published", () => {
  expect(hashOf(bytes(16), bytes(16))).toBe("db9bc2577fcc2a3f")
})

test("any key and any bytes have the hash that big integers give", () => {
  let seed = 1
  const next = (): number => (seed = Math.imul(seed, 0x5bd1_e995) ^ (seed >>> 13)) >>> 8
  for (let i = 0; i < 500; i++) {
    const [key, data] = [Uint8Array.from(bytes(16), next), Uint8Array.from(bytes(16), next)]
    expect(hashOf(key, data)).toBe(slowly(key, data))
  }
})
