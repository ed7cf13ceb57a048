// The gate in front of joins: what somebody without the secret costs, counted.
import { systemHost } from "@x/transport"
import type { SyncCrypto } from "@x/transport/host"
import { PROFILE, writePrefix } from "@x/wire"
import { expect, test } from "vitest"
import { HalfSipHash } from "../../src/keys/half-sip-hash.ts"
import { SealedHandshakes } from "../../src/keys/sealed-handshakes.ts"

const PACKETS = new Uint8Array(400).fill(5)
const secretOf = (id: number): Uint8Array => new Uint8Array(32).fill(id)

/** Counts calls of the cryptography. */
function counted(): { crypto: SyncCrypto; calls: () => number } {
  const { crypto } = systemHost()
  let calls = 0
  const counting = new Proxy(crypto, {
    get(target, name: keyof SyncCrypto) {
      calls++
      return target[name]
    },
  })
  return { crypto: counting, calls: () => calls }
}

function side(secrets: readonly Uint8Array[], crypto: SyncCrypto = systemHost().crypto): SealedHandshakes {
  return new SealedHandshakes(
    { crypto, identity: undefined, entropy: (out) => systemHost().entropy(out) },
    secrets,
    1_472,
  )
}

function joinOf(secret: Uint8Array): Uint8Array {
  const prefix = new Uint8Array(12)
  writePrefix(new DataView(prefix.buffer), 0, PROFILE.aead, true, 0, 1)
  return Uint8Array.of(...prefix, ...side([secret]).begin(prefix, PACKETS).message)
}

test.each([1, 8])(
  "a join without the secret costs one short hash for each of %d secrets, and nothing else",
  (count) => {
    const { crypto, calls } = counted()
    const secrets = Array.from({ length: count }, (_, i) => secretOf(i + 1))
    const receiver = side(secrets, crypto)
    const forged = joinOf(secretOf(99))
    const before = calls()
    const { hash } = HalfSipHash.prototype
    let hashes = 0
    HalfSipHash.prototype.hash = function (this: HalfSipHash, a, b, c, d) {
      hashes++
      return hash.call(this, a, b, c, d)
    }
    try {
      for (let i = 0; i < 100; i++) {
        forged[20 + (i & 15)]! ^= i + 1
        expect(receiver.openJoin(forged, 0, forged.length)).toBe("tag")
        expect(receiver.checkGate(new DataView(forged.buffer), 0, forged.length)).toBe("tag")
      }
    } finally {
      HalfSipHash.prototype.hash = hash
    }
    expect([calls() - before, hashes]).toEqual([0, 2 * 100 * count])
  },
)

test("the gate tells which secret a join was made with: no other is tried", () => {
  const { crypto, calls } = counted()
  const secrets = Array.from({ length: 8 }, (_, i) => secretOf(i + 1))
  const receiver = side(secrets, crypto)
  const costs = secrets.map((secret) => {
    const join = joinOf(secret)
    const before = calls()
    expect(receiver.openJoin(join, 0, join.length)).toMatchObject({ kind: "join" })
    return calls() - before
  })
  expect(new Set(costs).size).toBe(1)
})

test("each bit of the gate counts, and none of it helps a join that was changed behind it", () => {
  const receiver = side([secretOf(1)])
  const join = joinOf(secretOf(1))
  const view = new DataView(join.buffer)
  for (let bit = 0; bit < 8 * (4 + 16); bit++) {
    join[12 + (bit >> 3)]! ^= 1 << (bit & 7)
    expect(receiver.checkGate(view, 0, join.length)).toBe("tag")
    join[12 + (bit >> 3)]! ^= 1 << (bit & 7)
  }
  expect(receiver.checkGate(view, 0, join.length)).toBeUndefined()
  for (let at = 12 + 4 + 16; at < join.length; at += 7) {
    join[at]! ^= 1
    expect(receiver.openJoin(join, 0, join.length)).toBe("tag")
    join[at]! ^= 1
  }
})
