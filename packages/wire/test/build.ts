/** Datagrams for tests: builds whole ones from their parts, and takes them apart as a receiver does. */
import { checkPackets, checkPrefix, type DatagramDropReason, openChecksum, PacketWriter, PREFIX_BYTES, type Profile, sealChecksum, TAG_BYTES, writePrefix } from "@x/wire"

export interface Envelope {
  readonly profile?: Profile
  readonly handshake?: boolean
  readonly slot?: number
  readonly counter?: number
  /** CRC of the pseudo-header. */
  readonly seed?: number
}

/** A datagram with the packets that `write` puts into it. */
export function datagram({ profile = 1, handshake = false, slot = 7, counter = 1, seed = 0 }: Envelope, write: (writer: PacketWriter) => void): Uint8Array {
  const bytes = new Uint8Array(65_600)
  const writer = new PacketWriter(bytes)
  writePrefix(writer.view, 0, profile, handshake, slot, counter)
  writer.start(PREFIX_BYTES[profile]!)
  write(writer)
  if (profile === 1) sealChecksum(bytes, 0, writer.end, seed)
  return bytes.slice(0, writer.end + TAG_BYTES[profile]!)
}

/** What a receiver says of a datagram, from its bytes alone. */
export function refuse(bytes: Uint8Array, profile: Profile = 1, seed = 0, datagramBytesMax = 65_507): DatagramDropReason | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const reason = checkPrefix(view, 0, bytes.length, profile, datagramBytesMax)
  if (reason !== undefined) return reason
  if (profile === 1 && !openChecksum(bytes, 0, bytes.length, seed)) return "tag"
  return checkPackets(view, 0, bytes.length, profile)
}
