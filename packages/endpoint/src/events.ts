import { checkFunction, show } from "./check.ts"
import type { EndpointError } from "./endpoint-error.ts"
import type { IncomingStream } from "./incoming-stream.ts"
import type { Peer } from "./peer.ts"

/** Why a peer left, and what is left of what was sent to it. */
export interface Departure {
  /** One of `REASON`, or the application's; `reasonName` tells what it means. */
  readonly reason: number
  readonly text: string
  /** Messages on streams that acknowledge, which were sent and not acknowledged: they may have been delivered. */
  readonly unconfirmed: number
  /** Messages that were accepted and not sent whole: they were not delivered. */
  readonly dropped: number
}

/** What an endpoint tells, and with what. The map is closed: there are no others. */
export interface EndpointEvents {
  /** A peer joined us, or we it. */
  joined: (peer: Peer) => void
  /** The same incarnation joined anew: it had forgotten us. `before` was told as `left` just before. Comes instead of `joined`. */
  rejoined: (peer: Peer, before: Peer) => void
  /** Another incarnation joined from the address of `before`, which was told as `left` just before, with what was unconfirmed. Comes instead of `joined`. */
  restarted: (peer: Peer, before: Peer) => void
  /** Nothing was heard of the peer for `unreachableMs`; its streams wait. */
  unreachable: (peer: Peer) => void
  /** It is heard again. */
  reachable: (peer: Peer) => void
  /** It is gone, by its own word, by ours or by silence; its streams are closed. */
  left: (peer: Peer, why: Departure) => void
  /** The peer opened a stream to us. */
  stream: (stream: IncomingStream) => void
  /** A handler of the application threw. Without a listener the error is thrown where nobody catches it. */
  error: (error: EndpointError) => void
}

export type EventName = keyof EndpointEvents

/** A function that is told of an event. Nothing waits for it if it is async; what it rejects with comes as `error` of the endpoint. */
export type EventListener<K extends EventName> = Listener<EndpointEvents, K>

// oxlint-disable-next-line typescript/no-explicit-any
type EventMap<M> = { [K in keyof M]: (...args: any[]) => void }
export type Listener<M extends EventMap<M>, K extends keyof M> = (...args: Parameters<M[K]>) => unknown

export const ENDPOINT_EVENTS: readonly EventName[] = [
  ...(["joined", "rejoined", "restarted", "unreachable", "reachable", "left", "stream", "error"] as const),
]

/** Listeners by event. Their errors go to `onError`, so that none keeps another from being told. */
export class Events<M extends EventMap<M>> {
  readonly #names: readonly (keyof M & string)[]
  readonly #onError: (error: unknown, name: string) => void
  #listeners: Map<keyof M, Set<(...args: never[]) => unknown>> | undefined

  constructor(names: readonly (keyof M & string)[], onError: (error: unknown, name: string) => void) {
    this.#names = names
    this.#onError = onError
  }

  on<K extends keyof M & string>(name: K, listener: Listener<M, K>): () => void {
    if (!this.#names.includes(name)) throw new RangeError(`there is no event ${show(name)}; there are ${this.#names.join(", ")}`)
    checkFunction("a listener", listener, "a function that is told of the event")
    this.#listeners ??= new Map()
    const set = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, set)
    const told = listener as (...args: never[]) => unknown
    set.add(told)
    return () => void set.delete(told)
  }

  has(name: keyof M): boolean {
    return (this.#listeners?.get(name)?.size ?? 0) > 0
  }

  emit<K extends keyof M & string>(name: K, ...args: Parameters<M[K]>): void {
    for (const listener of this.#listeners?.get(name) ?? []) {
      try {
        const result = (listener as (...args: unknown[]) => unknown)(...args)
        if (result instanceof Promise) result.catch((error: unknown) => this.#onError(error, name))
      } catch (error) {
        this.#onError(error, name)
      }
    }
  }
}
