// Which machines a network has, the links between them, and which names are refused.

import { expect, test } from "vitest"
import { Topology } from "../../src/simulated/topology.ts"
import { VirtualTime } from "../../src/simulated/virtual-time.ts"

function makeTopology(seed = 1): Topology {
  return new Topology(seed, {}, { time: new VirtualTime(async () => {}), dropped: () => {} })
}

/** A topology with these machines. */
function topologyOf(...names: string[]): Topology {
  const topology = makeTopology()
  for (const name of names) topology.machine(name, {})
  return topology
}

test("a machine is made once, and owns its addresses", () => {
  const topology = topologyOf("a", "b")
  const [a, b] = [topology.machine("a", {}), topology.machine("b", { v4: true, v6: true })]
  expect([topology.machineNamed("a"), topology.machineNamed("b")]).toEqual([a, b])
  for (const machine of [a, b]) {
    expect(machine.addresses.map(({ family }) => family)).toEqual([4, 6])
    for (const { host } of machine.addresses) expect(topology.ownerOf(host)).toBe(machine)
  }
  expect([topology.machineNamed("c"), topology.ownerOf("192.0.2.1")]).toEqual([undefined, undefined])
})

test("the clock of a machine follows from the seed and its name, not from the order", () => {
  const originMs = (topology: Topology): number => topology.machine("a", {}).originMs
  expect(originMs(topologyOf("b", "a"))).toBe(originMs(topologyOf("a", "b")))
  expect(originMs(makeTopology(2))).not.toBe(originMs(topologyOf("a")))
})

test("a machine keeps the families that it has", () => {
  const topology = makeTopology()
  expect(topology.machine("a", { v6: false }).addresses.map(({ family }) => family)).toEqual([4])
  expect(() => topology.machine("a", { v6: true })).toThrow('"a" was made without a v6 address')
  expect(() => topology.machine("a", { v4: false })).toThrow('"a" was made with a v4 address')
  expect(topology.machine("a", { v4: true })).toBe(topology.machineNamed("a"))
})

test("each direction has one link, with the options of the time when it was made or set since", () => {
  const topology = topologyOf("a", "b")
  const there = topology.linkOf("a", "b")
  expect(topology.linkOf("a", "b")).toBe(there)
  topology.setOptions({ delayMs: 5 })
  const back = topology.linkOf("b", "a")
  expect(back).not.toBe(there)
  expect([there.options, back.options]).toEqual([{ delayMs: 5 }, { delayMs: 5 }])
})

test("between two machines both directions heal, and no others", () => {
  const topology = topologyOf("a", "b", "c")
  const links = ["ab", "ba", "ac", "cb"].map(([from, to]) => topology.linkOf(from!, to!))
  const blocked = (): boolean[] => links.map((link) => link.blocked)
  for (const link of links) link.blocked = true
  topology.heal("b", "a")
  expect(blocked()).toEqual([false, false, true, true])
  topology.heal(undefined, undefined)
  expect(blocked()).toEqual([false, false, false, false])
})

test("a misspelt name is refused, with the one that was meant", () => {
  const topology = topologyOf("server", "a")
  expect(() => topology.linkOf("a", "sever")).toThrow(/there is no machine "sever".*did you mean "server"/)
  expect(() => topology.heal("a", "sever")).toThrow("there is no machine")
})

test("names may come before their machines, and are refused later unless these came", () => {
  const topology = makeTopology()
  topology.linkOf("a", "b")
  topology.machine("a", {})
  expect(() => topology.checkNames()).toThrow('there is no machine "b"')
  topology.machine("b", {})
  expect(() => topology.checkNames()).not.toThrow()
})

test("what no machine may be called is refused at once", () => {
  for (const name of ["", "a:b", "a>b", "192.0.2.1"])
    expect(() => makeTopology().linkOf(name, "b")).toThrow("the name of a machine")
})
