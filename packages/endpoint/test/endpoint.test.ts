import { expect, test } from "vitest"
import { makePair, pattern } from "./world.ts"

test("a message sent is a message received", async () => {
  const { network, b, toB } = await makePair(1)
  const received: Uint8Array[] = []
  b.handle(7, (message) => received.push(message.copy()))
  const stream = toB.open()
  expect(stream.trySend(7, pattern(10))).toBe("sent")
  await network.until(stream.flush())
  expect(received).toEqual([pattern(10)])
})

test("messages of 0 B, of exactly one packet, of 16 MiB arrive as they were, and one byte more is too large", async () => {
  const { network, b, toB } = await makePair(2)
  const received: Uint8Array[] = []
  b.handle(7, (message) => received.push(message.copy()))
  const stream = toB.open()
  const MIB16 = 16 * 1_048_576
  // 1200 B less 27 B around a payload and 4 B around a message of more than 127 B.
  for (const length of [0, 1_169, 1_170, MIB16]) {
    await network.until(stream.send(7, pattern(length)), 600_000)
    await network.until(stream.flush(), 600_000)
    expect(received.at(-1)?.length).toBe(length)
    expect(Buffer.compare(received.at(-1)!, pattern(length))).toBe(0)
  }
  expect(stream.trySend(7, new Uint8Array(MIB16 + 1))).toBe("too-large")
  await expect(stream.send(7, new Uint8Array(MIB16 + 1))).rejects.toMatchObject({ code: "too-large" })
})
