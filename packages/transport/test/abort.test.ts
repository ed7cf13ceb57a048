import { expect, test } from "vitest"
import { onAbort } from "@x/transport/host"
import { listenersOf } from "../../../tools/testkit/src/signals.ts"

test("a thousand that wait on one signal are one listener, told in their order, once", () => {
  const controller = new AbortController()
  const count = listenersOf(controller.signal)
  const told: number[] = []
  for (let i = 0; i < 1_000; i++) onAbort(controller.signal, () => told.push(i))
  expect(count).toEqual({ now: 1, most: 1 })
  controller.abort()
  controller.abort()
  expect(told).toEqual(Array.from({ length: 1_000 }, (_, i) => i))
})

test("the last that is taken back takes the listener with it; taken back again, or after the abort, nothing happens", () => {
  const controller = new AbortController()
  const count = listenersOf(controller.signal)
  const act = (): void => {
    throw new Error("it was taken back")
  }
  const [first, second] = [onAbort(controller.signal, act), onAbort(controller.signal, act)]
  first()
  first()
  expect(count.now).toBe(1)
  second()
  expect(count.now).toBe(0)
  let told = 0
  const third = onAbort(controller.signal, () => told++)
  first()
  second()
  expect(count).toEqual({ now: 1, most: 1 })
  controller.abort()
  third()
  expect(told).toBe(1)
})

test("one that an earlier one takes back while the signal aborts isn't told", () => {
  const controller = new AbortController()
  const told: string[] = []
  const forget: (() => void)[] = []
  forget.push(
    onAbort(controller.signal, () => {
      told.push("first")
      for (const it of forget) it()
    }),
    onAbort(controller.signal, () => told.push("second")),
  )
  onAbort(controller.signal, () => told.push("third"))
  controller.abort()
  expect(told).toEqual(["first", "third"])
})

test("a signal that follows others, and one that its runtime aborts, are as any", async () => {
  const controller = new AbortController()
  const told: string[] = []
  onAbort(AbortSignal.any([controller.signal, new AbortController().signal]), () => told.push("any"))
  controller.abort()
  await new Promise<void>((resolve) => void onAbort(AbortSignal.timeout(1), resolve))
  expect(told).toEqual(["any"])
})
