import { Endpoint } from "@x/endpoint"
import { createNetwork, type LinkOptions, PRESETS, type SimulatedHost } from "@x/transport/simulated"
import { expect, test } from "vitest"
import { collect, station } from "./alarms.ts"

async function start(seed: number, link: LinkOptions) {
  const network = createNetwork({ seed, link })
  const heard: string[] = []
  const startCollector = async (): Promise<SimulatedHost> => {
    const host = network.host("collector")
    collect(await network.until(Endpoint.bind({ host, port: 4000 })), (name, text) => heard.push(`${name}: ${text}`))
    return host
  }
  const raise = station(
    await network.until(Endpoint.bind({ host: network.host("boiler") })),
    "boiler",
    "collector:4000",
  )
  return { network, heard, startCollector, raise }
}

test.each(Object.entries(PRESETS))("alarms arrive once and in order over %s", async (_name, link) => {
  const { network, heard, startCollector, raise } = await start(1, link)
  await startCollector()
  for (let i = 0; i < 100; i++) raise(`${i} °C`)
  await network.when(() => heard.length === 100)
  expect(heard).toEqual(Array.from({ length: 100 }, (_, i) => `boiler: ${i} °C`))
})

test("an alarm that is raised while the network is cut arrives once it is mended", async () => {
  const { network, heard, startCollector, raise } = await start(2, { delayMs: 10 })
  await startCollector()
  await network.advance(1_000)
  network.partition("boiler", "collector")
  raise("too hot")
  await network.advance(30_000) // in no time
  expect(heard).toEqual([])
  network.heal()
  await network.when(() => heard.length === 1)
})

test.each([1, 2, 3, 4, 5])("no alarm is lost when the collector restarts, seed %d", async (seed) => {
  const { network, heard, startCollector, raise } = await start(seed, { delayMs: 10, jitterMs: 10, lossRate: 0.1 })
  const first = await startCollector()
  await network.advance(1_000)
  for (let i = 0; i < 10; i++) raise(`${i} °C`)
  await network.advance(15) // some have arrived, some are on their way
  first.crash()
  await startCollector()
  await network.when(() => new Set(heard).size === 10)
})
