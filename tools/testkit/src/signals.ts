/** Listeners on a signal: how many it has now, and had at most. */
export interface Listeners {
  now: number
  most: number
}

/** Counts the listeners of a signal from now on. */
export function listenersOf(signal: AbortSignal): Listeners {
  const count = { now: 0, most: 0 }
  const add = signal.addEventListener.bind(signal) as (...args: unknown[]) => void
  const remove = signal.removeEventListener.bind(signal) as (...args: unknown[]) => void
  signal.addEventListener = (...args: unknown[]) => {
    count.most = Math.max(count.most, ++count.now)
    add(...args)
  }
  signal.removeEventListener = (...args: unknown[]) => {
    count.now--
    remove(...args)
  }
  return count
}
