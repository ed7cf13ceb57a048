import { checkFunction, show } from "../errors/check.ts"

// oxlint-disable-next-line typescript/no-explicit-any
type EventMap<M> = { [K in keyof M]: (...args: any[]) => void }
/**
 * A function that is called with an event `K` of those in `M`. If it is async, nothing waits for it; what it throws or
 * rejects with becomes an `error` of the endpoint.
 */
export type Listener<M, K extends keyof M> = (...args: Parameters<Extract<M[K], (...args: never) => void>>) => unknown

/** One call of `on`: the same function may be registered again, and each registration is removed by itself. */
export interface Registration {
  readonly listener: (...args: unknown[]) => unknown
  isOn: boolean
}

/** An event that listeners have not been told yet. */
export interface News {
  readonly events: { listenersOf(name: string): readonly Registration[] }
  readonly name: string
  readonly args: readonly unknown[]
}

/** What calls the listeners, and decides when. */
export interface Teller {
  /** Whether some events have not been told yet. */
  readonly isBehind: boolean
  tell(news: News): void
}

const NOBODY: readonly Registration[] = []

const LISTENER = "a function that is told of the event"

/** Listeners by event. They are called by the teller, not from within `emit`. */
export class Events<M extends EventMap<M>> {
  readonly #names: readonly (keyof M & string)[]
  readonly #teller: Teller
  /** The lists are never changed, only replaced, so that changes don't disturb a list that is being told. */
  #listeners: Map<string, readonly Registration[]> | undefined

  constructor(names: readonly (keyof M & string)[], teller: Teller) {
    this.#names = names
    this.#teller = teller
  }

  on<K extends keyof M & string>(name: K, listener: Listener<M, K>): () => void {
    if (!this.#names.includes(name))
      throw new RangeError(`there is no event ${show(name)}; there are ${this.#names.join(", ")}`)
    checkFunction("a listener", listener, LISTENER)
    this.#listeners ??= new Map()
    const registration: Registration = { listener: listener as Registration["listener"], isOn: true }
    this.#listeners.set(name, [...this.listenersOf(name), registration])
    return () => {
      registration.isOn = false
      this.#listeners!.set(
        name,
        this.listenersOf(name).filter((it) => it !== registration),
      )
    }
  }

  /** Like `on`, until the event was told once. */
  once<K extends keyof M & string>(name: K, listener: Listener<M, K>): () => void {
    checkFunction("a listener", listener, LISTENER)
    const off = this.on(name, (...args) => {
      off()
      return listener(...args)
    })
    return off
  }

  has(name: keyof M & string): boolean {
    return this.listenersOf(name).length > 0
  }

  /** Says that something happened. The listeners at the time of telling are called. */
  emit<K extends keyof M & string>(name: K, ...args: Parameters<M[K]>): void {
    // A listener that is told of an earlier event may begin to listen to this one.
    if (this.has(name) || this.#teller.isBehind) this.#teller.tell({ events: this, name, args })
  }

  listenersOf(name: string): readonly Registration[] {
    return this.#listeners?.get(name) ?? NOBODY
  }
}
