import { KIND, PacketCursor, PROFILE } from "@x/wire"

const cursor = new PacketCursor()

/** Whether a datagram acknowledges anything. */
export function isAcknowledgement(bytes: Uint8Array): boolean {
  cursor.start(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length, PROFILE.checksum)
  while (cursor.next()) if (cursor.kind === KIND.status || cursor.kind === KIND.feedback) return true
  return false
}
