// Saved before a test can replace it: virtual time must not wait for faked time.
const { setTimeout: later } = globalThis
const soon = (globalThis.setImmediate as typeof globalThis.setImmediate | undefined) ?? byMessage()

/** Lets promises and streams that are ready run: one turn of the program's own event loop. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    soon(resolve)
  })
}

/** Browsers have no `setImmediate`, and a nested timer takes 4 ms there. */
function byMessage(): (run: () => void) => void {
  if (typeof MessageChannel === "undefined") return (run) => void later(run, 0)
  const { port1, port2 } = new MessageChannel()
  const waiting: (() => void)[] = []
  // As in browsers; Node's types only know another way.
  Object.assign(port1, { onmessage: () => waiting.shift()?.() })
  return (run) => {
    waiting.push(run)
    port2.postMessage(undefined)
  }
}
