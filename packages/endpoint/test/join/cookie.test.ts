// Tokens of the stateless challenge: how long they are good, whenever they are asked for.
import { systemHost } from "@x/transport"
import { expect, test } from "vitest"
import { CookieJar, SECRET_MS } from "../../src/join/cookie.ts"

const SOURCE = Uint8Array.of(10, 0, 0, 1, 0, 9)
const UNIQUE = new Uint8Array(8).fill(3)

/** Whether a token that was made at `askedMs` is good at the last of these ages, after it was looked at at the others. */
function isGood(askedMs: number, ...agesMs: readonly number[]): boolean {
  const host = systemHost()
  const jar = new CookieJar({ entropy: (out) => host.entropy(out), hmacSha256: host.crypto.hmacSha256 }, 0)
  const token = jar.make(SOURCE, UNIQUE, 7, askedMs)
  return agesMs.map((ageMs) => jar.check(token, SOURCE, UNIQUE, 7, askedMs + ageMs)).at(-1)!
}

test("a token is good for a minute and for no more than two, however rarely the receiver is asked", () => {
  for (const askedMs of [0, 1, 30_000, 59_999, 60_000, 90_000, 119_999]) {
    for (const againMs of [0, 1, 59_999, 60_000]) {
      const [minute, two] = [isGood(askedMs, againMs, SECRET_MS), isGood(askedMs, againMs, 2 * SECRET_MS)]
      const late = isGood(askedMs, againMs, 2 * SECRET_MS - 1, 2 * SECRET_MS)
      expect({ askedMs, againMs, minute, two, late }).toEqual({
        askedMs,
        againMs,
        minute: true,
        two: false,
        late: false,
      })
    }
  }
})
