import { isIPv4, isIPv6 } from "node:net"
import { formatAddress, formatHost, normalizeAddress, parseHost } from "@x/transport"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { runs } from "../../../tools/testkit/src/runs.ts"

const v4Bytes = fc.uint8Array({ minLength: 4, maxLength: 4 })
/** Zeros are more frequent than by chance: otherwise no run would be long enough to shorten. */
const v6Groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })

/**
 * One of the many spellings of an address: leading zeros, capitals, "::" for any run of zeros, the last four bytes
 * dotted.
 */
const v6Spelling = fc
  .record({
    groups: v6Groups.filter((groups) => !(groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff)),
    digits: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 8, maxLength: 8 }),
    isUpper: fc.boolean(),
    isDotted: fc.boolean(),
    start: fc.nat(7),
    length: fc.integer({ min: 0, max: 8 }),
  })
  .map(({ groups, digits, isUpper, isDotted, start, length }) => {
    const bytes = Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 255]))
    const texts = groups.map((group, i) => group.toString(16).padStart(digits[i]!, "0"))
    if (isDotted) texts.splice(6, 2, bytes.subarray(12).join("."))
    const end = start + length
    const isRun = length > 0 && end <= (isDotted ? 6 : 8) && groups.slice(start, end).every((group) => group === 0)
    const text = isRun ? `${texts.slice(0, start).join(":")}::${texts.slice(end).join(":")}` : texts.join(":")
    return { bytes, text: isUpper ? text.toUpperCase() : text }
  })

describe("literal addresses", () => {
  test("every v4 address is parsed from what it is formatted to", () => {
    fc.assert(
      fc.property(v4Bytes, (bytes) => {
        expect(formatHost(bytes)).toBe([...bytes].join("."))
        expect(parseHost(formatHost(bytes))).toEqual({ family: 4, bytes, scope: "" })
      }),
    )
  })

  test("every v6 address is parsed from what it is formatted to, and formatted as a naive reading of RFC 5952 has it", () => {
    fc.assert(
      fc.property(v6Groups, (groups) => {
        const text = naiveFormat(groups)
        const bytes = Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 255]))
        expect(formatHost(bytes)).toBe(text)
        expect(isIPv6(text)).toBe(true)
        const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
        expect(parseHost(text)).toEqual(
          isMapped ? { family: 4, bytes: bytes.slice(12), scope: "" } : { family: 6, bytes, scope: "" },
        )
      }),
      {
        examples: [
          [[0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0201]],
          [[0, 0, 0, 0, 0, 0, 0, 0]],
          [[1, 0, 0, 1, 0, 0, 0, 1]],
          [[1, 0, 2, 3, 4, 5, 6, 7]],
        ],
      },
    )
  })

  test("whatever the spelling of a v6 address, its bytes are these, and its one spelling is the one of URLs", () => {
    fc.assert(
      fc.property(v6Spelling, ({ bytes, text }) => {
        expect(parseHost(text)).toEqual({ family: 6, bytes, scope: "" })
        expect(`[${formatHost(bytes)}]`).toBe(new URL(`http://[${text}]`).hostname)
      }),
      { numRuns: runs(1_000) },
    )
  })

  test("text is an address to us exactly if it is one to Node", () => {
    const part = fc.constantFrom("0", "1", "255", "256", "01", "ffff", "fFfF", "12345", "g", "", "-1", "1e1", " 1")
    const text = fc.oneof(
      fc.array(part, { maxLength: 9 }).map((parts) => parts.join(":")),
      fc.array(part, { maxLength: 5 }).map((parts) => parts.join(".")),
      fc
        .tuple(fc.array(part, { maxLength: 7 }), fc.array(part, { maxLength: 4 }))
        .map(([a, b]) => `${a.join(":")}::${b.join(":")}`),
      fc.tuple(fc.array(part, { maxLength: 7 }), v4Bytes).map(([parts, v4]) => [...parts, formatHost(v4)].join(":")),
      fc.string(),
    )
    fc.assert(
      fc.property(
        text.filter((candidate) => !candidate.includes("%")),
        (candidate) => {
          const family = isIPv4(candidate) ? 4 : isIPv6(candidate) ? 6 : undefined
          const parsed = parseHost(candidate)
          if (family !== 6) expect(parsed?.family).toBe(family)
          else expect(parsed).toBeDefined()
        },
      ),
      { numRuns: runs(2_000) },
    )
  })

  test("a mapped address in any spelling is the v4 address it stands for", () => {
    for (const text of ["::ffff:192.0.2.1", "::FFFF:c000:201", "0:0:0:0:0:ffff:192.0.2.1"]) {
      expect(normalizeAddress(text, 1)).toEqual({ family: 4, host: "192.0.2.1", port: 1 })
    }
  })

  test("text that is nearly an address is none", () => {
    for (const text of [
      "256.0.0.1",
      "1.2.3.256",
      "0177.0.0.1",
      "1.2.3",
      "1.2.3.4.5",
      "::256.1.1.1",
      "1::2::3",
      ":::",
      "1:2:3:4::5:6:7:8",
      "1.2.3.4::",
    ])
      expect(parseHost(text)).toBeUndefined()
  })

  test("a scope is kept on link-local addresses and refused on others", () => {
    expect(normalizeAddress("FE80::1%eth0", 1)).toEqual({ family: 6, host: "fe80::1%eth0", port: 1 })
    expect(parseHost("febf::1%2")).toMatchObject({ family: 6, scope: "2" })
    for (const text of [
      "fe80::1%",
      "fec0::1%eth0",
      "fe00::1%eth0",
      "fe80::1%a%b",
      "2001:db8::1%eth0",
      "::ffff:192.0.2.1%eth0",
      "192.0.2.1%eth0",
    ])
      expect(parseHost(text)).toBeUndefined()
  })

  test("ports are whole numbers from 1 to 65,535", () => {
    for (const port of [0, -1, 65_536, 1.5, Number.NaN]) expect(normalizeAddress("192.0.2.1", port)).toBeUndefined()
    for (const port of [1, 65_535]) expect(normalizeAddress("192.0.2.1", port)?.port).toBe(port)
  })

  test("an address with its port is written so that they can be told apart", () => {
    expect(formatAddress({ family: 4, host: "192.0.2.1", port: 5 })).toBe("192.0.2.1:5")
    expect(formatAddress({ family: 6, host: "2001:db8::1", port: 5 })).toBe("[2001:db8::1]:5")
  })
})

/** By regular expressions: of all runs of two or more zero groups the first longest becomes "::". */
function naiveFormat(groups: readonly number[]): string {
  const text = groups.map((group) => group.toString(16)).join(":")
  const runs = [...text.matchAll(/(?<=^|:)0(:0)+(?=:|$)/g)].toSorted(
    (a, b) => b[0].length - a[0].length || a.index - b.index,
  )
  const run = runs[0]
  if (run === undefined) return text
  const before = text.slice(0, run.index).replace(/:$/, "")
  const after = text.slice(run.index + run[0].length).replace(/^:/, "")
  return `${before}::${after}`
}
