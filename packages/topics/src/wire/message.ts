/**
 * The bytes of what publishers and subscribers tell each other, PROTOCOL.md §2 and §3. Whatever isn't exactly of a
 * known form is no message.
 *
 * @module
 */

/** Where a feed is to begin. */
export type Beginning =
  | { readonly at: "newest" | "oldest" | "last" }
  /** With the message of this position, of the log with this identity. */
  | { readonly at: "next"; readonly log: string; readonly position: number }

/** What is told on the streams for control. */
export type Control =
  | { readonly kind: "subscribe"; readonly id: number; readonly beginning: Beginning; readonly name: string }
  | { readonly kind: "unsubscribe"; readonly id: number }
  | ({ readonly kind: "accepted"; readonly id: number } & Accepted)
  | { readonly kind: "refused"; readonly id: number; readonly code: number }
  | { readonly kind: "ended"; readonly id: number; readonly code: number; readonly end: number }
  | { readonly kind: "gap"; readonly id: number; readonly messages: number }

/** What a publisher answers whom it takes. */
export interface Accepted {
  /** The number of the stream that the messages come on. */
  readonly stream: number
  /** Whether it begins exactly at the position that was asked for. */
  readonly resumed: boolean
  /** The position of the first message that the feed is to have. */
  readonly first: number
  /** Messages from the position that was asked for to `first`: they aren't there any more. */
  readonly missed: number
  /** The identity of the log. */
  readonly log: string
}

const KIND = { subscribe: 1, unsubscribe: 2, accepted: 3, refused: 4, ended: 5, gap: 6 } as const
const BEGINNINGS = ["newest", "oldest", "last", "next"] as const

/** Bytes of the longest name of a topic, as UTF-8. */
export const NAME_BYTES_MAX = 255
/** Bytes of the longest identity of a log, as UTF-8. */
export const LOG_BYTES_MAX = 64
/** The largest position, and number of messages. */
export const POSITION_MAX: number = 2 ** 48 - 1

/** Every control message begins with its kind and the number of its subscription. */
const HEAD_BYTES = 5
const U48_BYTES = 6
const ACCEPTED_BYTES = HEAD_BYTES + 4 + 1 + 2 * U48_BYTES + 1
const RESUMED = 1

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Bytes of a text as UTF-8. */
export function textBytes(text: string): number {
  return encoder.encode(text).length
}

/** The bytes of a control message; its numbers and texts are within their bounds. */
export function encodeControl(control: Control): Uint8Array {
  switch (control.kind) {
    case "subscribe":
      return encodeSubscribe(control.id, control.beginning, control.name)
    case "unsubscribe":
      return begin(control, HEAD_BYTES).bytes
    case "accepted":
      return encodeAccepted(control)
    case "refused": {
      const { bytes, view } = begin(control, HEAD_BYTES + 1)
      view.setUint8(HEAD_BYTES, control.code)
      return bytes
    }
    case "ended": {
      const { bytes, view } = begin(control, HEAD_BYTES + 1 + U48_BYTES)
      view.setUint8(HEAD_BYTES, control.code)
      writeU48(view, HEAD_BYTES + 1, control.end)
      return bytes
    }
    case "gap": {
      const { bytes, view } = begin(control, HEAD_BYTES + U48_BYTES)
      writeU48(view, HEAD_BYTES, control.messages)
      return bytes
    }
  }
}

function encodeSubscribe(id: number, beginning: Beginning, name: string): Uint8Array {
  const nameBytes = encoder.encode(name)
  const logBytes = encoder.encode(beginning.at === "next" ? beginning.log : "")
  const placeBytes = beginning.at === "next" ? U48_BYTES + 1 + logBytes.length : 0
  const { bytes, view } = begin({ kind: "subscribe", id }, HEAD_BYTES + 1 + placeBytes + nameBytes.length)
  let at = HEAD_BYTES
  view.setUint8(at++, BEGINNINGS.indexOf(beginning.at))
  if (beginning.at === "next") {
    writeU48(view, at, beginning.position)
    view.setUint8(at + U48_BYTES, logBytes.length)
    bytes.set(logBytes, at + U48_BYTES + 1)
    at += placeBytes
  }
  bytes.set(nameBytes, at)
  return bytes
}

function encodeAccepted(accepted: Accepted & { readonly kind: "accepted"; readonly id: number }): Uint8Array {
  const logBytes = encoder.encode(accepted.log)
  const { bytes, view } = begin(accepted, ACCEPTED_BYTES + logBytes.length)
  view.setUint32(HEAD_BYTES, accepted.stream, true)
  view.setUint8(HEAD_BYTES + 4, accepted.resumed ? RESUMED : 0)
  writeU48(view, HEAD_BYTES + 5, accepted.first)
  writeU48(view, HEAD_BYTES + 5 + U48_BYTES, accepted.missed)
  view.setUint8(ACCEPTED_BYTES - 1, logBytes.length)
  bytes.set(logBytes, ACCEPTED_BYTES)
  return bytes
}

function begin(
  { kind, id }: { readonly kind: keyof typeof KIND; readonly id: number },
  length: number,
): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, KIND[kind])
  view.setUint32(1, id, true)
  return { bytes, view }
}

/** The control message in these bytes; `undefined`: they are none. */
export function decodeControl(bytes: Uint8Array): Control | undefined {
  if (bytes.length < HEAD_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const id = view.getUint32(1, true)
  const rest = bytes.length - HEAD_BYTES
  switch (view.getUint8(0)) {
    case KIND.subscribe:
      return decodeSubscribe(bytes, view, id)
    case KIND.unsubscribe:
      return rest === 0 ? { kind: "unsubscribe", id } : undefined
    case KIND.accepted:
      return decodeAccepted(bytes, view, id)
    case KIND.refused:
      return rest === 1 ? { kind: "refused", id, code: view.getUint8(HEAD_BYTES) } : undefined
    case KIND.ended:
      if (rest !== 1 + U48_BYTES) return undefined
      return { kind: "ended", id, code: view.getUint8(HEAD_BYTES), end: readU48(view, HEAD_BYTES + 1) }
    case KIND.gap: {
      if (rest !== U48_BYTES) return undefined
      const messages = readU48(view, HEAD_BYTES)
      return messages > 0 ? { kind: "gap", id, messages } : undefined
    }
    default:
      return undefined
  }
}

function decodeSubscribe(bytes: Uint8Array, view: DataView, id: number): Control | undefined {
  let at = HEAD_BYTES
  const how = at < bytes.length ? BEGINNINGS[view.getUint8(at++)] : undefined
  if (how === undefined) return undefined
  let beginning: Beginning
  if (how === "next") {
    if (bytes.length < at + U48_BYTES + 1) return undefined
    const position = readU48(view, at)
    at += U48_BYTES + 1
    const log = textOf(bytes, at, view.getUint8(at - 1), LOG_BYTES_MAX)
    if (log === undefined) return undefined
    at += view.getUint8(at - 1)
    beginning = { at: how, log, position }
  } else {
    beginning = { at: how }
  }
  const name = textOf(bytes, at, bytes.length - at, NAME_BYTES_MAX)
  return name === undefined ? undefined : { kind: "subscribe", id, beginning, name }
}

function decodeAccepted(bytes: Uint8Array, view: DataView, id: number): Control | undefined {
  if (bytes.length < ACCEPTED_BYTES) return undefined
  const flags = view.getUint8(HEAD_BYTES + 4)
  const logBytes = view.getUint8(ACCEPTED_BYTES - 1)
  if (flags > RESUMED || bytes.length !== ACCEPTED_BYTES + logBytes) return undefined
  const log = textOf(bytes, ACCEPTED_BYTES, logBytes, LOG_BYTES_MAX)
  if (log === undefined) return undefined
  const stream = view.getUint32(HEAD_BYTES, true)
  const first = readU48(view, HEAD_BYTES + 5)
  const missed = readU48(view, HEAD_BYTES + 5 + U48_BYTES)
  return { kind: "accepted", id, stream, resumed: flags === RESUMED, first, missed, log }
}

/** Text of 1 to `most` bytes; `undefined`: it is no UTF-8, or not as long. */
function textOf(bytes: Uint8Array, at: number, length: number, most: number): string | undefined {
  if (length < 1 || length > most || at + length > bytes.length) return undefined
  try {
    return decoder.decode(bytes.subarray(at, at + length))
  } catch {
    return undefined
  }
}

/** A message of a topic, as it lies in the log and in the stream: its position, the application's type, its bytes. */
export const ENTRY_HEAD_BYTES: number = U48_BYTES + 2

/** Memory for a message of a topic, with its head written; its bytes go behind it. */
export function makeEntry(position: number, type: number, length: number): Uint8Array {
  const bytes = new Uint8Array(ENTRY_HEAD_BYTES + length)
  const view = new DataView(bytes.buffer)
  writeU48(view, 0, position)
  view.setUint16(U48_BYTES, type, true)
  return bytes
}

/** A message of a topic, in the memory that it came in. */
export interface Entry {
  readonly position: number
  readonly type: number
  readonly bytes: Uint8Array
}

/** The message of a topic in these bytes; `undefined`: they are too few. */
export function readEntry(bytes: Uint8Array): Entry | undefined {
  if (bytes.length < ENTRY_HEAD_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, ENTRY_HEAD_BYTES)
  return {
    position: readU48(view, 0),
    type: view.getUint16(U48_BYTES, true),
    bytes: bytes.subarray(ENTRY_HEAD_BYTES),
  }
}

function writeU48(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 2 ** 32, true)
  view.setUint16(at + 4, Math.floor(value / 2 ** 32), true)
}

function readU48(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint16(at + 4, true) * 2 ** 32
}
