import { deliveriesDrawn } from "@x/testkit"
import { DELIVERIES } from "@x/wire"
import { expect, test } from "vitest"

test("each mode is drawn, those first that promise most, in an order that seeds rely on", () => {
  const drawn = ["reliable", "reliable-unordered", "best-effort", "latest", "fire-and-forget"]
  expect(deliveriesDrawn()).toEqual(drawn)
  expect([...deliveriesDrawn()].sort()).toEqual([...DELIVERIES].sort())
  expect(deliveriesDrawn(3)).toEqual(["reliable", "reliable", ...drawn])
})
