import type { ResolvedAddress } from "@x/transport/host"

/** More addresses than this aren't worth the time that they take when all are dead. */
const KNOWN_MAX = 8

/**
 * Where a name was found before: at the address that answered, and the others that its resolver gave then. They are
 * asked behind what it gives now, and instead if it gives nothing.
 */
export class KnownAddresses {
  #addresses: readonly ResolvedAddress[] = []

  get all(): readonly ResolvedAddress[] {
    return this.#addresses
  }

  /** The peer answered at this address, if that is one of the name's; `found`: what the resolver gave. */
  learn(good: ResolvedAddress | undefined, found: readonly ResolvedAddress[]): void {
    const others = found.filter(({ host }) => host !== good?.host)
    this.#addresses = [...(good === undefined ? [] : [good]), ...others].slice(0, KNOWN_MAX)
  }
}
