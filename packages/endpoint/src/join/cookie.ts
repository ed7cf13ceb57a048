/**
 * Tokens of the stateless challenge (PROTOCOL.md §7): a source that returns one can receive at the address that it is
 * bound to. Nothing is kept for a token except a secret, which changes once a minute.
 *
 * @module
 */

/** Lifetime of a secret, milliseconds. A token is valid under its own secret and the next one: 60 to 120 s. */
export const SECRET_MS = 60_000

const SECRET_BYTES = 32
const MAC_BYTES = 16
/** The generation of the secret, then the MAC. */
export const TOKEN_BYTES: number = 1 + MAC_BYTES

export interface CookieHost {
  entropy(out: Uint8Array): void
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array
}

export class CookieJar {
  readonly #host: CookieHost
  readonly #secrets: [Uint8Array, Uint8Array]
  #generation = 0
  #changedMs: number

  constructor(host: CookieHost, nowMs: number) {
    this.#host = host
    this.#secrets = [this.#newSecret(), this.#newSecret()]
    this.#changedMs = nowMs
  }

  /** Makes a token for a join from this source with this unique and slot. */
  make(source: Uint8Array, unique: Uint8Array, slot: number, nowMs: number): Uint8Array {
    this.#turn(nowMs)
    const token = new Uint8Array(TOKEN_BYTES)
    token[0] = this.#generation & 0xff
    token.set(this.#mac(this.#secrets[0], source, unique, slot), 1)
    return token
  }

  /** Whether a token was made for exactly this source, unique and slot, and not too long ago. */
  check(token: Uint8Array, source: Uint8Array, unique: Uint8Array, slot: number, nowMs: number): boolean {
    this.#turn(nowMs)
    if (token.length !== TOKEN_BYTES) return false
    const age = (this.#generation - token[0]!) & 0xff
    if (age > 1) return false
    const mac = this.#mac(this.#secrets[age]!, source, unique, slot)
    // All bytes are compared, so that the time taken reveals nothing.
    let difference = 0
    for (let i = 0; i < MAC_BYTES; i++) difference |= mac[i]! ^ token[1 + i]!
    return difference === 0
  }

  #mac(secret: Uint8Array, source: Uint8Array, unique: Uint8Array, slot: number): Uint8Array {
    const data = new Uint8Array(source.length + unique.length + 4)
    data.set(source)
    data.set(unique, source.length)
    new DataView(data.buffer).setUint32(source.length + unique.length, slot)
    return this.#host.hmacSha256(secret, data).subarray(0, MAC_BYTES)
  }

  #turn(nowMs: number): void {
    const turns = Math.floor((nowMs - this.#changedMs) / SECRET_MS)
    // By the minute, not by when somebody last asked: a secret would otherwise live for up to two.
    this.#changedMs += turns * SECRET_MS
    for (let left = Math.min(2, turns); left > 0; left--) {
      this.#secrets[1] = this.#secrets[0]
      this.#secrets[0] = this.#newSecret()
      this.#generation++
    }
  }

  #newSecret(): Uint8Array {
    const secret = new Uint8Array(SECRET_BYTES)
    this.#host.entropy(secret)
    return secret
  }
}
