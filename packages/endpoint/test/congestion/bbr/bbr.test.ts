// What the model makes of marks (ECN): alone on a link, and beside CUBIC, which answers them too.

import { bbr, lossBased } from "@x/endpoint"
import { expect, test } from "vitest"
import { makeRig, quantile } from "../rig.ts"

const MBITS = 20

test("alone before a queue that marks, it keeps the queue at what is marked, and most of its rate", () => {
  for (const rttMs of [40, 120]) {
    const [marking, plain] = [5, Infinity].map((markMs) => {
      const flows = [{ congestion: bbr() }]
      const rig = makeRig({ seed: 1, mbits: MBITS, rttMs, queueBytes: 1e6, markMs, flows })
      rig.run(20_000)
      const flow = rig.flows[0]!
      return { mbits: flow.mbits(2_000, 20_000), waitMs: quantile(flow.waits, 0.95, 2_000), marked: flow.markedBytes }
    })
    console.log(
      `bbr, ${MBITS} Mbit/s, ${rttMs} ms, marks above 5 ms: ${marking!.mbits.toFixed(1)} Mbit/s, 95 % wait up to ${marking!.waitMs.toFixed(1)} ms (without marks ${plain!.mbits.toFixed(1)}, ${plain!.waitMs.toFixed(1)} ms)`,
    )
    expect(marking!.marked).toBeGreaterThan(0)
    expect(marking!.waitMs).toBeLessThan(5)
    expect(marking!.waitMs).toBeLessThan(plain!.waitMs / 4)
    expect(marking!.mbits).toBeGreaterThan(0.85 * MBITS)
  }
})

test("beside CUBIC, where all that is lost is marks, neither starves", () => {
  for (const [rttMs, shareMax] of [
    [10, 0.65],
    [40, 0.72],
    [120, 0.92],
  ] as const) {
    const flows = [{ congestion: bbr() }, { congestion: lossBased(), startMs: 100 }]
    const rig = makeRig({ seed: 1, mbits: MBITS, rttMs, queueBytes: 1e5, markMs: 10, flows })
    rig.run(60_000)
    const [ours, others] = rig.flows.map((flow) => flow.mbits(10_000, 60_000))
    const share = ours! / (ours! + others!)
    console.log(`bbr beside CUBIC, ${rttMs} ms, marks above 10 ms: ${(100 * share).toFixed(0)} % of what both get`)
    expect(share).toBeGreaterThan(0.15)
    expect(share).toBeLessThan(shareMax)
  }
}, 60_000)
