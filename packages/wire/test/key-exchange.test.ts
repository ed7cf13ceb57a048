// The tail of a `join` and an `accept`: none or a whole key exchange, only where there are keys, and zeros to the end.

import { PROFILE, type Profile } from "@x/wire"
import { expect, test } from "vitest"
import {
  checkExchange,
  EXCHANGE_BYTES,
  EXCHANGE_LENGTH_BYTES,
  readExchange,
  writeExchange,
} from "../src/key-exchange.ts"

const { join: BYTES } = EXCHANGE_BYTES
const AT = 4
const END = 200
const NONE = new Uint8Array(0)
const EXCHANGE = Uint8Array.from({ length: BYTES }, (_, i) => i + 1)
const view = new DataView(new ArrayBuffer(END + 1))
const all = new Uint8Array(view.buffer)

/** What is wrong with this exchange in a datagram that ends at `end`. */
function check(exchange: Uint8Array, profile: Profile = PROFILE.mac, end = END): string | undefined {
  writeExchange(view, AT, exchange, END)
  return checkExchange(view, AT, end, profile, BYTES)
}

test.each([NONE, EXCHANGE])("an exchange is read as it was written, a copy", (exchange) => {
  expect(check(exchange)).toBeUndefined()
  const read = readExchange(view, AT)
  all.fill(0xff)
  expect(read).toEqual(exchange)
})

test("padding is zeros up to the end and no further, whatever was there", () => {
  all.fill(0xff)
  expect(writeExchange(view, AT, EXCHANGE, END)).toBe(END)
  expect(all.subarray(AT + EXCHANGE_LENGTH_BYTES + BYTES, END).every((byte) => byte === 0)).toBe(true)
  expect([all[AT - 1], all[END]]).toEqual([0xff, 0xff])
})

test("an exchange is whole, or it is refused", () => {
  expect(check(EXCHANGE.subarray(1))).toBe("value")
  expect(check(new Uint8Array(BYTES + 1))).toBe("value")
})

test.each([PROFILE.none, PROFILE.checksum])("profile %i has no keys to exchange", (profile) => {
  expect(check(EXCHANGE, profile)).toBe("value")
  expect(check(NONE, profile)).toBeUndefined()
})

test("an exchange that ends behind the datagram is truncated; without padding it is good", () => {
  const behind = AT + EXCHANGE_LENGTH_BYTES + BYTES
  expect(check(EXCHANGE, PROFILE.aead, behind)).toBeUndefined()
  expect(check(EXCHANGE, PROFILE.aead, behind - 1)).toBe("truncated")
})

test.each([AT + EXCHANGE_LENGTH_BYTES + BYTES, END - 1])("a byte of padding at %i that isn't zero", (at) => {
  writeExchange(view, AT, EXCHANGE, END)
  view.setUint8(at, 1)
  expect(checkExchange(view, AT, END, PROFILE.mac, BYTES)).toBe("padding")
})
