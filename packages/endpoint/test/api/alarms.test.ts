// Deadlines of layers above: on the endpoint's clock, and never within the call that sets them.
import type { EndpointError } from "@x/endpoint"
import { expect, test } from "vitest"
import { makeWorld } from "../world.ts"

test("an alarm rings once at its deadline, and is set anew from within its own ring", async () => {
  const { network, bind } = makeWorld(1)
  const { endpoint } = await bind("a")
  const beganMs = endpoint.now()
  const rang: number[] = []
  const alarm = endpoint.alarm(() => {
    rang.push(endpoint.now() - beganMs)
    if (rang.length < 3) alarm.at(endpoint.now() + 7)
  })
  alarm.at(beganMs + 10)
  expect(rang).toEqual([])
  await network.advance(1_000)
  expect(rang).toEqual([10, 17, 24])
})

test("a deadline that is replaced or cancelled doesn't ring, also by one that rings before it", async () => {
  const { network, bind } = makeWorld(1)
  const { endpoint } = await bind("a")
  const nowMs = endpoint.now()
  const rang: string[] = []
  const later = endpoint.alarm(() => rang.push("later"))
  const cancelled = endpoint.alarm(() => rang.push("cancelled"))
  const moved = endpoint.alarm(() => rang.push("moved"))
  const first = endpoint.alarm(() => {
    rang.push("first")
    cancelled.at(Infinity)
    moved.at(nowMs + 30)
  })
  // All in one turn.
  for (const alarm of [first, cancelled, moved]) alarm.at(nowMs + 5)
  later.at(nowMs + 1)
  later.at(nowMs + 20)
  await network.advance(10)
  expect(rang).toEqual(["first"])
  await network.advance(1_000)
  expect(rang).toEqual(["first", "later", "moved"])
  expect(() => later.at(NaN)).toThrow(RangeError)
})

test("a failure of its function is told as an error, and others ring; after `close` none does", async () => {
  const { network, bind } = makeWorld(1)
  const { endpoint } = await bind("a")
  const told: EndpointError[] = []
  endpoint.on("error", (error) => void told.push(error))
  let rang = 0
  const failing = endpoint.alarm(() => {
    throw new Error("boom")
  })
  const other = endpoint.alarm(() => rang++)
  failing.at(endpoint.now())
  other.at(endpoint.now() + 1)
  await network.advance(10)
  expect(told.map(({ code }) => code)).toEqual(["handler-failed"])
  expect(rang).toBe(1)
  other.at(endpoint.now() + 5_000)
  await network.until(endpoint.close())
  await network.advance(10_000)
  expect(rang).toBe(1)
})
