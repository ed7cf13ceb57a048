/**
 * X25519 (RFC 7748) for simulated hosts, which have no system to ask. Not hardened against timing: nothing in a simulation is a secret.
 *
 * @module
 */

const KEY_BYTES = 32
const P = 2n ** 255n - 19n
const A24 = 121_665n
/** The u-coordinate of the base point. */
const BASE = Uint8Array.of(9, ...new Uint8Array(KEY_BYTES - 1))

export function x25519PublicKey(privateKey: Uint8Array): Uint8Array {
  return multiply(privateKey, BASE)
}

/** The secret that two pairs of keys share; `undefined`: the public key is of small order, and gives zeros with any private key. */
export function x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  const shared = multiply(privateKey, publicKey)
  return shared.some((byte) => byte !== 0) ? shared : undefined
}

/** The Montgomery ladder of RFC 7748 §5. */
function multiply(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const scalar = (readNumber(privateKey) & ((1n << 254n) - 8n)) | (1n << 254n)
  const x1 = readNumber(publicKey) & ((1n << 255n) - 1n)
  let [x2, z2, x3, z3] = [1n, 0n, x1, 1n]
  let wasSet = false
  for (let bit = 254n; bit >= 0n; bit--) {
    const isSet = ((scalar >> bit) & 1n) === 1n
    if (isSet !== wasSet) [x2, z2, x3, z3] = [x3, z3, x2, z2]
    wasSet = isSet
    const a = x2 + z2
    const b = x2 - z2
    const aa = (a * a) % P
    const bb = (b * b) % P
    const e = aa - bb
    const da = ((x3 - z3) * a) % P
    const cb = ((x3 + z3) * b) % P
    x3 = (da + cb) ** 2n % P
    z3 = (x1 * (da - cb) ** 2n) % P
    x2 = (aa * bb) % P
    z2 = (e * (aa + A24 * e)) % P
  }
  if (wasSet) [x2, z2] = [x3, z3]
  return writeNumber((x2 * power(z2, P - 2n)) % P)
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let square = base % P, left = exponent; left > 0n; left >>= 1n, square = (square * square) % P)
    if ((left & 1n) === 1n) result = (result * square) % P
  return result
}

function readNumber(bytes: Uint8Array): bigint {
  return bytes.reduceRight((number, byte) => (number << 8n) | BigInt(byte), 0n)
}

function writeNumber(number: bigint): Uint8Array {
  const bytes = new Uint8Array(KEY_BYTES)
  for (let i = 0, left = (number + P) % P; i < KEY_BYTES; i++, left >>= 8n) bytes[i] = Number(left & 255n)
  return bytes
}
