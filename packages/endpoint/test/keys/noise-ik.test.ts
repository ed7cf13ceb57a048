import { hkdfSync } from "node:crypto"
import { systemHost } from "@x/transport"
import { createNetwork } from "@x/transport/simulated"
import { describe, expect, test } from "vitest"
import { IK_FIRST_BYTES, IkInitiator, type IkParts, IkResponder, type StaticKey } from "../../src/keys/noise-ik.ts"

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** The vector of Noise_IKpsk2_25519_AESGCM_SHA256 that the Haskell implementation `cacophony` publishes. */
const VECTOR = {
  prologue: "4a6f686e2047616c74",
  psk: "54686973206973206d7920417573747269616e20706572737065637469766521",
  initiatorStatic: "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
  initiator: "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
  responderPublic: "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62",
  responderStatic: "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
  responder: "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
  payloads: ["4c756477696720766f6e204d69736573", "4d757272617920526f746862617264"],
  messages: [
    "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79445a1baf339186d7867062b0dd31f5de322d370165d217939b2b7ed9e2bae7840458ea65c2ce1554e0e8077fe7334c4bd514c658fd04d97b86d216f58f59714a7e24144155045c8f36bed85a2cb0fd9af7",
    "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088432fe8d675e949799d2a968211a66cc7ba2b0f4cad8eda3c2bd37eae737bbf88",
  ],
  /** Messages under the keys of both directions. */
  after: [
    ["462e20412e20486179656b", "38cbf3835c78b7802df0dd0d9640ff8575debd0cb61cfb52590da1"],
    ["4361726c204d656e676572", "ffc365ff6955fc66c5d809b31ac995f812c5770bd29f0df12f0ffd"],
  ],
} as const

describe.each([
  ["system", systemHost().crypto],
  ["simulated", createNetwork({ seed: 1 }).host("a").crypto],
])("static keys, with the cryptography of the %s host", (_, crypto) => {
  const keyOf = (privateKey: string): StaticKey => ({
    privateKey: hex(privateKey),
    publicKey: crypto.x25519PublicKey(hex(privateKey)),
  })
  const partsOf = (own: string, other: Partial<IkParts> = {}): IkParts => ({
    ...{ crypto, prologue: hex(VECTOR.prologue), psk: hex(VECTOR.psk), own: keyOf(own) },
    ...other,
  })
  const begin = (): IkInitiator =>
    IkInitiator.begin(
      partsOf(VECTOR.initiatorStatic),
      hex(VECTOR.responderPublic),
      hex(VECTOR.initiator),
      hex(VECTOR.payloads[0]),
    )!

  test("give the messages and keys of the published vector", () => {
    const initiator = begin()
    expect(toHex(initiator.message)).toBe(VECTOR.messages[0])
    const responder = IkResponder.read(partsOf(VECTOR.responderStatic), initiator.message)!
    expect(toHex(responder.payload)).toBe(VECTOR.payloads[0])
    expect(toHex(responder.publicKey)).toBe(toHex(keyOf(VECTOR.initiatorStatic).publicKey))
    const answer = responder.write(hex(VECTOR.responder), hex(VECTOR.payloads[1]))!
    expect(toHex(answer.message)).toBe(VECTOR.messages[1])
    const read = initiator.read(answer.message)!
    expect(toHex(read.payload)).toBe(VECTOR.payloads[1])
    expect(read.result).toEqual(answer.result)
    const keys = Buffer.from(hkdfSync("sha256", new Uint8Array(0), read.result.chainingKey, new Uint8Array(0), 64))
    for (const [i, [payload, ciphertext]] of VECTOR.after.entries()) {
      const key = keys.subarray(32 * i, 32 * i + 32)
      expect(toHex(crypto.aesGcmSeal(key, new Uint8Array(12), new Uint8Array(0), hex(payload)))).toBe(ciphertext)
    }
  })

  test("who has another key, prologue or secret reads neither message", () => {
    const { message } = begin()
    expect(IkResponder.read(partsOf(VECTOR.responder), message)).toBeUndefined()
    expect(IkResponder.read(partsOf(VECTOR.responderStatic, { prologue: hex("00") }), message)).toBeUndefined()
    const stranger = IkResponder.read(partsOf(VECTOR.responderStatic, { psk: hex(VECTOR.responder) }), message)!
    expect(begin().read(stranger.write(hex(VECTOR.responder), hex("00"))!.message)).toBeUndefined()
    for (const at of [0, 40, 100, message.length - 1]) {
      const altered = message.slice()
      altered[at]! ^= 1
      expect(IkResponder.read(partsOf(VECTOR.responderStatic), altered)).toBeUndefined()
    }
    expect(IkResponder.read(partsOf(VECTOR.responderStatic), message.subarray(0, IK_FIRST_BYTES - 1))).toBeUndefined()
  })

  test("a public key of small order is refused", () => {
    const zeros = new Uint8Array(32)
    expect(IkInitiator.begin(partsOf(VECTOR.initiatorStatic), zeros, hex(VECTOR.initiator), zeros)).toBeUndefined()
  })
})
