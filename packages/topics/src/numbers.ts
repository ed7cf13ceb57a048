import type { Endpoint } from "@x/endpoint"

const given = new WeakMap<Endpoint, number>()

/**
 * A number that no topic and no subscription of an endpoint has had, from 1. Peers know both by it, longer than a
 * `Topics` may live.
 */
export function nextNumber(endpoint: Endpoint): number {
  const next = (given.get(endpoint) ?? 0) + 1
  given.set(endpoint, next)
  return next
}
