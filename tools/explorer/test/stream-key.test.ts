// States are the same where they behave alike, and only there.

import { expect, test } from "vitest"
import type * as Explorer from "../src/index.ts"
import { load } from "../src/load.mjs"

const { StreamState, streamScope } = (await load()) as typeof Explorer

function stateAfter(...actions: readonly string[]) {
  const state = new StreamState(streamScope("reliable", "small"))
  for (const action of actions) state.apply(action)
  return state
}

/** The action that begins like this. */
function actionOf(state: { actions(): readonly string[] }, start: string): string {
  const action = state.actions().find((it) => it.startsWith(start))
  if (action === undefined) throw new Error(`nothing begins with ${start}`)
  return action
}

test("the same steps lead to the same state, and each step to another one", () => {
  expect(stateAfter("write").behaviour()).toBe(stateAfter("write").behaviour())
  const state = stateAfter()
  const seen = [state.behaviour()]
  for (const start of ["write", "deliver open", "deliver data", "deliver status"]) {
    state.apply(actionOf(state, start))
    seen.push(state.behaviour())
  }
  expect(new Set(seen).size).toBe(seen.length)
})

test("a copy behaves as what it was made of, and goes its own way", () => {
  const state = stateAfter("write")
  const copy = state.clone() as typeof state
  expect(copy.behaviour()).toBe(state.behaviour())
  copy.apply(actionOf(copy, "deliver data"))
  expect(state.behaviour()).toBe(stateAfter("write").behaviour())
  expect(copy.behaviour()).not.toBe(state.behaviour())
})

test("what the scope still allows belongs to the key, not to the behaviour", () => {
  const [lossless, lossy] = [stateAfter("write"), stateAfter("write")]
  lossy.faults++
  expect(lossy.behaviour()).toBe(lossless.behaviour())
  expect(lossy.key()).not.toBe(lossless.key())
})
