// Kept from before a test replaces them: virtual time doesn't wait for faked time.
const { setTimeout: later } = globalThis
const soon = globalThis.setImmediate as typeof globalThis.setImmediate | undefined

/** Lets promises and streams that are ready run: one turn of the program's own event loop. Browsers have no `setImmediate`. */
export function settle(): Promise<void> {
  return new Promise((resolve) => (soon === undefined ? later(resolve, 0) : soon(resolve)))
}
