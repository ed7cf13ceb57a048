/**
 * The package in a browser, which has no UDP: everything but `systemHost()`, which throws. Bundlers find it by the
 * condition `browser`.
 *
 * @module
 */

import type { Host } from "./host.ts"
import { TransportError } from "./transport-error.ts"

export { type FaultCounters, type FaultOptions, withFaults } from "./faults.ts"
export * from "./host.ts"
export { TransportError, type TransportErrorCode } from "./transport-error.ts"

/** Throws a `TransportError` `bind-failed`: a browser opens no UDP sockets. */
export function systemHost(): Host {
  throw new TransportError(
    "bind-failed",
    'a browser has no UDP sockets; name a host, as in Endpoint.bind({ host: network.host("a") }) with createNetwork of @x/transport/simulated',
  )
}
