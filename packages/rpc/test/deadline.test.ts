/** The time of a request at the side that answers, where no cancel tells of it. */
import type { RequestError } from "@x/rpc"
import { expect, it } from "vitest"
import { MESSAGE } from "../src/format/labels.ts"
import { message, Raw } from "./raw.ts"
import { ECHO, makePair, sleep, TAIL } from "./world.ts"

it("is told to the handler's signal when it is over, and what waits for a place by then isn't begun", async () => {
  const { network, b, toB } = await makePair(1)
  const told: string[] = []
  const began: string[] = []
  const startMs = network.now
  b.rpc.answer(
    ECHO,
    async (text, { signal }) => {
      began.push(text)
      signal.addEventListener("abort", () =>
        told.push(`${text} ${(signal.reason as RequestError).code} ${Math.round((network.now - startMs) / 10) * 10}`),
      )
      await sleep(b, 300)
      return text
    },
    { concurrencyMax: 1 },
  )
  const raw = new Raw(toB)
  raw.send("rpc/1/ask/17", message(0x20, 0, 0, 100, 0, 0, 0, "first"))
  raw.send("rpc/1/ask/17", message(0x20, 1, 0, 200, 0, 0, 0, "second"))
  raw.send("rpc/1/ask/17", message(0x20, 2, 0, 0xff, 0xff, 0, 0, "third"))
  await network.advance(1_000)
  expect(told).toEqual(["first deadline 110"])
  expect(began).toEqual(["first", "third"])
  expect(b.rpc.stats().dropped.answering).toMatchObject({ "late-answer": 1, expired: 1 })
  expect(b.rpc.stats()).toMatchObject({ running: 0, deadlines: 0 })
})

it("ends parts, and their generator", async () => {
  const { network, a, b, toB } = await makePair(2)
  let hasEnded = false
  b.rpc.answer(TAIL, async function* () {
    try {
      for (;;) {
        yield "x"
        await sleep(b, 10)
      }
    } finally {
      hasEnded = true
    }
  })
  a.endpoint.on("stream", (stream) => stream.handle(MESSAGE, () => {}))
  new Raw(toB).send("rpc/1/ask/18", message(0x20, 0, 0, 100, 0, 0, 0, "?"))
  await network.advance(90)
  expect(hasEnded).toBe(false)
  await network.advance(50)
  expect(hasEnded).toBe(true)
  expect(b.rpc.stats()).toMatchObject({ running: 0, deadlines: 0 })
})
