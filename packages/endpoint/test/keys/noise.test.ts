import { createHmac, hkdfSync } from "node:crypto"
import { systemHost } from "@x/transport"
import { createNetwork } from "@x/transport/simulated"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { keyChains, nonceOf, pskOf } from "../../src/keys/key-schedule.ts"
import { NoiseInitiator, NoiseKey, NoiseResponder } from "../../src/keys/noise.ts"
import { KEY_BYTES, type NoiseResult } from "../../src/keys/noise-state.ts"

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** The vector of Noise_NNpsk0_25519_AESGCM_SHA256 that the Haskell implementation `cacophony` publishes. */
const VECTOR = {
  prologue: "4a6f686e2047616c74",
  psk: "54686973206973206d7920417573747269616e20706572737065637469766521",
  initiator: "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
  responder: "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
  messages: [
    {
      payload: "4c756477696720766f6e204d69736573",
      ciphertext:
        "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79447c37a89fc17813788d30df2d59501d6066f5f8aecc3406bbd9829f2d24a531b1",
    },
    {
      payload: "4d757272617920526f746862617264",
      ciphertext:
        "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088432f29d79368ef9de4e1ae7a362fb05bf0ad668e026bf5714554497b3a720461",
    },
    { payload: "462e20412e20486179656b", ciphertext: "7c01e898a6201f36aecee532e29cd0b7f8ffa29d3366ad0dce39a6" },
    { payload: "4361726c204d656e676572", ciphertext: "a9ff535aace3db6a1da1a7fb00fe2de2622bb373abad9fb42c00e0" },
  ],
} as const
const PROLOGUE = hex(VECTOR.prologue)
const PSK = hex(VECTOR.psk)
const KEYS = [hex(VECTOR.initiator), hex(VECTOR.responder)] as const
const bytes32 = fc.uint8Array({ minLength: KEY_BYTES, maxLength: KEY_BYTES })

describe.each([
  ["system", systemHost().crypto],
  ["simulated", createNetwork({ seed: 1 }).host("a").crypto],
])("the key exchange of a join, with the cryptography of the %s host", (_name, crypto) => {
  function exchange(
    psks: readonly [Uint8Array, Uint8Array],
    prologues: readonly [Uint8Array, Uint8Array] = [PROLOGUE, PROLOGUE],
  ) {
    const initiator = new NoiseInitiator(
      crypto,
      prologues[0],
      new NoiseKey(crypto, psks[0]),
      KEYS[0],
      hex(VECTOR.messages[0].payload),
    )
    const responder = NoiseResponder.read(crypto, prologues[1], new NoiseKey(crypto, psks[1]), initiator.message)
    return { initiator, responder, answer: responder?.write(KEYS[1], hex(VECTOR.messages[1].payload)) }
  }

  /** The keys after the handshake, as in the specification: HKDF of the chaining key, without material. */
  function split({ chainingKey }: NoiseResult): readonly [Uint8Array, Uint8Array] {
    const blocks = new Uint8Array(hkdfSync("sha256", new Uint8Array(0), chainingKey, new Uint8Array(0), 64))
    return [blocks.subarray(0, 32), blocks.subarray(32)]
  }

  test("gives the messages and keys of the published vector", () => {
    const { initiator, responder, answer } = exchange([PSK, PSK])
    expect(toHex(initiator.message)).toBe(VECTOR.messages[0].ciphertext)
    expect(toHex(responder!.payload)).toBe(VECTOR.messages[0].payload)
    expect(toHex(answer!.message)).toBe(VECTOR.messages[1].ciphertext)
    const read = initiator.read(answer!.message)!
    expect(toHex(read.payload)).toBe(VECTOR.messages[1].payload)
    expect(read.result).toEqual(answer!.result)
    const keys = split(read.result)
    for (const [i, { payload, ciphertext }] of VECTOR.messages.slice(2).entries())
      expect(toHex(crypto.aesGcmSeal(keys[i]!, new Uint8Array(12), new Uint8Array(0), hex(payload)))).toBe(ciphertext)
  })

  test("another secret, another prologue: the first message is refused, and nobody answers", () => {
    expect(exchange([PSK, PSK.with(3, PSK[3]! ^ 1)]).responder).toBeUndefined()
    expect(exchange([PSK, PSK], [PROLOGUE, PROLOGUE.with(0, 0)]).responder).toBeUndefined()
  })

  test("every flipped bit and every cut of either message is refused, and the genuine answer is still taken", () => {
    const { initiator, answer } = exchange([PSK, PSK])
    const forged = (message: Uint8Array, bit: number): Uint8Array =>
      message.with(bit >>> 3, message[bit >>> 3]! ^ (1 << (bit & 7)))
    for (let bit = 0; bit < 8 * initiator.message.length; bit += 7)
      expect(
        NoiseResponder.read(crypto, PROLOGUE, new NoiseKey(crypto, PSK), forged(initiator.message, bit)),
      ).toBeUndefined()
    for (let bit = 0; bit < 8 * answer!.message.length; bit += 7) {
      // The topmost bit of a public key has no effect on the exchange (RFC 7748 §5), but it is part of the transcript.
      expect(initiator.read(forged(answer!.message, bit))).toBeUndefined()
    }
    for (const length of [0, 31, 32, 47, answer!.message.length - 1]) {
      expect(
        NoiseResponder.read(crypto, PROLOGUE, new NoiseKey(crypto, PSK), initiator.message.subarray(0, length)),
      ).toBeUndefined()
      expect(initiator.read(answer!.message.subarray(0, length))).toBeUndefined()
    }
    expect(initiator.read(answer!.message)?.result).toEqual(answer!.result)
  })

  test("a public key of small order is refused by whoever would share a secret with it", () => {
    const { initiator, responder } = exchange([PSK, PSK])
    expect(initiator.read(new Uint8Array(64))).toBeUndefined()
    // Anyone that knows the secret can send one as the first message.
    const weak = { ...crypto, x25519PublicKey: () => new Uint8Array(KEY_BYTES) }
    const { message } = new NoiseInitiator(weak, PROLOGUE, new NoiseKey(weak, PSK), KEYS[0], new Uint8Array(0))
    expect(
      NoiseResponder.read(crypto, PROLOGUE, new NoiseKey(crypto, PSK), message)?.write(KEYS[1], new Uint8Array(0)),
    ).toBeUndefined()
    expect(responder).toBeDefined()
  })

  test("a pre-shared key of another length is a mistake of the caller", () => {
    expect(() => new NoiseKey(crypto, new Uint8Array(16))).toThrow("32 bytes, not 16")
  })
})

describe("the key schedule", () => {
  const { crypto } = systemHost()
  const result = { chainingKey: new Uint8Array(32).fill(1), transcript: new Uint8Array(32).fill(2) }

  test("is HKDF-SHA256 with the transcript as salt, a label for each direction, and a chain from epoch to epoch", () => {
    const prk = createHmac("sha256", result.transcript).update(result.chainingKey).digest()
    const expand = (secret: Uint8Array, label: string): Buffer =>
      createHmac("sha256", secret).update(label).update(Uint8Array.of(1)).digest()
    const chains = keyChains(crypto, result)
    for (const [chain, label] of [
      [chains.fromInitiator, "x initiator"],
      [chains.fromResponder, "x responder"],
    ] as const) {
      let secret = expand(prk, label)
      for (let epoch = 0; epoch < 3; epoch++) {
        const made = chain.next()
        expect(made.epoch).toBe(epoch)
        expect(toHex(made.key)).toBe(expand(secret, "x key").toString("hex"))
        expect(toHex(made.iv)).toBe(expand(secret, "x iv").subarray(0, 12).toString("hex"))
        secret = expand(secret, "x next")
      }
    }
  })

  test("gives other keys in each direction, epoch and association", () => {
    const seen = new Set<string>()
    const results = [
      result,
      { ...result, transcript: new Uint8Array(32) },
      { ...result, chainingKey: new Uint8Array(32) },
    ]
    for (const each of results)
      for (const chain of Object.values(keyChains(crypto, each)))
        for (let epoch = 0; epoch < 300; epoch++) seen.add(toHex(chain.next().key))
    expect(seen.size).toBe(3 * 2 * 300)
  })

  test("epochs are numbered from 0 to 255 and again", () => {
    const { fromInitiator } = keyChains(crypto, result)
    expect(Array.from({ length: 258 }, () => fromInitiator.next().epoch).slice(254)).toEqual([254, 255, 0, 1])
  })

  test("a nonce is the IV and the counter, by XOR in the last six bytes: other counters, other nonces", () => {
    const counters = fc.integer({ min: 0, max: 2 ** 48 - 1 })
    fc.assert(
      fc.property(bytes32, counters, counters, (random, first, second) => {
        const iv = random.slice(0, 12)
        const expected = (counter: number): string => {
          const number = BigInt(`0x${toHex(iv)}`) ^ BigInt(counter)
          return number.toString(16).padStart(24, "0")
        }
        const nonce = new Uint8Array(12)
        const made = [first, second].map((counter) => {
          nonceOf({ epoch: 0, key: random, iv }, counter, nonce)
          return toHex(nonce)
        })
        expect(made).toEqual([expected(first), expected(second)])
        expect(made[0] === made[1]).toBe(first === second)
      }),
    )
  })

  test("a pre-shared key has 32 bytes whatever the secret's length, and tells secrets apart", () => {
    const keys = [16, 32, 100].map((length) => pskOf(crypto, new Uint8Array(length).fill(5)))
    expect(keys.map(({ length }) => length)).toEqual([32, 32, 32])
    expect(new Set(keys.map(toHex)).size).toBe(3)
  })
})
