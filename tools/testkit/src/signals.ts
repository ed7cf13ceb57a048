/** Listeners on a signal: how many it has now, and had at most. */
export interface Listeners {
  now: number
  most: number
}

/** Counts the listeners of a signal from now on. */
export function listenersOf(signal: AbortSignal): Listeners {
  const count = { now: 0, most: 0 }
  const { addEventListener, removeEventListener } = signal
  signal.addEventListener = (...args: unknown[]) => {
    count.most = Math.max(count.most, ++count.now)
    Reflect.apply(addEventListener, signal, args)
  }
  signal.removeEventListener = (...args: unknown[]) => {
    count.now--
    Reflect.apply(removeEventListener, signal, args)
  }
  return count
}
