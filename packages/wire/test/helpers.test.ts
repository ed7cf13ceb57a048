import {
  createPiece,
  DROP_REASONS,
  FORM,
  isNumber,
  KIND,
  messagesBegun,
  NUMBER_MAX,
  PacketWriter,
  readPiece,
  readReasonText,
  reasonName,
  ringIndex,
  TEXT_BYTES_MAX,
  wholeHeaderBytes,
  writeAbandoned,
  writeFirstHeader,
  writeLastHeader,
  writeMiddleHeader,
  writeReasonText,
  writeStop,
  writeWholeHeader,
} from "@x/wire"
import { expect, test } from "vitest"

const view = new DataView(new ArrayBuffer(2_000))

test.each([0, 127, 128, 16_383, 16_384, 65_000])(
  "the header of a message of %i bytes is as long as was said",
  (length) => {
    expect(writeWholeHeader(view, 5, 1, length)).toBe(5 + wholeHeaderBytes(length))
  },
)

test("messages begin with each whole one and with a first piece", () => {
  let end = 0
  for (const length of [0, 200, 3]) end = writeWholeHeader(view, end, 1, length) + length
  expect(messagesBegun(view, 0, end, FORM.whole)).toBe(3)
  expect(messagesBegun(view, 0, end, FORM.first)).toBe(1)
  for (const form of [FORM.middle, FORM.last, FORM.abandoned]) expect(messagesBegun(view, 0, end, form)).toBe(0)
})

test("a piece says which bytes of its message it holds", () => {
  const piece = createPiece()
  const read = (form: number, offset: number, bytes: number): object => {
    readPiece(view, 0, offset + bytes, form, piece)
    return { ...piece }
  }
  const first = writeFirstHeader(view, 0, 9, 4, 100)
  expect(read(FORM.first, first, 30)).toEqual({
    form: FORM.first,
    message: 4,
    type: 9,
    total: 100,
    messageOffset: 0,
    offset: first,
    length: 30,
  })
  const middle = writeMiddleHeader(view, 0, 4, 100, 30)
  expect(read(FORM.middle, middle, 50)).toMatchObject({
    message: 4,
    type: -1,
    total: 100,
    messageOffset: 30,
    offset: middle,
    length: 50,
  })
  const last = writeLastHeader(view, 0, 4, 100)
  expect(read(FORM.last, last, 20)).toMatchObject({
    message: 4,
    type: -1,
    total: 100,
    messageOffset: 80,
    offset: last,
    length: 20,
  })
  const abandoned = writeAbandoned(view, 0, 4)
  expect(read(FORM.abandoned, abandoned, 0)).toMatchObject({
    message: 4,
    type: -1,
    total: 0,
    messageOffset: 0,
    length: 0,
  })
})

test("a packet costs what was said, its predecessor's length included", () => {
  const writer = new PacketWriter(new Uint8Array(100))
  writer.start(11)
  for (const before of [11, 11 + writer.cost(6)]) {
    expect(writer.end).toBe(before)
    const end = before + writer.cost(6)
    writer.finish(writeStop(writer.view, writer.begin(KIND.stop), { stream: 1, reason: 1 }))
    expect(writer.end).toBe(end)
  }
})

test("nothing goes behind a packet without a body", () => {
  const writer = new PacketWriter(new Uint8Array(100))
  writer.start(11)
  writer.begin(KIND.heartbeat)
  expect(() => writer.begin(KIND.heartbeat)).toThrow(RangeError)
})

test("text that is too long is cut at a character", () => {
  const end = writeReasonText(view, 0, { reason: 1, text: `a${"é".repeat(200)}` })
  expect(end).toBe(2 + TEXT_BYTES_MAX - 1)
  expect(readReasonText(view, 0, end)).toEqual({ reason: 1, text: `a${"é".repeat(127)}` })
  expect([6, 5, 4, 2, 0].map((bound) => writeReasonText(view, 0, { reason: 1, text: "aéb" }, bound))).toEqual([
    ...[6, 5, 3, 2, 2],
  ])
})

test("numbers are whole, from 0 to the most", () => {
  expect([0, 1, NUMBER_MAX].map(isNumber)).toEqual([true, true, true])
  expect([-1, 0.5, NaN, Infinity, NUMBER_MAX + 1].map(isNumber)).toEqual([false, false, false, false, false])
})

test("a ring takes the low bits of a number, above 32 bits too", () => {
  expect([0, 63, 64, 2 ** 32 + 5, NUMBER_MAX].map((number) => ringIndex(number, 63))).toEqual([0, 63, 0, 5, 63])
})

test("reasons have names, the application's own from 32,768 on", () => {
  expect([0, 1, 13, 14, 15, 16, 17, 18, 19, 32_767, 32_768, 65_535].map(reasonName)).toEqual([
    "unspecified",
    "closing",
    "restarted",
    "untrusted",
    "expelled",
    "undecodable",
    "stalled",
    "falseAcknowledgement",
    "unspecified",
    "unspecified",
    "application 0",
    "application 32767",
  ])
})

test("no drop reason is named twice", () => {
  expect(new Set(DROP_REASONS).size).toBe(38)
})
