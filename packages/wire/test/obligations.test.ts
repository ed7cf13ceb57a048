import { DATAGRAM_DROP_REASONS } from "@x/wire"
import { describe, expect, test } from "vitest"
import { refuse } from "./build.ts"
import { edges } from "./edges.ts"
import { violations } from "./obligations.ts"

describe("a datagram is refused for", () => {
  test.each(violations)("$obligation $reason: $name", ({ bytes, reason, receiver }) => {
    expect(refuse(bytes, receiver)).toBe(reason)
  })
})

describe("a datagram at the edge is accepted:", () => {
  test.each(edges)("$name", ({ bytes, receiver }) => {
    expect(refuse(bytes, receiver)).toBeUndefined()
  })
})

test("every reason that bytes alone decide has a datagram that meets it", () => {
  const byState = ["unknown-slot", "stale", "duplicate"]
  expect(new Set([...violations.map(({ reason }) => reason), ...byState])).toEqual(new Set(DATAGRAM_DROP_REASONS))
})
