import { type BindOptions, type Host, onAbort, type Transport } from "@x/transport/host"
import { abortedError, transportError } from "../errors/endpoint-error.ts"

/** Whatever the host does: an abort is heard at once, and a socket that comes after it is closed. */
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
    // A host of one's own may throw as well.
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
