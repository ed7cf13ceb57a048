/**
 * AES-256-GCM (FIPS 197, NIST SP 800-38D) for simulated hosts, which have no system to ask. Not hardened against timing: nothing in a simulation is a
 * secret.
 *
 * @module
 */

const BLOCK_BYTES = 16
const TAG_BYTES = 16
const KEY_WORDS = 8
const ROUNDS = 14

const { SBOX, ROUND_TABLE } = makeTables()

/** Encrypts; the nonce has 12 bytes, the key 32. Answers ciphertext and tag, one behind the other. */
export function aesGcmSeal(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const schedule = expandKey(key)
  const out = new Uint8Array(plaintext.length + TAG_BYTES)
  const ciphertext = out.subarray(0, plaintext.length)
  ciphertext.set(plaintext)
  applyKeystream(schedule, nonce, ciphertext)
  out.set(tagOf(schedule, nonce, associated, ciphertext), plaintext.length)
  return out
}

/** Answers the plaintext; `undefined`: the tag isn't that of key, nonce, associated data and ciphertext. */
export function aesGcmOpen(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < TAG_BYTES) return undefined
  const schedule = expandKey(key)
  const plaintext = sealed.slice(0, sealed.length - TAG_BYTES)
  const tag = tagOf(schedule, nonce, associated, plaintext)
  if (tag.some((byte, i) => byte !== sealed[plaintext.length + i])) return undefined
  applyKeystream(schedule, nonce, plaintext)
  return plaintext
}

/** Counter mode from block 2 on; block 1 masks the tag. */
function applyKeystream(schedule: Int32Array, nonce: Uint8Array, bytes: Uint8Array): void {
  const block = counterBlock(nonce)
  for (let at = 0, counter = 2; at < bytes.length; at += BLOCK_BYTES, counter++) {
    block[3] = counter
    const stream = encryptBlock(schedule, block)
    const length = Math.min(BLOCK_BYTES, bytes.length - at)
    for (let i = 0; i < length; i++) bytes[at + i]! ^= stream[i >>> 2]! >>> (24 - 8 * (i & 3))
  }
}

function counterBlock(nonce: Uint8Array): Int32Array {
  const view = new DataView(nonce.buffer, nonce.byteOffset, nonce.byteLength)
  return Int32Array.of(view.getInt32(0), view.getInt32(4), view.getInt32(8), 1)
}

function tagOf(schedule: Int32Array, nonce: Uint8Array, associated: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  const hash = encryptBlock(schedule, new Int32Array(4))
  const sum = new Int32Array(4)
  mixIn(sum, hash, associated)
  mixIn(sum, hash, ciphertext)
  const lengths = new DataView(new ArrayBuffer(BLOCK_BYTES))
  lengths.setUint32(4, associated.length << 3)
  lengths.setUint32(12, ciphertext.length << 3)
  mixIn(sum, hash, new Uint8Array(lengths.buffer))
  const mask = encryptBlock(schedule, counterBlock(nonce))
  const tag = new DataView(new ArrayBuffer(TAG_BYTES))
  for (let i = 0; i < 4; i++) tag.setInt32(4 * i, sum[i]! ^ mask[i]!)
  return new Uint8Array(tag.buffer)
}

/** GHASH: adds blocks, the last one filled with zeros, and multiplies by the hash key after each. */
function mixIn(sum: Int32Array, hash: Int32Array, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const length = Math.min(BLOCK_BYTES, bytes.length - at)
    for (let i = 0; i < length; i++) sum[i >>> 2]! ^= bytes[at + i]! << (24 - 8 * (i & 3))
    multiply(sum, hash)
  }
}

/** In GF(2^128), bit by bit, the most significant bit first (SP 800-38D §6.3). */
function multiply(x: Int32Array, y: Int32Array): void {
  let [z0, z1, z2, z3] = [0, 0, 0, 0]
  let [v0, v1, v2, v3] = [y[0]!, y[1]!, y[2]!, y[3]!]
  for (let bit = 0; bit < 128; bit++) {
    const take = -((x[bit >>> 5]! >>> (31 - (bit & 31))) & 1)
    z0 ^= v0 & take
    z1 ^= v1 & take
    z2 ^= v2 & take
    z3 ^= v3 & take
    const reduce = -(v3 & 1) & 0xe100_0000
    v3 = (v3 >>> 1) | (v2 << 31)
    v2 = (v2 >>> 1) | (v1 << 31)
    v1 = (v1 >>> 1) | (v0 << 31)
    v0 = (v0 >>> 1) ^ reduce
  }
  x[0] = z0
  x[1] = z1
  x[2] = z2
  x[3] = z3
}

function expandKey(key: Uint8Array): Int32Array {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength)
  const words = new Int32Array(4 * (ROUNDS + 1))
  for (let i = 0; i < KEY_WORDS; i++) words[i] = view.getInt32(4 * i)
  let constant = 1
  for (let i = KEY_WORDS; i < words.length; i++) {
    let word = words[i - 1]!
    if (i % KEY_WORDS === 0) {
      word = substitute((word << 8) | (word >>> 24)) ^ (constant << 24)
      constant = double(constant)
    } else if (i % KEY_WORDS === 4) word = substitute(word)
    words[i] = words[i - KEY_WORDS]! ^ word
  }
  return words
}

function substitute(word: number): number {
  return (SBOX[word >>> 24]! << 24) | (SBOX[(word >>> 16) & 255]! << 16) | (SBOX[(word >>> 8) & 255]! << 8) | SBOX[word & 255]!
}

function encryptBlock(schedule: Int32Array, block: Int32Array): Int32Array {
  let state = block.map((word, i) => word ^ schedule[i]!)
  for (let round = 1; round < ROUNDS; round++) {
    const before = state
    state = before.map(
      (_, i) =>
        ROUND_TABLE[before[i]! >>> 24]! ^
        rotate(ROUND_TABLE[(before[(i + 1) & 3]! >>> 16) & 255]!, 8) ^
        rotate(ROUND_TABLE[(before[(i + 2) & 3]! >>> 8) & 255]!, 16) ^
        rotate(ROUND_TABLE[before[(i + 3) & 3]! & 255]!, 24) ^
        schedule[4 * round + i]!,
    )
  }
  const last = state
  return last.map(
    (_, i) =>
      ((SBOX[last[i]! >>> 24]! << 24) |
        (SBOX[(last[(i + 1) & 3]! >>> 16) & 255]! << 16) |
        (SBOX[(last[(i + 2) & 3]! >>> 8) & 255]! << 8) |
        SBOX[last[(i + 3) & 3]! & 255]!) ^
      schedule[4 * ROUNDS + i]!,
  )
}

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits))
}

/** Times x in GF(2^8). */
function double(byte: number): number {
  return ((byte << 1) ^ (byte >>> 7 === 1 ? 0x11b : 0)) & 0xff
}

/** The substitution, and it with the mixing of columns in one word (FIPS 197 §5.1). */
function makeTables(): { SBOX: Uint8Array; ROUND_TABLE: Int32Array } {
  const substitution = new Uint8Array(256)
  // p runs through all powers of 3, q through their inverses.
  let [p, q] = [1, 1]
  do {
    p ^= double(p)
    q ^= q << 1
    q ^= q << 2
    q ^= q << 4
    q &= 0xff
    if ((q & 0x80) !== 0) q ^= 0x09
    let mixed = q
    for (let bits = 1; bits <= 4; bits++) mixed ^= ((q << bits) | (q >>> (8 - bits))) & 0xff
    substitution[p] = mixed ^ 0x63
  } while (p !== 1)
  substitution[0] = 0x63
  const table = Int32Array.from(substitution, (byte) => (double(byte) << 24) | (byte << 16) | (byte << 8) | (byte ^ double(byte)))
  return { SBOX: substitution, ROUND_TABLE: table }
}
