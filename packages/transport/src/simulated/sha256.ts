/**
 * SHA-256 and HMAC (FIPS 180-4, RFC 2104) for simulated hosts, which have no system to ask. Not hardened against timing: nothing in a
 * simulation is a secret.
 *
 * @module
 */

const BLOCK_BYTES = 64

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes; those of the square roots of the first 8. */
const { K, INITIAL } = makeConstants()

export function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  const padded = new Uint8Array(BLOCK_BYTES)
  padded.set(key.length > BLOCK_BYTES ? sha256(key) : key)
  const inner = sha256(
    concat(
      padded.map((byte) => byte ^ 0x36),
      data,
    ),
  )
  return sha256(
    concat(
      padded.map((byte) => byte ^ 0x5c),
      inner,
    ),
  )
}

export function sha256(data: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil((data.length + 9) / BLOCK_BYTES) * BLOCK_BYTES)
  padded.set(data)
  padded[data.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 8, Math.floor(data.length / 2 ** 29))
  view.setUint32(padded.length - 4, data.length << 3)
  const hash = INITIAL.slice()
  const words = new Int32Array(64)
  for (let block = 0; block < padded.length; block += BLOCK_BYTES) {
    for (let i = 0; i < 16; i++) words[i] = view.getInt32(block + 4 * i)
    compress(hash, words)
  }
  const out = new Uint8Array(32)
  const outView = new DataView(out.buffer)
  hash.forEach((word, i) => outView.setInt32(4 * i, word))
  return out
}

function compress(hash: Int32Array, w: Int32Array): void {
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15]!
    const y = w[i - 2]!
    w[i] = (rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10)) + w[i - 7]! + (rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3)) + w[i - 16]!
  }
  let [a, b, c, d, e, f, g, h] = hash as unknown as [number, number, number, number, number, number, number, number]
  for (let i = 0; i < 64; i++) {
    const t1 = (h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + K[i]! + w[i]!) | 0
    const t2 = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0
    h = g
    g = f
    f = e
    e = (d + t1) | 0
    d = c
    c = b
    b = a
    a = (t1 + t2) | 0
  }
  for (const [i, value] of [a, b, c, d, e, f, g, h].entries()) hash[i] = hash[i]! + value
}

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits))
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}

/** Roots are rounded correctly by every engine only where the standard says so (square roots); cube roots are found by whole-number search. */
function makeConstants(): { K: Int32Array; INITIAL: Int32Array } {
  const primes: bigint[] = []
  for (let n = 2n; primes.length < 64; n++) if (primes.every((prime) => n % prime !== 0n)) primes.push(n)
  const fraction = (prime: bigint, power: bigint): number => {
    const target = prime << (32n * power)
    let root = 0n
    for (let bit = 1n << 40n; bit > 0n; bit >>= 1n) if ((root + bit) ** power <= target) root += bit
    return Number(root & 0xffff_ffffn) | 0
  }
  return {
    K: Int32Array.from(primes, (prime) => fraction(prime, 3n)),
    INITIAL: Int32Array.from(primes.slice(0, 8), (prime) => fraction(prime, 2n)),
  }
}
