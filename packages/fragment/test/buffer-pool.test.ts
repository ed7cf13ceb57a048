import { Assembler, AssemblyBudget, BufferPool } from "@x/fragment"
import { FORM, type Piece } from "@x/wire"
import { expect, test } from "vitest"

test("memory that was given is taken again, by messages of about its size", () => {
  const pool = new BufferPool(16_384)
  const first = pool.take(5_000)
  expect([first.length, first.buffer.byteLength, pool.keptBytes]).toEqual([5_000, 8_192, 0])
  pool.give(first)
  expect(pool.keptBytes).toBe(8_192)
  expect(pool.take(4_097).buffer).toBe(first.buffer)
  expect(pool.keptBytes).toBe(0)
  expect(pool.take(4_097).buffer).not.toBe(first.buffer)
})

test("no more is kept than it was told", () => {
  const pool = new BufferPool(16_384)
  const taken = [8_192, 8_192, 8_192].map((bytes) => pool.take(bytes))
  for (const bytes of taken) pool.give(bytes)
  expect(pool.keptBytes).toBe(16_384)
  const large = pool.take(20_000)
  expect(large.buffer.byteLength).toBe(20_000)
  pool.give(large)
  expect(pool.keptBytes).toBe(16_384)
})

test("a message is made of its own pieces whatever lay in its memory before, and memory of one that is under way is nobody else's", () => {
  const assembler = new Assembler({ budget: new AssemblyBudget(1_000_000), messageBytesMax: 100_000, isOrdered: false, isReliable: true })
  const pieceOf = (message: number, from: number, length: number): Piece => ({
    form: from === 0 ? FORM.first : FORM.middle,
    ...{ message, type: from === 0 ? 7 : -1, total: 6_000, messageOffset: from, offset: 0, length },
  })
  const bytesOf = (value: number): Uint8Array => new Uint8Array(3_000).fill(value)
  // Message 0 is begun and waits; 1 is finished, and its memory goes to 2.
  assembler.handlePiece(pieceOf(0, 0, 3_000), bytesOf(10), 0)
  for (const [message, value] of [
    [1, 20],
    [2, 30],
  ] as const) {
    expect(assembler.handlePiece(pieceOf(message, 3_000, 3_000), bytesOf(value + 1), 0)).toBe("taken")
    expect(assembler.handlePiece(pieceOf(message, 0, 3_000), bytesOf(value), 0)).toBe("complete")
    const { completed } = assembler
    expect(completed.bytes).toEqual(Uint8Array.from([...bytesOf(value), ...bytesOf(value + 1)]))
    assembler.release()
    assembler.recycle(completed)
  }
  expect(assembler.handlePiece(pieceOf(0, 3_000, 3_000), bytesOf(11), 0)).toBe("complete")
  expect(assembler.completed.bytes).toEqual(Uint8Array.from([...bytesOf(10), ...bytesOf(11)]))
})
