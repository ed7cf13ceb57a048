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
    // It is the one to be forgotten next when it is seen again.
    const old = table.seen("192.0.2.1", 7)
    for (let n = 1; n < UNHELD_SOURCES_MAX; n++) table.seen(host(n), 1)
    expect(table.seen("192.0.2.1", 7)).toBe(old)
    for (let n = 0; n < 63; n++) expect(table.seen(`172.16.0.${n}`, 1)).not.toBe(old)
    expect(table.addressOf(old).host).toBe("192.0.2.1")
  })

  test("a source that can't be answered has no id", () => {
    const table = new AddressTable()
    expect(table.seen("192.0.2.1", 0)).toBe(0)
    expect(table.size).toBe(0)
  })

  test("it agrees with a naive table on any sequence of calls, as long as nothing is forgotten", () => {
    const call = fc.record({ kind: fc.constantFrom("intern", "seen", "retain", "release"), n: fc.integer({ min: 0, max: 5 }) })
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
})
