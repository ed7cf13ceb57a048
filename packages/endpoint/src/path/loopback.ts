import { parseHost } from "@x/transport/host"

/** Whether a literal address reaches only this machine: 127.0.0.0/8 or ::1. False for anything that is no address. */
export function isLoopback(host: string): boolean {
  const bytes = parseHost(host)?.bytes
  if (bytes === undefined) return false
  return bytes.length === 4 ? bytes[0] === 127 : bytes.every((byte, i) => byte === (i === 15 ? 1 : 0))
}
