import { type Address, type ParsedHost, parseHost, type ResolvedAddress } from "@x/transport/host"
import { show } from "../errors/check.ts"
import { EndpointError } from "../errors/endpoint-error.ts"

/** Where to join: `"name:4000"`, `"192.0.2.1:4000"`, `"[2001:db8::1]:4000"`, `"[fe80::1%eth0]:4000"`, or an address. */
export type Target =
  | string
  | {
      /** A name, or a literal address without brackets. */
      readonly host: string
      /** 1 to 65,535. */
      readonly port: number
    }
  | Address

/**
 * Parses a target; throws `EndpointError` `invalid-target` that shows a valid one, or says why nobody can be joined
 * there.
 */
export function parseTarget(target: Target): { readonly host: string; readonly port: number } {
  const { host, port } = typeof target === "string" ? split(target) : fieldsOf(target)
  if (/\s/.test(host)) throw invalid(target, "there is white space in it")
  if (!(Number.isInteger(port) && port >= 1 && port <= 65_535))
    throw invalid(target, "its port isn't one from 1 to 65535")
  const parsed = parseHost(host)
  const why = parsed === undefined ? whyNoName(host) : whyNobody(parsed)
  if (why !== undefined) throw invalid(target, why)
  return { host, port }
}

function split(target: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(target)
  if (match !== null) return { host: match[1] ?? match[2]!, port: Number(match[3]) }
  if (/\s/.test(target)) throw invalid(target, "there is white space in it")
  if (!target.includes("[") && target.split(":").length > 2 && /^[\da-f:.]+(?:%[^:]*)?[\da-f:.]*$/i.test(target))
    throw invalid(target, "a v6 address stands in brackets before its port")
  throw invalid(target)
}

function fieldsOf(target: unknown): { host: string; port: number } {
  const { host, port } = (target ?? {}) as { host?: unknown; port?: unknown }
  if (typeof host !== "string" || host === "" || typeof port !== "number") throw invalid(target)
  if (/[[\]]/.test(host)) throw invalid(target, "in an object the host stands without brackets")
  return { host, port }
}

/** Text that some resolver would take for an address. */
function whyNoName(host: string): string | undefined {
  if (/^(?:0x[\da-f]*|\d+)(?:\.(?:0x[\da-f]*|\d+))*\.?$/i.test(host))
    return "a v4 address has four numbers up to 255, without leading zeros"
  if (host.includes("%")) return "only a link-local address has a scope, and one"
  return host.includes(":") ? "that is no v6 address" : undefined
}

/** Why nobody can be joined at an address, with a remedy; `undefined`: somebody may. */
export function whyNobody({ bytes, scope }: ParsedHost): string | undefined {
  const [first = 0, second = 0] = bytes
  const isZero = bytes.every((byte) => byte === 0)
  if (bytes.length === 4) {
    if (isZero) return "0.0.0.0 stands for all addresses of whoever binds it, and nobody's: 127.0.0.1 is this machine"
    if (first >= 224 && first < 240) return "a multicast address is nobody's: name one endpoint"
    return bytes.every((byte) => byte === 255) ? "the broadcast address is nobody's: name one endpoint" : undefined
  }
  if (isZero) return ":: stands for all addresses of whoever binds it, and nobody's: ::1 is this machine"
  if (first === 255) return "a multicast address is nobody's: name one endpoint"
  if (first === 0xfe && (second & 0xc0) === 0x80 && scope === "")
    return "a link-local address needs the interface that leads to it: [fe80::1%eth0]:4000"
  return undefined
}

/**
 * The resolver's addresses in the order to ask: the families take turns, as in RFC 8305, otherwise the resolver's
 * order.
 */
export function inTurn(addresses: readonly ResolvedAddress[]): ResolvedAddress[] {
  const first = addresses.filter(({ family }) => family === addresses[0]?.family)
  const others = addresses.filter(({ family }) => family !== addresses[0]?.family)
  const length = Math.max(first.length, others.length)
  return Array.from({ length }, (_, i) => [first[i], others[i]]).flatMap((pair) =>
    pair.filter((address) => address !== undefined),
  )
}

function invalid(target: unknown, why = ""): EndpointError {
  const { host, port } = (typeof target === "object" && target !== null ? target : {}) as {
    host?: unknown
    port?: unknown
  }
  const text = host === undefined ? show(target) : `{ host: ${show(host)}, port: ${show(port)} }`
  return new EndpointError(
    "invalid-target",
    `cannot join ${text}${why === "" ? "" : `: ${why}`}; a target is name:port, 192.0.2.1:port or [2001:db8::1]:port, with a port from 1 to 65535`,
  )
}
