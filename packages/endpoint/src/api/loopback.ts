import { parseHost } from "@x/transport/host"

/** Whether a literal address is one that only this machine reaches: 127.0.0.0/8 or ::1. What is no address isn't. */
export function isLoopback(host: string): boolean {
  const bytes = parseHost(host)?.bytes
  if (bytes === undefined) return false
  return bytes.length === 4 ? bytes[0] === 127 : bytes.every((byte, i) => byte === (i === 15 ? 1 : 0))
}
