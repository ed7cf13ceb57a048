/** Bytes of profiles `mac` and `aead`, for authors of a second implementation: PROTOCOL.md §9 in numbers. */
import { createCipheriv, hkdfSync } from "node:crypto"
import { readFileSync } from "node:fs"
import type { Sealer, Transport } from "@x/transport/host"
import { systemHost } from "@x/transport"
import { createNetwork } from "@x/transport/simulated"
import { PROFILE, writePrefix } from "@x/wire"
import { describe, expect, test } from "vitest"
import { KeyProtection } from "../../src/keys/key-protection.ts"
import { gateKeyOf, keyChains, pskOf } from "../../src/keys/key-schedule.ts"
import { SealedHandshakes } from "../../src/keys/sealed-handshakes.ts"

interface Vectors {
  readonly secret: string
  readonly preSharedKey: string
  readonly gateKey: string
  readonly chainingKey: string
  readonly transcript: string
  /** Keys of the initiator's direction. */
  readonly epochs: readonly { readonly epoch: number; readonly key: string; readonly iv: string }[]
  readonly associated: string
  readonly datagrams: readonly {
    readonly profile: "mac" | "aead"
    readonly slot: number
    readonly counter: number
    readonly packets: string
    readonly sealed: string
  }[]
  readonly handshake: {
    readonly joinerPrivateKey: string
    readonly receiverPrivateKey: string
    readonly attempt: number
    readonly joinPackets: string
    readonly join: string
    readonly acceptPackets: string
    /** The bytes after the prefix. */
    readonly accept: string
    readonly transcript: string
    readonly chainingKey: string
  }
}

const vectors = JSON.parse(readFileSync(new URL("../vectors/protection.json", import.meta.url), "utf8")) as Vectors
const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"))
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

function prefixOf(profile: 2 | 3, isHandshake: boolean, slot: number, counter: number, epoch: number): Uint8Array {
  const prefix = new Uint8Array(12)
  writePrefix(new DataView(prefix.buffer), 0, profile, isHandshake, slot, counter, epoch)
  return prefix
}

describe.each([
  ["this machine's cryptography", systemHost().crypto],
  ["a simulated host's", createNetwork({ seed: 1 }).host("a").crypto],
])("%s", (_, crypto) => {
  test("keys of three epochs come of the exchange's result", () => {
    const result = { chainingKey: fromHex(vectors.chainingKey), transcript: fromHex(vectors.transcript) }
    const { fromInitiator } = keyChains(crypto, result)
    for (const { epoch, key, iv } of vectors.epochs) {
      const next = fromInitiator.next()
      expect([next.epoch, toHex(next.key), toHex(next.iv)]).toEqual([epoch, key, iv])
    }
    const secret = new TextEncoder().encode(vectors.secret)
    expect(toHex(pskOf(crypto, secret))).toBe(vectors.preSharedKey)
    expect(toHex(gateKeyOf(crypto, secret).subarray(0, 8))).toBe(vectors.gateKey)
  })

  test("datagrams are sealed to these bytes, and opened from them", () => {
    for (const { profile, slot, counter, packets, sealed } of vectors.datagrams) {
      const result = { chainingKey: fromHex(vectors.chainingKey), transcript: fromHex(vectors.transcript) }
      const sealers: Sealer[] = []
      const transport: Partial<Transport> = { registerSealer: (sealer) => sealers.push(sealer) }
      const associated = fromHex(vectors.associated)
      const protection = new KeyProtection({
        ...{
          transport: transport as Transport,
          crypto,
          profile: PROFILE[profile],
          nowMs: 0,
          limits: { datagrams: 9, ageMs: 9, datagramsMax: 9 },
        },
        associated: { seal: associated, open: associated },
        seal: keyChains(crypto, result).fromInitiator,
        open: keyChains(crypto, result).fromInitiator,
        retire: () => {},
      })
      const plain = Uint8Array.of(
        ...prefixOf(PROFILE[profile], false, slot, counter, protection.epoch),
        ...fromHex(packets),
      )
      const out = new Uint8Array(plain.length + 16)
      sealers[protection.sealer - 1]!.seal(plain, 0, plain.length, out, 0)
      expect(toHex(out)).toBe(sealed)
      expect(sealers[protection.opener(0, 0) - 1]!.open(out, 0, out.length)).toBe(true)
      expect(toHex(out.subarray(0, plain.length))).toBe(toHex(plain))
    }
  })

  test("a join and its accept have these bytes, and give these keys", () => {
    const { handshake } = vectors
    const keys = [handshake.joinerPrivateKey, handshake.receiverPrivateKey]
    const host = {
      crypto,
      identity: undefined,
      entropy: (bytes: Uint8Array): void => bytes.set(fromHex(keys.shift()!)),
    }
    const sealed = new SealedHandshakes(host, [new TextEncoder().encode(vectors.secret)], 1_200)
    const prefix = prefixOf(PROFILE.aead, true, 0, handshake.attempt, 0)
    const { initiator, message } = sealed.begin(prefix, fromHex(handshake.joinPackets))
    const join = Uint8Array.of(...prefix, ...message)
    expect(toHex(join)).toBe(handshake.join)
    const opened = sealed.openJoin(join, 0, join.length)
    if (typeof opened === "string" || opened.kind !== "join") return expect.unreachable()
    const accept = opened.responder.write(sealed.random(), fromHex(handshake.acceptPackets))!
    expect([toHex(accept.message), toHex(accept.result.transcript)]).toEqual([handshake.accept, handshake.transcript])
    expect(toHex(initiator.read(accept.message)!.result.chainingKey)).toBe(handshake.chainingKey)
  })
})

test("the keys and datagrams are those that Node's HKDF and AES-GCM give, written once more", () => {
  // One block of HKDF's expansion is an HMAC.
  const expand = (secret: Uint8Array, label: string): Uint8Array =>
    systemHost().crypto.hmacSha256(secret, Uint8Array.of(...new TextEncoder().encode(label), 1))
  const first = hkdfSync("sha256", fromHex(vectors.chainingKey), fromHex(vectors.transcript), "x initiator", 32)
  let secret: Uint8Array = new Uint8Array(first)
  for (const { key, iv } of vectors.epochs) {
    expect([toHex(expand(secret, "x key")), toHex(expand(secret, "x iv").subarray(0, 12))]).toEqual([key, iv])
    secret = expand(secret, "x next")
  }
  const { key, iv } = vectors.epochs[0]!
  for (const { profile, slot, counter, packets, sealed } of vectors.datagrams) {
    const prefix = prefixOf(PROFILE[profile], false, slot, counter, 0)
    const nonce = fromHex(iv)
    for (let i = 0; i < 6; i++) nonce[6 + i]! ^= Math.floor(counter / 2 ** (8 * (5 - i))) & 255
    const cipher = createCipheriv("aes-256-gcm", fromHex(key), nonce)
    const clear = profile === "mac" ? Buffer.concat([prefix, fromHex(packets)]) : Buffer.from(prefix)
    cipher.setAAD(Buffer.concat([fromHex(vectors.associated), clear]))
    const encrypted =
      profile === "mac" ? cipher.final() : Buffer.concat([cipher.update(fromHex(packets)), cipher.final()])
    expect(toHex(Buffer.concat([clear, encrypted, cipher.getAuthTag()]))).toBe(sealed)
  }
})
