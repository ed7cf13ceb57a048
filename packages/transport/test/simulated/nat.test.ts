// A machine whose address as others see it changes, or is not its own: NATs, and machines that move.

import { createNetwork, type NatOptions, type Network } from "@x/transport/simulated"
import type { Address } from "@x/transport"
import { describe, expect, test } from "vitest"
import { pattern, Station } from "../station.ts"

interface World {
  readonly network: Network
  /** Behind the NAT. */
  readonly home: Station
  readonly b: Station
  readonly c: Station
}

async function makeWorld(options?: NatOptions): Promise<World> {
  const network = createNetwork({ seed: 1, link: { delayMs: 1 } })
  const bind = (name: string): Promise<Station> => network.until(Station.bind(network.host(name), { port: 9 }))
  const [home, b, c] = [await bind("home"), await bind("b"), await bind("c")]
  if (options !== undefined) network.nat("home", options)
  return { network, home, b, c }
}

/** Sends one datagram, and returns where it came from as the other sees it; `undefined`: it didn't come. */
async function send(
  { network }: World,
  from: Station,
  to: Station,
  at: Address = to.addressOf(4),
): Promise<Address | undefined> {
  const before = to.received.length
  from.send(at, [pattern(5)])
  await network.advance(10)
  expect(to.received.length - before).toBeLessThan(2)
  return to.received.length > before ? to.received.at(-1)!.from : undefined
}

describe("behind a NAT", () => {
  test("a machine is seen at an outer address and port, in each family, and gets the answers", async () => {
    const world = await makeWorld({})
    const { network, home, b } = world
    const { nat } = network.host("home").machine
    for (const family of [4, 6] as const) {
      const seen = (await send(world, home, b, b.addressOf(family)))!
      expect(seen.host).toBe(nat!.outerAddresses.find((address) => address.family === family)!.host)
      expect(seen.host).not.toBe(home.addressOf(family).host)
      expect(await send(world, b, home, seen)).toEqual(b.addressOf(family))
      expect(await send(world, home, b, b.addressOf(family))).toEqual(seen)
    }
  })

  test("it can't be reached at its own address by others, and reaches itself there", async () => {
    const world = await makeWorld({ filtering: "endpoint-independent" })
    await send(world, world.home, world.b)
    expect(await send(world, world.b, world.home)).toBeUndefined()
    expect(await send(world, world.home, world.home)).toEqual(world.home.addressOf(4))
  })

  test.each([
    ["endpoint-independent", [true, true, true]],
    ["address-dependent", [true, true, false]],
    ["address-and-port-dependent", [true, false, false]],
  ] as const)("with %s filtering, those get in who may", async (filtering, comes) => {
    const world = await makeWorld({ filtering })
    const { network, home, b, c } = world
    const other = await network.until(Station.bind(network.host("b"), { port: 10 }))
    const seen = (await send(world, home, b))!
    const came: boolean[] = []
    for (const from of [b, other, c]) came.push((await send(world, from, home, seen)) !== undefined)
    expect(came).toEqual(comes)
    expect(network.host("home").machine.nat!.refused).toBe(comes.filter((does) => !does).length)
  })

  test.each([
    ["endpoint-independent", 1],
    ["address-dependent", 2],
    ["address-and-port-dependent", 3],
  ] as const)("with %s mapping, three others at two addresses see %i ports", async (mapping, ports) => {
    const world = await makeWorld({ mapping })
    const { network, home, b, c } = world
    const other = await network.until(Station.bind(network.host("b"), { port: 10 }))
    const seen: Address[] = []
    for (const to of [b, other, c]) seen.push((await send(world, home, to))!)
    expect(new Set(seen.map(({ port }) => port)).size).toBe(ports)
    expect(new Set(seen.map(({ host }) => host)).size).toBe(1)
  })

  test("each socket has a mapping of its own", async () => {
    const world = await makeWorld({})
    const other = await world.network.until(Station.bind(world.network.host("home"), { port: 10 }))
    const seen = [await send(world, world.home, world.b), await send(world, other, world.b)]
    expect(seen[0]!.port).not.toBe(seen[1]!.port)
    expect(await send(world, world.b, other, seen[1])).toBeDefined()
  })

  test("a mapping lives as long as datagrams come in either direction, and is another after its time-out", async () => {
    const world = await makeWorld({ timeoutMs: 1_000 })
    const { network, home, b } = world
    const seen = (await send(world, home, b))!
    for (let i = 0; i < 4; i++) {
      await network.advance(900)
      const isOutward = i % 2 === 0
      expect(await (isOutward ? send(world, home, b) : send(world, b, home, seen))).toBeDefined()
    }
    await network.advance(1_001)
    expect(await send(world, b, home, seen)).toBeUndefined()
    expect(network.host("home").machine.nat).toMatchObject({ unmapped: 1, refused: 0 })
    const next = (await send(world, home, b))!
    expect([next.host, next.port === seen.port]).toEqual([seen.host, false])
    expect(await send(world, b, home, next)).toBeDefined()
    expect(network.host("home").machine.nat!.mappings).toBe(1)
  })

  test("when it is rebound others see another port, on request another address; to the old one all is lost", async () => {
    const world = await makeWorld({ timeoutMs: Infinity })
    const { network, home, b } = world
    const seen = (await send(world, home, b))!
    // One is under way while it happens.
    b.send(seen, [pattern(1)])
    network.rebind("home")
    await network.advance(10)
    expect(home.received).toHaveLength(0)
    const next = (await send(world, home, b))!
    expect([next.host, next.port === seen.port]).toEqual([seen.host, false])
    expect(await send(world, b, home, seen)).toBeUndefined()
    expect(await send(world, b, home, next)).toBeDefined()

    network.rebind("home", { address: true })
    const last = (await send(world, home, b))!
    expect(last.host).not.toBe(seen.host)
    expect(await send(world, b, home, next)).toBeUndefined()
    expect(await send(world, b, home, last)).toBeDefined()
  })

  test("nothing is mapped by a datagram that the system refused to send", async () => {
    const world = await makeWorld({})
    const { network, home, b } = world
    const seen = (await send(world, home, b))!
    network.links({ delayMs: 1, mtuBytes: 10 })
    network.rebind("home")
    home.send(b.addressOf(4), [pattern(11)])
    await network.advance(10)
    expect((await send(world, home, b))!.port).toBe(seen.port + 1)
  })

  test("many that come and go leave no mappings behind, and links keep their counts", async () => {
    const world = await makeWorld({ mapping: "address-and-port-dependent", timeoutMs: 10 })
    const { network, home, b } = world
    for (let port = 1; port <= 2_000; port++) {
      home.send({ ...b.addressOf(4), port }, [pattern(1)])
      await network.advance(1)
    }
    expect(network.host("home").machine.nat!.mappings).toBeLessThan(300)
    expect(network.linkOf("home", "b").counts.delivered).toBe(2_000)
  })

  test("sockets may stay where the machine was: they can't send then, until they are bound anew", async () => {
    const world = await makeWorld()
    const { network, home, b } = world
    network.move("home", { sockets: "stay" })
    expect(await send(world, home, b)).toBeUndefined()
    expect(home.errors.map(({ code }) => code)).toEqual(["EADDRNOTAVAIL"])
    await network.until(home.transport.rebind!())
    expect(await send(world, home, b)).toEqual(home.addressOf(4))
    expect(home.addressOf(4).host).toBe(network.host("home").machine.addresses[0]!.host)
  })

  test("a machine that has one can't get another, and one that has none can't rebind", async () => {
    const { network } = await makeWorld({})
    expect(() => network.nat("home")).toThrow('"home" is behind a NAT already')
    expect(() => network.rebind("b")).toThrow('"b" is behind no NAT')
    for (const call of [() => network.nat("hom"), () => network.rebind("hom"), () => network.move("hom")])
      expect(call).toThrow('there is no machine "hom"; did you mean "home"?')
  })
})

describe("a machine that moves", () => {
  test("sends from its new addresses, is found there by its name, and is no longer at the old ones", async () => {
    const world = await makeWorld()
    const { network, home, b } = world
    const before = ([4, 6] as const).map((family) => home.addressOf(family))
    b.send(before[0]!, [pattern(1)])
    network.move("home")
    await network.advance(10)
    expect(home.received).toHaveLength(0)
    expect(await send(world, b, home, before[0])).toBeUndefined()
    const resolved = await network.until(network.host("b").resolve("home"))
    for (const [i, family] of ([4, 6] as const).entries()) {
      const now = home.addressOf(family)
      expect([now.port, now.host === before[i]!.host]).toEqual([before[i]!.port, false])
      expect(resolved.find((address) => address.family === family)!.host).toBe(now.host)
      expect(await send(world, home, b, b.addressOf(family))).toEqual(now)
      expect(await send(world, b, home, now)).toEqual(b.addressOf(family))
    }
    expect(network.linkOf("home", "b").counts.delivered).toBe(2)
  })

  test("keeps its links, its sockets and their ports, and those of its next process", async () => {
    const world = await makeWorld()
    const { network, home, b } = world
    network.move("home")
    network.partition("home", "b")
    expect(await send(world, home, b)).toBeUndefined()
    network.heal()
    await expect(network.host("home").bind({ port: 9 })).rejects.toMatchObject({ code: "address-in-use" })
    await network.until(home.transport.close())
    const again = await network.until(Station.bind(network.host("home"), { port: 9 }))
    expect(again.transport.localAddresses).toEqual(home.transport.localAddresses)
    expect(await send(world, b, again)).toBeDefined()
  })

  test("behind a NAT is seen elsewhere too", async () => {
    const world = await makeWorld({})
    const { network, home, b } = world
    const seen = (await send(world, home, b))!
    network.move("home")
    const next = (await send(world, home, b))!
    expect(next.host).not.toBe(seen.host)
    expect(await send(world, b, home, next)).toBeDefined()
    expect(await send(world, b, home, seen)).toBeUndefined()
    expect(await send(world, b, home)).toBeUndefined()
  })

  test("as often as it likes never comes back to an address that something had", async () => {
    const { network, home } = await makeWorld()
    const seen = new Set<string>()
    for (let i = 0; i < 1_000; i++) {
      network.move(i % 3 === 0 ? "b" : "home")
      for (const { host } of network.host("home").machine.addresses) seen.add(host)
      if (i % 3 !== 0) expect(home.addressOf(6).host).toBe(network.host("home").machine.addresses[1]!.host)
    }
    expect(seen.size).toBe(2 * (1 + 666))
  })
})
