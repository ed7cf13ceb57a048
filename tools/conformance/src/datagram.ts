// A decoded datagram as plain data: byte strings in hex, numbers as numbers, edges absolute. The golden vectors have
// the same form.

export interface Datagram {
  prefix: Prefix
  packets: Packet[]
}

/** §2 */
export interface Prefix {
  version: number
  profile: "none" | "checksum" | "mac" | "aead"
  handshake: boolean
  slot: number
  counter: number
  /** Only in an association. */
  nonce?: number
  /** Only in `mac` and `aead`. */
  epoch?: number
}

/** §3, the table of kinds */
export type Packet =
  | ({ kind: "sequenced"; statusWanted: boolean; stream: number; number: number } & Delivery & Payload)
  | ({ kind: "part"; stream: number; number: number; offset: number; total: number; bytes: string } & Delivery)
  | ({ kind: "fire-and-forget"; stream: number } & Delivery & Payload)
  | ({ kind: "open"; stream: number; first: number; priority: number; metadata: string } & Delivery)
  | { kind: "end"; stream: number; final: number; begun: number }
  | { kind: "reset"; stream: number; reason: number; final: number; begun: number }
  | { kind: "stop"; stream: number; reason: number }
  | { kind: "status"; stream: number; state: number; cumulative: number; received: Range[]; missing: Range[] }
  | ({
      kind: "sync"
      statusWanted: boolean
      stream: number
      low: number
      high: number
      begun: number
      gone: GoneRange[]
    } & Delivery)
  | {
      kind: "feedback"
      counter: number
      holdUs: number
      datagrams: number
      congestion: number
      ect0: number
      proof: number
      reach: number
      /** The newest first. */
      missing: Range[]
    }
  | { kind: "heartbeat"; statusWanted: boolean }
  | { kind: "goodbye"; statusWanted: boolean; reason: number; text: string }
  | { kind: "path-challenge"; data: string }
  | { kind: "path-response"; data: string }
  | { kind: "mtu-probe"; statusWanted: boolean; probe: number; size: number; paddingBytes: number }
  | { kind: "rate"; statusWanted: boolean; number: number; bytesPerSecond: number }
  | Join
  | { kind: "challenge"; unique: string; token: string }
  | Accept
  | { kind: "refuse"; reason: number; text: string }
  | { kind: "hint"; slot: number; counter: number }
  | { kind: "loose"; receiverUnique: string; unique: string; type: number; bytes: string }

export interface Join {
  kind: "join"
  address?: Address
  versionMin: number
  versionMax: number
  slot: number
  unique: string
  session: string
  receiverUnique: string
  limits: Limits
  slotInUse: number
  order: number
  token: string
  exchange: string
}

export interface Accept {
  kind: "accept"
  address?: Address
  version: number
  slot: number
  unique: string
  session: string
  limits: Limits
  features: number
  exchange: string
}

export interface Delivery {
  mode: "fire-and-forget" | "latest" | "best-effort" | "reliable" | "reliable-unordered"
  form: "whole" | "first" | "middle" | "last" | "abandoned"
}

/** §4: whole messages, or one piece of a large one. */
export type Payload = { messages: Message[] } | { piece: Piece }

export interface Message {
  type: number
  bytes: string
}

/**
 * Has the fields of the piece's form: `type` in a first one, `offset` in a middle one, only `message` in an abandoned
 * one.
 */
export interface Piece {
  type?: number
  message: number
  total?: number
  offset?: number
  bytes?: string
}

/** Packets from the edge `from` to the edge `to`: [from, to). */
export interface Range {
  from: number
  to: number
}

export interface GoneRange extends Range {
  /** Messages begun below `to`. */
  begun: number
}

export interface Address {
  family: 4 | 6
  host: string
  port: number
}

export interface Limits {
  datagramBytes: number
  inFlight: number
  spread: number
  streams: number
  messageBytes: number
  statusDelayMs: number
}

/** §11: O1 to O5 and O9 to O21, the obligations that need no state. */
export type DropReason =
  | "too-short"
  | "too-long"
  | "version"
  | "profile"
  | "reserved"
  | "tag"
  | "kind"
  | "option"
  | "length"
  | "truncated"
  | "trailing"
  | "class"
  | "delivery"
  | "ranges"
  | "number"
  | "value"
  | "padding"
  | "payload"
