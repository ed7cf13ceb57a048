/** How promises end, for tests that check them while time passes. */
import { EndpointError } from "@x/endpoint"

export interface Outcome {
  /** `pending`, `resolved`, the code of an `EndpointError`, or another error's name and message. */
  value: string
  error: unknown
}

export function outcome(promise: Promise<unknown>): Outcome {
  const it: Outcome = { value: "pending", error: undefined }
  promise.then(
    () => (it.value = "resolved"),
    (error: unknown) => {
      it.error = error
      const { code, name, message } = error as { code?: unknown; name: string; message: string }
      it.value = error instanceof EndpointError ? String(code) : `${name}: ${message}`
    },
  )
  return it
}

export function outcomes(promises: readonly Promise<unknown>[]): Outcome[] {
  return promises.map(outcome)
}

export function valuesOf(of: readonly Outcome[]): string[] {
  return of.map(({ value }) => value)
}
