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
import type { JoinCall, JoinFailure } from "../join/join-call.ts"
import { isLoopback } from "../path/loopback.ts"
import type { KnownAddresses } from "./known-addresses.ts"
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
  /** Where the name was found before. */
  readonly known?: KnownAddresses | undefined
}

/** What a join needs of its endpoint. */
export interface JoiningHost {
  /** The addresses that it is bound to. */
  readonly own: readonly Address[]
  /** What its transport can't do here, in sentences. */
  readonly notes: readonly string[]
  readonly isKeyed: boolean
  resolve(name: string, signal: AbortSignal): Promise<ResolvedAddress[]>
  /** Begins a call; its time starts now. `onDone` is called once, and not at once. */
  call(timeoutMs: number, onDone: (result: PeerState | JoinFailure) => void): JoinCall
  ask(call: JoinCall, addresses: readonly Address[]): void
  cancel(call: JoinCall): void
  /** Where a peer is. */
  addressOf(peer: PeerState): Address | undefined
  /** Settles when something holds, or after this time. */
  until(isDone: () => boolean, timeoutMs: number): Promise<void>
  /** Registers a function that is called when the endpoint closes; returns a function that takes it back. */
  onClose(end: () => void): () => void
}

/** Joins. Rejects only with `EndpointError`. */
export function joinOver(host: JoiningHost, request: JoinRequest): Promise<PeerState> {
  const { signal, timeoutMs } = request
  return new Promise((resolve, reject) => {
    const resolving = new AbortController()
    let asked: readonly Address[] | undefined
    let found: readonly ResolvedAddress[] = []
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
      "kind" in result
        ? fail(failureOf(result, request, asked, host.isKeyed))
        : settle(() => {
            learn(host, request, result, found)
            resolve(result)
          }),
    )
    addressesOf(host, request, resolving.signal).then(
      (addresses) => {
        asked = addresses.asked
        found = addresses.found
        if (!isSettled) host.ask(call, asked)
      },
      (error: unknown) => fail(error as EndpointError),
    )
  })
}

/** The peer answered: the next join asks there too, and at the other addresses that the name has now. */
function learn(
  host: JoiningHost,
  { known, port }: JoinRequest,
  peer: PeerState,
  found: readonly ResolvedAddress[],
): void {
  if (known === undefined) return
  const at = host.addressOf(peer)
  // A peer behind another port isn't found there by the name.
  known.learn(at?.port === port ? { family: at.family, host: at.host } : undefined, found)
}

interface Addresses {
  /** The addresses to ask, in their order. */
  readonly asked: readonly Address[]
  /** What the resolver gave. */
  readonly found: readonly ResolvedAddress[]
}

/** What the resolver gives, and behind it where the name was found before. Rejects only with `EndpointError`. */
async function addressesOf(
  host: JoiningHost,
  { host: name, port, known }: JoinRequest,
  signal: AbortSignal,
): Promise<Addresses> {
  const before = known?.all ?? []
  const found = before.length === 0 ? await resolved(host, name, signal) : await resolvedSoon(host, name, signal)
  const reasons = new Map<string, EndpointError>()
  const isNew = (address: ResolvedAddress): boolean => !found.some(({ host: literal }) => literal === address.host)
  const usable = [...inTurn(found), ...before.filter(isNew)].filter((address) => {
    const error = whyNotUsed(host, name, address, port)
    if (error !== undefined) reasons.set(error.code, error)
    return error === undefined
  })
  if (usable.length > 0)
    return { asked: usable.map(({ family, host: literal }) => ({ family, host: literal, port })), found }
  const [first] = reasons.values()
  throw (
    first ??
    new EndpointError(
      "name-not-found",
      `the resolver knows no address of "${name}"; check the name, or give an address`,
    )
  )
}

/** A resolver that says nothing for so long, milliseconds, isn't waited for where the name was found before. */
const RESOLVER_MS_MAX = 1_000

/** What the resolver gives within a second; where it fails, nothing. */
async function resolvedSoon(host: JoiningHost, name: string, signal: AbortSignal): Promise<ResolvedAddress[]> {
  let found: ResolvedAddress[] | undefined
  const resolving = resolved(host, name, signal).then(
    (addresses) => void (found = addresses),
    () => void (found = []),
  )
  await Promise.race([resolving, host.until(() => found !== undefined, RESOLVER_MS_MAX)])
  return found ?? []
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
  // A host may know one address, and give it by itself.
  for (const it of Array.isArray(found) ? (found as unknown[]) : [found]) {
    const { host: text } = (it ?? {}) as { host?: unknown }
    const parsed = typeof text === "string" ? parseHost(text) : undefined
    if (parsed === undefined) continue
    const literal = formatHost(parsed.bytes, parsed.scope)
    addresses.set(literal, { family: parsed.family, host: literal })
  }
  return [...addresses.values()]
}

function whyNotUsed(
  { own, notes }: JoiningHost,
  name: string,
  address: ResolvedAddress,
  port: number,
): EndpointError | undefined {
  const { family, host } = address
  if (!own.some((it) => it.family === family))
    return new EndpointError(
      "invalid-target",
      `${name} has only a v${family} address, and this endpoint has no v${family} socket${whyNoSocket(family, notes)}`,
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

/** What the system said when the socket of a family couldn't be had; nothing if it wasn't asked for. */
function whyNoSocket(family: 4 | 6, notes: readonly string[]): string {
  const start = `there is no v${family} socket: `
  const note = notes.find((it) => it.startsWith(start))
  return note === undefined ? "" : ` (${note.slice(start.length)})`
}

/** The most addresses that an error names; of more it gives the number. */
const NAMED_MAX = 4

function failureOf(
  { kind, reason, text, unsent = [] }: JoinFailure,
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
  const where = named(asked.map(formatAddress), "or")
  if (kind === "refused") return new EndpointError("join-refused", `${where} refused: ${text || reasonName(reason)}`)
  if (unsent.length > 0) {
    const causes = unsent.map(({ cause }) => cause)
    const refused = named(
      unsent.map(({ address, cause }) => `${formatAddress(address)} (${codeOf(cause)})`),
      "and",
    )
    return new EndpointError(
      "join-timeout",
      `nobody answered at ${where} within ${timeoutMs} ms; the system refused to send to ${refused}: has this machine an address of that family, and a route there?`,
      causes.length === 1 ? causes[0] : new AggregateError(causes, `the system refused to send to ${refused}`),
    )
  }
  return new EndpointError(
    "join-timeout",
    `nobody answered at ${where} within ${timeoutMs} ms; ${isKeyed ? `is an endpoint bound there, with the same protection and secret? Who has another gets no answer` : `is an endpoint bound there, with the same protection, and without a secret?`}`,
  )
}

function named(all: readonly string[], joint: "or" | "and"): string {
  const some = all.slice(0, NAMED_MAX).join(` ${joint} `)
  return all.length > NAMED_MAX ? `${some} ${joint} ${all.length - NAMED_MAX} more` : some
}

/** The system's name of an error. */
function codeOf(cause: unknown): string {
  const { code } = (cause ?? {}) as { code?: unknown }
  return typeof code === "string" ? code : String(cause)
}
