import { Assembler, AssemblyBudget, fitsWhole, LargeMessage, packetsNeeded, writeWhole } from "@x/fragment"
import { checkPayload, FORM, MessageCursor } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { begunIn, type Payload, pieceOf, TestSink } from "./sink.ts"

const payloadBytesMax = fc.integer({ min: 64, max: 200 })
const message = fc.uint8Array({ maxLength: 1_500 })
const type = fc.integer({ min: 0, max: 65_535 })

function write(sink: TestSink, messages: readonly { type: number; bytes: Uint8Array }[]): void {
  for (const { type, bytes } of messages) {
    if (fitsWhole(bytes.length, sink.payloadBytesMax)) expect(writeWhole(sink, type, bytes)).toBe(true)
    else expect(new LargeMessage(type, bytes).write(sink)).toBe(true)
  }
  sink.close()
}

/** Messages in the order in which they are completed. */
function read(payloads: readonly Payload[], assembler: Assembler): { type: number; bytes: Uint8Array }[] {
  const messages: { type: number; bytes: Uint8Array }[] = []
  const cursor = new MessageCursor()
  for (const payload of payloads) {
    if (payload.form === FORM.whole) {
      cursor.start(new DataView(payload.bytes.buffer), 0, payload.bytes.length)
      while (cursor.next())
        messages.push({ type: cursor.type, bytes: payload.bytes.slice(cursor.offset, cursor.offset + cursor.length) })
    } else if (assembler.handlePiece(pieceOf(payload), payload.bytes, 0) === "complete") {
      messages.push({ type: assembler.completed.type, bytes: assembler.completed.bytes })
      assembler.release()
    }
  }
  return messages
}

function assemblerOf(isOrdered: boolean, bytesMax = 1_000_000): { assembler: Assembler; budget: AssemblyBudget } {
  const budget = new AssemblyBudget(bytesMax)
  return { assembler: new Assembler({ budget, messageBytesMax: 1_000_000, isOrdered }), budget }
}

test("messages come back as they were, and every payload is one the wire accepts", () => {
  fc.assert(
    fc.property(payloadBytesMax, fc.array(fc.record({ type, bytes: message }), { maxLength: 20 }), (max, messages) => {
      const sink = new TestSink(max)
      write(sink, messages)
      for (const { form, bytes } of sink.payloads) {
        expect(bytes.length).toBeLessThanOrEqual(max)
        expect(checkPayload(new DataView(bytes.buffer), 0, bytes.length, form)).toBeUndefined()
      }
      expect(sink.payloads.reduce((sum, payload) => sum + begunIn(payload), 0)).toBe(messages.length)
      const { assembler, budget } = assemblerOf(true)
      expect(read(sink.payloads, assembler)).toEqual(messages)
      expect(budget.used).toBe(0)
    }),
  )
})

test("pieces in any order, mixed with those of other messages and repeated, give each message once", () => {
  const large = fc.uint8Array({ minLength: 200, maxLength: 1_500 })
  const order = fc.infiniteStream(fc.nat())
  fc.assert(
    fc.property(
      payloadBytesMax,
      fc.array(fc.record({ type, bytes: large }), { minLength: 1, maxLength: 5 }),
      order,
      (max, messages, draw) => {
        const sink = new TestSink(max)
        write(sink, messages)
        const next = (): number => draw.next().value as number
        const shuffled = sink.payloads.map((payload) => ({ payload, key: next() })).toSorted((a, b) => a.key - b.key)
        const { assembler, budget } = assemblerOf(false)
        const seen: Uint8Array[] = []
        for (const { payload } of shuffled) {
          const before = assembler.count
          const verdict = assembler.handlePiece(pieceOf(payload), payload.bytes, 0)
          if (verdict === "complete") {
            seen.push(assembler.completed.bytes)
            assembler.release()
          } else {
            expect(verdict).toBe("taken")
            expect(assembler.handlePiece(pieceOf(payload), payload.bytes, 0)).toBe("piece-conflict")
            expect(assembler.count).toBeGreaterThanOrEqual(before)
          }
        }
        expect(seen.map((bytes) => Buffer.from(bytes).toString("hex")).toSorted()).toEqual(
          messages.map(({ bytes }) => Buffer.from(bytes).toString("hex")).toSorted(),
        )
        expect(budget.used).toBe(0)
      },
    ),
  )
})

test("memory never exceeds the budget, whatever pieces come", () => {
  const piece = fc.record({
    form: fc.constantFrom(FORM.first, FORM.middle, FORM.last, FORM.abandoned),
    message: fc.integer({ min: 0, max: 5 }),
    type,
    total: fc.integer({ min: 2, max: 400 }),
    messageOffset: fc.nat({ max: 399 }),
    offset: fc.constant(0),
    length: fc.integer({ min: 1, max: 50 }),
  })
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 60 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 900 }),
      (pieces, isOrdered, bytesMax) => {
        const parent = new AssemblyBudget(600)
        const budget = new AssemblyBudget(bytesMax, parent)
        const assembler = new Assembler({ budget, messageBytesMax: 300, isOrdered })
        for (const [i, it] of pieces.entries()) {
          const messageOffset =
            it.form === FORM.first ? 0 : it.form === FORM.last ? it.total - it.length : it.messageOffset
          if (messageOffset < 0 || messageOffset + it.length > it.total) continue
          const verdict = assembler.handlePiece(
            { ...it, messageOffset, type: it.form === FORM.first ? it.type : -1 },
            new Uint8Array(50),
            i,
          )
          if (it.total > 300 && it.form !== FORM.abandoned) expect(verdict).toBe("message-too-large")
          if (verdict === "complete") assembler.release()
          expect(budget.used).toBeLessThanOrEqual(bytesMax)
          expect(parent.used).toBe(budget.used)
        }
        assembler.handleTimeout(10_000)
        assembler.close()
        expect(parent.used).toBe(0)
      },
    ),
  )
})

test("a large message stops where there is no room and goes on from there", () => {
  fc.assert(
    fc.property(
      payloadBytesMax,
      fc.uint8Array({ minLength: 200, maxLength: 3_000 }),
      fc.integer({ min: 1, max: 3 }),
      (max, bytes, room) => {
        const sink = new TestSink(max, room)
        const large = new LargeMessage(7, bytes)
        let rounds = 0
        while (!large.write(sink)) {
          expect(sink.roomPackets).toBe(0)
          sink.roomPackets = room
          rounds++
        }
        expect(sink.payloads.length).toBeLessThanOrEqual(packetsNeeded(bytes.length, max))
        expect(rounds).toBe(Math.ceil(sink.payloads.length / room) - 1)
        expect(read(sink.payloads, assemblerOf(true).assembler)).toEqual([{ type: 7, bytes }])
      },
    ),
  )
})

test("an abandoned message frees its memory and never takes another's bytes", () => {
  const sink = new TestSink(100, 3)
  const first = new LargeMessage(1, new Uint8Array(1_000).fill(1))
  first.write(sink)
  sink.roomPackets = 100
  first.abandon(sink)
  new LargeMessage(2, new Uint8Array(500).fill(2)).write(sink)
  const { assembler, budget } = assemblerOf(true)
  expect(read(sink.payloads, assembler)).toEqual([{ type: 2, bytes: new Uint8Array(500).fill(2) }])
  expect(assembler.abandoned).toBe(1)
  expect(budget.used).toBe(0)
})

test("in order, a piece that doesn't belong to the message under way is refused", () => {
  const sink = new TestSink(100)
  new LargeMessage(1, new Uint8Array(300)).write(sink)
  new LargeMessage(1, new Uint8Array(300)).write(sink)
  const [first, second] = sink.payloads
  const other = sink.payloads[sink.payloads.length / 2]!
  const { assembler } = assemblerOf(true)
  expect(assembler.handlePiece(pieceOf(second!), second!.bytes, 0)).toBe("piece-conflict")
  expect(assembler.handlePiece(pieceOf(first!), first!.bytes, 0)).toBe("taken")
  expect(assembler.handlePiece(pieceOf(other), other.bytes, 0)).toBe("piece-conflict")
  expect(assembler.count).toBe(1)
})

test("without room for a whole message none of it is kept", () => {
  const { assembler, budget } = assemblerOf(true, 999)
  const sink = new TestSink(100)
  new LargeMessage(1, new Uint8Array(1_000)).write(sink)
  expect(assembler.handlePiece(pieceOf(sink.payloads[0]!), sink.payloads[0]!.bytes, 0)).toBe("no-room")
  expect(budget.used).toBe(0)
})
