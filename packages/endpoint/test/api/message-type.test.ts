import {
  bytes,
  type Codec,
  defineMessage,
  type EndpointError,
  json,
  type OutgoingStream,
  REASON,
  reasonName,
  type ReceivedMessage,
  type ReceivedValue,
  type StreamEnd,
  utf8,
  type WritingCodec,
} from "@x/endpoint"
import fc from "fast-check"
import { expect, expectTypeOf, test } from "vitest"
import { isWriting } from "../../src/api/message-type.ts"
import { encodeValue } from "../../src/api/user-code.ts"
import { makePair, pattern } from "../world.ts"

function roundTrip<T>(codec: Codec<T> | WritingCodec<T>, value: T): T {
  return codec.decode(encodeValue(defineMessage(1, codec as Codec<unknown>), value))
}

test("what is encoded is decoded as it was", () => {
  const holds = <T>(values: fc.Arbitrary<T>, codec: Codec<T> | WritingCodec<T>, expected: (value: T) => T): void =>
    fc.assert(
      fc.property(values, (value) => {
        expect(roundTrip(codec, value)).toEqual(expected(value))
      }),
    )
  holds(fc.uint8Array(), bytes, (value) => value)
  // A lone surrogate has no UTF-8: it is sent as the replacement character.
  holds(fc.string({ unit: "binary" }), utf8, (value) => value.replaceAll(/\p{Surrogate}/gu, "\ufffd"))
  holds<unknown>(fc.jsonValue(), json(), (value) => JSON.parse(JSON.stringify(value)))
  expect(roundTrip(utf8, "\u{feff}mark")).toBe("\u{feff}mark")
})

test("decoded bytes are a copy; what is no text and no JSON throws", () => {
  const source = pattern(10)
  const copy = bytes.decode(source)
  source.fill(0)
  expect(copy).toEqual(pattern(10))
  expect(() => utf8.decode(Uint8Array.of(0xff))).toThrow(TypeError)
  expect(() => json().encode(undefined)).toThrow("JSON has no text for undefined")
  expect(() => json().decode(Uint8Array.of(0x7b))).toThrow(SyntaxError)
})

test("a value that can't be encoded is an error that names the message type and what was given, however it is sent", async () => {
  const { network, toB } = await makePair(3)
  const stream = toB.open()
  const LARGE = defineMessage<unknown>(9, json())
  const WRITTEN = defineMessage<unknown>(10, { ...bytes, size: () => 4, write: () => fail("no") })
  const fail = (why: string): never => {
    throw new Error(why)
  }
  const circular: unknown[] = []
  circular.push(circular)
  for (const [type, value, message] of [
    [LARGE, undefined, "a message of type 9 can't be made of undefined: JSON has no text for undefined"],
    [LARGE, 1n, "a message of type 9 can't be made of this bigint: Do not know how to serialize a BigInt"],
    [LARGE, circular, "a message of type 9 can't be made of this object: Converting circular structure to JSON"],
    [
      defineMessage<unknown>(8, utf8 as Codec<unknown>),
      null,
      "a message of type 8 can't be made of null: it is no string",
    ],
    [
      defineMessage<unknown>(7, bytes as WritingCodec<unknown>),
      "text",
      "a message of type 7 can't be made of this string: ",
    ],
    [WRITTEN, {}, "a message of type 10 can't be made of this object: no"],
  ] as const) {
    const error = { name: "EndpointError", code: "invalid-option", message: expect.stringContaining(message) }
    expect(() => stream.trySend(type, value)).toThrow(expect.objectContaining(error))
    expect(() => stream.send(type, value)).toThrow(expect.objectContaining(error))
  }
  // The stream is unchanged.
  expect(stream.trySend(LARGE, [1])).toBe("sent")
  await network.until(stream.flush())
})

test("a message type needs a number and a codec", () => {
  expect(() => defineMessage(65_536, utf8)).toThrow("a message type must be a whole number from 0 to 65535")
  expect(() => defineMessage(1, { decode: utf8.decode } as never)).toThrow("a codec has encode and decode")
  expect([isWriting(bytes), isWriting(utf8)]).toEqual([true, false])
})

interface Point {
  readonly x: number
  readonly y: number
}

const POINT = defineMessage<Point>(7, {
  size: () => 8,
  write: ({ x, y }, target, offset) => {
    const view = new DataView(target.buffer, target.byteOffset + offset)
    view.setFloat32(0, x)
    view.setFloat32(4, y)
  },
  decode: (source) => {
    const view = new DataView(source.buffer, source.byteOffset, source.byteLength)
    return { x: view.getFloat32(0), y: view.getFloat32(4) }
  },
})
const TEXT = defineMessage(8, utf8)

test("typed messages flow from trySend to the handler, straight through the packet or in memory of their own", async () => {
  const { network, b, toB } = await makePair(1, { delayMs: 5 }, { windowPackets: 4 })
  const got: unknown[] = []
  b.handle(POINT, (point, message) => {
    expectTypeOf(point).toEqualTypeOf<Point>()
    got.push([point, message.length])
  })
  b.handleAsync(TEXT, async (text) => {
    expectTypeOf(text).toEqualTypeOf<string>()
    got.push(text)
  })
  const stream: OutgoingStream = toB.open()
  // @ts-expect-error a point is no text
  expect(() => stream.trySend(POINT, "text")).not.toThrow()
  expect(stream.trySend(POINT, { x: 1, y: 2 })).toBe("sent")
  await network.until(stream.send(TEXT, "hällo"))
  // Longer than the window: parked, and encoded once.
  expect(stream.trySend(TEXT, "x".repeat(20_000))).toBe("parked")
  expect(stream.trySend(POINT, { x: 3, y: 4 })).toBe("parked")
  await network.until(stream.end())
  await network.advance(10)
  expect(got.slice(1)).toEqual([[{ x: 1, y: 2 }, 8], "hällo", "x".repeat(20_000), [{ x: 3, y: 4 }, 8]])
})

test.each([false, true])(
  "a message that its codec doesn't decode is counted and told once, and its stream stopped with the reason; others go on (async: %s)",
  async (isAsync) => {
    const { network, b, toB } = await makePair(2)
    const errors: EndpointError[] = []
    const texts: string[] = []
    b.on("error", (error) => errors.push(error))
    if (isAsync) b.handleAsync(TEXT, async (text) => void texts.push(text))
    else b.handle(TEXT, (text) => texts.push(text))
    const ended = new Promise<StreamEnd>((resolve) => b.once("stream", ({ closed }) => void closed.then(resolve)))
    const [stream, other] = [toB.open({ label: "of the new version" }), toB.open()]
    stream.trySend(TEXT, "before")
    stream.trySend(8, Uint8Array.of(0xff))
    stream.trySend(TEXT, "never")
    const closed = await network.until(stream.closed)
    other.trySend(TEXT, "fine")
    await network.until(other.flush())
    expect(texts).toEqual(["before", "fine"])
    expect(errors).toMatchObject([{ code: "undecodable", cause: { name: "TypeError" } }])
    expect(errors[0]!.message).toContain("a message of type 8 can't be decoded")
    expect(errors[0]!.message).toContain("of the new version")
    expect([reasonName(closed.reason), b.stats().undecodable, b.stats().untoldErrors]).toEqual(["undecodable", 1, 0])
    expect(await network.until(ended)).toMatchObject({ isComplete: false, reason: REASON.undecodable })
  },
)

test("a message that its codec doesn't decode throws nothing where nobody listens", async () => {
  const { network, b, toB } = await makePair(2)
  b.handle(TEXT, () => {})
  const reader = b.peers[0]!.messages(POINT)
  for (const type of [7, 8]) {
    const stream = toB.open()
    stream.trySend(type, Uint8Array.of(0xff))
    // An exception of the program would reject this.
    await network.until(stream.closed)
  }
  expect([b.stats().undecodable, b.stats().untoldErrors]).toEqual([2, 2])
  await reader.return!()
})

/** Reads this many messages, and leaves the rest. */
async function read<M>(messages: AsyncIterableIterator<M>, count: number): Promise<M[]> {
  const got: M[] = []
  for (let i = 0; i < count; i++) got.push((await messages.next()).value as M)
  await messages.return!()
  return got
}

test("who reads the messages of a defined type gets their values, of a peer and of a stream; a number gives bytes", async () => {
  const { network, b, toB } = await makePair(4)
  const [toA] = b.peers
  const stream: OutgoingStream = toB.open()
  const texts = toA!.messages(TEXT)
  const plain = toA!.messages(8)
  expectTypeOf(texts).toEqualTypeOf<AsyncIterableIterator<ReceivedValue<string>>>()
  expectTypeOf(plain).toEqualTypeOf<AsyncIterableIterator<ReceivedMessage>>()
  for (const text of ["one", "two"]) stream.trySend(TEXT, text)
  const [values, received] = await network.until(Promise.all([read(texts, 2), read(plain, 2)]))
  expect(values.map(({ value, type, peer }) => [value, type, peer === toA])).toEqual([
    ["one", 8, true],
    ["two", 8, true],
  ])
  expect(received.map(({ bytes: it }) => utf8.decode(it))).toEqual(["one", "two"])
  expect("value" in received[0]!).toBe(false)
  const points = new Promise<Point>((resolve) => {
    b.once("stream", async (it) => {
      const reader = it.messages(POINT)
      expectTypeOf(reader).toEqualTypeOf<AsyncIterableIterator<ReceivedValue<Point>>>()
      resolve((await read(reader, 1))[0]!.value)
    })
  })
  toB.open().trySend(POINT, { x: 1, y: 2 })
  expect(await network.until(points)).toEqual({ x: 1, y: 2 })
  expect(() => toA!.messages(-1)).toThrow(RangeError)
})

test("a reader gets no message that its codec doesn't decode: its stream is stopped, and what others sent is read", async () => {
  const { network, b, toB } = await makePair(5)
  let decoded = 0
  const COUNTED = defineMessage<string>(8, { ...utf8, decode: (it) => (decoded++, utf8.decode(it)) })
  const errors: string[] = []
  b.on("error", ({ code }) => errors.push(code))
  const [reader, raw] = [b.peers[0]!.messages(COUNTED), b.peers[0]!.messages(8)]
  const [stream, other] = [toB.open(), toB.open()]
  stream.trySend(8, Uint8Array.of(0xff))
  const wrong = await network.until(raw.next())
  expect((await network.until(stream.closed)).reason).toBe(REASON.undecodable)
  other.trySend(COUNTED, "fine")
  const [fine] = await network.until(read(reader, 1))
  expect([[...(wrong.value as ReceivedMessage).bytes], fine!.value, fine!.value, decoded]).toEqual([
    [0xff],
    "fine",
    "fine",
    2,
  ])
  expect([errors, b.stats().undecodable]).toEqual([["undecodable"], 1])
  await raw.return!()
})
