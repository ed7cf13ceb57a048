// A decoder of the whole format, written from PROTOCOL.md alone and importing nothing from the packages. It is slow and
// obvious, so that it can be read beside the document; where the order of checks could differ, it follows §11.
import { decodeBody } from "./bodies.ts"
import { crc32c } from "./crc32c.ts"
import type { Datagram, DropReason, Packet, Prefix } from "./datagram.ts"
import { classOf, KINDS, type Kind } from "./kinds.ts"
import { isNumber } from "./numbers.ts"
import { Reader, Refused, refuse } from "./reader.ts"

export interface Context {
  /**
   * §2: 0 is `none`, 1 `checksum`, 2 `mac`, 3 `aead`. In the last two, datagrams are decoded as they are once opened
   * (§9): packets in clear, without the public key of a handshake, and 16 bytes in place of the tag.
   */
  profile: 0 | 1 | 2 | 3
  /** The longest datagram that we announced, in bytes. */
  datagramBytesMax: number
  /** §2, 32 bytes: receiver unique, sender unique, receiver session, sender session. */
  pseudoHeader: Uint8Array
}

/**
 * Decodes a datagram, or returns the first obligation of §11 that it breaks. O6 to O8 and those after O21 need state
 * and are left out.
 */
export function decodeDatagram(bytes: Uint8Array, context: Context): Datagram | { drop: DropReason } {
  try {
    return decode(bytes, context)
  } catch (error) {
    if (error instanceof Refused) return { drop: error.reason }
    throw error
  }
}

/** §2, by profile. */
const PREFIX_BYTES = [11, 11, 12, 12] as const
const TAG_BYTES = [0, 4, 16, 16] as const
const PROFILES = ["none", "checksum", "mac", "aead"] as const
const FLAG_BYTES = 1

function decode(bytes: Uint8Array, context: Context): Datagram {
  const prefixBytes = PREFIX_BYTES[context.profile]
  const tagBytes = TAG_BYTES[context.profile]

  // O1, with the tag of our own profile: the datagram's profile isn't checked before O4.
  if (bytes.length < prefixBytes + FLAG_BYTES + tagBytes) refuse("too-short")
  // O2
  if (bytes.length > context.datagramBytesMax) refuse("too-long")

  const prefix = decodePrefix(new Reader(bytes.subarray(0, prefixBytes)), context)

  // O9
  const packetsEnd = bytes.length - tagBytes
  if (context.profile === 1) {
    const covered = new Uint8Array(context.pseudoHeader.length + packetsEnd)
    covered.set(context.pseudoHeader, 0)
    covered.set(bytes.subarray(0, packetsEnd), context.pseudoHeader.length)
    const tag = new Reader(bytes.subarray(packetsEnd)).u32()
    if (tag !== crc32c(covered)) refuse("tag")
  }

  // O18 for the counter of the datagram. Whether it may be 0 depends on the kind.
  if (!isNumber(prefix.counter)) refuse("number")

  return { prefix, packets: decodePackets(bytes.subarray(prefixBytes, packetsEnd), prefix, bytes.length) }
}

/** §2, the first 11 bytes, or 12: profiles 0 and 1 have no epoch. */
function decodePrefix(reader: Reader, context: Context): Prefix {
  const first = reader.u8()
  const version = first >> 4
  const bit3 = (first >> 3) & 1
  const handshake = ((first >> 2) & 1) === 1
  const profile = first & 0b11

  // O3
  if (version !== 0) refuse("version")
  // O4
  if (profile !== context.profile) refuse("profile")
  // O5. Without H bit 3 is the nonce.
  if (handshake && bit3 !== 0) refuse("reserved")

  const slot = reader.u32()
  const counter = reader.u48()
  const nonce = handshake ? {} : { nonce: bit3 }
  const epoch = context.profile < 2 ? {} : { epoch: reader.u8() }
  return { version, profile: PROFILES[context.profile], handshake, slot, counter, ...nonce, ...epoch }
}

/** §3: packet after packet; each is checked completely before the next one. */
function decodePackets(bytes: Uint8Array, prefix: Prefix, datagramBytes: number): Packet[] {
  const reader = new Reader(bytes)
  const packets: Packet[] = []
  let firstKind: Kind | undefined

  for (;;) {
    const flags = reader.u8()
    const hasLength = flags >> 7 === 1
    const option = (flags >> 5) & 0b11
    const kind = KINDS.find((candidate) => candidate.number === (flags & 0b11111))

    // O10
    if (kind === undefined) refuse("kind")

    // O11
    if (kind.option === "none" && option !== 0) refuse("option")
    if (kind.option === "W" && option > 1) refuse("option")
    if (kind.option === "A" && option === 3) refuse("option")

    // O12. An incomplete length field also extends beyond the datagram.
    let length = reader.left
    if (hasLength) {
      reader.need(2, "length")
      length = reader.u16()
      if (length === 0) refuse("length")
      if (length > reader.left) refuse("length")
      if (length === reader.left) refuse("length")
    }

    // O15
    firstKind = firstKind ?? kind
    checkClass(kind, firstKind, hasLength || packets.length > 0, prefix)

    const body = new Reader(reader.bytes(length))
    const packet = decodeBody(kind, option, body, datagramBytes, prefix.epoch !== undefined)
    // O14
    if (body.left > 0) refuse("trailing")
    packets.push(packet)

    if (!hasLength) return packets
  }
}

/** O15, and the prefix fields that depend on the kind. */
function checkClass(kind: Kind, firstKind: Kind, hasCompany: boolean, prefix: Prefix): void {
  if (classOf(kind) !== classOf(firstKind)) refuse("class")
  if (kind.alone && hasCompany) refuse("class")
  // §2, H: such a datagram has only packets of the class handshake, and no other datagram has any (§7).
  if (prefix.handshake !== (classOf(kind) === "handshake")) refuse("class")
  // §2, slot: 0 in join, hint and loose, whose receiver has allocated none; and only in these.
  const slotless = kind.name === "join" || kind.name === "hint" || kind.name === "loose"
  if (slotless !== (prefix.slot === 0)) refuse("class")

  // §2, counter: 0 in hint and loose. In an association it starts at 1, and so do the attempts of a join, which the
  // answers copy.
  const counterless = kind.name === "hint" || kind.name === "loose"
  if (counterless !== (prefix.counter === 0)) refuse("value")
}
