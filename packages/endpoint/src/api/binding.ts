/**
 * The sockets of an endpoint: where they may be bound, and how they are.
 *
 * @module
 */

import { type BindOptions, type Host, onAbort, parseHost, type Transport } from "@x/transport/host"
import { abortedError, EndpointError, transportError } from "../errors/endpoint-error.ts"
import { isLoopback } from "../path/loopback.ts"
import type { EndpointOptions } from "./options.ts"

/**
 * Binds the sockets. Whatever the host does, an abort takes effect at once, and a socket that comes later is closed.
 */
export function bindTransport(host: Host, options: BindOptions, signal: AbortSignal | undefined): Promise<Transport> {
  if (signal?.aborted) return Promise.reject(abortedError(signal))
  return new Promise((resolve, reject) => {
    let isAborted = false
    const forget =
      signal &&
      onAbort(signal, () => {
        isAborted = true
        reject(abortedError(signal))
      })
    // An application's own host may throw as well.
    const binding = (async () => host.bind(options))()
    binding.then(
      (transport) => {
        forget?.()
        if (isAborted) void transport.close()
        else resolve(transport)
      },
      (error: unknown) => {
        forget?.()
        reject(transportError(error, "bind-failed", "no socket could be bound"))
      },
    )
  })
}

/**
 * What the transport is asked to bind: loopback, unless there are secrets or `"checksum"` was requested explicitly.
 * Throws `EndpointError` `invalid-option` for another address without that.
 */
export function bindOptionsOf({
  port,
  v4,
  v6,
  receiveBufferBytes,
  sendBufferBytes,
  protection,
  secrets,
}: EndpointOptions): BindOptions {
  const isOpen = protection === "checksum" || secrets !== undefined
  if (!isOpen) {
    checkLoopback("v4", v4)
    checkLoopback("v6", v6)
  }
  const asked = {
    port,
    v4: v4 ?? (isOpen ? undefined : "127.0.0.1"),
    v6: v6 ?? (isOpen ? undefined : "::1"),
    receiveBufferBytes,
    sendBufferBytes,
  }
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined))
}

/** Text that is no address at all is left to the transport to refuse. */
function checkLoopback(name: "v4" | "v6", host: string | false | undefined): void {
  if (host === undefined || host === false) return
  if (parseHost(host) === undefined || isLoopback(host)) return
  throw new EndpointError(
    "invalid-option",
    `${name} must be a loopback address (127.0.0.1, ::1), not ${host}, where others can reach it: give secrets, which x keygen makes, or ask for protection: "checksum" by name if everybody who can is welcome`,
  )
}
