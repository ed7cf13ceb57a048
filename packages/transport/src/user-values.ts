/**
 * What functions of the application return and throw, which may be anything.
 *
 * @module
 */

/** Whether a function has returned a promise. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return false
  return typeof (value as PromiseLike<unknown>).then === "function"
}

/** What was thrown, as text: anything can be thrown, even a value without a text. */
export function textOf(cause: unknown): string {
  try {
    return String(cause instanceof Error ? cause.message : cause)
  } catch {
    return "what can't be shown as text"
  }
}
