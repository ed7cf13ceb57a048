import { expect, test } from "vitest"
import { Sessions } from "../../src/join/sessions.ts"
import { NO_IDENTITY } from "../../src/keys/identity.ts"

function makeSessions(isKeyed: boolean): Sessions {
  let draws = 0
  return new Sessions((out) => void out.fill(++draws), isKeyed)
}

test("without keys each session is new, and a first try carries none", () => {
  const sessions = makeSessions(false)
  const first = sessions.next()
  expect(sessions.next()).not.toEqual(first)
  expect(sessions.ofFirstTries()).toEqual(NO_IDENTITY)
  expect(sessions.retire(first)).toBe(false)
})

test("with keys there is one for all that aren't known, until it is over", () => {
  const sessions = makeSessions(true)
  const first = sessions.ofFirstTries()
  expect(sessions.next()).toBe(first)
  expect(sessions.retire(new Uint8Array(8).fill(99))).toBe(false)
  expect(sessions.next()).toBe(first)
  expect(sessions.retire(first)).toBe(true)
  expect(sessions.next()).not.toEqual(first)
})
