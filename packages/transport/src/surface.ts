/**
 * Throws an error of the application's code where it interrupts nothing: once, as a separate uncaught exception with
 * its own stack. The loop that called the code goes on, and its state stays consistent whether or not the program
 * survives. Thrown in place, the error would end the work that follows: the other datagrams of a read, the wake-ups
 * after it.
 */
export function surface(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
