// Compares the decoder with golden vectors. Vectors are data: a JSON array per file, in the form of `Vector`.
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { isDeepStrictEqual } from "node:util"
import type { Datagram, DropReason, Prefix } from "./datagram.ts"
import { type Context, decodeDatagram } from "./decode.ts"

/** A vector has either `decoded`, the plain form of the datagram, or `drop`, the reason why it is refused. */
export type Vector = VectorInput & ({ decoded: Datagram } | { drop: DropReason })

interface VectorInput {
  name: string
  profile: Prefix["profile"]
  /** The longest datagram that the receiver announced. */
  datagramBytesMax: number
  /** 32 bytes in hex. */
  pseudoHeader: string
  datagram: string
}

const PROFILES = { none: 0, checksum: 1, mac: 2, aead: 3 } as const

export interface Disagreement {
  name: string
  datagram: Uint8Array
  context: Context
  vector: Datagram | { drop: DropReason }
  decoder: Datagram | { drop: DropReason }
}

export function readVectors(directory: string): Vector[] {
  const files = readdirSync(directory).filter((file) => file.endsWith(".json"))
  return files.toSorted().flatMap((file) => JSON.parse(readFileSync(join(directory, file), "utf8")) as Vector[])
}

export function verify(vectors: Vector[]): Disagreement[] {
  const disagreements: Disagreement[] = []
  for (const { name, profile, datagramBytesMax, pseudoHeader, datagram: text, ...vector } of vectors) {
    const datagram = bytesOf(text)
    const context: Context = {
      profile: PROFILES[profile],
      datagramBytesMax,
      pseudoHeader: bytesOf(pseudoHeader),
    }
    const decoder = decodeDatagram(datagram, context)
    const expected = "drop" in vector ? { drop: vector.drop } : vector.decoded
    if (!isDeepStrictEqual(decoder, expected))
      disagreements.push({ name, datagram, context, vector: expected, decoder })
  }
  return disagreements
}

function bytesOf(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2)
  for (let index = 0; index < bytes.length; index++)
    bytes[index] = Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16)
  return bytes
}
