import type { MODE } from "@x/wire"
import { expect, test } from "vitest"
import type * as Explorer from "../src/index.ts"
import { load } from "../src/load.mjs"

const { explore, MODES, STREAM_PROPERTIES, StreamState, streamScope } = (await load()) as typeof Explorer

test.each(MODES)("%s keeps every property in every state of the scope, and comes to its end from each", (mode) => {
  const { counterexample, isExhaustive, states } = explore(new StreamState(streamScope(mode, "test")))
  expect(counterexample).toBeUndefined()
  expect(isExhaustive).toBe(true)
  // Fewer states would mean that the network can no longer do everything.
  expect(states).toBeGreaterThan(500)
})

const DEFECTS: readonly (readonly [Explorer.StreamDefect, keyof typeof MODE, (typeof STREAM_PROPERTIES)[number]])[] = [
  ["window-ignored", "reliable", "window kept"],
  ["duplicate-delivered", "reliable", "delivered at most once"],
  ["early-delivered", "reliable", "delivered in order"],
  ["payload-changed", "reliable", "delivered was sent"],
  ["acknowledged-early", "reliable", "acknowledged was delivered"],
  ["asked-beyond", "reliable", "asked only for what was sent"],
  ["acknowledged-sent-again", "reliable", "acknowledged is not sent again"],
  ["edge-set-back", "reliable", "edges never go back"],
  ["edge-ahead", "reliable", "edges stay below what was sent"],
  ["write-forgotten", "reliable", "account balances"],
  ["naks-lost", "reliable", "converges"],
  ["gap-told-twice", "best-effort", "gaps are told once"],
  ["eviction-untold", "best-effort", "converges"],
]

test.each(DEFECTS)("the defect %s in %s is found, by a shortest trace", (defect, mode, property) => {
  const scope = { ...streamScope(mode, "test"), defect }
  const { counterexample } = explore(new StreamState(scope), { statesMax: 20_000 })
  expect(counterexample?.property).toBe(property)
  const again = new StreamState(scope)
  for (const action of counterexample!.trace) again.apply(action)
  expect(again.violation === undefined).toBe(counterexample!.isLater)
  const found = again.violation ?? again.converge(new Set())
  expect(found?.property).toBe(property)
})
