/**
 * A join as the application sees it: from the call to its end it has one deadline, one signal and one promise, whatever
 * it is waiting for.
 *
 * @module
 */

import { type Address, formatAddress, formatHost, onAbort, parseHost, type ResolvedAddress } from "@x/transport/host"
import { reasonName } from "@x/wire"
import { ABORT_SIGNAL, BYTES, type Kinds, TIMEOUT } from "../errors/check.ts"
import { abortedError, closedError, EndpointError, transportError } from "../errors/endpoint-error.ts"
import { isLoopback } from "./loopback.ts"
import type { JoinCall, JoinFailure } from "../join/join-call.ts"
import type { PeerState } from "../peer/peer-state.ts"
import { inTurn, whyNobody } from "./target.ts"

/** Options of `endpoint.join`. */
export interface JoinOptions {
  /** Cancels the join: it rejects with `aborted`. */
  readonly signal?: AbortSignal
  /** The public key of the peer, 32 bytes, where members have an `identity`. */
  readonly publicKey?: Uint8Array
  /**
   * After this time it rejects with `join-timeout`. Milliseconds, or `Infinity`: until the signal aborts. Default:
   * `joinTimeoutMs` of the endpoint.
   */
  readonly timeoutMs?: number
}

export const JOIN_OPTIONS: Kinds<JoinOptions> = { signal: ABORT_SIGNAL, publicKey: BYTES, timeoutMs: TIMEOUT }

export interface JoinRequest {
  readonly host: string
  readonly port: number
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number
}

/** What a join needs of its endpoint. */
export interface JoiningHost {
  /** The addresses that it is bound to. */
  readonly own: readonly Address[]
  readonly isKeyed: boolean
  resolve(name: string, signal: AbortSignal): Promise<ResolvedAddress[]>
  /** Begins a call; its time starts now. `onDone` is called once, and not at once. */
  call(timeoutMs: number, onDone: (result: PeerState | JoinFailure) => void): JoinCall
  ask(call: JoinCall, addresses: readonly Address[]): void
  cancel(call: JoinCall): void
  /** Registers a function that is called when the endpoint closes; returns a function that takes it back. */
  onClose(end: () => void): () => void
}

/** Joins. Rejects only with `EndpointError`. */
export function joinOver(host: JoiningHost, request: JoinRequest): Promise<PeerState> {
  const { signal, timeoutMs } = request
  return new Promise((resolve, reject) => {
    const resolving = new AbortController()
    let asked: readonly Address[] | undefined
    let isSettled = false
    const settle = (act: () => void): void => {
      if (isSettled) return
      isSettled = true
      forgetSignal?.()
      forgetClose()
      host.cancel(call)
      // Nothing listens to a later answer of the resolver.
      if (asked === undefined) resolving.abort()
      act()
    }
    const fail = (error: EndpointError): void => settle(() => reject(error))
    const forgetSignal = signal && onAbort(signal, () => fail(abortedError(signal)))
    const forgetClose = host.onClose(() => fail(closedError()))
    const call = host.call(timeoutMs, (result) =>
      "kind" in result ? fail(failureOf(result, request, asked, host.isKeyed)) : settle(() => resolve(result)),
    )
    addressesOf(host, request, resolving.signal).then(
      (addresses) => {
        asked = addresses
        if (!isSettled) host.ask(call, addresses)
      },
      (error: unknown) => fail(error as EndpointError),
    )
  })
}

/** The addresses to ask, in their order. Rejects only with `EndpointError`. */
async function addressesOf(
  host: JoiningHost,
  { host: name, port }: JoinRequest,
  signal: AbortSignal,
): Promise<Address[]> {
  const found = await resolved(host, name, signal)
  const reasons = new Map<string, EndpointError>()
  const usable = inTurn(found).filter((address) => {
    const error = whyNotUsed(host, name, address, port)
    if (error !== undefined) reasons.set(error.code, error)
    return error === undefined
  })
  if (usable.length > 0) return usable.map(({ family, host: literal }) => ({ family, host: literal, port }))
  const [first] = reasons.values()
  throw (
    first ??
    new EndpointError(
      "name-not-found",
      `the resolver knows no address of "${name}"; check the name, or give an address`,
    )
  )
}

/** Resolves a name, and leaves out invalid addresses: an application's own host may return anything. */
async function resolved(host: JoiningHost, name: string, signal: AbortSignal): Promise<ResolvedAddress[]> {
  let found: unknown
  try {
    found = await host.resolve(name, signal)
  } catch (error) {
    throw transportError(error, "name-not-found", `"${name}" wasn't resolved`)
  }
  const addresses = new Map<string, ResolvedAddress>()
  for (const it of Array.isArray(found) ? (found as unknown[]) : []) {
    const { host: text } = (it ?? {}) as { host?: unknown }
    const parsed = typeof text === "string" ? parseHost(text) : undefined
    if (parsed === undefined) continue
    const literal = formatHost(parsed.bytes, parsed.scope)
    addresses.set(literal, { family: parsed.family, host: literal })
  }
  return [...addresses.values()]
}

function whyNotUsed(
  { own }: JoiningHost,
  name: string,
  address: ResolvedAddress,
  port: number,
): EndpointError | undefined {
  const { family, host } = address
  if (!own.some((it) => it.family === family))
    return new EndpointError(
      "invalid-target",
      `${name} has only a v${family} address, and this endpoint has no v${family} socket`,
    )
  const why = whyNobody(parseHost(host)!)
  if (why !== undefined) return new EndpointError("invalid-target", `cannot join ${name} at ${host}: ${why}`)
  if (own.some((it) => it.host === host && it.port === port))
    return new EndpointError(
      "join-refused",
      `${formatAddress({ family, host, port })} is this endpoint itself: name another`,
    )
  // The system would refuse each datagram, which counts as loss, and nothing would ever say why. A socket on loopback
  // can send only to loopback.
  if (!isLoopback(host) && own.every((it) => it.family !== family || isLoopback(it.host)))
    return new EndpointError(
      "invalid-target",
      `${host} is on another machine, and this endpoint on loopback only: bind it with secrets, or with protection: "checksum", which opens it to everybody who reaches its port`,
    )
  return undefined
}

/** The most addresses that an error names; of more it gives the number. */
const NAMED_MAX = 4

function failureOf(
  { kind, reason, text }: JoinFailure,
  { host, timeoutMs }: JoinRequest,
  asked: readonly Address[] | undefined,
  isKeyed: boolean,
): EndpointError {
  if (kind === "full") return new EndpointError("refused", `${text}; wait until some of them are over`)
  if (asked === undefined)
    return new EndpointError(
      "join-timeout",
      `the resolver told no address of "${host}" within ${timeoutMs} ms; give an address, or more time`,
    )
  const named = asked.slice(0, NAMED_MAX).map(formatAddress).join(" or ")
  const where = asked.length > NAMED_MAX ? `${named} or ${asked.length - NAMED_MAX} more` : named
  if (kind === "refused") return new EndpointError("join-refused", `${where} refused: ${text || reasonName(reason)}`)
  return new EndpointError(
    "join-timeout",
    `nobody answered at ${where} within ${timeoutMs} ms; ${isKeyed ? `is an endpoint bound there, with the same protection and secret? Who has another gets no answer` : `is an endpoint bound there, with the same protection, and without a secret?`}`,
  )
}
