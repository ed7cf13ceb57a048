import { type Address, normalizeAddress } from "./addresses.ts"

/**
 * A source without references is forgotten after this many others, so that spoofed ones can't fill the memory. Far more
 * than the rows of a batch: an id stays valid during the call that brings it.
 */
export const UNHELD_SOURCES_MAX = 1_024

interface Entry {
  readonly address: Address
  readonly key: string
  references: number
}

/** Hears which addresses have ids. */
export interface AddressListener {
  named(id: number, address: Address): void
  forgotten(id: number): void
}

/** Addresses as small integers ≥ 1, with reference counts. The id of a forgotten address is used again. */
export class AddressTable {
  readonly #entries: (Entry | undefined)[] = [undefined]
  readonly #ids = new Map<string, number>()
  readonly #free: number[] = []
  /** Ids without references, the least recently seen first. */
  readonly #unheld = new Set<number>()
  // Most datagrams come from the same source as the one before; building a key costs 170 ns.
  #lastHost = ""
  #lastPort = 0
  #lastId = 0
  readonly #listener: AddressListener | undefined

  constructor(listener?: AddressListener) {
    this.#listener = listener
  }

  /** Addresses known, with or without references. */
  get size(): number {
    return this.#ids.size
  }

  /** Addresses with references. */
  get heldCount(): number {
    return this.#ids.size - this.#unheld.size
  }

  /** All addresses, with their ids. */
  *entries(): Generator<readonly [id: number, address: Address]> {
    for (let id = 1; id < this.#entries.length; id++) {
      const entry = this.#entries[id]
      if (entry !== undefined) yield [id, entry.address]
    }
  }

  intern({ host, port }: Address): number {
    const address = normalizeAddress(host, port)
    if (address === undefined)
      throw new RangeError(
        `not a literal IP address with a port from 1 to 65535: "${host}" port ${port}; resolve names first`,
      )
    const id = this.#idOf(address)
    this.retain(id)
    return id
  }

  /**
   * The id of a source as the system names it, valid until {@link UNHELD_SOURCES_MAX} others were seen, or as long as
   * it has references. 0: no datagram can be sent to it.
   */
  seen(host: string, port: number): number {
    if (port === this.#lastPort && host === this.#lastHost) return this.#lastId
    let id = this.#ids.get(keyOf(host, port))
    if (id === undefined) {
      const address = normalizeAddress(host, port)
      if (address === undefined) return 0
      id = this.#idOf(address)
    }
    if (this.#entries[id]!.references === 0) this.#leaveUnheld(id)
    this.#lastHost = host
    this.#lastPort = port
    this.#lastId = id
    return id
  }

  /** As {@link AddressTable.seen}, for a source whose id is known. */
  touch(id: number): void {
    if (id === this.#lastId) return
    if (this.#entry(id).references === 0) this.#leaveUnheld(id)
  }

  retain(id: number): void {
    if (this.#entry(id).references++ === 0) this.#unheld.delete(id)
  }

  release(id: number): void {
    const entry = this.#entry(id)
    if (entry.references === 0) throw new RangeError(`address ${id} was released more often than held`)
    if (--entry.references === 0) this.#leaveUnheld(id)
  }

  addressOf(id: number): Address {
    return this.#entry(id).address
  }

  #entry(id: number): Entry {
    const entry = this.#entries[id]
    if (entry === undefined) throw new RangeError(`no address has the id ${id}`)
    return entry
  }

  #idOf(address: Address): number {
    const key = keyOf(address.host, address.port)
    let id = this.#ids.get(key)
    if (id !== undefined) return id
    id = this.#free.pop() ?? this.#entries.length
    this.#entries[id] = { address, key, references: 0 }
    this.#ids.set(key, id)
    this.#listener?.named(id, address)
    return id
  }

  /** Makes an id the most recent one without references, and forgets the least recent if there are now too many. */
  #leaveUnheld(id: number): void {
    this.#unheld.delete(id)
    this.#unheld.add(id)
    if (this.#unheld.size <= UNHELD_SOURCES_MAX) return
    const [oldest] = this.#unheld
    this.#unheld.delete(oldest!)
    this.#ids.delete(this.#entries[oldest!]!.key)
    this.#entries[oldest!] = undefined
    this.#free.push(oldest!)
    this.#listener?.forgotten(oldest!)
    if (oldest === this.#lastId) this.#lastPort = 0
  }
}

function keyOf(host: string, port: number): string {
  return `${host}|${port}`
}
