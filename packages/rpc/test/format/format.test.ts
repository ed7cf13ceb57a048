/** The format: what is written is read again, and any bytes are read without a fault. */
import { bytes, utf8 } from "@x/endpoint"
import { RequestError } from "@x/rpc"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { decodeFailure, encodeFailure } from "../../src/format/failure.ts"
import { Head, KIND } from "../../src/format/head.ts"
import { askLabel, partsLabel, readLabel } from "../../src/format/labels.ts"
import { MessageWriter } from "../../src/format/message-writer.ts"

const slots = fc.integer({ min: 0, max: 65_535 })
const generations = fc.integer({ min: 0, max: 0xffff_ffff })
const viewOf = (it: Uint8Array): DataView => new DataView(it.buffer, it.byteOffset, it.byteLength)

describe("heads", () => {
  it("are as in PROTOCOL.md", () => {
    const writer = new MessageWriter()
    const hex = (): string => Buffer.from(writer.copy()).toString("hex")
    writer.request(0x0102, 0x03040506, 1_000.2, utf8, "hi")
    expect(hex()).toBe("20" + "0201" + "06050403" + "e9030000" + "6869")
    writer.request(0x0102, 0x03040506, Infinity, bytes, Uint8Array.of(9))
    expect(hex()).toBe("00" + "0201" + "06050403" + "09")
    writer.plain(KIND.cancel, 1, 2)
    expect(hex()).toBe("01" + "0100" + "02000000")
    writer.answer(1, 2, utf8, "ok")
    expect(hex()).toBe("02" + "0100" + "02000000" + "6f6b")
    writer.plain(KIND.failure, 1, 2, encodeFailure(new RequestError("no", "why", "not-done")))
    expect(hex()).toBe("03" + "0100" + "02000000" + "00" + "02" + "6e6f" + "776879")
    writer.part(utf8, "x")
    expect(hex()).toBe("04" + "78")
    writer.plainPart(KIND.end)
    expect(hex()).toBe("05")
  })

  it("that are written are read, and leave the value as it is", () => {
    const times = fc.oneof(fc.constant(Infinity), fc.double({ min: -5, max: 1e7, noNaN: true }))
    fc.assert(
      fc.property(slots, generations, times, fc.uint8Array(), (slot, generation, remainingMs, value) => {
        const writer = new MessageWriter()
        writer.request(slot, generation, remainingMs, bytes, value)
        const written = writer.copy()
        const head = new Head()
        expect(head.read(viewOf(written), 0, written.length)).toBe(true)
        expect([head.kind, head.slot, head.generation]).toEqual([KIND.request, slot, generation])
        expect(head.remainingMs).toBe(remainingMs === Infinity ? Infinity : Math.max(1, Math.ceil(remainingMs)))
        expect(written.subarray(head.bytes)).toEqual(value)
      }),
      { numRuns: runs(500) },
    )
  })

  it("of any bytes are read within them, or refused", () => {
    const first = fc.integer({ min: 0, max: 255 })
    fc.assert(
      fc.property(first, fc.uint8Array({ maxLength: 40 }), fc.boolean(), (byte, rest, isPart) => {
        const message = Uint8Array.of(byte, ...rest)
        const head = new Head()
        const isGood = isPart
          ? head.readPart(viewOf(message), 0, message.length)
          : head.read(viewOf(message), 0, message.length)
        if (!isGood) return
        expect(head.bytes).toBeLessThanOrEqual(message.length)
        expect(byte & 0xc0).toBe(0)
      }),
      { numRuns: runs(2_000) },
    )
  })
})

describe("failures", () => {
  it("are read as they were written, their text cut to what it may have", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 16, unit: "binary" }),
        fc.string({ maxLength: 600, unit: "binary" }),
        (code, text) => {
          const read = decodeFailure(encodeFailure(new RequestError(code, text, "not-done")))!
          expect(read.outcome).toBe("not-done")
          expect(read.code).toBe(code)
          expect(text.startsWith(read.text)).toBe(true)
          if (Buffer.byteLength(text) <= 1_024) expect(read.text).toBe(text)
          else expect(Buffer.byteLength(read.text)).toBeGreaterThan(1_020)
        },
      ),
      { numRuns: runs(500) },
    )
  })

  it("with a code that is none, or too long, are failed", () => {
    for (const code of ["", "x".repeat(65)])
      expect(decodeFailure(encodeFailure(new RequestError(code, "?")))!.code).toBe("failed")
  })

  it("of any bytes are read or refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (it) => void decodeFailure(it)),
      { numRuns: runs(1_000) },
    )
  })
})

describe("labels", () => {
  it("say which stream it is", () => {
    fc.assert(
      fc.property(slots, generations, (slot, generation) => {
        expect(readLabel(askLabel(slot))).toEqual({ kind: "ask", number: slot })
        expect(readLabel(partsLabel(slot, generation))).toEqual({ kind: "parts", slot, generation })
      }),
      { numRuns: runs(200) },
    )
    expect(readLabel("rpc/1/cancel")).toEqual({ kind: "cancel" })
    expect(readLabel("rpc/1/answer")).toEqual({ kind: "answer" })
    for (const label of ["rpc/1/parts/0/4294967296", "rpc/1/parts/65536/0", "rpc/1/parts/0", "rpc/1/ask/1e3", "rpc/1/"])
      expect(readLabel(label)).toEqual({ kind: "unknown" })
    for (const label of ["", "rpc/1", "rpc/2/cancel", "replies"]) expect(readLabel(label)).toBeUndefined()
  })
})
