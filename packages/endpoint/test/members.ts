/** A simulated network of members, which share a secret and have keys of their own. */
import { Endpoint, type EndpointOptions, type IdentityOptions } from "@x/endpoint"
import { systemHost } from "@x/transport"
import type { Host } from "@x/transport/host"
import { createNetwork, type LinkOptions, type Network } from "@x/transport/simulated"
import { hostWith } from "./host-with.ts"
import { PORT } from "./world.ts"

export const SECRET = "a secret that all members know"
const { crypto } = systemHost()
export const keyOf = (name: string): Uint8Array => Uint8Array.from(crypto.sha256(new TextEncoder().encode(name)))
export const publicKeyOf = (name: string): Uint8Array => Uint8Array.from(crypto.x25519PublicKey(keyOf(name)))

export interface Group {
  readonly network: Network
  /** Binds a member whose key is derived from its name, and that trusts these others. */
  member(name: string, trusted: readonly string[], options?: EndpointOptions): Promise<Endpoint>
  /** Binds an endpoint that knows the secret and has no key of its own. */
  keyless(name: string, options?: EndpointOptions): Promise<Endpoint>
}

export function group(seed: number, link: LinkOptions = { delayMs: 5 }): Group {
  const network = createNetwork({ seed, link, crypto })
  const bind = (name: string, options: EndpointOptions): Promise<Endpoint> =>
    network.until(
      Endpoint.bind({ port: PORT, protection: "aead", secrets: [SECRET], host: network.host(name), ...options }),
    )
  return {
    network,
    member(name, trusted, options = {}) {
      const known = new Set(trusted.map((other) => publicKeyOf(other).join()))
      const identity: IdentityOptions = { privateKey: keyOf(name), trust: (publicKey) => known.has(publicKey.join()) }
      return bind(name, { identity, ...options })
    },
    keyless: (name, options = {}) => bind(name, options),
  }
}

/** Endpoints bound on this host have this unique: it comes from the first random bytes that an endpoint asks for. */
export function hostWithUnique(host: Host, unique: string): Host {
  let isFirst = true
  return hostWith(host, {
    entropy(out) {
      if (isFirst) out.set(Buffer.from(unique, "hex"))
      else host.entropy(out)
      isFirst = false
    },
  })
}
