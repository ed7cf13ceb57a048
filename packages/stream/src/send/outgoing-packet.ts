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
  /** Its place in the pool, −1: none. */
  slot: number
  /** The payload is `[offset, offset + length)` of it, with head and tail room around it. */
  bytes: Uint8Array
  /** A view of `bytes`, whole. */
  view: DataView
  /** Where the payload begins in `bytes`. */
  offset: number
  /** Bytes of the payload. */
  length: number
  /**
   * A status is wanted: the packet fills the window, or another quarter of it, or empties the queue and none was
   * wanted for a while.
   */
  wanted: boolean
  /** Whether it was sent before. */
  isResend: boolean
}

/** An empty one, for `take` to fill in. */
export function createOutgoingPacket(): OutgoingPacket {
  return {
    number: 0,
    delivery: 0,
    slot: -1,
    bytes: NO_BYTES,
    view: NO_VIEW,
    offset: 0,
    length: 0,
    wanted: false,
    isResend: false,
  }
}
