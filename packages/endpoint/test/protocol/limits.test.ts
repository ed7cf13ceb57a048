import { IN_FLIGHT_MAX, IN_FLIGHT_MIN } from "@x/wire"
import { expect, test } from "vitest"
import { settingsOf } from "../../src/api/options.ts"
import { limitsOf } from "../../src/protocol/limits.ts"

test("as many datagrams may be under way to us as the sockets hold, within the bounds of the format", () => {
  const inFlightOf = (receiveBufferBytes: number): number => limitsOf(settingsOf({}), receiveBufferBytes).inFlight
  expect([inFlightOf(2_304_000), inFlightOf(0), inFlightOf(2 ** 32)]).toEqual([1_000, IN_FLIGHT_MIN, IN_FLIGHT_MAX])
  expect(limitsOf(settingsOf({ inFlightMax: 77 }), 0).inFlight).toBe(77)
})

test("datagrams of the base size are taken, however small ours are", () => {
  expect(limitsOf(settingsOf({ datagramBytes: 548 }), 0).datagramBytes).toBe(1_200)
})
