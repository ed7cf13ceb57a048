// A path whose MTU changes while datagrams flow.

import { expect, test } from "vitest"
import { BITS, flow } from "./flow.ts"

test("a smaller MTU holds for what is sent from then on, with an error or silently; what waits goes through", async () => {
  for (const mtuSilent of [false, true]) {
    const world = await flow({ rateBitsPerSecond: 100 * BITS, mtuBytes: 1_400 })
    const { link, network, station } = world
    world.send(3, 1_400)
    network.links({ ...link.options, mtuBytes: 1_200, mtuSilent })
    world.send(1, 1_201)
    world.send(1, 1_200)
    await network.advance(200)
    expect(world.arrivals.map(({ bytes }) => bytes)).toEqual([1_400, 1_400, 1_400, 1_200])
    expect(station.errors.map(({ code, bytes }) => [code, bytes])).toEqual(mtuSilent ? [] : [["EMSGSIZE", 1_201]])
    expect(link.counts).toMatchObject({ delivered: 4, mtu: 1 })
    network.links({ ...link.options, mtuBytes: 1_400 })
    world.send(1, 1_400)
    await network.advance(200)
    expect(link.counts).toMatchObject({ delivered: 5, mtu: 1 })
  }
})

test("a link carries what Ethernet does, unless another size or none is asked for", async () => {
  for (const [mtuBytes, least] of [
    [undefined, 1_473],
    [1_400, 1_401],
    [Infinity, Infinity],
  ] as const) {
    const world = await flow(mtuBytes === undefined ? {} : { mtuBytes })
    for (const bytes of [1_400, 1_401, 1_472, 1_473, 60_000]) world.send(1, bytes)
    await world.network.advance(200)
    expect(world.station.errors.map(({ bytes }) => bytes)).toEqual(
      [1_400, 1_401, 1_472, 1_473, 60_000].filter((bytes) => bytes >= least),
    )
  }
})
