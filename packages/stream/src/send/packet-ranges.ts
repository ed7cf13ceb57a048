/**
 * Questions about ranges of packets, answered from the ledger.
 *
 * @module
 */

import type { SendLedger } from "./send-ledger.ts"
import { PACKET } from "./send-ring.ts"

/** The packets `[from, to)`, even if their numbers change: see `SendStream.follow`. */
export interface PacketRange {
  /** The number of the first packet. */
  from: number
  /** The number after the last packet. */
  to: number
}

/** Whether the packets `[from, to)` are all acknowledged or given up. */
export function isSettled(ledger: SendLedger, from: number, to: number): boolean {
  for (let number = Math.max(from, ledger.low); number < to; number++) {
    if (number >= ledger.high) return false
    const state = ledger.state(number)
    if (state !== PACKET.received && state !== PACKET.gone) return false
  }
  return true
}

/**
 * Whether nothing below a packet will still be delivered: the receiver's edge has passed it, or everything left was
 * given up.
 */
export function isPast(ledger: SendLedger, to: number): boolean {
  for (let number = ledger.low; number < to; number++)
    if (number >= ledger.high || ledger.state(number) !== PACKET.gone) return false
  return true
}

/** Whether one of the packets `[from, to)` was given up and the receiver's edge has not passed it. */
export function isGone(ledger: SendLedger, from: number, to: number): boolean {
  if (ledger.gonePackets === 0) return false
  for (let number = Math.max(from, ledger.low); number < Math.min(to, ledger.high); number++)
    if (ledger.state(number) === PACKET.gone) return true
  return false
}

/** Whether a packet with at least this many payload bytes was sent and is kept. */
export function hasUnacked(ledger: SendLedger, payloadBytes: number): boolean {
  for (let number = ledger.low; number < ledger.next; number++)
    if (ledger.isKept(number) && ledger.bytes(number) >= payloadBytes) return true
  return false
}
