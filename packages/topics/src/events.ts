/**
 * Events for the application's listeners. They are told from an alarm, never from within a call: a listener may call
 * anything here, and may throw.
 *
 * @module
 */

import type { Alarm, Endpoint } from "@x/endpoint"
import { check } from "./errors.ts"
import { functionThat, oneOf } from "@x/transport/check"

type Functions = Record<string, (...args: never[]) => unknown>

/** What waits to be told, of all objects of one endpoint, in order. */
export class Telling {
  readonly #endpoint: Endpoint
  readonly #alarm: Alarm
  #waiting: (() => unknown)[] = []

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint
    this.#alarm = endpoint.alarm(() => this.#tell())
  }

  add(tell: () => unknown): void {
    this.#waiting.push(tell)
    if (this.#waiting.length === 1) this.#alarm.at(this.#endpoint.now())
  }

  /**
   * Tells what waits now. A listener that throws ends the turn of the alarm, which reports it, as it reports what a
   * promise rejects with; the others are told in another.
   */
  #tell(): unknown {
    for (let left = this.#waiting.length; left > 0; left--) {
      const tell = this.#waiting.shift()!
      if (this.#waiting.length > 0) this.#alarm.at(this.#endpoint.now())
      const result = tell()
      if (result !== undefined) return result
    }
    if (this.#waiting.length === 0) this.#alarm.at(Infinity)
    return undefined
  }
}

/** The listeners of one object. */
export class Events<T extends { [K in keyof T]: (...args: never[]) => unknown }> {
  readonly #telling: Telling
  readonly #listeners: ReadonlyMap<keyof T & string, Set<Functions[string]>>
  readonly #names: readonly (keyof T & string)[]

  constructor(names: readonly (keyof T & string)[], telling: Telling) {
    this.#names = names
    this.#listeners = new Map(names.map((name) => [name, new Set()]))
    this.#telling = telling
  }

  /** Adds a listener; returns what takes it away. */
  on<K extends keyof T & string>(name: K, listener: T[K]): () => void {
    const listeners = this.#listeners.get(check.value("the name of an event", name, oneOf(...this.#names)))!
    const own: Functions[string] = (...args) => listener(...(args as Parameters<T[K]>))
    check.value("a listener", listener, functionThat("is called with the event"))
    listeners.add(own)
    return () => void listeners.delete(own)
  }

  /** Tells those soon that listen then. One that throws doesn't keep it from the others. */
  emit<K extends keyof T & string>(name: K, ...args: Parameters<T[K]>): void {
    this.emitLater(name, () => args)
  }

  /** The same of what is known only when it is told. `unheard` is called instead if nobody listens then. */
  emitLater<K extends keyof T & string>(name: K, argsOf: () => Parameters<T[K]>, unheard?: () => void): void {
    const listeners = this.#listeners.get(name)!
    this.#telling.add(() => {
      if (unheard !== undefined && listeners.size === 0) return unheard()
      const args = argsOf()
      const failures: unknown[] = []
      const results: unknown[] = []
      for (const listener of listeners) {
        try {
          results.push(listener(...(args as never[])))
        } catch (error) {
          failures.push(error)
        }
      }
      if (failures.length > 0) throw failures[0]
      return results.some((result) => result !== undefined) ? Promise.all(results) : undefined
    })
  }
}
