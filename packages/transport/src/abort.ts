/**
 * One listener for each signal, however many calls wait on it: hundreds may share a signal, and a runtime warns of this
 * many listeners.
 *
 * @module
 */

/** All that waits on a signal. The entry exists only while something waits. */
interface Shared {
  readonly acts: Set<() => void>
  readonly listener: () => void
}

const shared = new WeakMap<AbortSignal, Shared>()

/**
 * Calls `act` once when a signal aborts, in the order of registration. Returns a function that takes `act` back, which
 * may be called at any time, and more than once. The signal must not be aborted yet: look at `signal.aborted` first.
 * `act` must not throw.
 *
 * @example
 * if (signal.aborted) return Promise.reject(signal.reason)
 * const forget = onAbort(signal, () => settle(reject))
 * // … and forget() whenever it is settled in another way.
 */
export function onAbort(signal: AbortSignal, act: () => void): () => void {
  const { acts } = shared.get(signal) ?? listen(signal)
  // A new function for each call: the same `act` may wait twice.
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
      // A function taken back by an earlier one is gone from the set.
      acts.delete(act)
      act()
    }
  }
  const entry = { acts, listener }
  shared.set(signal, entry)
  signal.addEventListener("abort", listener, { once: true })
  return entry
}
