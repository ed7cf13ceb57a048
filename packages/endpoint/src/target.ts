import type { Address } from "@x/transport/host"
import { show } from "./check.ts"
import { EndpointError } from "./endpoint-error.ts"

/** Where to join: `"name:4000"`, `"192.0.2.1:4000"`, `"[2001:db8::1]:4000"`, or an address. */
export type Target = string | { readonly host: string; readonly port: number } | Address

/** Takes a target apart; throws `EndpointError` `invalid-target` saying how one looks. */
export function parseTarget(target: Target): { readonly host: string; readonly port: number } {
  const { host, port } = typeof target === "string" ? split(target) : fieldsOf(target)
  if (host === "" || !(Number.isInteger(port) && port >= 1 && port <= 65_535)) throw invalid(target)
  return { host, port }
}

function split(target: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(target)
  if (match === null) throw invalid(target)
  return { host: match[1] ?? match[2]!, port: Number(match[3]) }
}

function fieldsOf(target: unknown): { host: string; port: number } {
  const { host, port } = (target ?? {}) as { host?: unknown; port?: unknown }
  if (typeof host !== "string" || typeof port !== "number") throw invalid(target)
  return { host, port }
}

function invalid(target: unknown): EndpointError {
  const { host, port } = (typeof target === "object" && target !== null ? target : {}) as { host?: unknown; port?: unknown }
  const text = host === undefined ? show(target) : `{ host: ${show(host)}, port: ${show(port)} }`
  return new EndpointError(
    "invalid-target",
    `cannot join ${text}; a target is name:port, 192.0.2.1:port or [2001:db8::1]:port, with a port from 1 to 65535`,
  )
}
