/** The content of a datagram in one line: datagrams with the same name are equal. */
import { describeDatagram } from "@x/wire"
import { PROFILE_USED, type SideName } from "./incarnation.ts"

/** Identities and tokens are opaque: this many of their digits tell them apart. */
const DIGITS = 10
const SAID_EVERY_TIME = new Set([
  "limits",
  "features",
  "exchange",
  "versionMin",
  "versionMax",
  "version",
  "padding",
  "address",
  "kind",
])

export function short(hex: string): string {
  return `#${hex.slice(-DIGITS)}`
}

/** Cached: replays send the same datagrams over and over. */
const names = new Map<string, string>()
const NAMES_MAX = 10_000

export function nameOfDatagram(bytes: Uint8Array, from: SideName): string {
  const key = from + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1")
  let name = names.get(key)
  if (name === undefined) {
    if (names.size >= NAMES_MAX) names.clear()
    names.set(key, (name = compose(bytes, from)))
  }
  return name
}

function compose(bytes: Uint8Array, from: SideName): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const { prefix, packets } = describeDatagram(view, 0, bytes.length, PROFILE_USED)
  const said = packets.map((packet) => {
    const fields = Object.entries(packet).filter(([name]) => !SAID_EVERY_TIME.has(name))
    return [packet.kind, ...fields.map(([name, value]) => `${name} ${textOf(value)}`)].join(" ")
  })
  const size = prefix.handshake ? ` ${bytes.length} B` : ""
  return `${from}: ${said.join(" + ")} to slot ${prefix.slot} as ${prefix.counter}${size}`
}

function textOf(value: unknown): string {
  if (typeof value === "string" && /^[0-9a-f]{16,}$/.test(value)) return /^0+$/.test(value) ? "none" : short(value)
  return typeof value === "string" ? value : JSON.stringify(value)
}
