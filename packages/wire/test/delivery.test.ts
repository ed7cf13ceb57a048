// What each mode promises, trait by trait, and which bytes stand for a mode and a form.

import {
  DELIVERIES,
  deliveryByte,
  FORM,
  formOf,
  isDelivery,
  MODE,
  type Mode,
  modeOf,
  MODES,
  traitsNamed,
  traitsOf,
} from "@x/wire"
import { expect, test } from "vitest"

/** The names of the modes that have a trait. */
const withTrait = (trait: keyof (typeof MODES)[number]): string[] =>
  MODES.filter((traits) => traits[trait] === true).map(({ name }) => name)

test("each mode has one row, at its number", () => {
  expect(DELIVERIES).toEqual(Object.keys(MODE))
  expect(Object.values(MODE).map((mode) => traitsOf(mode).name)).toEqual(Object.keys(MODE))
  for (const name of DELIVERIES) expect(traitsNamed(name)).toBe(traitsOf(MODE[name]))
})

test("the promises of PROTOCOL.md are what the rows say", () => {
  expect(withTrait("isNumbered")).toEqual(["latest", "best-effort", "reliable", "reliable-unordered"])
  expect(withTrait("isOrdered")).toEqual(["latest", "best-effort", "reliable"])
  expect(withTrait("isNewestOnly")).toEqual(["latest"])
  expect(withTrait("isAcknowledged")).toEqual(["best-effort", "reliable", "reliable-unordered"])
  expect(withTrait("isResent")).toEqual(["best-effort", "reliable", "reliable-unordered"])
  expect(withTrait("givesUp")).toEqual(["best-effort"])
  expect(withTrait("waits")).toEqual(["reliable", "reliable-unordered"])
})

test.each(MODES)("the traits of $name go together", (traits) => {
  const { isNumbered, isOrdered, isNewestOnly, isAcknowledged, isResent, givesUp, waits } = traits
  // Only packet numbers show the order, what has come and what is missing.
  if (isOrdered || isNewestOnly || isAcknowledged) expect(isNumbered).toBe(true)
  // Only acknowledgements tell a sender what to send again, which gaps to report, and when there is room.
  if (isResent || givesUp || waits) expect(isAcknowledged).toBe(true)
  if (waits) expect([givesUp, isNewestOnly]).toEqual([false, false])
  if (isNewestOnly) expect(isResent).toBe(false)
})

test("the rows have one shape", () => {
  for (const traits of MODES) expect(Object.keys(traits)).toEqual(Object.keys(MODES[0]!))
})

test("a delivery byte is a mode that has a row, and a form", () => {
  const known = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => isDelivery(byte))
  const all = Object.values(FORM).flatMap((form) => MODES.map((_, mode) => deliveryByte(mode, form)))
  expect(known).toEqual(all)
  for (const byte of known) expect(deliveryByte(modeOf(byte) as Mode, formOf(byte))).toBe(byte)
})
