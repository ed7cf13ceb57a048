import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { AddressTable, UNHELD_SOURCES_MAX } from "../src/address-table.ts"

const host = (n: number): string => `10.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`

describe("the table of addresses", () => {
  test("a flood of spoofed sources doesn't make it grow, and ids are given again", () => {
    const table = new AddressTable()
    const ids = new Set<number>()
    for (let n = 0; n < 100_000; n++) ids.add(table.seen(host(n), 1 + (n % 65_535)))
    expect(table.size).toBe(UNHELD_SOURCES_MAX)
    expect(ids.size).toBeLessThanOrEqual(UNHELD_SOURCES_MAX + 1)
  })

  test("addresses that are held survive a flood, under their ids", () => {
    const table = new AddressTable()
    const interned = table.intern({ family: 4, host: "192.0.2.1", port: 7 })
    const retained = table.seen("192.0.2.2", 7)
    table.retain(retained)
    for (let n = 0; n < 5_000; n++) table.seen(host(n), 1)
    expect(table.addressOf(interned).host).toBe("192.0.2.1")
    expect(table.addressOf(retained).host).toBe("192.0.2.2")
    expect(table.seen("192.0.2.1", 7)).toBe(interned)
    expect(table.heldCount).toBe(2)
  })

  test("a source named in a batch keeps its id however many new ones come in the same batch", () => {
    const table = new AddressTable()
    // It would be forgotten next, but is seen again.
    const old = table.seen("192.0.2.1", 7)
    for (let n = 1; n < UNHELD_SOURCES_MAX; n++) table.seen(host(n), 1)
    expect(table.seen("192.0.2.1", 7)).toBe(old)
    for (let n = 0; n < 63; n++) expect(table.seen(`172.16.0.${n}`, 1)).not.toBe(old)
    expect(table.addressOf(old).host).toBe("192.0.2.1")
  })

  test("a source that was forgotten since it was last seen has an id again", () => {
    const table = new AddressTable()
    table.seen("192.0.2.1", 7)
    for (let n = 0; n <= UNHELD_SOURCES_MAX; n++) table.release(table.intern({ family: 4, host: host(n), port: 1 }))
    expect(table.addressOf(table.seen("192.0.2.1", 7)).host).toBe("192.0.2.1")
  })

  test("a source that can't be answered has no id", () => {
    const table = new AddressTable()
    expect(table.seen("192.0.2.1", 0)).toBe(0)
    expect(table.size).toBe(0)
  })

  test("it agrees with a naive table on any sequence of calls, as long as nothing is forgotten", () => {
    const call = fc.record({
      kind: fc.constantFrom("intern", "seen", "retain", "release"),
      n: fc.integer({ min: 0, max: 5 }),
    })
    fc.assert(
      fc.property(fc.array(call, { maxLength: 200 }), (calls) => {
        const table = new AddressTable()
        const naive = new Map<string, { id: number; references: number }>()
        for (const { kind, n } of calls) {
          const text = host(n)
          const known = naive.get(text)
          if (kind === "intern" || kind === "seen") {
            const id = kind === "intern" ? table.intern({ family: 4, host: text, port: 9 }) : table.seen(text, 9)
            expect(id).toBe(known?.id ?? id)
            expect([...naive.entries()].every(([other, entry]) => other === text || entry.id !== id)).toBe(true)
            naive.set(text, { id, references: (known?.references ?? 0) + (kind === "intern" ? 1 : 0) })
          } else if (known !== undefined) {
            if (kind === "retain") table.retain(known.id)
            else if (known.references === 0) expect(() => table.release(known.id)).toThrow(RangeError)
            else table.release(known.id)
            known.references = Math.max(0, known.references + (kind === "retain" ? 1 : -1))
          }
          expect(table.size).toBe(naive.size)
          expect(table.heldCount).toBe([...naive.values()].filter(({ references }) => references > 0).length)
        }
      }),
    )
  })

  test("whatever comes between, each address that is held has an id of its own, and memory is bounded", () => {
    const call = fc.oneof(
      fc.record({ kind: fc.constantFrom("intern", "seen", "retain", "release"), n: fc.nat(12) }),
      fc.record({ kind: fc.constant("strangers"), n: fc.integer({ min: 1, max: 2_000 }) }),
    )
    fc.assert(
      fc.property(fc.array(call, { maxLength: 60 }), (calls) => {
        const table = new AddressTable()
        const held = new Map<number, { readonly id: number; references: number }>()
        let strangers = 100
        for (const { kind, n } of calls) {
          const known = held.get(n)
          if (kind === "strangers") {
            for (let i = 0; i < n; i++) table.seen(host(strangers++), 9)
          } else if (kind === "seen") {
            const id = table.seen(host(n), 9)
            expect(id).toBe(known?.id ?? id)
            expect(table.addressOf(id).host).toBe(host(n))
          } else if (kind === "intern") {
            const id = table.intern({ family: 4, host: host(n), port: 9 })
            expect(id).toBe(known?.id ?? id)
            held.set(n, { id, references: (known?.references ?? 0) + 1 })
          } else if (known !== undefined) {
            if (kind === "retain") table.retain(known.id)
            else table.release(known.id)
            known.references += kind === "retain" ? 1 : -1
            if (known.references === 0) held.delete(n)
          }
          for (const [other, { id }] of held) expect(table.addressOf(id).host).toBe(host(other))
          expect(table.heldCount).toBe(held.size)
          expect(table.size).toBeLessThanOrEqual(UNHELD_SOURCES_MAX + held.size)
        }
      }),
    )
  })

  test("the source before is known again after it was forgotten, under an id that is its own", () => {
    const table = new AddressTable()
    const id = table.intern({ family: 4, host: "192.0.2.1", port: 7 })
    expect(table.seen("192.0.2.1", 7)).toBe(id)
    table.release(id)
    // No other source comes: addresses released after it push it out.
    const others = Array.from({ length: UNHELD_SOURCES_MAX }, (_, n) =>
      table.intern({ family: 4, host: host(n), port: 9 }),
    )
    for (const other of others) table.release(other)
    expect(() => table.addressOf(id)).toThrow(RangeError)
    expect(table.addressOf(table.seen("192.0.2.1", 7)).host).toBe("192.0.2.1")
  })
})
