/**
 * A datagram as a whole: all of it is checked before any of it is used (PROTOCOL.md §3, §11).
 * Functions take what they check as parameters, more than five where needed: no object is made for a packet.
 *
 * @module
 */

import * as connection from "./connection.ts"
import * as data from "./data.ts"
import type { DatagramDropReason } from "./drop-reason.ts"
import { checkFeedback } from "./feedback.ts"
import {
  ADDRESS_FORM_SHIFT,
  CLASS,
  classOf,
  FLAG_LENGTH,
  FLAG_WANTED,
  isAlone,
  isOptionOf,
  KIND,
  KIND_NAMES,
  kindOf,
} from "./flags.ts"
import * as handshake from "./handshake.ts"
import { checkHint } from "./hint.ts"
import { checkLoose } from "./loose.ts"
import { NUMBER_MAX } from "./numbers.ts"
import { PREFIX_BYTES, prefixCounter, prefixHandshake, prefixSlot, type Profile, TAG_BYTES } from "./prefix.ts"
import { checkStatus } from "./status.ts"
import * as streamControl from "./stream-control.ts"
import { checkSync } from "./sync.ts"

const LENGTH_BYTES = 2
/** So few bytes are copied one by one: a view of them costs 0.2 µs, a byte a nanosecond. */
const LOOP_BYTES_MAX = 128

/** Bytes of a packet before its body, without a length: the last packet of a datagram. */
export const PACKET_OVERHEAD_BYTES = 1
/** Bytes of a packet before its body, with a length: every packet but the last of a datagram. */
export const PACKET_OVERHEAD_BYTES_WITH_LENGTH: number = PACKET_OVERHEAD_BYTES + LENGTH_BYTES

/**
 * Checks obligations O10 to O21 for the opened datagram `[offset, offset + length)`, prefix and tag included. Once it
 * has returned `undefined`, walk the packets with a {@link PacketCursor} and use any read function of this package on
 * them; never before.
 */
export function checkPackets(
  view: DataView,
  offset: number,
  length: number,
  profile: Profile,
): DatagramDropReason | undefined {
  const inHandshake = prefixHandshake(view, offset)
  const slotIsNone = prefixSlot(view, offset) === 0
  const counter = prefixCounter(view, offset)
  if (counter > NUMBER_MAX) return "number"
  const end = offset + length - TAG_BYTES[profile]!
  const first = offset + PREFIX_BYTES[profile]!
  const firstClass = classOf(kindOf(view.getUint8(first)))
  let at = first
  for (;;) {
    const flags = view.getUint8(at)
    const kind = kindOf(flags)
    if (KIND_NAMES[kind] === undefined) return "kind"
    if (!isOptionOf(kind, flags)) return "option"
    const more = (flags & FLAG_LENGTH) !== 0
    let body = at + PACKET_OVERHEAD_BYTES
    let bodyEnd = end
    if (more) {
      body += LENGTH_BYTES
      if (body > end) return "length"
      const bytes = view.getUint16(body - LENGTH_BYTES, true)
      bodyEnd = body + bytes
      if (bytes === 0 || bodyEnd >= end) return "length"
    }
    if (classOf(kind) !== firstClass || (isAlone(kind) && (more || at !== first))) return "class"
    if (inHandshake !== (firstClass === CLASS.handshake) || slotIsNone !== goesToNoSlot(kind)) return "class"
    if ((counter === 0) !== hasNoCounter(kind)) return "value"
    const reason = checkBody(view, kind, flags, body, bodyEnd, length, profile)
    if (reason !== undefined) return reason
    if (!more) return undefined
    at = bodyEnd
  }
}

function goesToNoSlot(kind: number): boolean {
  return kind === KIND.join || hasNoCounter(kind)
}

function hasNoCounter(kind: number): boolean {
  return kind === KIND.hint || kind === KIND.loose
}

function checkBody(
  view: DataView,
  kind: number,
  flags: number,
  body: number,
  end: number,
  datagramBytes: number,
  profile: Profile,
): DatagramDropReason | undefined {
  const form = flags >>> ADDRESS_FORM_SHIFT
  switch (kind) {
    case KIND.sequenced:
      return data.checkSequenced(view, body, end)
    case KIND.part:
      return data.checkPart(view, body, end)
    case KIND.fireAndForget:
      return data.checkFireAndForget(view, body, end)
    case KIND.open:
      return streamControl.checkOpen(view, body, end)
    case KIND.end:
      return streamControl.checkEnd(view, body, end)
    case KIND.reset:
      return streamControl.checkReset(view, body, end)
    case KIND.stop:
      return streamControl.checkStop(view, body, end)
    case KIND.status:
      return checkStatus(view, body, end)
    case KIND.sync:
      return checkSync(view, body, end)
    case KIND.feedback:
      return checkFeedback(view, body, end)
    case KIND.heartbeat:
      return connection.checkHeartbeat(view, body, end)
    case KIND.pathChallenge:
    case KIND.pathResponse:
      return connection.checkPathData(view, body, end)
    case KIND.mtuProbe:
      return connection.checkMtuProbe(view, body, end, (flags & FLAG_WANTED) !== 0, datagramBytes)
    case KIND.rate:
      return connection.checkRate(view, body, end)
    case KIND.join:
      return handshake.checkJoin(view, body, end, form, profile)
    case KIND.challenge:
      return handshake.checkChallenge(view, body, end)
    case KIND.accept:
      return handshake.checkAccept(view, body, end, form, profile)
    case KIND.hint:
      return checkHint(view, body, end)
    case KIND.loose:
      return checkLoose(view, body, end)
    default:
      return connection.checkReasonText(view, body, end)
  }
}

/** Walks the packets of a checked datagram: `start`, then `next` until it returns `false`. */
export class PacketCursor {
  /** The flag byte of the packet that `next` moved to. */
  flags = 0
  /** The kind of the packet that `next` moved to, one of `KIND`. */
  kind = 0
  /** Where the body of that packet begins, in bytes from the start of the view. */
  body = 0
  /** Where the body of that packet ends: the offset after its last byte. */
  end = 0
  #view: DataView = new DataView(new ArrayBuffer(0))
  #at = 0
  #end = 0

  /** `[offset, offset + length)` is the datagram, prefix and tag included. */
  start(view: DataView, offset: number, length: number, profile: Profile): void {
    this.#view = view
    this.#at = offset + PREFIX_BYTES[profile]!
    this.#end = offset + length - TAG_BYTES[profile]!
  }

  /** Moves to the next packet; `false` when there is none. */
  next(): boolean {
    if (this.#at >= this.#end) return false
    this.flags = this.#view.getUint8(this.#at)
    this.kind = kindOf(this.flags)
    this.body = this.#at + PACKET_OVERHEAD_BYTES
    this.end = this.#end
    if ((this.flags & FLAG_LENGTH) !== 0) {
      this.body += LENGTH_BYTES
      this.end = this.body + this.#view.getUint16(this.body - LENGTH_BYTES, true)
    }
    this.#at = this.end
    return true
  }

  /** Option "W": a status, or the answer to this kind, is wanted. */
  get wanted(): boolean {
    return (this.flags & FLAG_WANTED) !== 0
  }

  /** Option "A": form of the reply address. */
  get addressForm(): number {
    return this.flags >>> ADDRESS_FORM_SHIFT
  }
}

/**
 * Puts packets into a datagram, one after the other. Each begins as the last one, without a length. When another
 * follows, its body moves two bytes on to make room for the length.
 */
export class PacketWriter {
  /** A view of all the bytes given. Bodies are written through it, at offsets from its first byte. */
  readonly view: DataView
  readonly #bytes: Uint8Array
  #packet = -1
  #end = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Starts over with the first packet at `offset`. */
  start(offset: number): void {
    this.#packet = -1
    this.#end = offset
  }

  /** The end of the last packet so far. */
  get end(): number {
    return this.#end
  }

  /** Bytes that a packet with a body of `bodyBytes` adds. */
  cost(bodyBytes: number): number {
    return bodyBytes + (this.#packet < 0 ? PACKET_OVERHEAD_BYTES : PACKET_OVERHEAD_BYTES_WITH_LENGTH)
  }

  /** Begins a packet; returns where its body starts. `flags`: kind and option. */
  begin(flags: number): number {
    if (this.#packet >= 0) this.#giveLength()
    this.#packet = this.#end
    this.view.setUint8(this.#end, flags)
    this.#end += PACKET_OVERHEAD_BYTES
    return this.#end
  }

  /** Copies bytes from elsewhere into the body. */
  copy(at: number, source: Uint8Array, offset: number, length: number): void {
    const bytes = this.#bytes
    if (length > LOOP_BYTES_MAX) bytes.set(source.subarray(offset, offset + length), at)
    else for (let i = 0; i < length; i++) bytes[at + i] = source[offset + i]!
  }

  /** Sets where the body of the packet begun last ends. */
  finish(end: number): void {
    this.#end = end
  }

  #giveLength(): void {
    const body = this.#packet + PACKET_OVERHEAD_BYTES
    const bytes = this.#end - body
    if (bytes === 0) throw new RangeError("a packet without a body must be the last of its datagram")
    this.#bytes.copyWithin(body + LENGTH_BYTES, body, this.#end)
    this.view.setUint8(this.#packet, this.view.getUint8(this.#packet) | FLAG_LENGTH)
    this.view.setUint16(body, bytes, true)
    this.#end += LENGTH_BYTES
  }
}
