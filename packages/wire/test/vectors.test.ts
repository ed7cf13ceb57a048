import { readFileSync, writeFileSync } from "node:fs"
import { describeDatagram, pseudoHeaderSeed } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { anyDatagram } from "./arbitraries.ts"
import { datagram, refuse } from "./build.ts"
import { violations } from "./obligations.ts"
import { writePacket } from "./writers.ts"

const file = new URL("vectors/datagrams.json", import.meta.url)

interface Vector {
  readonly name: string
  readonly profile: string
  readonly pseudoHeader: string
  readonly datagram: string
  readonly decoded?: unknown
  readonly drop?: string
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** A fixed choice of datagrams of every kind, and every violation. */
function makeVectors(): Vector[] {
  const header = Uint8Array.from({ length: 32 }, (_, i) => 17 * i)
  const seed = pseudoHeaderSeed({ receiverUnique: header.subarray(0, 8), senderUnique: header.subarray(8, 16), receiverSession: header.subarray(16, 24), senderSession: header.subarray(24) })
  const good = fc.sample(anyDatagram, { numRuns: 160, seed: 1 }).map((described): Vector => {
    const bytes = datagram({ ...described, seed }, (writer) => described.packets.forEach((packet) => writePacket(writer, packet)))
    const decoded = describeDatagram(new DataView(bytes.buffer), 0, bytes.length, 1)
    return { name: decoded.packets.map(({ kind }) => kind).join(" + "), profile: "checksum", pseudoHeader: hex(header), datagram: hex(bytes), decoded }
  })
  const zeros = hex(new Uint8Array(32))
  const bad = violations.map(({ obligation, reason, name, bytes }): Vector => ({ name: `${obligation}: ${name}`, profile: "checksum", pseudoHeader: zeros, datagram: hex(bytes), drop: reason }))
  return [...good, ...bad.filter(({ drop }) => drop !== "too-long")]
}

// UPDATE_VECTORS=1 writes the file anew; it changes only together with PROTOCOL.md.
test("the golden vectors are what this package writes and how it reads", () => {
  const vectors = makeVectors()
  if (process.env["UPDATE_VECTORS"] === "1") writeFileSync(file, `[\n${vectors.map((vector) => JSON.stringify(vector)).join(",\n")}\n]\n`)
  const golden = JSON.parse(readFileSync(file, "utf8")) as Vector[]
  expect(vectors).toEqual(golden)
  expect(golden.filter(({ drop }) => drop === undefined).length).toBeGreaterThan(100)
  for (const { datagram, drop } of golden.filter((vector) => vector.drop !== undefined)) {
    expect(refuse(Uint8Array.from(Buffer.from(datagram, "hex")))).toBe(drop)
  }
})
