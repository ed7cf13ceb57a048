/**
 * Literal IP addresses as text and as bytes. Here every address has one spelling, so texts can be compared.
 *
 * @module
 */

/** An IP address and a UDP port. The hot path uses the small integers of `Transport.internAddress` instead. */
export interface Address {
  /** IPv4 or IPv6. */
  readonly family: 4 | 6
  /**
   * Dotted decimal, or the shortest lower-case form of RFC 5952 with a scope (`%eth0`) where the address is link-local.
   * Never a mapped `::ffff:` address.
   */
  readonly host: string
  /** 1 to 65,535. */
  readonly port: number
}

/** An IP address that a name resolves to. */
export type ResolvedAddress = Omit<Address, "port">

/** A literal IP address taken apart. */
export interface ParsedHost {
  /** IPv4 or IPv6. */
  readonly family: 4 | 6
  /** 4 or 16 bytes in network order. */
  readonly bytes: Uint8Array
  /** `"eth0"` of `fe80::1%eth0`, else empty. */
  readonly scope: string
}

/** Parses a literal address; a mapped one (`::ffff:192.0.2.1`) becomes its v4 address. `undefined`: not a literal. */
export function parseHost(text: string): ParsedHost | undefined {
  if (!text.includes(":")) {
    const bytes = parseV4(text)
    return bytes && { family: 4, bytes, scope: "" }
  }
  const [host = "", scope = "", ...rest] = text.split("%")
  if (rest.length > 0 || (text.includes("%") && scope === "")) return undefined
  const bytes = parseV6(host)
  if (bytes === undefined) return undefined
  if (isMapped(bytes)) return scope === "" ? { family: 4, bytes: bytes.slice(12), scope } : undefined
  // A scope means something on link-local addresses only; elsewhere the system would ignore it silently.
  if (scope !== "" && !(bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80)) return undefined
  return { family: 6, bytes, scope }
}

/** The canonical text of an address: dotted decimal, or RFC 5952. */
export function formatHost(bytes: Uint8Array, scope = ""): string {
  if (bytes.length === 4) return bytes.join(".")
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!)
  const { start, length } = longestZeros(groups)
  const hex = (list: number[]): string => list.map((group) => group.toString(16)).join(":")
  const host = length < 2 ? hex(groups) : `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`
  return scope === "" ? host : `${host}%${scope}`
}

/** The same address in its canonical spelling; `undefined` if the host is no literal or the port is out of range. */
export function normalizeAddress(host: string, port: number): Address | undefined {
  const parsed = parseHost(host)
  if (parsed === undefined || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined
  return { family: parsed.family, host: formatHost(parsed.bytes, parsed.scope), port }
}

/** `192.0.2.1:4000`, `[2001:db8::1]:4000`. */
export function formatAddress(address: Address): string {
  return address.family === 4 ? `${address.host}:${address.port}` : `[${address.host}]:${address.port}`
}

function parseV4(text: string): Uint8Array | undefined {
  const parts = text.split(".")
  if (parts.length !== 4) return undefined
  const bytes = new Uint8Array(4)
  for (const [i, part] of parts.entries()) {
    // No leading zeros: some systems read them as octal.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    bytes[i] = Number(part)
  }
  return bytes
}

function parseV6(text: string): Uint8Array | undefined {
  let head = text
  let tail: Uint8Array | undefined
  if (text.includes(".")) {
    const cut = text.lastIndexOf(":") + 1
    tail = parseV4(text.slice(cut))
    if (tail === undefined) return undefined
    head = `${text.slice(0, cut)}${tailGroups(tail)}`
  }
  const halves = head.split("::")
  if (halves.length > 2) return undefined
  const [left, right] = halves.map((half) => (half === "" ? [] : half.split(":")))
  const missing = 8 - left!.length - (right?.length ?? 0)
  if (right === undefined ? missing !== 0 : missing < 1) return undefined
  const groups = right === undefined ? left! : [...left!, ...Array.from({ length: missing }, () => "0"), ...right]
  const bytes = new Uint8Array(16)
  for (const [i, group] of groups.entries()) {
    if (!/^[\da-f]{1,4}$/i.test(group)) return undefined
    const value = Number.parseInt(group, 16)
    bytes[2 * i] = value >>> 8
    bytes[2 * i + 1] = value & 255
  }
  return bytes
}

function tailGroups(v4: Uint8Array): string {
  return `${((v4[0]! << 8) | v4[1]!).toString(16)}:${((v4[2]! << 8) | v4[3]!).toString(16)}`
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255
}

/** The first of the longest runs of zero groups. */
function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
    start += length
  }
  return best
}
