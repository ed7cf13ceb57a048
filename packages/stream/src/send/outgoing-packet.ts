/**
 * A packet on its way from a stream to the wire.
 *
 * @module
 */

/** No memory. */
export const NO_BYTES: Uint8Array = new Uint8Array(0)
export const NO_VIEW: DataView = new DataView(NO_BYTES.buffer)

/** A packet to send, as `take` fills it in. */
export interface OutgoingPacket {
  /** Its packet number; 0 in `fire-and-forget`. */
  number: number
  /** Its delivery byte: mode and form. */
  delivery: number
  /** Its slot in the pool; −1: none. */
  slot: number
  /** The memory in which the payload is `[offset, offset + length)`, with head and tail room around it. */
  bytes: Uint8Array
  /** A view of `bytes`, whole. */
  view: DataView
  /** Where the payload begins in `bytes`. */
  offset: number
  /** Bytes of the payload. */
  length: number
  /**
   * Where these bytes belong in the payload of a packet that is too long for the path and goes in parts; −1: they are
   * all of it.
   */
  partOffset: number
  /** Of a part: bytes of the whole payload. */
  total: number
  /**
   * Asks for a status: the packet fills the window, or another quarter of it, or empties the queue when none was asked
   * for in a while.
   */
  wanted: boolean
  /** Whether it was sent before, and lost. */
  isResend: boolean
  /** Whether it was sent before, and may have come. */
  isCopy: boolean
  /** Whether other streams send the same payload from the same memory: the room around it belongs to nobody. */
  isShared: boolean
}

/** Creates an empty one for `take` to fill in. */
export function createOutgoingPacket(): OutgoingPacket {
  return {
    number: 0,
    delivery: 0,
    slot: -1,
    bytes: NO_BYTES,
    view: NO_VIEW,
    offset: 0,
    length: 0,
    partOffset: -1,
    total: 0,
    wanted: false,
    isResend: false,
    isCopy: false,
    isShared: false,
  }
}
