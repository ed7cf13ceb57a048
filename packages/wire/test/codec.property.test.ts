import { describeDatagram } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { anyDatagram, type DescribedDatagram } from "./arbitraries.ts"
import { datagram, refuse } from "./build.ts"
import { naiveDatagram } from "./naive-codec.ts"
import { writePacket } from "./writers.ts"

function write(described: DescribedDatagram): Uint8Array {
  return datagram(described, (writer) => described.packets.forEach((packet) => writePacket(writer, packet)))
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

test("what is written is accepted and read back as it was", () => {
  fc.assert(
    fc.property(anyDatagram, (described) => {
      const bytes = write(described)
      expect(refuse(bytes)).toBeUndefined()
      const { prefix, packets } = describeDatagram(view(bytes), 0, bytes.length, described.profile)
      expect(prefix).toEqual({ version: 0, profile: "checksum", handshake: described.handshake, slot: described.slot, counter: described.counter })
      expect(packets).toEqual(described.packets.map(({ paddingBytes, ...rest }) => (rest.kind === "mtu-probe" ? { ...rest, paddingBytes } : rest)))
    }),
    { numRuns: 2_000 },
  )
})

test("the writers and the naive codec write the same bytes", () => {
  fc.assert(
    fc.property(anyDatagram, (described) => {
      const bytes = write(described)
      const naive = naiveDatagram(1, described.handshake, described.slot, described.counter, described.packets, 0)
      expect([...bytes.subarray(0, -4)]).toEqual(naive)
    }),
    { numRuns: 2_000 },
  )
})

test("one value has one encoding: what is accepted is written again to the same bytes", () => {
  fc.assert(
    fc.property(anyDatagram, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 2 }), (described, changes) => {
      const bytes = datagram({ ...described, profile: 0 }, (writer) => described.packets.forEach((packet) => writePacket(writer, packet)))
      for (const [at, bits] of changes) bytes[at % bytes.length]! ^= bits
      if (refuse(bytes, 0) !== undefined) return
      const { prefix, packets } = describeDatagram(view(bytes), 0, bytes.length, 0)
      const padding = described.packets.length === 1 ? (described.packets[0]!["paddingBytes"] as number | undefined) : undefined
      const again = datagram({ ...prefix, profile: 0 }, (writer) => packets.forEach((packet) => writePacket(writer, { paddingBytes: padding ?? 0, ...packet })))
      if (padding === undefined || packets[0]!.kind === "mtu-probe") expect(again).toEqual(bytes)
      else expect(again.subarray(0, bytes.length - padding - 3)).toEqual(bytes.subarray(0, bytes.length - padding - 3))
    }),
    { numRuns: 3_000 },
  )
})

test("any flipped bit of a checksummed datagram is refused", () => {
  fc.assert(
    fc.property(anyDatagram, fc.nat(), (described, at) => {
      const bytes = write(described)
      bytes[(at >>> 3) % bytes.length]! ^= 1 << (at & 7)
      expect(refuse(bytes)).toBeDefined()
    }),
    { numRuns: 2_000 },
  )
})

test("a datagram of any bytes never throws, cut or not", () => {
  fc.assert(
    fc.property(anyDatagram, fc.uint8Array({ maxLength: 2_048 }), fc.nat(), fc.boolean(), (described, noise, cut, splice) => {
      const valid = datagram({ ...described, profile: 0 }, (writer) => described.packets.forEach((packet) => writePacket(writer, packet)))
      const bytes = splice ? Uint8Array.of(...valid.subarray(0, cut % valid.length), ...noise) : noise
      for (const profile of [0, 1] as const) {
        const reason = refuse(bytes, profile)
        if (reason === undefined) describeDatagram(view(bytes), 0, bytes.length, profile)
      }
    }),
    { numRuns: 5_000 },
  )
})
