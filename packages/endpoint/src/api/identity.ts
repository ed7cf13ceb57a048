/** Members that are distinguished by static keys: our own key, and the key of the peer that we join. */

import type { Host } from "@x/transport/host"
import { EndpointError } from "../errors/endpoint-error.ts"
import type { Identity } from "../keys/sealed-handshakes.ts"
import { type IdentityOptions, KEY } from "./options.ts"
import type { UserCode } from "./user-code.ts"

export function identityOf({ privateKey, trust }: IdentityOptions, host: Host, userCode: UserCode): Identity {
  const own = {
    privateKey: Uint8Array.from(privateKey),
    publicKey: Uint8Array.from(host.crypto.x25519PublicKey(privateKey)),
  }
  return { own, trust: (publicKey) => userCode.trusts(trust, publicKey) }
}

/**
 * Where members have keys, a join has to name the key of its peer. Throws `EndpointError` `invalid-option`. `identity`:
 * ours, if we have one.
 */
export function checkPublicKey(
  publicKey: Uint8Array | undefined,
  identity: Identity | undefined,
  host: Pick<Host, "crypto">,
): void {
  if (identity === undefined) {
    if (publicKey !== undefined)
      throw new EndpointError("invalid-option", "publicKey names a member, and this endpoint has no identity itself")
  } else if (!KEY.has(publicKey) || host.crypto.x25519(identity.own.privateKey, publicKey) === undefined) {
    throw new EndpointError(
      "invalid-option",
      "publicKey must be that of whom is asked for, 32 bytes: its endpoint.publicKey tells it",
    )
  }
}
