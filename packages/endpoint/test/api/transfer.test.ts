// Messages whose memory goes with them: taken over exactly if they are accepted, and delivered as copies would be.

import { bytes as raw, defineMessage, type Delivery, EndpointError, fixed, type SendResult } from "@x/endpoint"
import { DELIVERIES } from "@x/wire"
import * as fc from "fast-check"
import { expect, test, vi } from "vitest"
import { discard } from "../../src/api/take-over.ts"
import { GrowableBuffer, ResizableBuffer } from "../memory.ts"
import { makePair, makeWorld, pattern, PORT } from "../world.ts"

const BIG = 100_000

/** What became of messages of these sizes, offered one after the other, and what was delivered of them. */
async function offered(
  delivery: Delivery,
  sizes: readonly number[],
  transfer: boolean,
): Promise<{ results: SendResult[]; left: number[]; received: Uint8Array[] }> {
  const limits = { windowPackets: 8, parkedMessagesMax: 3, messageBytesMax: BIG }
  const { network, b, toB } = await makePair(1, { delayMs: 10 }, { congestion: fixed(), ...limits })
  const received: Uint8Array[] = []
  b.handle(1, (message) => received.push(message.copy()))
  const stream = toB.open({ delivery })
  const messages = sizes.map((size, i) => pattern(size, i))
  const results = messages.map((message) => stream.trySend(1, message, { transfer }))
  const left = messages.map(({ length }) => length)
  await network.advance(20_000)
  return { results, left, received }
}

test("a message whose memory is taken over fares as its copy does, and the memory is gone exactly if it was accepted", async () => {
  const size = fc.oneof(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 3_000, max: BIG + 1 }))
  const scene = fc.tuple(fc.constantFrom(...DELIVERIES), fc.array(size, { minLength: 1, maxLength: 8 }))
  await fc.assert(
    fc.asyncProperty(scene, async ([delivery, sizes]) => {
      const [copied, given] = [await offered(delivery, sizes, false), await offered(delivery, sizes, true)]
      expect(given.results).toEqual(copied.results)
      expect(given.received).toEqual(copied.received)
      expect(copied.left).toEqual(sizes)
      const isTaken = (result: SendResult): boolean => result === "sent" || result === "parked"
      expect(given.left).toEqual(sizes.map((bytes, i) => (isTaken(given.results[i]!) ? 0 : bytes)))
    }),
    { numRuns: 30 },
  )
})

test("an empty message can be given away like any other", async () => {
  const { results, received } = await offered("reliable", [0, 0], true)
  expect([results, received.length]).toEqual([["sent", "sent"], 2])
})

const WRONG: readonly [string, () => Uint8Array][] = [
  ["a part of a buffer", () => new Uint8Array(new ArrayBuffer(20), 4, 10)],
  ["a small Buffer, which shares its memory with others", () => Buffer.from("text")],
  ["shared memory", () => new Uint8Array(new SharedArrayBuffer(10))],
  ["memory that grows", () => new Uint8Array(new GrowableBuffer(10, { maxByteLength: 20 }))],
  ["memory that is resized", () => new Uint8Array(new ResizableBuffer(10, { maxByteLength: 20 }))],
]

test.each(WRONG)("%s can't be given away: the caller hears of it at once, and keeps it", async (_, make) => {
  const { toB } = await makePair(2)
  const stream = toB.open()
  const message = make()
  const { length } = message
  expect(() => stream.trySend(1, message, { transfer: true })).toThrow(/only all of an ArrayBuffer .* new Uint8Array/)
  expect([message.length, stream.account.accepted]).toEqual([length, 0])
  expect(stream.trySend(1, message, { transfer: false })).toBe("sent")
})

test("the bytes of a value are its codec's to give, not the caller's", async () => {
  const { toB, a } = await makePair(3)
  const type = defineMessage(1, raw)
  const message = pattern(10)
  const named = a.connect(`b:${PORT}`).stream({ label: "s" })
  for (const stream of [toB.open(), named]) {
    const call = (): unknown => stream.trySend(type, message, { transfer: true })
    expect(call).toThrow(EndpointError)
    expect(call).toThrow(/transfer is for bytes/)
  }
  expect(message.length).toBe(10)
})

test("what a named stream hands back is the memory that was given to it", async () => {
  const { bind, network } = makeWorld(4)
  const { endpoint: a } = await bind("a", { windowPackets: 2, parkedMessagesMax: 1 })
  const { host } = await bind("b")
  const node = a.connect(`b:${PORT}`)
  const stream = node.stream({ label: "orders" })
  const back: Uint8Array[] = []
  stream.on("unconfirmed", (messages) => back.push(...messages.map(({ bytes }) => bytes)))
  await network.until(node.joined())
  network.partition("a", "b")
  const messages = [pattern(900, 1), pattern(9_000, 2), pattern(900, 3)]
  const results = messages.map((message) => stream.trySend(1, message, { transfer: true }))
  expect(results).toEqual(["sent", "parked", "refused"])
  expect(messages.map(({ length }) => length)).toEqual([0, 0, 900])
  host.crash()
  network.heal()
  await bind("b")
  await network.when(() => back.length > 0, 30_000)
  expect(back).toEqual([pattern(900, 1), pattern(9_000, 2)])
})

test.each([false, true])(
  "memory of a message that waited goes back once it is written (given away: %s)",
  async (given) => {
    const { hostA, network, b, toB } = await makePair(5, { delayMs: 10 }, { windowPackets: 8 })
    const discarded = vi.spyOn(hostA, "discard")
    const received: Uint8Array[] = []
    b.handle(1, (message) => received.push(message.copy()))
    const stream = toB.open()
    const messages = [pattern(BIG, 1), pattern(1_000, 2), pattern(BIG, 3)]
    const results = messages.map((message) => stream.trySend(1, message.slice(), { transfer: given }))
    expect(results).toEqual(["parked", "parked", "parked"])
    expect(discarded).not.toHaveBeenCalled()
    await network.until(stream.flush())
    expect(received).toEqual(messages)
    // The small one is left to garbage collection.
    expect(discarded).toHaveBeenCalledTimes(2)
    expect(discarded.mock.calls.map(([bytes]) => bytes.length)).toEqual([0, 0])
  },
)

test("on a host that can't give memory back a message that was given away is gone all the same", () => {
  const bytes = pattern(100)
  discard(bytes, {})
  expect(bytes.length).toBe(0)
})

test("a borrowed message that waited stays its caller's", async () => {
  const { network, b, toB } = await makePair(6, { delayMs: 10 }, { windowPackets: 8 })
  b.handle(1, () => {})
  const message = pattern(BIG)
  await network.until(toB.open().send(1, message))
  expect(message).toEqual(pattern(BIG))
})

test("what a named stream has to hand back isn't given back once it is written", async () => {
  const { network, bind } = makeWorld(7, { delayMs: 10 })
  const { endpoint: a } = await bind("a", { windowPackets: 8, messageBytesMax: BIG })
  const { endpoint: b, host } = await bind("b", { messageBytesMax: BIG })
  b.handle(1, () => {})
  const node = a.connect(`b:${PORT}`)
  const stream = node.stream({ label: "orders" })
  const back: Uint8Array[] = []
  stream.on("unconfirmed", (messages) => back.push(...messages.map(({ bytes }) => bytes)))
  await network.until(node.joined())
  expect(stream.trySend(1, pattern(BIG))).toBe("parked")
  // All of it is written then, and its end isn't acknowledged.
  await network.when(() => stream.current?.parked.messages === 0)
  host.crash()
  await bind("b")
  await network.when(() => back.length > 0, 30_000)
  expect(back).toEqual([pattern(BIG)])
})
