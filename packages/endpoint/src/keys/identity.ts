/** Uniques and sessions: 8 opaque bytes, compared for equality, and bytewise only to break a tie. */
import { IDENTITY_BYTES } from "@x/wire"

export const NO_IDENTITY: Uint8Array = new Uint8Array(IDENTITY_BYTES)

/** Eight bytes of entropy, never all zero. */
export function newIdentity(entropy: (out: Uint8Array) => void): Uint8Array {
  const bytes = new Uint8Array(IDENTITY_BYTES)
  do entropy(bytes)
  while (isNone(bytes))
  return bytes
}

export function isNone(identity: Uint8Array): boolean {
  return identity.every((byte) => byte === 0)
}

export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < IDENTITY_BYTES; i++) if (a[i] !== b[i]) return false
  return true
}

/** Whether both have the same static key, or both none. The keys are public: the time taken may depend on them. */
export function isSameKey(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** Below, at or above 0, as `a` sorts bytewise before, equal to or after `b`. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < IDENTITY_BYTES; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return 0
}

/** Two hexadecimal digits for each byte. */
export function toHex(identity: Uint8Array): string {
  return Array.from(identity, (byte) => byte.toString(16).padStart(2, "0")).join("")
}
