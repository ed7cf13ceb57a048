/** Why a stream or an association ended, as told to the other side (PROTOCOL.md §5). */
export const REASON = {
  unspecified: 0,
  closing: 1,
  version: 2,
  limits: 3,
  peersFull: 4,
  streamsFull: 5,
  messageTooLarge: 6,
  pathTooSmall: 7,
  protocolError: 8,
  aborted: 9,
  superseded: 10,
  self: 11,
  timeout: 12,
  restarted: 13,
  untrusted: 14,
} as const

/** The first of the application's own reasons; they go up to 65,535. */
export const REASON_APPLICATION = 32_768

const NAMES = new Map<number, string>(Object.entries(REASON).map(([name, code]) => [code, name]))

/** A reason in words, for logs and error texts: `"closing"`, `"application 7"`. */
export function reasonName(reason: number): string {
  return reason >= REASON_APPLICATION ? `application ${reason - REASON_APPLICATION}` : (NAMES.get(reason) ?? "unspecified")
}
