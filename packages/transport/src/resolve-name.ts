import { lookup } from "node:dns/promises"
import { onAbort } from "./abort.ts"
import { formatHost, parseHost, type ResolvedAddress } from "./addresses.ts"
import { show } from "./check.ts"
import { checkScope } from "./scope.ts"
import { TransportError } from "./transport-error.ts"

/** The addresses of a name from the system's resolver, in its order; a literal address resolves to itself. */
export async function resolveName(name: string, signal?: AbortSignal): Promise<ResolvedAddress[]> {
  signal?.throwIfAborted()
  // For an empty name the resolver has no address, but no error either.
  if (typeof name !== "string" || name === "")
    throw new TransportError("name-not-found", `a name must be text and not empty, not ${show(name)}`)
  const literal = parseHost(name)
  if (literal !== undefined) {
    checkScope(literal.scope, (message) => new TransportError("name-not-found", message))
    return [{ family: literal.family, host: formatHost(literal.bytes, literal.scope) }]
  }
  const found = await unlessAborted(lookup(name, { all: true }), signal).catch((cause: unknown) => {
    signal?.throwIfAborted()
    throw new TransportError(
      "name-not-found",
      `no address is known for "${name}"; check the name, or give an address`,
      cause,
    )
  })
  return found.map(({ address, family }) => {
    const parsed = parseHost(address)
    return parsed === undefined
      ? { family: family === 6 ? 6 : 4, host: address }
      : { family: parsed.family, host: formatHost(parsed.bytes, parsed.scope) }
  })
}

/** Stops waiting when the signal aborts: the resolver itself can't be stopped. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const forget = onAbort(signal, () => reject(signal.reason as Error))
    promise.then(resolve, reject).finally(forget)
  })
}
