/** The memory for packets of all peers: slots as large as usual datagrams, and larger ones where paths carry more. */

import { PacketPool } from "@x/stream"
import { HEAD_ROOM_BYTES } from "../peer/stream-settings.ts"
import { DATAGRAM_BYTES_USUAL, type Settings } from "../settings.ts"

/** Up to this size of datagram, all slots are alike: smaller ones would save little. */
const ONE_SIZE_BYTES = 2_048

function usualBytes(datagramBytes: number): number {
  return datagramBytes <= ONE_SIZE_BYTES ? datagramBytes : DATAGRAM_BYTES_USUAL
}

/** For packets that are written and not acknowledged. */
export function sendPoolOf({ datagramBytes, sendPoolPacketsMax: slotsMax }: Settings): PacketPool {
  return new PacketPool({
    slotBytes: HEAD_ROOM_BYTES + datagramBytes,
    usualBytes: HEAD_ROOM_BYTES + usualBytes(datagramBytes),
    slotsMax,
  })
}

/** For packets that came early. `datagramBytes`: of the largest that are taken. */
export function earlyPoolOf({ poolPacketsMax: slotsMax }: Settings, datagramBytes: number): PacketPool {
  return new PacketPool({ slotBytes: datagramBytes, usualBytes: usualBytes(datagramBytes), slotsMax })
}
