import { readFileSync, writeFileSync } from "node:fs"
import {
  DATAGRAM_BYTES_MAX,
  type DatagramDescription,
  describeDatagram,
  type Profile,
  type ProfileName,
  PROFILE,
  pseudoHeaderSeed,
} from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { anyDatagram } from "./arbitraries.ts"
import { type Receiver, refuse, viewOf } from "./build.ts"
import { edges } from "./edges.ts"
import { violations } from "./obligations.ts"
import { writeDatagram } from "./writers.ts"

const file = new URL("vectors/datagrams.json", import.meta.url)

/**
 * A datagram and what a receiver makes of it: one of `decoded` and `drop`. Bytes are in hexadecimal. In profiles `mac`
 * and `aead` the datagram looks as it does once opened, packets in clear and zeros for a tag; sealed ones are in
 * packages/endpoint/test/vectors.
 */
interface Vector {
  readonly name: string
  readonly profile: string
  /** The longest datagram that the receiver announced. */
  readonly datagramBytesMax: number
  readonly pseudoHeader: string
  readonly datagram: string
  readonly decoded?: DatagramDescription
  readonly drop?: string
}

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"))

const NO_HEADER = new Uint8Array(32)
const HEADER = Uint8Array.from({ length: 32 }, (_, i) => 17 * i)

function seedOf(header: Uint8Array): number {
  const [receiverUnique, senderUnique, receiverSession, senderSession] = [0, 8, 16, 24].map((at) =>
    header.subarray(at, at + 8),
  )
  return pseudoHeaderSeed({
    receiverUnique: receiverUnique!,
    senderUnique: senderUnique!,
    receiverSession: receiverSession!,
    senderSession: senderSession!,
  })
}

function nameOf(profile: Profile): ProfileName {
  return (Object.keys(PROFILE) as ProfileName[]).find((name) => PROFILE[name] === profile)!
}

function input(
  name: string,
  bytes: Uint8Array,
  { profile = 1, datagramBytesMax = DATAGRAM_BYTES_MAX }: Receiver,
  header: Uint8Array,
): Vector {
  return { name, profile: nameOf(profile), datagramBytesMax, pseudoHeader: toHex(header), datagram: toHex(bytes) }
}

function describe(bytes: Uint8Array, { profile = 1 }: Receiver): DatagramDescription {
  return describeDatagram(viewOf(bytes), 0, bytes.length, profile)
}

/** A fixed choice of datagrams of every kind, those at the edges, and every violation. */
function makeVectors(): Vector[] {
  const chosen = fc.sample(anyDatagram, { numRuns: 600, seed: 1 }).map((described): Vector => {
    const bytes = writeDatagram(described, seedOf(HEADER))
    const name = described.packets.map(({ kind }) => kind).join(" + ")
    return { ...input(name, bytes, described, HEADER), decoded: describe(bytes, described) }
  })
  const atEdge = edges.map(({ name, bytes, receiver = {} }): Vector => {
    return { ...input(`edge: ${name}`, bytes, receiver, NO_HEADER), decoded: describe(bytes, receiver) }
  })
  const refused = violations.map(({ obligation, reason, name, bytes, receiver }): Vector => {
    return { ...input(`${obligation}: ${name}`, bytes, receiver, NO_HEADER), drop: reason }
  })
  return [...chosen, ...atEdge, ...refused]
}

// UPDATE_VECTORS=1 rewrites the file; it changes only together with PROTOCOL.md.
test("the golden vectors are what this package writes and how it reads", () => {
  const vectors = makeVectors()
  if (process.env["UPDATE_VECTORS"] === "1")
    writeFileSync(file, `[\n${vectors.map((vector) => JSON.stringify(vector)).join(",\n")}\n]\n`)
  const golden = JSON.parse(readFileSync(file, "utf8")) as Vector[]
  expect(vectors).toEqual(golden)
  for (const { name, profile, datagramBytesMax, pseudoHeader, datagram, decoded, drop } of golden) {
    const bytes = fromHex(datagram)
    const receiver = { profile: PROFILE[profile as ProfileName], datagramBytesMax, seed: seedOf(fromHex(pseudoHeader)) }
    expect({ name, drop: refuse(bytes, receiver) }).toEqual({ name, drop })
    if (drop === undefined) expect({ name, decoded: describe(bytes, receiver) }).toEqual({ name, decoded })
  }
})

test("the golden vectors hold every kind and every reason, in all profiles", () => {
  const golden = JSON.parse(readFileSync(file, "utf8")) as Vector[]
  for (const profile of Object.keys(PROFILE)) {
    const kinds = golden
      .filter((vector) => vector.profile === profile)
      .flatMap(({ decoded }) => decoded?.packets.map(({ kind }) => kind) ?? [])
    expect({ profile, kinds: new Set(kinds).size }).toEqual({ profile, kinds: 22 })
  }
  expect(new Set(golden.flatMap(({ drop }) => drop ?? []))).toEqual(new Set(violations.map(({ reason }) => reason)))
})
