// Memory in step with what has come: how an assembly grows, what others get of what was promised to it, and what is
// remembered of messages that were abandoned.

import { Assembler, AssemblyBudget, GIVE_UP_MS, NO_PROGRESS_MS, PROMISE_MS } from "@x/fragment"
import { createPiece, FORM, type Piece } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../tools/testkit/src/runs.ts"

const MIB = 1_048_576
const SOURCE = Uint8Array.from({ length: 2 * MIB }, (_, i) => (i * 7 + (i >> 8)) & 255)

/** A piece of `length` bytes at `at`, of a message of `total`. */
function piece(message: number, at: number, length: number, total: number): Piece {
  const form = at === 0 ? FORM.first : at + length === total ? FORM.last : FORM.middle
  return { ...createPiece(), form, message, type: at === 0 ? 5 : -1, total, messageOffset: at, offset: at, length }
}

/** Counts the bytes that are taken for messages, and those that are in use. */
function watch(budget: AssemblyBudget): { taken: number } {
  const watched = { taken: 0 }
  const take = budget.buffers.take.bind(budget.buffers)
  budget.buffers.take = (bytes) => {
    watched.taken += bytes
    return take(bytes)
  }
  return watched
}

function make(budget: AssemblyBudget, kind: "ordered" | "unordered" | "unreliable", onGivenUp?: () => void): Assembler {
  const isReliable = kind !== "unreliable"
  const more = onGivenUp === undefined ? {} : { onGivenUp }
  return new Assembler({ budget, messageBytesMax: 16 * MIB, isOrdered: kind === "ordered", isReliable, ...more })
}

test.each(["ordered", "unordered", "unreliable"] as const)(
  "the first byte of a message of 16 MiB takes 16 KiB, wherever it lies in it (%s)",
  (kind) => {
    const budget = new AssemblyBudget(512 * MIB)
    const watched = watch(budget)
    const assembler = make(budget, kind)
    assembler.handlePiece(piece(1, 0, 1, 16 * MIB), SOURCE, 0)
    expect(watched.taken).toBe(16_384)
    if (kind === "ordered") return
    for (let message = 2; message < 20; message++)
      expect(assembler.handlePiece({ ...piece(message, MIB, 1, 16 * MIB), offset: 0 }, SOURCE, 0)).toBe("taken")
    // What lies far ahead has memory of its own.
    expect(watched.taken).toBe(16_384)
    if (kind === "unreliable") expect(budget.used).toBeLessThan(19 * 16_384)
  },
)

test("pieces in order make memory four times as large each time: a third of the message is copied once more", () => {
  const budget = new AssemblyBudget(512 * MIB)
  const watched = watch(budget)
  const assembler = make(budget, "ordered")
  const length = 1_000
  for (let at = 0; at < MIB; at += length) {
    const verdict = assembler.handlePiece(piece(1, at, Math.min(length, MIB - at), MIB), SOURCE, 0)
    expect(verdict).toBe(at + length >= MIB ? "complete" : "taken")
    expect(watched.taken).toBeLessThanOrEqual(16_384 + 5.34 * (at + length))
  }
  expect(watched.taken).toBe(16_384 + 65_536 + 262_144 + MIB)
  expect(assembler.completed.bytes).toEqual(SOURCE.subarray(0, MIB))
  assembler.release()
  expect(budget.used).toBe(0)
})

test("a message that comes after another has its memory at once, as much as has come, and it once", () => {
  const budget = new AssemblyBudget(512 * MIB)
  const assembler = make(budget, "ordered")
  const sent = (message: number): void => {
    for (let at = 0; at < MIB; at += 65_536) assembler.handlePiece(piece(message, at, 65_536, MIB), SOURCE, 0)
    assembler.release()
  }
  sent(1)
  const watched = watch(budget)
  assembler.handlePiece(piece(2, 0, 1, MIB), SOURCE, 0)
  expect(watched.taken).toBe(MIB)
  // That was all that was earned.
  const other = make(budget, "ordered")
  other.handlePiece(piece(1, 0, 1, MIB), SOURCE, 0)
  expect(watched.taken).toBe(MIB + 16_384)
})

test("in whatever order pieces come, a message comes out as it was, in no more memory than four times what has come", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 300_000 }),
      fc.array(fc.integer({ min: 200, max: 20_000 }), { minLength: 1, maxLength: 60 }),
      fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      fc.constantFrom("unordered" as const, "unreliable" as const),
      (total, lengths, random, kind) => {
        const pieces: Piece[] = []
        for (let at = 0, i = 0; at < total; i++) {
          const length = Math.min(lengths[i % lengths.length]!, total - at, at === 0 ? total - 1 : total)
          pieces.push(piece(1, at, length, total))
          at += length
        }
        for (let i = pieces.length - 1; i > 0; i--) {
          const j = Math.floor(random.next().value! * (i + 1)) % (i + 1)
          ;[pieces[i], pieces[j]] = [pieces[j]!, pieces[i]!]
        }
        const budget = new AssemblyBudget(10 * MIB)
        const assembler = make(budget, kind)
        let received = 0
        for (const [i, it] of pieces.entries()) {
          received += it.length
          expect(assembler.handlePiece(it, SOURCE, 0)).toBe(i === pieces.length - 1 ? "complete" : "taken")
          expect([assembler.missingBytes, assembler.bytes]).toEqual(
            i === pieces.length - 1 ? [0, 0] : [total - received, total],
          )
          if (kind === "unreliable") expect(budget.used).toBeLessThanOrEqual(Math.max(16_384, 4 * received) + 16_384)
        }
        expect(Buffer.compare(assembler.completed.bytes, SOURCE.subarray(0, total))).toBe(0)
        assembler.release()
        expect(budget.used).toBe(0)
      },
    ),
    { numRuns: runs(60) },
  )
})

test("what was promised to messages that stand still lapses when another finds no memory, and what has come stays", () => {
  const all = new AssemblyBudget(64 * MIB)
  const idle = Array.from({ length: 4 }, () => make(new AssemblyBudget(64 * MIB, all), "ordered"))
  for (const assembler of idle) assembler.handlePiece(piece(1, 0, 1_000, 16 * MIB), SOURCE, 0)
  expect(all.used).toBe(64 * MIB)
  const other = make(new AssemblyBudget(64 * MIB, all), "ordered")
  expect(other.handlePiece(piece(1, 0, 10, MIB), SOURCE, PROMISE_MS - 1)).toBe("no-room")
  expect(other.handlePiece(piece(1, 0, 10, MIB), SOURCE, PROMISE_MS)).toBe("taken")
  // One was enough, and it goes on: its rest is promised to it anew.
  expect(all.used).toBe(48 * MIB + 16_384 + MIB)
  expect(idle.map((assembler) => assembler.count)).toEqual([1, 1, 1, 1])
  other.close()
  for (const assembler of idle)
    for (let at = 1_000; at < MIB; at += 1_000)
      expect(assembler.handlePiece(piece(1, at, 1_000, 16 * MIB), SOURCE, PROMISE_MS)).toBe("taken")
  for (const assembler of idle) assembler.close()
  expect(all.used).toBe(0)
})

test("a message that lapsed waits for its rest like a new one, and is told", () => {
  const all = new AssemblyBudget(20_000)
  let told = 0
  const onRoom = (): void => void told++
  const slow = new Assembler({ budget: all, messageBytesMax: 20_000, isOrdered: true, onRoom })
  const other = new Assembler({ budget: all, messageBytesMax: 20_000, isOrdered: true })
  slow.handlePiece(piece(1, 0, 10, 18_000), SOURCE, 0)
  expect(other.handlePiece(piece(1, 0, 10, 3_000), SOURCE, PROMISE_MS)).toBe("taken")
  expect(all.used).toBe(16_384 + 3_000)
  // What it holds memory for is taken.
  expect(slow.handlePiece(piece(1, 10, 16_000, 18_000), SOURCE, PROMISE_MS)).toBe("taken")
  expect(slow.handlePiece(piece(1, 16_010, 1_000, 18_000), SOURCE, PROMISE_MS)).toBe("no-room")
  other.close()
  expect(told).toBe(1)
  expect(slow.handlePiece(piece(1, 16_010, 1_990, 18_000), SOURCE, PROMISE_MS)).toBe("complete")
})

test("a message as large as may be, in many parts, is completed in a budget of its size after it has lapsed", () => {
  const total = 20_000
  const all = new AssemblyBudget(total)
  const options = { budget: all, messageBytesMax: total, isOrdered: false, isReliable: true }
  const [large, other] = [new Assembler(options), new Assembler(options)]
  for (let i = 1; i < 1_000; i += 2) large.handlePiece(piece(1, 20 * i, 20, total), SOURCE, 0)
  other.handlePiece(piece(1, 0, 10, 3_000), SOURCE, PROMISE_MS)
  other.close()
  const verdicts = new Set<string>()
  for (let i = 0; i < 1_000; i += 2) verdicts.add(large.handlePiece(piece(1, 20 * i, 20, total), SOURCE, PROMISE_MS))
  expect(verdicts).toEqual(new Set(["taken", "complete"]))
  large.release()
  expect(all.used).toBe(0)
})

test("one that has lapsed and stands still for long is given up, if another can go on by that", () => {
  const all = new AssemblyBudget(20_000)
  let givenUp = 0
  const hoarder = make(all, "ordered", () => void givenUp++)
  hoarder.handlePiece(piece(1, 0, 15_000, 16_000), SOURCE, 0)
  const other = make(all, "ordered")
  const ask = (nowMs: number): string => other.handlePiece(piece(1, 0, 10, 10_000), SOURCE, nowMs)
  expect([ask(PROMISE_MS), ask(GIVE_UP_MS - 1), givenUp]).toEqual(["no-room", "no-room", 0])
  expect([make(all, "ordered").handlePiece(piece(1, 0, 10, 20_001), SOURCE, GIVE_UP_MS), givenUp]).toEqual([
    "no-room",
    0,
  ])
  expect([ask(GIVE_UP_MS), givenUp, hoarder.count, all.used]).toEqual(["taken", 1, 0, 10_000])
})

test("an unreliable message is charged what it holds, and makes way for itself never", () => {
  const budget = new AssemblyBudget(100_000)
  const assembler = make(budget, "unreliable")
  for (let at = 0; at < 60_000; at += 1_000)
    expect(assembler.handlePiece(piece(1, at, 1_000, MIB), SOURCE, 0)).toBe("taken")
  expect(budget.used).toBe(65_536)
  for (let at = 60_000; at < 64_000; at += 1_000) assembler.handlePiece(piece(1, at, 1_000, MIB), SOURCE, 0)
  // 256 KiB don't fit; what it holds stays until it stands still.
  expect(assembler.handlePiece(piece(1, 64_000, 2_000, MIB), SOURCE, 1_000)).toBe("no-room")
  expect([assembler.count, budget.used]).toEqual([1, 65_536])
  assembler.handleTimeout(NO_PROGRESS_MS)
  expect([assembler.count, budget.used]).toEqual([0, 0])
})

test("of a message in many parts the list of them is charged", () => {
  const budget = new AssemblyBudget(100_000)
  const assembler = make(budget, "unreliable")
  for (let i = 0; i < 1_000; i++) assembler.handlePiece(piece(1, 2 * i, 1, 4_000), SOURCE, 0)
  expect(budget.used).toBeGreaterThanOrEqual(4_000 + 700 * 16)
  assembler.close()
  expect(budget.used).toBe(0)
})

test("no more than 32 messages make way for one piece", () => {
  const budget = new AssemblyBudget(400 * 1_024)
  const assembler = make(budget, "unreliable")
  for (let message = 1; message <= 400; message++) assembler.handlePiece(piece(message, 0, 1, 1_000), SOURCE, 0)
  expect(assembler.handlePiece(piece(500, 0, 1, 300_000), SOURCE, 0)).toBe("taken")
  expect(assembler.expired).toBe(16)
  for (let at = 1; at < 16_000; at += 1_000) assembler.handlePiece(piece(500, at, 1_000, 300_000), SOURCE, 0)
  const { expired } = assembler
  assembler.handlePiece(piece(500, 16_001, 1_000, 300_000), SOURCE, 0)
  expect(assembler.expired).toBe(expired + 32)
})

test("as many abandoned messages are remembered as there may be, charged, and forgotten as the edge passes them", () => {
  const budget = new AssemblyBudget(10 * MIB)
  let told = 0
  const onRoom = (): void => void told++
  const assembler = new Assembler({ budget, messageBytesMax: MIB, isOrdered: false, isReliable: true, onRoom })
  const abandoned = (message: number, number: number): string =>
    assembler.handlePiece({ ...createPiece(), form: FORM.abandoned, message, total: 0, length: 0 }, SOURCE, 0, number)
  let taken = 0
  // In an order that is none.
  for (let i = 0; i < 2_000; i++) if (abandoned(i, 1 + ((i * 7) % 2_000)) === "taken") taken++
  expect(taken).toBe(16 + 16 * 64)
  expect(budget.used).toBeGreaterThanOrEqual(1_024 * 128)
  // The one at the edge needs no place.
  expect([abandoned(5_000, 0), abandoned(5_001, 1_999)]).toEqual(["taken", "no-room"])
  assembler.settleBelow(1_000)
  expect([told, abandoned(5_001, 1_999)]).toEqual([1, "taken"])
  const late = (message: number): number => {
    assembler.handlePiece(piece(message, 0, 1, 20), SOURCE, 0, 1_500)
    return assembler.count
  }
  // Of one below the edge a piece begins it anew: none such can be on its way. Of others pieces are passed over.
  expect([late(1), late(5_001)]).toEqual([1, 1])
  assembler.settleBelow(5_000)
  assembler.close()
  expect(budget.used).toBe(0)
})
