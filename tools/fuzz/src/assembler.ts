/**
 * The assembler, on pieces that fit their messages and pieces that don't, compared with a model that keeps every byte.
 */
import { Assembler, AssemblyBudget } from "@x/fragment"
import { createPiece, FORM, type Piece } from "@x/wire"
import { bytes } from "@x/testkit"
import { Script } from "./script.ts"
import { must, type Target } from "./target.ts"

const MESSAGE_BYTES_MAX = 6_000
const BUDGET_BYTES = 16_000
const OPS_MAX = 2_000
const SOURCE_BYTES = 2_048

interface Expected {
  readonly bytes: Uint8Array
  readonly isThere: Uint8Array
  highest: number
}

export const assemblerTarget: Target = {
  name: "assembler",
  inputs: 5_000,
  make: (random) => bytes(random, 1 + random.below(1_500)),
  run(input) {
    const script = new Script(input)
    const flags = script.byte()
    const isOrdered = (flags & 1) !== 0
    const isReliable = (flags & 2) !== 0
    const parent = new AssemblyBudget(BUDGET_BYTES + 4_000)
    const budget = new AssemblyBudget(BUDGET_BYTES, parent)
    const assembler = new Assembler({ budget, messageBytesMax: MESSAGE_BYTES_MAX, isOrdered, isReliable })
    const expected = new Map<number, Expected>()
    /** Abandoned messages: the assembler swallows pieces of them that still come. */
    const ended = new Map<number, number>()
    const piece = createPiece()
    const source = new Uint8Array(SOURCE_BYTES)
    let nowMs = 0
    let expired = 0
    let edge = 0
    // Messages without progress are dropped first, and they are the first here too; but none makes way for itself. A
    // promised one is given up only if there is no room for it.
    const forgetExpired = (inHand = -1): void => {
      for (; expired < assembler.expired; expired++) {
        const oldest = [...expected.keys()].find((message) => (message === inHand) === isReliable)
        must(oldest !== undefined, () => "more was given up than was begun")
        expected.delete(oldest!)
      }
    }

    for (let op = 0; op < OPS_MAX && !script.isOver; op++) {
      const choice = script.byte()
      const number = script.below(200)
      if (choice >= 240) {
        nowMs += script.below(4_000)
        assembler.handleTimeout(nowMs)
        forgetExpired()
      } else if (choice >= 232) {
        const dropped = assembler.dropBelow(number)
        const before = expected.size
        for (const [message, { highest }] of expected) if (highest < number) expected.delete(message)
        must(
          before - expected.size === dropped,
          () => `${dropped} messages dropped instead of ${before - expected.size}`,
        )
      } else if (choice >= 224) {
        assembler.settleBelow(number)
        edge = number
        for (const [message, at] of ended) if (at < number) ended.delete(message)
      } else {
        drawPiece(script, piece)
        source.fill(op + 1)
        const known = expected.get(piece.message)
        const verdict = assembler.handlePiece(piece, source, nowMs, number)
        forgetExpired(piece.message)
        const isSwallowed = piece.form !== FORM.abandoned && ended.has(piece.message)
        if (piece.form === FORM.abandoned && verdict === "no-room") {
          // There is no memory to remember it: it comes again.
        } else if (piece.form === FORM.abandoned) {
          expected.delete(piece.message)
          // At the edge everything before it has come: no piece of it can.
          if (!isOrdered && isReliable && number !== edge) ended.set(piece.message, number)
        } else if (!isSwallowed && (verdict === "taken" || verdict === "complete")) {
          const message = expected.get(piece.message) ?? begin(piece.total)
          const [from, to] = [piece.messageOffset, piece.messageOffset + piece.length]
          must(piece.total === message.bytes.length, () => "a piece of another total was taken")
          must(!message.isThere.subarray(from, to).includes(1), () => "a piece was taken over another")
          message.isThere.fill(1, from, to)
          message.bytes.fill(source[0]!, from, to)
          message.highest = Math.max(message.highest, number)
          if (!isReliable) expected.delete(piece.message)
          expected.set(piece.message, message)
        } else {
          must(
            known === expected.get(piece.message) || expired > 0,
            () => `a piece refused as ${verdict} changed its message`,
          )
        }
        if (verdict === "complete") finish(assembler, expected.get(piece.message)!)
        if (verdict === "complete") expected.delete(piece.message)
      }
      must(assembler.count === expected.size, () => `${assembler.count} messages under way instead of ${expected.size}`)
      must(budget.used <= BUDGET_BYTES && parent.used === budget.used, () => `${budget.used} bytes charged`)
      must(isReliable || assembler.nextTimeoutMs > nowMs - 5_000, () => "a timeout of the past is left")
    }
    assembler.close()
    must(budget.used === 0, () => `${budget.used} bytes still charged at the end`)
  },
}

function begin(total: number): Expected {
  return { bytes: new Uint8Array(total), isThere: new Uint8Array(total), highest: 0 }
}

function finish(assembler: Assembler, { bytes: expected, isThere }: Expected): void {
  must(!isThere.includes(0), () => "a message counts as complete with bytes missing")
  must(Buffer.compare(assembler.completed.bytes, expected) === 0, () => "a message is mixed up")
  assembler.release()
}

/** A piece that the decoder would accept: within its total. */
function drawPiece(script: Script, piece: Piece): void {
  piece.form = [FORM.first, FORM.middle, FORM.last, FORM.middle, FORM.first, FORM.abandoned, FORM.last, FORM.middle][
    script.byte() % 8
  ]!
  piece.message = script.byte() % 12
  piece.type = piece.form === FORM.first ? 1 : -1
  const total = [30, 30, 64, 1_000, 5_999, 6_000, 6_001, 0xffff_ffff][script.byte() % 8]!
  const unit = Math.max(1, Math.min(SOURCE_BYTES, Math.floor(total / 3)))
  const length = script.byte() % 4 === 0 ? 1 + script.below(Math.min(total - 2, SOURCE_BYTES)) : unit
  piece.length = length
  piece.offset = 0
  piece.total = total
  piece.messageOffset = 0
  if (piece.form === FORM.middle)
    piece.messageOffset = Math.min(script.byte() % 2 === 0 ? unit : 1 + script.below(total), total - length - 1)
  if (piece.form === FORM.last) piece.messageOffset = total - length
  if (piece.form === FORM.abandoned) piece.total = piece.length = 0
}
