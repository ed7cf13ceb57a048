/**
 * One listener for each signal, however many wait on it: hundreds of calls may share one, and a runtime warns of so
 * many listeners.
 *
 * @module
 */

/** What waits on a signal: one entry while anything does. */
interface Shared {
  readonly acts: Set<() => void>
  readonly listener: () => void
}

const shared = new WeakMap<AbortSignal, Shared>()

/**
 * Calls `act` when a signal aborts, once, in the order of the calls; returns what takes it back, which may be called at
 * any time and again. For a signal that isn't aborted yet: look at `signal.aborted` first. `act` doesn't throw.
 *
 * @example
 * if (signal.aborted) return Promise.reject(signal.reason)
 * const forget = onAbort(signal, () => settle(reject))
 * // … and forget() whenever it is settled in another way.
 */
export function onAbort(signal: AbortSignal, act: () => void): () => void {
  const { acts } = shared.get(signal) ?? listen(signal)
  // A function of its own for each call: the same one may wait twice.
  const own = (): void => act()
  acts.add(own)
  return () => {
    if (!acts.delete(own) || acts.size > 0) return
    const entry = shared.get(signal)
    if (entry?.acts !== acts) return
    shared.delete(signal)
    signal.removeEventListener("abort", entry.listener)
  }
}

function listen(signal: AbortSignal): Shared {
  const acts = new Set<() => void>()
  const listener = (): void => {
    shared.delete(signal)
    for (const act of acts) {
      // Those that an earlier one took back are gone from the set.
      acts.delete(act)
      act()
    }
  }
  const entry = { acts, listener }
  shared.set(signal, entry)
  signal.addEventListener("abort", listener, { once: true })
  return entry
}
