import { type Kind, objectWith } from "./check.ts"
import type { Host, SyncCrypto } from "./host.ts"

/** A host's cryptography. */
export const CRYPTO: Kind<SyncCrypto> = objectWith<SyncCrypto>(
  "cryptography of a host",
  ...(["sha256", "hmacSha256", "aesGcmSeal", "aesGcmOpen", "x25519PublicKey", "x25519"] as const),
)

const FUNCTIONS = objectWith<Host>("a host", "now", "wakeUp", "defer", "random", "entropy", "resolve", "bind")

/** A machine to run on; others than ours too. */
export const HOST: Kind<Host> = {
  takes: "a host, such as systemHost() or network.host(name) return",
  has: (value): value is Host => FUNCTIONS.has(value) && CRYPTO.has(value.crypto),
}
