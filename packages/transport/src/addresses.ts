/**
 * IP addresses as text and as bytes, and the table that turns them into the small integers of the hot path.
 *
 * @module
 */

import { BATCH_ROWS_MAX } from "./batches.ts"
import type { Address } from "./host.ts"

/** A literal IP address taken apart. */
export interface ParsedHost {
  readonly family: 4 | 6
  /** 4 or 16 bytes in network order. */
  readonly bytes: Uint8Array
  /** `"eth0"` of `fe80::1%eth0`, else empty. */
  readonly scope: string
}

/** Parses a literal address; a mapped one (`::ffff:192.0.2.1`) is the v4 address it stands for. `undefined`: not a literal. */
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

/** The same address in its one spelling; `undefined` where the host is no literal or the port is out of range. */
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

/** Sources that nobody has retained are forgotten after this many others: spoofed ones can't fill the memory. */
export const UNRETAINED_SOURCES_MAX = 1_024

interface Entry {
  readonly address: Address
  references: number
  /** Whether it stands in the ring of those that may be forgotten. */
  isInRing: boolean
  /** When it was last seen, counted in sources. */
  seenAt: number
}

/** Addresses as small integers ≥ 1, with reference counts. */
export class AddressTable {
  readonly #entries: (Entry | undefined)[] = [undefined]
  readonly #ids = new Map<string, number>()
  readonly #free: number[] = []
  /** Ids that may be forgotten when nobody holds them, each once, the oldest at `#ringNext`. */
  readonly #ring = new Int32Array(UNRETAINED_SOURCES_MAX)
  #ringNext = 0
  #sources = 0
  // Most datagrams come from where the one before came from; building a key costs 170 ns.
  #lastHost = ""
  #lastPort = 0
  #lastId = 0

  /** Addresses known: those held and the unretained sources. */
  get size(): number {
    return this.#ids.size
  }

  intern(host: string, port: number): number {
    const address = normalizeAddress(host, port)
    if (address === undefined)
      throw new RangeError(`not a literal IP address with a port from 1 to 65535: "${host}" port ${port}; resolve names first`)
    const id = this.#idOf(address)
    this.#entries[id]!.references++
    return id
  }

  /**
   * The id of a source as the system tells it: good as long as the batch it came in, and as long as it is retained. 0: nobody could answer it, as
   * port 0 of a forged datagram.
   */
  seen(host: string, port: number): number {
    if (host === this.#lastHost && port === this.#lastPort) return this.#lastId
    const address = normalizeAddress(host, port)
    if (address === undefined) return 0
    const id = this.#idOf(address)
    this.#entries[id]!.seenAt = ++this.#sources
    this.#remember(id)
    this.#lastHost = host
    this.#lastPort = port
    this.#lastId = id
    return id
  }

  retain(id: number): void {
    this.#entry(id).references++
  }

  release(id: number): void {
    const entry = this.#entry(id)
    if (entry.references === 0) throw new RangeError(`address ${id} was released more often than held`)
    if (--entry.references === 0) this.#remember(id)
  }

  address(id: number): Address {
    return this.#entry(id).address
  }

  #entry(id: number): Entry {
    const entry = this.#entries[id]
    if (entry === undefined) throw new RangeError(`no address has the id ${id}`)
    return entry
  }

  #idOf(address: Address): number {
    const key = keyOf(address)
    let id = this.#ids.get(key)
    if (id !== undefined) return id
    id = this.#free.pop() ?? this.#entries.length
    this.#entries[id] = { address, references: 0, isInRing: false, seenAt: -Infinity }
    this.#ids.set(key, id)
    return id
  }

  /** Puts an address that nobody holds where it can be forgotten, in the place of another. */
  #remember(id: number): void {
    const entry = this.#entries[id]!
    if (entry.references > 0 || entry.isInRing) return
    while (this.#isFresh(this.#ring[this.#ringNext]!)) this.#ringNext = (this.#ringNext + 1) % UNRETAINED_SOURCES_MAX
    this.#forget(this.#ring[this.#ringNext]!)
    this.#ring[this.#ringNext] = id
    this.#ringNext = (this.#ringNext + 1) % UNRETAINED_SOURCES_MAX
    entry.isInRing = true
  }

  /** A batch that is being filled may name it. */
  #isFresh(id: number): boolean {
    const entry = this.#entries[id]
    return entry !== undefined && entry.references === 0 && this.#sources - entry.seenAt < BATCH_ROWS_MAX
  }

  #forget(id: number): void {
    const entry = this.#entries[id]
    if (entry === undefined) return
    entry.isInRing = false
    // Held again meanwhile: it comes back into the ring when it is released.
    if (entry.references > 0) return
    this.#entries[id] = undefined
    this.#ids.delete(keyOf(entry.address))
    this.#free.push(id)
  }
}

/** Names an address among all: no host holds the separator. */
function keyOf({ host, port }: Address): string {
  return `${host}|${port}`
}
