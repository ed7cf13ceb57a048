import { firstNonZero } from "./bytes.ts"

/** Bytes of a unique or a session. */
export const IDENTITY_BYTES = 8

/** Whether the unique or session at `at` is zero, which stands for none. */
export function isNoIdentity(view: DataView, at: number): boolean {
  return firstNonZero(view, at, at + IDENTITY_BYTES) === at + IDENTITY_BYTES
}
