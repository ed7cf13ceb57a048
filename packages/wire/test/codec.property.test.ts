import { describeDatagram, PROFILE, type Profile, TAG_BYTES } from "@x/wire"
import fc, { type Arbitrary } from "fast-check"
import { expect, test } from "vitest"
import { anyDatagram, type DescribedDatagram } from "./arbitraries.ts"
import { refuse, viewOf } from "./build.ts"
import { naiveDatagram } from "./naive-codec.ts"
import { writeDatagram } from "./writers.ts"
import { runs } from "../../../tools/testkit/src/runs.ts"

const ofProfile = (profile: Profile): Arbitrary<DescribedDatagram> =>
  anyDatagram.filter((described) => described.profile === profile)

/** Datagrams without a tag left to check: those of profile `none`, and those of `mac` and `aead` once opened. */
const unsealed = anyDatagram.filter(({ profile }) => profile !== PROFILE.checksum)

test("what is written is accepted and read back as it was", () => {
  fc.assert(
    fc.property(anyDatagram, (described) => {
      const { profile, handshake, slot, counter, nonce, epoch } = described
      const bytes = writeDatagram(described)
      expect(refuse(bytes, { profile })).toBeUndefined()
      const { prefix, packets } = describeDatagram(viewOf(bytes), 0, bytes.length, profile)
      const name = (["none", "checksum", "mac", "aead"] as const)[profile]
      expect(prefix).toEqual({
        version: 0,
        profile: name,
        handshake,
        slot,
        counter,
        ...(handshake ? {} : { nonce }),
        ...(profile >= PROFILE.mac ? { epoch } : {}),
      })
      expect(packets).toEqual(
        described.packets.map(({ paddingBytes, ...rest }) =>
          rest.kind === "mtu-probe" ? { ...rest, paddingBytes } : rest,
        ),
      )
    }),
    { numRuns: runs(2_000) },
  )
})

test("the writers and the naive codec write the same bytes", () => {
  fc.assert(
    fc.property(anyDatagram, (described) => {
      const bytes = writeDatagram(described)
      expect([...bytes.subarray(0, bytes.length - TAG_BYTES[described.profile]!)]).toEqual(naiveDatagram(described))
    }),
    { numRuns: runs(2_000) },
  )
})

test("one value has one encoding: what is accepted is written again to the same bytes", () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 2 })
  fc.assert(
    fc.property(unsealed, changes, (described, changes) => {
      const { profile } = described
      const bytes = writeDatagram(described)
      const packetsEnd = bytes.length - TAG_BYTES[profile]!
      for (const [at, bits] of changes) bytes[at % packetsEnd]! ^= bits
      if (refuse(bytes, { profile }) !== undefined) return
      const { prefix, packets } = describeDatagram(viewOf(bytes), 0, bytes.length, profile)
      const again = writeDatagram({
        ...{ nonce: 0, epoch: 0 },
        ...prefix,
        profile,
        packets: packets.map((packet) => ({ paddingBytes: 0, ...packet })),
      })
      // A description doesn't say how much padding these two have.
      if (packets[0]!.kind !== "join" && packets[0]!.kind !== "accept") expect(again.length).toBe(bytes.length)
      const padded = new Uint8Array(bytes.length)
      padded.set(again)
      expect(padded).toEqual(bytes)
    }),
    { numRuns: runs(3_000) },
  )
})

test("F03 any flipped bit of a checksummed datagram is refused", () => {
  fc.assert(
    fc.property(ofProfile(1), fc.nat(), (described, at) => {
      const bytes = writeDatagram(described)
      bytes[(at >>> 3) % bytes.length]! ^= 1 << (at & 7)
      expect(refuse(bytes)).toBeDefined()
    }),
    { numRuns: runs(2_000) },
  )
})

test("F02 a datagram of any bytes never throws, cut or not", () => {
  fc.assert(
    fc.property(
      unsealed,
      fc.uint8Array({ maxLength: 2_048 }),
      fc.nat(),
      fc.boolean(),
      (described, noise, cut, splice) => {
        const valid = writeDatagram(described)
        const bytes = splice ? Uint8Array.of(...valid.subarray(0, cut % valid.length), ...noise) : noise
        for (const profile of Object.values(PROFILE)) {
          const reason = refuse(bytes, { profile })
          if (reason === undefined) describeDatagram(viewOf(bytes), 0, bytes.length, profile)
        }
      },
    ),
    { numRuns: runs(5_000) },
  )
})
