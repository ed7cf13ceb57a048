// Where package or vectors and the document are known to say different things. Each point ends by a change to one of them, and is then struck
// from this list: a point that no longer shows fails the test.
import { isDeepStrictEqual } from "node:util"
import type { Datagram, DropReason } from "../src/datagram.ts"
import { decodeDatagram } from "../src/decode.ts"
import type { Sample } from "./generate.ts"

export type Result = Datagram | { drop: DropReason }

export interface OpenPoint {
  what: string
  shows: (decoder: Result, other: Result, sample: Sample) => boolean
}

const kindsOf = (result: Result): string[] => ("packets" in result ? result.packets.map(({ kind }) => kind) : [])
const dropOf = (result: Result): string => ("drop" in result ? result.drop : "")

/** The kind of the first packet, as it stands in the flags. */
const firstKind = ({ bytes }: Sample): number => (bytes[11] ?? 0) % 32
const counter = ({ bytes }: Sample): number[] => [...bytes.subarray(5, 11)]
const PART = 2
const JOIN = 24
const ACCEPT = 26
const HINT = 28
const LOOSE = 29

export const OPEN_POINTS: OpenPoint[] = [
  {
    what: "§2: the counter starts at 1, and hint and loose hold 0; the package takes any",
    shows: (decoder, _, sample) => {
      const isZero = counter(sample).every((byte) => byte === 0)
      return dropOf(decoder) === "value" && isZero !== (firstKind(sample) === HINT || firstKind(sample) === LOOSE)
    },
  },
  {
    what: "§3, padding and O20: a join has 1200 B as a datagram, or 548 B; the package takes any size",
    shows: (decoder, other) => dropOf(decoder) === "padding" && isDeepStrictEqual(kindsOf(other), ["join"]),
  },
  {
    what: "§6: a session is zero only in a first join, which has no token; the package takes one with a token",
    shows: (decoder, other, sample) => dropOf(decoder) === "value" && firstKind(sample) === JOIN && dropOf(other) !== "value",
  },
  {
    what: "§2: a hint names the counter of an association, which isn't 0; the package takes 0",
    shows: (decoder, other, sample) => dropOf(decoder) === "value" && firstKind(sample) === HINT && dropOf(other) !== "value",
  },
  {
    what: "O21: a part without bytes or outside its total is payload; the package says value",
    shows: (decoder, other, sample) => dropOf(decoder) === "payload" && dropOf(other) === "value" && firstKind(sample) === PART,
  },
  {
    what: "§3: nothing says that a part is shorter than its total; the package refuses one that is all of it",
    shows: (decoder, other) => isDeepStrictEqual(kindsOf(decoder), ["part"]) && dropOf(other) === "value",
  },
  {
    what: "§11, order: that all fields of fixed width fit comes first; the package looks at values of a part and an accept before",
    shows: (decoder, other, sample) => {
      return (
        dropOf(decoder) === "truncated" && dropOf(other) !== "truncated" && (firstKind(sample) === PART || firstKind(sample) === ACCEPT)
      )
    },
  },
  {
    what: "§11, order: the length of an exchange is judged when it comes, like that of a token; the package first asks whether the exchange fits",
    shows: (decoder, other, sample) => {
      return dropOf(decoder) === "value" && dropOf(other) === "truncated" && (firstKind(sample) === JOIN || firstKind(sample) === ACCEPT)
    },
  },
]

export const OPEN_POINTS_OF_VECTORS: OpenPoint[] = [
  {
    what: "the tags of refused vectors are those of no pseudo-header at all; the vectors say 32 zeros",
    shows: (decoder, other, { bytes, context }) => {
      if (dropOf(decoder) !== "tag") return false
      const bare = { bytes, context: { ...context, pseudoHeader: new Uint8Array(0) } }
      const again = decodeDatagram(bytes, bare.context)
      return isDeepStrictEqual(again, other) || OPEN_POINTS.some(({ shows }) => shows(again, other, bare))
    },
  },
]
