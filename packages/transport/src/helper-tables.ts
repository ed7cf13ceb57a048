import type { Channel } from "@x/native"
import type { Address } from "./addresses.ts"
import type { Sealer } from "./transport.ts"

/**
 * What the helper knows by number: slabs, addresses and sealers. Where it has no memory for one, that is owed to it.
 */
export class HelperTables {
  /** Sealers that the helper doesn't support, or had no memory for: their rows are sealed by the transport. */
  readonly ownSealers: Set<number> = new Set<number>()
  #channel: Channel | undefined
  /** The slabs and addresses that the helper had no memory for. */
  readonly #owed = new Map<string, (channel: Channel) => void>()

  /** From now on a channel has them; it is told by the calls that follow. */
  use(channel: Channel): void {
    this.#channel = channel
    this.#owed.clear()
    this.ownSealers.clear()
  }

  /** Whether the helper lacks some: no row can be sent. */
  get owes(): boolean {
    return this.#owed.size > 0
  }

  /** Tells the helper again what it had no memory for. Returns whether it has all by now. */
  pay(): boolean {
    for (const [what, tell] of [...this.#owed]) this.#tell(what, tell)
    return !this.owes
  }

  setSlab(id: number, bytes: Uint8Array | null): void {
    this.#tell(`slab ${id}`, (channel) => channel.setSlab(id, bytes))
  }

  setAddress(id: number, { family, host, port }: Address): void {
    this.#tell(`address ${id}`, (channel) => channel.setAddress(id, family, host, port))
  }

  clearAddress(id: number): void {
    this.#tell(`address ${id}`, (channel) => channel.clearAddress(id))
  }

  setSealer(id: number, sealer: Sealer): void {
    try {
      if (this.#isTaken(id, sealer)) return
    } catch (error) {
      if (!isShortage(error)) throw error
    }
    this.ownSealers.add(id)
  }

  clearSealer(id: number): void {
    if (!this.ownSealers.delete(id) && this.#channel?.isOpen === true) this.#channel.setSealer(id, undefined)
  }

  /** Hands a sealer to the helper; returns whether the helper can seal and open with it. */
  #isTaken(id: number, { parameters, tagBytes }: Sealer): boolean {
    const channel = this.#channel
    if (channel?.isOpen !== true) return true
    if (parameters?.algorithm === "crc32c" && tagBytes === 4) channel.setSealer(id, parameters)
    else if (parameters?.algorithm === "aes-256-gcm" && tagBytes === 16 && channel.canEncrypt)
      channel.setKey(id, parameters)
    else return false
    return true
  }

  #tell(what: string, tell: (channel: Channel) => void): void {
    if (this.#owed.size > 0) this.#owed.delete(what)
    if (this.#channel?.isOpen !== true) return
    try {
      tell(this.#channel)
    } catch (error) {
      if (!isShortage(error)) throw error
      this.#owed.set(what, tell)
    }
  }
}

/** Any other error is a mistake of the caller. */
function isShortage(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown }
  return code === "ENOMEM" || code === "ERR_NODE_API"
}
