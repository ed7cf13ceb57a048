/** Lets promises and streams that are ready run: one turn of the program's own event loop. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
