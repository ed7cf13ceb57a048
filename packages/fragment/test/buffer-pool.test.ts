import { Assembler, AssemblyBudget, BufferPool } from "@x/fragment"
import { FORM, type Piece } from "@x/wire"
import { expect, test } from "vitest"

test("memory that was given is taken again, by messages of about its size", () => {
  const pool = new BufferPool(200_000)
  const first = pool.take(70_000)
  expect([first.length, first.buffer.byteLength, pool.keptBytes]).toEqual([70_000, 73_728, 0])
  pool.give(first)
  expect(pool.keptBytes).toBe(73_728)
  expect(pool.take(65_536).buffer).not.toBe(first.buffer)
  expect(pool.take(73_000).buffer).toBe(first.buffer)
  expect(pool.keptBytes).toBe(0)
  expect(pool.take(73_000).buffer).not.toBe(first.buffer)
})

test("no more is kept than it was told, and what was kept longest makes way", () => {
  const pool = new BufferPool(140_000)
  const taken = [65_536, 65_536, 69_632].map((bytes) => pool.take(bytes))
  for (const bytes of taken) pool.give(bytes)
  expect(pool.keptBytes).toBe(65_536 + 69_632)
  expect(pool.take(65_536).buffer).toBe(taken[1]!.buffer)
  expect(pool.take(65_536).buffer).not.toBe(taken[0]!.buffer)
})

test("small and very large messages have as much memory as they are long", () => {
  const pool = new BufferPool(140_000)
  for (const bytes of [1, 5_000, 16_383, 140_001]) {
    const alone = pool.take(bytes)
    expect(alone.buffer.byteLength).toBe(bytes)
    pool.give(alone)
  }
  expect(pool.keptBytes).toBe(0)
})

test("a message is made of its own pieces whatever lay in its memory before, and memory of one that is under way is nobody else's", () => {
  const assembler = new Assembler({
    budget: new AssemblyBudget(1_000_000),
    messageBytesMax: 200_000,
    isOrdered: false,
    isReliable: true,
  })
  const pieceOf = (message: number, from: number, length: number): Piece => ({
    form: from === 0 ? FORM.first : FORM.middle,
    ...{ message, type: from === 0 ? 7 : -1, total: 100_000, messageOffset: from, offset: 0, length },
  })
  const bytesOf = (value: number): Uint8Array => new Uint8Array(50_000).fill(value)
  // Message 0 is begun and waits; 1 is finished, and its memory goes to 2.
  assembler.handlePiece(pieceOf(0, 0, 50_000), bytesOf(10), 0)
  for (const [message, value] of [
    [1, 20],
    [2, 30],
  ] as const) {
    expect(assembler.handlePiece(pieceOf(message, 50_000, 50_000), bytesOf(value + 1), 0)).toBe("taken")
    expect(assembler.handlePiece(pieceOf(message, 0, 50_000), bytesOf(value), 0)).toBe("complete")
    const { completed } = assembler
    expect(completed.bytes).toEqual(Uint8Array.from([...bytesOf(value), ...bytesOf(value + 1)]))
    assembler.release()
    assembler.recycle(completed)
  }
  expect(assembler.handlePiece(pieceOf(0, 50_000, 50_000), bytesOf(11), 0)).toBe("complete")
  expect(assembler.completed.bytes).toEqual(Uint8Array.from([...bytesOf(10), ...bytesOf(11)]))
})

test("what nobody took or gave back since the last time is kept no longer", () => {
  const pool = new BufferPool()
  pool.give(pool.take(100_000))
  pool.trim()
  expect(pool.keptBytes).toBeGreaterThan(0)
  const again = pool.take(100_000)
  pool.give(again)
  pool.trim()
  expect(pool.keptBytes).toBeGreaterThan(0)
  pool.trim()
  expect(pool.keptBytes).toBe(0)
  expect(pool.take(100_000).buffer).not.toBe(again.buffer)
})
