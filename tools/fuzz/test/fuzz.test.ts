// Runs each target for a while, from the seed of the run; and checks that a defect of each sort is found, named and
// kept.

import * as wire from "@x/wire"
import { expect, test } from "vitest"
import { type Decoder, decodeTarget, structuredTarget, WIRE } from "../src/decode.ts"
import { totals } from "../src/pair.ts"
import { describeFinding, runInput, runTarget } from "../src/run.ts"
import type { Target } from "../src/target.ts"
import { TARGETS } from "../src/targets.ts"

// FC_SEED=… repeats a run, as it does for properties.
const SEED = Number(process.env["FC_SEED"] ?? 1) >>> 0
const INPUTS: Readonly<Record<string, number>> = {
  decode: 20_000,
  structured: 20_000,
  assembler: 1_500,
  "receive-stream": 1_500,
  pair: 80,
}

test.each(TARGETS.map((target) => ({ name: target.name, target })))(
  "nothing is found: $name",
  { timeout: 120_000 },
  async ({ target }) => {
    const { inputs, finding } = await runTarget(target, { seed: SEED, inputs: INPUTS[target.name]!, seconds: Infinity })
    expect(finding === undefined ? "" : describeFinding(finding, "FILE")).toBe("")
    expect(inputs).toBe(INPUTS[target.name])
  },
)

test("the attacked pair was attacked, and talked", () => {
  expect(totals.injected).toBeGreaterThan(1_000)
  // The eavesdropper's tags are right: its forgeries pass them.
  expect(totals.verified).toBeGreaterThan(1_000)
  expect(totals.drops).toBeGreaterThan(1_000)
  expect(totals.accepted).toBeGreaterThan(500)
})

const faulty: readonly { name: string; decoder: Decoder; says: string }[] = [
  {
    name: "a reader that throws at a long reason",
    decoder: {
      ...WIRE,
      describe: (view, offset, length, profile) => {
        const described = wire.describeDatagram(view, offset, length, profile)
        for (const { text } of described.packets)
          if (typeof text === "string" && text.length > 100) throw new RangeError("too long a text")
        return described
      },
    },
    says: "too long a text",
  },
  {
    name: "a check that lets a body go past its datagram",
    decoder: {
      ...WIRE,
      check: (view, offset, length, profile) => {
        const reason = WIRE.check(view, offset, length, profile)
        return reason === "truncated" ? undefined : reason
      },
    },
    says: "",
  },
  {
    name: "a check that looks at the byte behind",
    decoder: {
      ...WIRE,
      check: (view, offset, length, profile) =>
        WIRE.check(view, offset, length, profile) ?? (view.getUint8(offset + length) === 0xff ? "trailing" : undefined),
    },
    says: "outside",
  },
  {
    name: "a check with a name of its own",
    decoder: {
      ...WIRE,
      check: (...given) =>
        WIRE.check(...given) === "ranges" ? ("bad" as wire.DatagramDropReason) : WIRE.check(...given),
    },
    says: `refused for "bad", which is no reason`,
  },
  {
    name: "a check that refuses what is well-formed",
    decoder: { ...WIRE, check: (...given) => (given[2] > 900 ? "too-long" : WIRE.check(...given)) },
    says: `a well-formed datagram is refused for "too-long"`,
  },
]

test.each(faulty)("a planted defect is found, and again from its own seed: $name", async ({ decoder, says }) => {
  const target = structuredTarget(decoder)
  const { finding } = await runTarget(target, { seed: SEED, inputs: 20_000, seconds: Infinity })
  expect(String(finding?.error)).toContain(says)
  const again = await runTarget(target, { seed: finding!.seed!, inputs: 1, seconds: Infinity })
  expect(again.finding?.input).toEqual(finding!.input)
  expect(String(again.finding?.error)).toBe(String(finding!.error))
  expect(describeFinding(finding!, "FILE")).toContain(`npm run fuzz -- structured --seed ${finding!.seed} --inputs 1`)
})

test("noise alone finds a decoder that reads past the end", async () => {
  const { finding } = await runTarget(decodeTarget({ ...WIRE, check: () => undefined }), {
    seed: SEED,
    inputs: 1_000,
    seconds: Infinity,
  })
  expect(finding).toBeDefined()
})

test("a promise that is rejected and that nobody waits for is found", async () => {
  const target: Target = {
    name: "forgetful",
    inputs: 1,
    make: () => new Uint8Array(1),
    run: async () => void Promise.reject(new Error("nobody waits")),
  }
  expect(String(await runInput(target, new Uint8Array(1)))).toContain("nobody waits")
})
