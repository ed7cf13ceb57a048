/**
 * A datagram in words and plain values, for logs, dissectors and golden vectors. Slow; nothing on the hot path uses it.
 *
 * @module
 */

import { bytesAt } from "./bytes.ts"
import * as connection from "./connection.ts"
import * as data from "./data.ts"
import { PacketCursor } from "./datagram.ts"
import { DELIVERIES, FORM, FORM_NAMES, formOf, modeOf } from "./delivery.ts"
import { createFeedback, readFeedback } from "./feedback.ts"
import { KIND, KIND_NAMES } from "./flags.ts"
import * as handshake from "./handshake.ts"
import { readHint } from "./hint.ts"
import { readLoose } from "./loose.ts"
import { createPiece, MessageCursor, readPiece } from "./payload.ts"
import {
  PROFILE,
  type Profile,
  type ProfileName,
  prefixCounter,
  prefixEpoch,
  prefixHandshake,
  prefixNonce,
  prefixSlot,
  VERSION,
} from "./prefix.ts"
import type { RangeList } from "./ranges.ts"
import type { ReplyAddress } from "./reply-address.ts"
import { createStatus, readStatus } from "./status.ts"
import * as streamControl from "./stream-control.ts"
import { createSync, readSync } from "./sync.ts"

/** The fields of a packet under their names in PROTOCOL.md, bytes as hexadecimal text. */
export interface PacketDescription {
  /** The kind as PROTOCOL.md spells it, `"fire-and-forget"`. */
  readonly kind: string
  readonly [field: string]: unknown
}

/** A datagram as {@link describeDatagram} describes it. */
export interface DatagramDescription {
  /** The fields of its prefix. */
  readonly prefix: {
    /** The version of the format. */
    readonly version: number
    /** The protection profile, `"checksum"`. */
    readonly profile: string
    /** Whether it is outside an association. */
    readonly handshake: boolean
    /** The receiver's slot, 0 for none. */
    readonly slot: number
    /** Its counter, or the number of the attempt outside an association. */
    readonly counter: number
    /** The random bit that proves its receipt, 0 or 1; outside an association there is none. */
    readonly nonce?: number
    /** The epoch of the key, in profiles `mac` and `aead`. */
    readonly epoch?: number
  }
  /** Its packets, in order. */
  readonly packets: readonly PacketDescription[]
}

/** Describes the checked datagram `[offset, offset + length)`, decrypted if it was encrypted. */
export function describeDatagram(
  view: DataView,
  offset: number,
  length: number,
  profile: Profile,
): DatagramDescription {
  const packets: PacketDescription[] = []
  const cursor = new PacketCursor()
  cursor.start(view, offset, length, profile)
  while (cursor.next()) packets.push({ kind: KIND_NAMES[cursor.kind]!, ...describeBody(view, cursor) })
  return {
    prefix: {
      version: VERSION,
      profile: (Object.keys(PROFILE) as ProfileName[]).find((name) => PROFILE[name] === profile)!,
      handshake: prefixHandshake(view, offset),
      slot: prefixSlot(view, offset),
      counter: prefixCounter(view, offset),
      ...(prefixHandshake(view, offset) ? {} : { nonce: prefixNonce(view, offset) }),
      ...(profile >= PROFILE.mac ? { epoch: prefixEpoch(view, offset) } : {}),
    },
    packets,
  }
}

type Fields = Record<string, unknown>

function describeBody(view: DataView, { kind, body, end, wanted: statusWanted, addressForm }: PacketCursor): Fields {
  switch (kind) {
    case KIND.sequenced: {
      const delivery = data.readSequencedDelivery(view, body)
      return {
        statusWanted,
        ...describeNumbered(view, body),
        ...describePayload(view, body + data.SEQUENCED_HEADER_BYTES, end, formOf(delivery)),
      }
    }
    case KIND.part:
      return {
        ...describeNumbered(view, body),
        offset: data.readPartOffset(view, body),
        total: data.readPartTotal(view, body),
        bytes: hexAt(view, body + data.PART_HEADER_BYTES, end),
      }
    case KIND.fireAndForget: {
      const delivery = data.readFireAndForgetDelivery(view, body)
      const payload = describePayload(view, body + data.FIRE_AND_FORGET_HEADER_BYTES, end, formOf(delivery))
      return { stream: data.readStream(view, body), ...describeDelivery(delivery), ...payload }
    }
    case KIND.open: {
      const { stream, first, mode, priority, metadata } = streamControl.readOpen(view, body, end)
      return { stream, first, mode: DELIVERIES[mode], form: FORM_NAMES[FORM.whole], priority, metadata: hex(metadata) }
    }
    case KIND.end:
      return { ...streamControl.readEnd(view, body) }
    case KIND.reset:
      return { ...streamControl.readReset(view, body) }
    case KIND.stop:
      return { ...streamControl.readStop(view, body) }
    case KIND.status: {
      const status = createStatus()
      readStatus(view, body, status)
      const { stream, state, cumulative } = status
      return {
        stream,
        state,
        cumulative,
        received: describeRanges(status.received),
        missing: describeRanges(status.missing),
      }
    }
    case KIND.sync: {
      const sync = createSync()
      readSync(view, body, sync)
      const gone = describeRanges(sync.gone).map((range, i) => ({ ...range, begun: sync.gone.begun[i] }))
      return {
        statusWanted,
        stream: sync.stream,
        mode: DELIVERIES[sync.mode],
        form: FORM_NAMES[FORM.whole],
        low: sync.low,
        high: sync.high,
        begun: sync.begun,
        gone,
      }
    }
    case KIND.feedback: {
      const feedback = createFeedback()
      readFeedback(view, body, end, feedback)
      return { ...feedback, missing: describeRanges(feedback.missing) }
    }
    case KIND.heartbeat:
      return { statusWanted }
    case KIND.goodbye:
      return { statusWanted, ...connection.readReasonText(view, body, end) }
    case KIND.pathChallenge:
    case KIND.pathResponse:
      return { data: hex(connection.readPathData(view, body)) }
    case KIND.mtuProbe:
      return {
        statusWanted,
        ...connection.readMtuProbe(view, body),
        paddingBytes: end - body - connection.MTU_PROBE_HEADER_BYTES,
      }
    case KIND.rate:
      return { statusWanted, ...connection.readRate(view, body) }
    case KIND.join: {
      const join = handshake.readJoin(view, body, addressForm)
      return hexFields({ ...join, address: describeAddress(join.address) })
    }
    case KIND.challenge:
      return hexFields({ ...handshake.readChallenge(view, body) })
    case KIND.accept: {
      const accept = handshake.readAccept(view, body, addressForm)
      return hexFields({ ...accept, address: describeAddress(accept.address) })
    }
    case KIND.refuse:
      return { ...connection.readReasonText(view, body, end) }
    case KIND.hint:
      return { ...readHint(view, body) }
    default:
      return hexFields({ ...readLoose(view, body, end) })
  }
}

function describeNumbered(view: DataView, body: number): Fields {
  return {
    stream: data.readStream(view, body),
    number: data.readPacketNumber(view, body),
    ...describeDelivery(data.readSequencedDelivery(view, body)),
  }
}

function describeDelivery(delivery: number): Fields {
  return { mode: DELIVERIES[modeOf(delivery)], form: FORM_NAMES[formOf(delivery)] }
}

function describePayload(view: DataView, offset: number, end: number, form: number): Fields {
  if (form === FORM.whole) {
    const messages: Fields[] = []
    const cursor = new MessageCursor()
    cursor.start(view, offset, end)
    while (cursor.next())
      messages.push({ type: cursor.type, bytes: hexAt(view, cursor.offset, cursor.offset + cursor.length) })
    return { messages }
  }
  const piece = createPiece()
  readPiece(view, offset, end, form, piece)
  const { message, type, total, messageOffset } = piece
  if (form === FORM.abandoned) return { piece: { message } }
  const bytes = hexAt(view, piece.offset, end)
  if (form === FORM.first) return { piece: { type, message, total, bytes } }
  return { piece: form === FORM.middle ? { message, total, offset: messageOffset, bytes } : { message, total, bytes } }
}

function describeRanges(list: RangeList): { from: number; to: number }[] {
  return Array.from({ length: list.count }, (_, i) => ({ from: list.edges[2 * i]!, to: list.edges[2 * i + 1]! }))
}

function describeAddress(address: ReplyAddress | undefined): Fields | undefined {
  return address && { family: address.bytes.length === 4 ? 4 : 6, host: hex(address.bytes), port: address.port }
}

function hexFields(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, value instanceof Uint8Array ? hex(value) : value]),
  )
}

function hexAt(view: DataView, offset: number, end: number): string {
  return hex(bytesAt(view, offset, end - offset))
}

const DIGITS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

function hex(bytes: Uint8Array): string {
  let text = ""
  for (const byte of bytes) text += DIGITS[byte]!
  return text
}
