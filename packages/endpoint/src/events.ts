import type { EndpointError } from "./endpoint-error.ts"
import type { IncomingStream } from "./incoming-stream.ts"
import type { Peer } from "./peer.ts"

/** What an endpoint tells, and with what. The map is closed: there are no others. */
export interface EndpointEvents {
  /** A peer joined us, or we it. */
  joined: (peer: Peer) => void
  /** The same incarnation joined anew: it had forgotten us. `before` was told as `left` just before. Comes instead of `joined`. */
  rejoined: (peer: Peer, before: Peer) => void
  /** Another incarnation joined from the address of `before`, which was told as `left` just before. Comes instead of `joined`. */
  restarted: (peer: Peer, before: Peer) => void
  /** Nothing was heard of the peer for `unreachableMs`; its streams wait. */
  unreachable: (peer: Peer) => void
  /** It is heard again. */
  reachable: (peer: Peer) => void
  /** It is gone, by its own word, by ours or by silence; its streams are closed. */
  left: (peer: Peer, why: { readonly reason: number; readonly text: string }) => void
  /** The peer opened a stream to us. */
  stream: (stream: IncomingStream) => void
  /** A handler of the application threw. Without a listener the error is thrown where nobody catches it. */
  error: (error: EndpointError) => void
}

export type EventName = keyof EndpointEvents

/** A function that is told of an event. Nothing waits for it if it is async; what it rejects with comes as `error`. */
export type EventListener<K extends EventName> = (...args: Parameters<EndpointEvents[K]>) => unknown

const NAMES: readonly EventName[] = ["joined", "rejoined", "restarted", "unreachable", "reachable", "left", "stream", "error"]

/** Listeners by event. Their errors go to `onError`, so that none keeps another from being told. */
export class Events {
  readonly #listeners = new Map<EventName, Set<(...args: never[]) => unknown>>()
  readonly #onError: (error: unknown, name: EventName) => void

  constructor(onError: (error: unknown, name: EventName) => void) {
    this.#onError = onError
  }

  on<K extends EventName>(name: K, listener: EventListener<K>): () => void {
    if (!NAMES.includes(name)) throw new RangeError(`there is no event "${name}"; there are ${NAMES.join(", ")}`)
    const set = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, set)
    const told = listener as (...args: never[]) => unknown
    set.add(told)
    return () => void set.delete(told)
  }

  has(name: EventName): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0
  }

  emit<K extends EventName>(name: K, ...args: Parameters<EndpointEvents[K]>): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        const result = (listener as (...args: unknown[]) => unknown)(...args)
        if (result instanceof Promise) result.catch((error: unknown) => this.#onError(error, name))
      } catch (error) {
        this.#onError(error, name)
      }
    }
  }
}
