// What a link does to the marks of datagrams, and who sees them.

import { ECN } from "@x/transport"
import { createNetwork, type LinkOptions } from "@x/transport/simulated"
import { describe, expect, test } from "vitest"
import { Station } from "../station.ts"
import { flow } from "./flow.ts"

/** The marks that datagrams with each of the four arrive with; those that don't arrive are missing. */
async function through(options: LinkOptions): Promise<number[]> {
  const world = await flow(options)
  for (const ecn of [ECN.notEct, ECN.ect1, ECN.ect0, ECN.ce]) {
    world.ecn = ecn
    world.send(1)
  }
  await world.network.advance(100)
  expect(world.link.counts.delivered + world.link.counts.marked).toBe(4)
  return world.arrivals.map(({ ecn }) => ecn)
}

describe("a link", () => {
  for (const [name, rate] of [
    ["without a rate", {}],
    ["with a rate", { rateBitsPerSecond: 1e6 }],
  ] as const) {
    test(`${name} keeps marks unless told otherwise`, async () => {
      expect(await through(rate)).toEqual([0, 1, 2, 3])
      expect(await through({ ...rate, ecn: "keep" })).toEqual([0, 1, 2, 3])
    })

    test(`${name} takes all marks off, marks all that are ECN-capable, or loses them`, async () => {
      expect(await through({ ...rate, ecn: "bleach" })).toEqual([0, 0, 0, 0])
      expect(await through({ ...rate, ecn: "congest" })).toEqual([0, 3, 3, 3])
      expect(await through({ ...rate, ecn: "drop" })).toEqual([0])
    })
  }

  test("takes marks off before its queue, which then drops", async () => {
    const aqm = { kind: "step", targetMs: 4 } as const
    const world = await flow({ rateBitsPerSecond: 8e6, aqm, ecn: "bleach" })
    world.ecn = ECN.ect0
    world.send(20)
    await world.network.advance(100)
    expect(world.link.counts.aqm).toBeGreaterThan(0)
    expect(world.link.bottleneck!.marked).toBe(0)
  })
})

test("a process whose sockets have no ECN sends no marks, and sees none", async () => {
  const network = createNetwork({ seed: 1 })
  const plain = await network.until(Station.bind(network.host("plain", { ecn: false })))
  const marking = await network.until(Station.bind(network.host("marking")))
  expect([plain.transport.capabilities.ecn, marking.transport.capabilities.ecn]).toEqual([false, true])
  const onTheWay: number[] = []
  network.filter(({ ecn }) => {
    onTheWay.push(ecn)
    return true
  })
  plain.send(marking.addressOf(4), [Uint8Array.of(1)], 0, ECN.ect0)
  marking.send(plain.addressOf(4), [Uint8Array.of(2)], 0, ECN.ect0)
  await network.advance(1)
  expect(onTheWay).toEqual([ECN.notEct, ECN.ect0])
  expect([plain.received[0]!.ecn, marking.received[0]!.ecn]).toEqual([0, 0])
})

test("the marks of a run are part of its trace", async () => {
  const hashOf = async (ecn: number): Promise<string> => {
    const world = await flow({})
    world.ecn = ecn
    world.send(1)
    await world.network.advance(1)
    return world.network.traceHash
  }
  expect(await hashOf(ECN.ect0)).toBe(await hashOf(ECN.ect0))
  expect(await hashOf(ECN.ect0)).not.toBe(await hashOf(ECN.notEct))
})
