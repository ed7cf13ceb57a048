/** Tags and prefixes for datagrams made or altered here. */
import { pseudoHeaderSeed, sealChecksum, TAG_BYTES, writePrefix, type Profile } from "@x/wire"

export const ZERO_SEED: number = pseudoHeaderSeed({})

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Writes the right tag at the end of a datagram, which has room for it. */
export function reseal(datagram: Uint8Array, profile: Profile, seed: number): void {
  const length = datagram.length - TAG_BYTES[profile]!
  if (profile === 1 && length >= 0) sealChecksum(datagram, 0, length, seed)
}

/** The same packets in another envelope, for another profile if necessary. */
export function readdress(
  datagram: Uint8Array,
  from: Profile,
  to: Profile,
  {
    handshake,
    slot,
    counter,
    seed,
  }: { readonly handshake: boolean; readonly slot: number; readonly counter: number; readonly seed: number },
): Uint8Array {
  const packets = datagram.subarray(0, Math.max(datagram.length - TAG_BYTES[from]!, 0))
  const out = new Uint8Array(Math.max(packets.length, 11) + TAG_BYTES[to]!)
  out.set(packets)
  writePrefix(viewOf(out), 0, to, handshake, slot, counter)
  reseal(out, to, seed)
  return out
}
