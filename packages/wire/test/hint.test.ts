// `hint`: names a datagram that found no association.

import { checkHint, type Hint, HINT_BYTES, NUMBER_MAX, readHint, writeHint } from "@x/wire"
import { expect, test } from "vitest"

const AT = 1
const END = AT + HINT_BYTES
const view = new DataView(new ArrayBuffer(END + 1))

function check(hint: Hint, end = END): string | undefined {
  writeHint(view, AT, hint)
  return checkHint(view, AT, end)
}

test.each<Hint>([
  { slot: 1, counter: 1 },
  { slot: 0xffff_ffff, counter: NUMBER_MAX },
])("%j is read as it was written", (hint) => {
  expect(writeHint(view, AT, hint)).toBe(END)
  expect(checkHint(view, AT, END)).toBeUndefined()
  expect(readHint(view, AT)).toEqual(hint)
})

test("slot 0 and counter 0 name no datagram", () => {
  expect(check({ slot: 0, counter: 1 })).toBe("value")
  expect(check({ slot: 1, counter: 0 })).toBe("value")
})

test("a counter is no more than the format takes", () => {
  expect(check({ slot: 1, counter: NUMBER_MAX + 1 })).toBe("number")
})

test("it has exactly its bytes", () => {
  expect(check({ slot: 1, counter: 1 }, END - 1)).toBe("truncated")
  expect(check({ slot: 1, counter: 1 }, END + 1)).toBe("trailing")
})
