/**
 * Throws an error of the application's code where it harms nobody: as an uncaught exception of its own, once, with its
 * own stack. The loop that called that code goes on, and its state is whole whether or not the program survives. Thrown
 * in place, it would end the work that follows: the other datagrams of a read, the wake-ups after it.
 */
export function surface(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
