import { parseHost } from "@x/transport/host"

/** Bytes of an IPv6 address that whoever has a network may choose the rest of. */
const V6_PREFIX_BYTES = 8

/**
 * What counts as one host where places are counted: an IPv4 address, or the /64 of an IPv6 address, of which one sender
 * has as many as it likes. Text that is no address counts as it is.
 */
export function hostPrefix(host: string): string {
  const bytes = parseHost(host)?.bytes
  if (bytes === undefined) return host
  return bytes.length === 4 ? bytes.join(".") : `${bytes.subarray(0, V6_PREFIX_BYTES).join(".")}/64`
}
