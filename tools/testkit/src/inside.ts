import type { Endpoint } from "@x/endpoint"

/** Members of an endpoint for tests of the library itself: they exist, but the published types don't show them. */
export interface Inside {
  readonly sizes: Readonly<
    Record<
      "peers" | "slots" | "joins" | "halfOpen" | "pool" | "assemblyBytes" | "timers" | "sendPool" | "streams",
      number
    >
  >
  assertInvariants(): void
}

export function insideOf(endpoint: Endpoint): Inside {
  const inside: unknown = endpoint
  return inside as Inside
}
