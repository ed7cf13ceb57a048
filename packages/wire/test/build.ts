/** Datagrams for tests: builds whole ones from their parts, and takes them apart as a receiver does. */
import {
  checkPackets,
  checkPrefix,
  DATAGRAM_BYTES_MAX,
  type DatagramDropReason,
  openChecksum,
  PacketWriter,
  PREFIX_BYTES,
  type Profile,
  pseudoHeaderSeed,
  sealChecksum,
  TAG_BYTES,
  writePrefix,
} from "@x/wire"

export interface Envelope {
  readonly profile?: Profile
  readonly handshake?: boolean
  readonly slot?: number
  readonly counter?: number
  /** The epoch of the key, in profiles with keys. */
  readonly epoch?: number
  readonly nonce?: number
  /** CRC of the pseudo-header, of zeros if left out. */
  readonly seed?: number
}

export interface Receiver {
  readonly profile?: Profile
  readonly seed?: number
  /** The longest datagram that the receiver announced. */
  readonly datagramBytesMax?: number
}

export const ZERO_SEED: number = pseudoHeaderSeed({})

/**
 * A datagram with the packets that `write` puts into it. In profiles with keys it looks as it does once opened: packets
 * in clear, and zeros for a tag.
 */
export function datagram(envelope: Envelope, write: (writer: PacketWriter) => void): Uint8Array {
  const { profile = 1, handshake = false, slot = 7, counter = 1, epoch = 0, nonce = 0, seed = ZERO_SEED } = envelope
  const bytes = new Uint8Array(65_600)
  const writer = new PacketWriter(bytes)
  writePrefix(writer.view, 0, profile, handshake, slot, counter, epoch, nonce)
  writer.start(PREFIX_BYTES[profile]!)
  write(writer)
  if (profile === 1) sealChecksum(bytes, 0, writer.end, seed)
  return bytes.slice(0, writer.end + TAG_BYTES[profile]!)
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** A receiver's verdict on a datagram, from its bytes alone. In profiles with keys its tag counts as checked. */
export function refuse(bytes: Uint8Array, receiver: Receiver = {}): DatagramDropReason | undefined {
  const { profile = 1, seed = ZERO_SEED, datagramBytesMax = DATAGRAM_BYTES_MAX } = receiver
  const view = viewOf(bytes)
  const reason = checkPrefix(view, 0, bytes.length, profile, datagramBytesMax)
  if (reason !== undefined) return reason
  if (profile === 1 && !openChecksum(bytes, 0, bytes.length, seed)) return "tag"
  return checkPackets(view, 0, bytes.length, profile)
}
