// A fault of a link takes back what it changed, and nothing else.

import { createNetwork } from "@x/transport/simulated"
import { expect, test } from "vitest"
import { changeLink } from "../src/link-change.ts"

test("a change of a link takes back its own options, whatever has begun or ended meanwhile", () => {
  const usual = { delayMs: 5, rateBitsPerSecond: 1_000_000, queueBytes: 50_000 }
  const network = createNetwork({ seed: 1, link: usual })
  network.host("a")
  network.host("b")
  const options = (): object => network.linkOf("a", "b").options
  const slow = { rateBitsPerSecond: 100, queuePackets: 5 }
  const endSlow = changeLink(network, ["a", "b"], slow, usual)
  const endNarrow = changeLink(network, ["a", "b"], { mtuBytes: 548, mtuSilent: true }, usual)
  expect(options()).toEqual({ ...usual, ...slow, mtuBytes: 548, mtuSilent: true })
  endSlow()
  expect(options()).toEqual({ ...usual, mtuBytes: 548, mtuSilent: true })
  // The weather has changed, for good.
  network.link("a", "b", { ...usual, mtuBytes: 548, delayMs: 9 })
  endNarrow()
  expect(options()).toEqual({ ...usual, delayMs: 9 })
  expect(network.linkOf("b", "a").options).toEqual(usual)
})
