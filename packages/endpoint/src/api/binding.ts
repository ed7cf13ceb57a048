import { type BindOptions, type Host, onAbort, type Transport } from "@x/transport/host"
import { abortedError, transportError } from "../errors/endpoint-error.ts"

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
