import type { Endpoint } from "@x/endpoint"

/** What an endpoint has for tests of the library itself: it is there, and not in the types that users get. */
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
