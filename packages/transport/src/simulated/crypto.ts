import type { SyncCrypto } from "../host.ts"
import { aesGcmOpen, aesGcmSeal } from "./aes-gcm.ts"
import { hmacSha256, sha256 } from "./sha256.ts"
import { x25519, x25519PublicKey } from "./x25519.ts"

/** Cryptography without an operating system: for tests only, slow, and not constant in time. */
export const simulatedCrypto: SyncCrypto = { sha256, hmacSha256, aesGcmSeal, aesGcmOpen, x25519PublicKey, x25519 }
