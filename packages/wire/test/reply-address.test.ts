// A declared reply address: its form in the option bits says how many bytes it has.

import { expect, test } from "vitest"
import {
  ADDRESS_BYTES,
  addressForm,
  addressPort,
  readAddress,
  type ReplyAddress,
  writeAddress,
} from "../src/reply-address.ts"

const V4: ReplyAddress = { bytes: Uint8Array.of(192, 0, 2, 1), port: 258 }
const V6: ReplyAddress = { bytes: Uint8Array.from({ length: 16 }, (_, i) => 0xf0 + i), port: 65_535 }
const AT = 2
const view = new DataView(new ArrayBuffer(32))

test.each([
  [undefined, 0],
  [V4, 1],
  [V6, 2],
])("%j has form %i, and as many bytes as that has", (address, form) => {
  expect(addressForm(address)).toBe(form)
  expect(writeAddress(view, AT, address)).toBe(AT + ADDRESS_BYTES[form]!)
  expect(readAddress(view, AT, form)).toEqual(address)
})

test("the port is behind the address, little-endian", () => {
  writeAddress(view, AT, V4)
  expect(addressPort(view, AT, 1)).toBe(258)
  expect([view.getUint8(AT + 4), view.getUint8(AT + 5)]).toEqual([2, 1])
})

test("an address that was read is a copy", () => {
  writeAddress(view, AT, V4)
  const read = readAddress(view, AT, 1)
  view.setUint8(AT, 0)
  expect(read).toEqual(V4)
})
