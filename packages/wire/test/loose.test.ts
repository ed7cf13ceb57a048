// `loose`: a message outside an association.

import { checkLoose, type Loose, LOOSE_HEADER_BYTES, readLoose, writeLoose } from "@x/wire"
import { expect, test } from "vitest"

const LOOSE: Loose = {
  receiverUnique: new Uint8Array(8).fill(2),
  unique: new Uint8Array(8).fill(1),
  type: 65_535,
  bytes: Uint8Array.of(7, 8, 9),
}
const ZERO = new Uint8Array(8)
const AT = 1
const view = new DataView(new ArrayBuffer(64))

test.each<Loose>([LOOSE, { ...LOOSE, receiverUnique: ZERO, type: 0, bytes: new Uint8Array(0) }])(
  "a message is read as it was written, a copy",
  (loose) => {
    const end = writeLoose(view, AT, loose)
    expect(end).toBe(AT + LOOSE_HEADER_BYTES + loose.bytes.length)
    expect(checkLoose(view, AT, end)).toBeUndefined()
    const read = readLoose(view, AT, end)
    new Uint8Array(view.buffer).fill(0xff)
    expect(read).toEqual(loose)
  },
)

test("a message has a sender", () => {
  const end = writeLoose(view, AT, { ...LOOSE, unique: ZERO })
  expect(checkLoose(view, AT, end)).toBe("value")
})

test("a datagram that ends within the header is truncated", () => {
  writeLoose(view, AT, LOOSE)
  expect(checkLoose(view, AT, AT + LOOSE_HEADER_BYTES - 1)).toBe("truncated")
})
