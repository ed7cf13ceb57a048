import type { BindOptions } from "./bind-options.ts"

/** Sockets, and what is missing of what they were asked for. */
export interface Sockets<T> {
  readonly sockets: readonly T[]
  readonly notes: readonly string[]
}

/**
 * Opens other sockets, by the options of before and these. `release` closes those before: it is called if they have the
 * port that is asked for.
 */
export type Reopen<T> = (options: BindOptions, release: () => Promise<void>) => Promise<Sockets<T>>
