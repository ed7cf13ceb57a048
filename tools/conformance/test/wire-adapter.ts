// The package under test, with the decoder's signature: the calls of a receiver, in its order.
import { checkPackets, checkPrefix, describeDatagram, openChecksum, pseudoHeaderSeed } from "@x/wire"
import type { Datagram, DropReason } from "../src/datagram.ts"
import type { Context } from "../src/decode.ts"

/**
 * The plain form of a datagram, or the reason why `@x/wire` refuses it. The comparison shows whether it really has the
 * form claimed here.
 */
export function decodeWithWire(
  bytes: Uint8Array,
  { profile, datagramBytesMax, pseudoHeader }: Context,
): Datagram | { drop: DropReason } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const drop =
    checkPrefix(view, 0, bytes.length, profile, datagramBytesMax) ??
    checkTag(bytes, profile, pseudoHeader) ??
    checkPackets(view, 0, bytes.length, profile)
  return (drop === undefined ? describeDatagram(view, 0, bytes.length, profile) : { drop }) as
    | Datagram
    | { drop: DropReason }
}

function checkTag(bytes: Uint8Array, profile: Context["profile"], pseudoHeader: Uint8Array): "tag" | undefined {
  // With keys the datagram has already been opened.
  if (profile !== 1) return undefined
  const seed = pseudoHeaderSeed({
    receiverUnique: pseudoHeader.subarray(0, 8),
    senderUnique: pseudoHeader.subarray(8, 16),
    receiverSession: pseudoHeader.subarray(16, 24),
    senderSession: pseudoHeader.subarray(24, 32),
  })
  return openChecksum(bytes, 0, bytes.length, seed) ? undefined : "tag"
}
